"""E: the document of an execution."""

from __future__ import annotations

from rest_framework import serializers

from timers.api.serializers.fields import Document, Instant, one_of
from timers.lifecycle import ExecutionStatus, Trigger
from timers.models import Execution


class ExecutionSerializer(Document):
    id = serializers.UUIDField()
    timer_id = serializers.UUIDField()
    status = one_of(ExecutionStatus)()
    trigger = one_of(Trigger)()
    scheduled_for = Instant(help_text="The planned instant, before jitter; of a manual run, when it was asked for.")
    started_at = Instant(allow_null=True)
    completion_time = Instant(source="finished_at", allow_null=True)
    lateness_seconds = serializers.SerializerMethodField(help_text="From the planned instant to the start.")
    duration_seconds = serializers.SerializerMethodField(help_text="From the start to the end.")
    attempt = serializers.IntegerField()
    result = serializers.JSONField(allow_null=True)
    error_message = serializers.CharField(allow_null=True)
    failure_reason = serializers.CharField(allow_null=True, help_text="A stable word, for programs.")
    skip_reason = serializers.CharField(allow_null=True)
    occurrences = serializers.IntegerField(help_text="How many occurrences this row stands for; above 1 when skipped.")
    scheduled_until = Instant(allow_null=True, help_text="The last planned instant that this row stands for.")
    transfer_id = serializers.UUIDField(allow_null=True)
    workflow_id = serializers.UUIDField(allow_null=True, help_text="The workflow run that it started.")

    def get_lateness_seconds(self, row: Execution) -> float | None:
        return None if row.started_at is None else (row.started_at - row.scheduled_for).total_seconds()

    def get_duration_seconds(self, row: Execution) -> float | None:
        if row.started_at is None or row.finished_at is None:
            return None
        return (row.finished_at - row.started_at).total_seconds()


class ExecutionAnswer(serializers.Serializer):
    execution = ExecutionSerializer()


class ExecutionPage(serializers.Serializer):
    executions = ExecutionSerializer(many=True)
    marker = serializers.CharField(allow_null=True, help_text="Of the next page; null on the last one.")
