"""How the service keeps up: what of the last day's runs completed, how late they began, and which workers are free."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from timers import formatting
from timers.lifecycle import ExecutionStatus, Trigger
from timers.models import Execution, Process, Transfer
from timers.queries.page_context import CLUSTER_SILENCE

DAY = timedelta(hours=24)
NEWEST = 1_000
"""Executions looked at; where more were planned in a day, the pace is that of a shorter time."""


@dataclass(frozen=True)
class ServiceLevel:
    """How the runs went that were planned in the last `length` of time: how many ended, and how many of them well.

    `within` is what 99 of 100 of them began late at most; None when none has begun by its schedule.
    """

    length: timedelta
    ended: int
    completed: int
    within: timedelta | None

    @property
    def words(self) -> str:
        """What of the runs completed, for people."""
        time = f"24{formatting.TIED}h" if self.length == DAY else formatting.largest_unit(self.length)
        return (
            f"{formatting.share(self.completed, self.ended)} of {time} completed"
            if self.ended
            else f"no run ended in {time}"
        )


@dataclass(frozen=True)
class Workers:
    """How many workers live, and how many of them hold neither an execution nor a transfer."""

    total: int
    free: int


def pace(user: Any, *, now: datetime) -> ServiceLevel:
    """Return how the newest runs went that the user may know of, from one query over a bounded number of rows."""
    newest = Execution.objects.filter(scheduled_for__lte=now, scheduled_for__gt=now - DAY)
    columns = ["scheduled_for", "status", "trigger", "attempt", "run_at", "started_at"]
    if not user.is_staff:
        columns.append("timer__owner")
    rows = list(newest.order_by("-scheduled_for", "-pk").values_list(*columns)[:NEWEST])
    length = DAY if len(rows) < NEWEST else now - rows[-1][0]
    mine = rows if user.is_staff else [row for row in rows if row[-1] == user.pk]
    ended = [row for row in mine if row[1] in (ExecutionStatus.COMPLETED, ExecutionStatus.FAILED)]
    late = sorted(
        max(timedelta(0), started - run_at)
        for _, _, trigger, attempt, run_at, started, *_ in mine
        if trigger == Trigger.SCHEDULE and attempt == 1 and started is not None
    )
    return ServiceLevel(
        length=length,
        ended=len(ended),
        completed=sum(row[1] == ExecutionStatus.COMPLETED for row in ended),
        within=late[math.ceil(0.99 * len(late)) - 1] if late else None,
    )


def workers(now: datetime) -> Workers:
    """Return the workers of the clusters that live, and how many of them are free, from two queries."""
    living = Process.objects.filter(role="cluster", seen_at__gt=now - CLUSTER_SILENCE)
    total = sum(details.get("workers", 1) for details in living.values_list("details", flat=True))
    executions = Execution.objects.filter(status=ExecutionStatus.RUNNING, lease_until__isnull=False)
    slices = Transfer.objects.unfinished()
    held = (rows.filter(lease_owner__isnull=False).values_list("lease_owner") for rows in (executions, slices))
    return Workers(total, max(0, total - len(set(next(held).union(next(held))))))
