"""Executions: the record of each occurrence, run or skipped; and their attempts."""

from __future__ import annotations

import uuid
from typing import Any

from django.db import models
from django.db.models import Q

from timers.lifecycle import PLANNED_TRIGGERS, UNFINISHED, ExecutionStatus, Trigger
from timers.models.fields import InstantField
from timers.models.leases import LeasedQuerySet
from timers.models.timers import Definition, Timer


class ExecutionQuerySet(LeasedQuerySet["Execution"]):
    """Executions. Their states are changed by `models/execution_sql/` alone."""

    def visible_to(self, user: Any) -> ExecutionQuerySet:
        """Return the executions of timers that the user may know of."""
        return self if user.is_staff else self.filter(timer__owner=user)

    def unfinished(self) -> ExecutionQuerySet:
        return self.filter(status__in=UNFINISHED)

    def that_ran(self) -> ExecutionQuerySet:
        """Return those that were begun or will be: all but skipped occurrences."""
        return self.exclude(status=ExecutionStatus.SKIPPED)


class Execution(models.Model):
    """One occurrence of a timer, or one run asked for by hand.

    `serial` is 0 for occurrences of the schedule and sets apart what else runs at the same instant, so that one unique
    index states the promise "one record per occurrence" and lists a timer's history.
    `run_at` is when it may start (planned time plus jitter). `lease_until` is the instant after which somebody must
    look at an unfinished row: pending, its message got lost; running, its worker died; retrying, it is due. It is null
    while the work goes on elsewhere. `attempt` is the fencing number: a result of an older attempt changes nothing.
    `cluster` names the one cluster that an occurrence which runs on every cluster is for; those of the other clusters
    have a serial too.
    Nothing has a foreign key to this table, and its own are not checked by the database: it will be partitioned.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    timer = models.ForeignKey(
        Timer, on_delete=models.DO_NOTHING, db_constraint=False, db_index=False, related_name="executions"
    )
    definition = models.ForeignKey(
        Definition, on_delete=models.DO_NOTHING, db_constraint=False, db_index=False, related_name="+"
    )
    trigger = models.CharField(max_length=10, default=Trigger.SCHEDULE)
    serial = models.BigIntegerField(default=0)
    status = models.CharField(max_length=10, default=ExecutionStatus.PENDING)
    scheduled_for = InstantField()
    run_at = InstantField()
    created_at = InstantField()
    started_at = InstantField(null=True)
    finished_at = InstantField(null=True)
    lease_until = InstantField(null=True)
    lease_owner = models.CharField(max_length=64, null=True)
    attempt = models.PositiveIntegerField(default=0)
    lost_attempts = models.PositiveIntegerField(default=0)
    cancel_requested = models.BooleanField(default=False)
    result = models.JSONField(null=True)
    error_message = models.TextField(null=True)
    failure_reason = models.CharField(max_length=40, null=True)
    skip_reason = models.CharField(max_length=40, null=True)
    occurrences = models.BigIntegerField(default=1)
    scheduled_until = InstantField(null=True)
    transfer_id = models.UUIDField(null=True)
    workflow_id = models.UUIDField(null=True)
    cluster = models.CharField(max_length=64, null=True)

    objects = ExecutionQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["timer", "scheduled_for", "serial"], name="one_execution_per_occurrence"),
            models.CheckConstraint(
                condition=Q(trigger__in=list(PLANNED_TRIGGERS), serial=0)
                | Q(trigger__in=[Trigger.MANUAL, Trigger.RERUN], serial__gt=0)
                | Q(trigger__in=list(PLANNED_TRIGGERS), serial__gt=0, cluster__isnull=False),
                name="only_planned_ones_are_occurrences",
            ),
            models.CheckConstraint(condition=Q(status__in=list(ExecutionStatus)), name="execution_status_known"),
            models.CheckConstraint(
                condition=~Q(status=ExecutionStatus.SKIPPED) | Q(skip_reason__isnull=False), name="a_skip_has_a_reason"
            ),
        ]
        indexes = [
            models.Index(fields=["scheduled_for", "id"], name="execution_by_time"),
            models.Index(
                fields=["timer", "lease_until"], name="execution_unfinished", condition=Q(status__in=list(UNFINISHED))
            ),
        ]

    def __str__(self) -> str:
        return f"{self.timer_id} at {self.scheduled_for:%Y-%m-%d %H:%M:%S} UTC: {self.status}"


class Attempt(models.Model):
    """One try within an execution; written when it ended. `details` holds request and answer, or log and traceback."""

    pk = models.CompositePrimaryKey("execution_id", "number")
    execution_id = models.UUIDField()
    number = models.PositiveIntegerField()
    started_at = InstantField()
    finished_at = InstantField()
    outcome = models.CharField(max_length=10)
    error_message = models.TextField(null=True)
    failure_reason = models.CharField(max_length=40, null=True)
    worker = models.CharField(max_length=64, null=True)
    details = models.JSONField(null=True)

    def __str__(self) -> str:
        return f"attempt {self.number} of {self.execution_id}: {self.outcome}"
