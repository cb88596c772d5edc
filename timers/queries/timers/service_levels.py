"""The service level: completed share and lateness of the last day's runs, and the number of free workers."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from timers import formatting
from timers.lifecycle import RUNNABLE_TRANSFER, ExecutionStatus, Trigger
from timers.models import Execution, Process, Transfer
from timers.queries.page_context import CLUSTER_SILENCE

DAY = timedelta(hours=24)
MAX_ROWS = 1_000
"""Number of executions read. If a day has more, the service level covers a shorter time."""


@dataclass(frozen=True)
class ServiceLevel:
    """Service level of the runs planned in the last `length` of time: how many ended, and how many of these completed.

    `within` is the 99th percentile of their lateness, None when no run has begun by its schedule.
    """

    length: timedelta
    ended: int
    completed: int
    within: timedelta | None

    @property
    def words(self) -> str:
        """The completed share in words."""
        time = f"24{formatting.TIED}h" if self.length == DAY else formatting.largest_unit(self.length)
        return (
            f"{formatting.share(self.completed, self.ended)} of {time} completed"
            if self.ended
            else f"no run ended in {time}"
        )


@dataclass(frozen=True)
class Workers:
    """Number of live workers, and number of those that hold neither an execution nor a transfer."""

    total: int
    free: int


def service_level(user: Any, *, now: datetime) -> ServiceLevel:
    """Return the service level of the runs visible to the user, from one query over a bounded number of rows."""
    newest = Execution.objects.filter(scheduled_for__lte=now, scheduled_for__gt=now - DAY)
    columns = ["scheduled_for", "status", "trigger", "attempt", "run_at", "started_at"]
    if not user.is_staff:
        columns.append("timer__owner")
    rows = list(newest.order_by("-scheduled_for", "-pk").values_list(*columns)[:MAX_ROWS])
    length = DAY if len(rows) < MAX_ROWS else now - rows[-1][0]
    visible = rows if user.is_staff else [row for row in rows if row[-1] == user.pk]
    ended = [row for row in visible if row[1] in (ExecutionStatus.COMPLETED, ExecutionStatus.FAILED)]
    late = sorted(
        max(timedelta(0), started - run_at)
        for _, _, trigger, attempt, run_at, started, *_ in visible
        if trigger == Trigger.SCHEDULE and attempt == 1 and started is not None
    )
    return ServiceLevel(
        length=length,
        ended=len(ended),
        completed=sum(row[1] == ExecutionStatus.COMPLETED for row in ended),
        within=late[math.ceil(0.99 * len(late)) - 1] if late else None,
    )


def workers(now: datetime) -> Workers:
    """Return the number of workers of live clusters and how many are free, from two queries."""
    living = Process.objects.filter(role="cluster", seen_at__gt=now - CLUSTER_SILENCE)
    total = sum(details.get("workers", 1) for details in living.values_list("details", flat=True))
    executions = Execution.objects.filter(status=ExecutionStatus.RUNNING, lease_until__isnull=False)
    slices = Transfer.objects.filter(status__in=RUNNABLE_TRANSFER)
    owners = (rows.filter(lease_owner__isnull=False).values_list("lease_owner") for rows in (executions, slices))
    return Workers(total, max(0, total - len(set(next(owners).union(next(owners))))))
