"""T: the document of a timer, and what timers are made of."""

from __future__ import annotations

from datetime import datetime

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from timers import formatting
from timers.api.serializers.errors import ErrorBody
from timers.api.serializers.executions import ExecutionSerializer
from timers.api.serializers.fields import (
    ActionKind,
    Body,
    Document,
    InputDocument,
    Instant,
    Object,
    PoliciesField,
    Tags,
    one_of,
)
from timers.api.serializers.schedules import ScheduleField
from timers.lifecycle import TimerStatus
from timers.models import Timer
from timers.services.timers import commands as timers


class TimerSerializer(Document):
    id = serializers.UUIDField()
    job_id = serializers.UUIDField(source="id", help_text="The same as id.")
    name = serializers.CharField()
    description = serializers.CharField()
    timer_type = serializers.CharField(source="action")
    status = one_of(TimerStatus)()
    status_reason = serializers.SerializerMethodField()
    paused_until = Instant(allow_null=True)
    schedule = Object(source="definition.schedule", help_text="With everything that was left to defaults filled in.")
    body = Object(source="definition.body", help_text="Secret values are shown as ***.")
    tags = serializers.SerializerMethodField()
    policies = Object(source="definition.policies")
    owner = serializers.CharField(source="owner.get_username", help_text="The owner's user name.")
    created_at = Instant()
    updated_at = Instant()
    next_run = serializers.SerializerMethodField(help_text="The next planned instant, before jitter.")
    next_run_time = serializers.SerializerMethodField(method_name="get_next_run", help_text="The same as next_run.")
    last_run_at = Instant(source="schedule.last_run_at", allow_null=True)
    run_count = serializers.IntegerField(source="schedule.run_count")
    failure_count = serializers.IntegerField(source="schedule.failure_count")
    consecutive_failures = serializers.IntegerField(source="schedule.consecutive_failures")

    def get_status_reason(self, timer: Timer) -> str | None:
        return timer.status_reason or None

    @extend_schema_field(Tags)
    def get_tags(self, timer: Timer) -> dict[str, str | list[str]]:
        return timers.tags_of(timer)

    @extend_schema_field({"type": "string", "format": "date-time", "nullable": True})
    def get_next_run(self, timer: Timer) -> str | None:
        planned: datetime | None = timer.schedule.next_planned_at
        return None if planned is None or timer.schedule.next_run_at is None else formatting.iso(planned)


class TimerWithResultsSerializer(TimerSerializer):
    """A timer with the last executions that ran; they are given as `context["results"]`."""

    results = serializers.SerializerMethodField(help_text="The last 10 executions that began, newest first.")

    @extend_schema_field(ExecutionSerializer(many=True))
    def get_results(self, timer: Timer) -> list[dict[str, object]]:
        return ExecutionSerializer(self.context["results"], many=True).data


class TimerAnswer(serializers.Serializer):
    timer = TimerWithResultsSerializer()


class TimerPage(serializers.Serializer):
    timers = TimerSerializer(many=True)
    marker = serializers.CharField(allow_null=True, help_text="Of the next page; null on the last one.")


class BulkResult(serializers.Serializer):
    timer = TimerSerializer(required=False)
    error = ErrorBody(required=False)


class BulkAnswer(serializers.Serializer):
    results = BulkResult(many=True)


class TagsDocument(InputDocument):
    tags = Tags()


class SecretAnswer(serializers.Serializer):
    signing_secret = serializers.CharField(help_text="whsec_ and the key in base64; shown this once.")


# What callers send. Services check the content; these name the fields and describe them.


class NewTimer(InputDocument):
    timer_type = ActionKind()
    name = serializers.CharField(max_length=255)
    schedule = ScheduleField()
    body = Body()
    paused = serializers.BooleanField(required=False)
    tags = Tags(required=False)
    policies = PoliciesField(required=False)
    description = serializers.CharField(required=False)


class NewTimerRequest(InputDocument):
    timer = NewTimer()


class BulkRequest(InputDocument):
    timers = NewTimer(many=True)


class TimerChanges(NewTimer):
    """Any of the fields that a timer is made of; policies are merged by key, the rest is replaced."""

    def get_fields(self) -> dict[str, serializers.Field]:
        fields = super().get_fields()
        for field in fields.values():
            field.required = False
        return fields


class PauseRequest(InputDocument):
    reason = serializers.CharField(required=False)
    until = Instant(required=False, help_text="When the timer resumes by itself.")


class ResumeRequest(InputDocument):
    run_missed = serializers.BooleanField(required=False, help_text="Run the last occurrence missed in the pause.")


class JobRequest(InputDocument):
    name = serializers.CharField(max_length=255)
    callback_url = serializers.CharField()
    callback_body = Object(required=False)
    start_time = Instant(required=False)
    start = Instant(required=False, help_text="The same as start_time.")
    interval = serializers.FloatField(required=False, allow_null=True, min_value=0.1, help_text="Seconds; null: once.")
    stop_after = Object(required=False, allow_null=True, help_text='{"date": "..."} or {"n_runs": 3}')
    stop_after_n = serializers.IntegerField(required=False, allow_null=True, min_value=1)
    scope = serializers.CharField(required=False, allow_null=True, help_text="Read by nobody here.")
