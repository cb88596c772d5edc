"""Work items that code timers have taken on: the row, the function, and the state of the work."""

from __future__ import annotations

from django.db import models
from django.db.models import Q

from timers.models.fields import InstantField
from timers.models.leases import LeasedQuerySet


class WorkItemQuerySet(LeasedQuerySet["WorkItem"]):
    owner_column = None  # the execution that has worked on a row stays on record


class WorkItem(models.Model):
    """One row of somebody's table that a run has taken: held until `lease_until`, then done or failed.

    `name` is who shares the work, by default the function; `key` is the row's primary key as the database writes it.
    """

    name = models.CharField(max_length=255)
    model = models.CharField(max_length=120)
    key = models.CharField(max_length=255)
    status = models.CharField(max_length=10)
    execution_id = models.UUIDField(null=True)
    attempts = models.PositiveIntegerField(default=1)
    lease_until = InstantField(null=True)
    updated_at = InstantField()
    error_message = models.TextField(null=True)

    objects = WorkItemQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["name", "model", "key"], name="one_work_item_per_row"),
            models.CheckConstraint(condition=Q(status__in=["held", "done", "failed"]), name="work_item_status_known"),
        ]
        indexes = [models.Index(fields=["updated_at"], name="work_item_by_time")]

    def __str__(self) -> str:
        return f"{self.name}: {self.model} {self.key} {self.status}"
