"""Workflows: definitions by name and version, runs of them, and the tasks of a run."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from timers.api.serializers.fields import Document, InputDocument, Instant, Object, one_of
from timers.lifecycle import StepStatus, WorkflowStatus
from timers.models import WorkflowDefinition, WorkflowRun
from timers.workflow_rules.definitions import TaskType


class WorkflowSerializer(Document):
    name = serializers.CharField()
    version = serializers.IntegerField()
    description = serializers.SerializerMethodField()
    input_parameters = serializers.SerializerMethodField(help_text="The names of the inputs that it asks for.")
    definition = Object(source="document", help_text="The document as it was registered: tasks, outputs, time limit.")
    owner = serializers.CharField(source="owner.get_username", help_text="The owner's user name.")
    created_at = Instant()
    updated_at = Instant()

    def get_description(self, row: WorkflowDefinition) -> str:
        return row.document.get("description") or ""

    @extend_schema_field({"type": "array", "items": {"type": "string"}})
    def get_input_parameters(self, row: WorkflowDefinition) -> list[str]:
        return row.document.get("inputParameters") or []


class WorkflowPage(serializers.Serializer):
    workflows = WorkflowSerializer(many=True)
    marker = serializers.CharField(allow_null=True, help_text="Of the next page; null on the last one.")


class NewWorkflowRequest(InputDocument):
    definition = Object(help_text="A WorkflowDef of Conductor: name, version, tasks, inputParameters, ...")
    overwrite = serializers.BooleanField(required=False, help_text="Replace one of that name and version.")


class WorkflowTaskSerializer(Document):
    id = serializers.UUIDField()
    seq = serializers.IntegerField(help_text="Counted from 1 within the run, retries included.")
    reference = serializers.CharField(help_text="The name within the workflow.")
    name = serializers.CharField(help_text="What workers poll for.")
    type = one_of(TaskType)()
    status = one_of(StepStatus)()
    input = serializers.JSONField()
    output = serializers.JSONField()
    reason = serializers.CharField(allow_null=True)
    retry = serializers.IntegerField(source="retries", help_text="How many times it had been tried before.")
    worker = serializers.CharField(allow_null=True)
    scheduled_at = Instant()
    started_at = Instant(allow_null=True)
    completion_time = Instant(source="finished_at", allow_null=True)


class WorkflowRunSerializer(Document):
    id = serializers.UUIDField()
    workflow = serializers.CharField(source="name")
    version = serializers.IntegerField()
    status = one_of(WorkflowStatus)()
    correlation_id = serializers.CharField(allow_null=True)
    priority = serializers.IntegerField()
    input = serializers.JSONField()
    variables = serializers.JSONField()
    output = serializers.JSONField()
    reason = serializers.CharField(allow_null=True, help_text="Why it did not complete.")
    timer_id = serializers.UUIDField(allow_null=True)
    execution_id = serializers.UUIDField(allow_null=True)
    started_at = Instant(source="created_at")
    completion_time = Instant(source="finished_at", allow_null=True)
    duration_seconds = serializers.SerializerMethodField()
    owner = serializers.CharField(source="owner.get_username", help_text="The owner's user name.")

    def get_duration_seconds(self, run: WorkflowRun) -> float | None:
        return None if run.finished_at is None else (run.finished_at - run.created_at).total_seconds()


class WorkflowRunWithTasksSerializer(WorkflowRunSerializer):
    tasks = serializers.SerializerMethodField(help_text="In the order in which they were reached.")

    @extend_schema_field(WorkflowTaskSerializer(many=True))
    def get_tasks(self, run: WorkflowRun) -> list[dict[str, Any]]:
        return WorkflowTaskSerializer(run.steps.order_by("seq"), many=True).data


class WorkflowRunPage(serializers.Serializer):
    workflow_runs = WorkflowRunSerializer(many=True)
    marker = serializers.CharField(allow_null=True, help_text="Of the next page; null on the last one.")


class StartWorkflowRequest(InputDocument):
    name = serializers.CharField()  # type: ignore[assignment]
    version = serializers.IntegerField(required=False, allow_null=True, help_text="The newest where none is named.")
    input = Object(required=False)
    correlationId = serializers.CharField(required=False, allow_null=True)
    priority = serializers.IntegerField(required=False, min_value=0, max_value=99)
    workflowDef = Object(
        required=False, allow_null=True, help_text="A definition for this run alone, in place of a registered one."
    )
    taskToDomain = Object(required=False, help_text="Kept and given back.")
    idempotencyKey = serializers.CharField(required=False, allow_null=True)
    idempotencyStrategy = serializers.CharField(required=False, allow_null=True)
    createdBy = serializers.CharField(required=False, allow_null=True)
    externalInputPayloadStoragePath = serializers.CharField(required=False, allow_null=True)


class TerminateRequest(InputDocument):
    reason = serializers.CharField(required=False)
