"""Workflows: definitions by name and version, runs of them, and the steps of each run."""

from __future__ import annotations

import uuid
from typing import Any, Self

from django.conf import settings
from django.db import models
from django.db.models import Exists, OuterRef, Q

from timers.lifecycle import UNFINISHED_STEP, StepStatus, WorkflowStatus
from timers.models.fields import InstantField
from timers.models.leases import LeasedQuerySet


class OwnedQuerySet(models.QuerySet[Any]):
    def visible_to(self, user: Any) -> Self:
        """Return those that the user may know of: their own; all for administrators."""
        return self if user.is_staff else self.filter(owner=user)


class WorkflowDefinitionQuerySet(OwnedQuerySet):
    def newest(self) -> WorkflowDefinitionQuerySet:
        """Return the definitions that no later version of the same workflow follows."""
        later = WorkflowDefinition.objects.filter(
            owner=OuterRef("owner"), name=OuterRef("name"), version__gt=OuterRef("version")
        )
        return self.filter(~Exists(later))


class WorkflowDefinition(models.Model):
    """One version of a workflow, as its document says."""

    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="workflow_definitions")
    name = models.CharField(max_length=255)
    version = models.PositiveIntegerField()
    document = models.JSONField()
    created_at = InstantField()
    updated_at = InstantField()

    objects = WorkflowDefinitionQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["owner", "name", "version"], name="one_workflow_per_name_and_version"),
        ]

    def __str__(self) -> str:
        return f"{self.name} v{self.version}"


class TaskDefinition(models.Model):
    """Definition of the tasks of one name: retries and time-outs, as its document says."""

    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="task_definitions")
    name = models.CharField(max_length=255)
    document = models.JSONField()
    created_at = InstantField()
    updated_at = InstantField()

    objects = OwnedQuerySet.as_manager()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["owner", "name"], name="one_task_definition_per_name")]

    def __str__(self) -> str:
        return self.name


class WorkflowRunQuerySet(models.QuerySet["WorkflowRun"]):
    def visible_to(self, user: Any) -> WorkflowRunQuerySet:
        return self if user.is_staff else self.filter(owner=user)

    def running(self) -> WorkflowRunQuerySet:
        return self.filter(status=WorkflowStatus.RUNNING)


class WorkflowRun(models.Model):
    """One run of a workflow, by the definition as it was when it started.

    `position` is the task that it has come to. `deadline_at` ends it, where its definition says so. An execution has
    one run per attempt. Whoever changes a run or its steps holds the lock of this row.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="workflow_runs")
    name = models.CharField(max_length=255)
    version = models.PositiveIntegerField()
    definition = models.JSONField()
    correlation_id = models.CharField(max_length=255, null=True)
    priority = models.PositiveSmallIntegerField(default=0)
    kept = models.JSONField(default=dict)
    """Other fields of the request, returned as they are."""
    input = models.JSONField(default=dict)
    variables = models.JSONField(default=dict)
    output = models.JSONField(default=dict)
    status = models.CharField(max_length=10, default=WorkflowStatus.RUNNING)
    reason = models.TextField(null=True)
    position = models.PositiveIntegerField(default=0)
    timer_id = models.UUIDField(null=True)
    execution_id = models.UUIDField(null=True)
    attempt = models.PositiveIntegerField(null=True)
    created_at = InstantField()
    updated_at = InstantField()
    finished_at = InstantField(null=True)
    deadline_at = InstantField(null=True)

    objects = WorkflowRunQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["execution_id", "attempt"],
                name="one_workflow_run_per_attempt",
                condition=Q(execution_id__isnull=False),
            ),
            models.CheckConstraint(condition=Q(status__in=list(WorkflowStatus)), name="workflow_status_known"),
        ]
        indexes = [
            models.Index(fields=["owner", "-created_at", "id"], name="workflow_run_newest_of_owner"),
            models.Index(fields=["owner", "name", "-created_at"], name="workflow_run_of_name"),
            models.Index(
                fields=["deadline_at"],
                name="workflow_run_deadline",
                condition=Q(status=WorkflowStatus.RUNNING, deadline_at__isnull=False),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.name} v{self.version} of {self.created_at:%Y-%m-%d %H:%M:%S} UTC: {self.status}"


class WorkflowStepQuerySet(LeasedQuerySet["WorkflowStep"]):
    def unfinished(self) -> WorkflowStepQuerySet:
        return self.filter(status__in=UNFINISHED_STEP)


class WorkflowStep(models.Model):
    """One task of a run on its way; a retry is a step of its own, with the next `retries`.

    `run_at` is when it may be taken (or, of a WAIT, when it ends). `lease_until` is the instant after which somebody
    must look at an unfinished step: its message got lost, its worker fell silent, its time has come. It is null while
    nobody needs to: a worker has yet to poll for it, a transfer goes on. `attempt` is the fencing number of what this
    service carries out itself.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    run = models.ForeignKey(WorkflowRun, on_delete=models.CASCADE, db_index=False, related_name="steps")
    owner_id = models.BigIntegerField()
    seq = models.PositiveIntegerField()
    position = models.PositiveIntegerField()
    reference = models.CharField(max_length=255)
    name = models.CharField(max_length=255)
    type = models.CharField(max_length=20)
    optional = models.BooleanField(default=False)
    status = models.CharField(max_length=30, default=StepStatus.SCHEDULED)
    input = models.JSONField(default=dict)
    output = models.JSONField(default=dict)
    reason = models.TextField(null=True)
    logs = models.JSONField(default=list)
    retries = models.PositiveIntegerField(default=0)
    most_retries = models.PositiveIntegerField(null=True)
    """Retries, where the workflow names them and not the definition of the task."""
    retried_id = models.UUIDField(null=True)
    """The step that this one is a retry of."""
    is_retried = models.BooleanField(default=False)
    worker = models.CharField(max_length=255, null=True)
    polls = models.PositiveIntegerField(default=0)
    response_timeout_seconds = models.PositiveIntegerField(default=3600)
    callback_seconds = models.PositiveIntegerField(default=0)
    scheduled_at = InstantField()
    started_at = InstantField(null=True)
    updated_at = InstantField()
    finished_at = InstantField(null=True)
    run_at = InstantField(null=True)
    overdue_at = InstantField(null=True)
    """When it has taken longer than its task definition allows, counted from its start."""
    lease_until = InstantField(null=True)
    lease_owner = models.CharField(max_length=64, null=True)
    attempt = models.PositiveIntegerField(default=0)
    lost_attempts = models.PositiveIntegerField(default=0)

    objects = WorkflowStepQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["run", "seq"], name="one_step_per_number"),
            models.UniqueConstraint(fields=["run", "position", "retries"], name="one_step_per_task_and_retry"),
            models.CheckConstraint(condition=Q(status__in=list(StepStatus)), name="step_status_known"),
        ]
        indexes = [
            models.Index(
                fields=["owner_id", "name", "run_at"],
                name="step_to_poll",
                condition=Q(status=StepStatus.SCHEDULED, type="SIMPLE"),
            ),
            models.Index(fields=["lease_until"], name="step_due", condition=Q(status__in=list(UNFINISHED_STEP))),
        ]

    def __str__(self) -> str:
        return f"{self.reference} of {self.run_id}: {self.status}"
