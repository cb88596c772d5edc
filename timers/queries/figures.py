"""The numbers on top of the list of timers."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Count, Q

from timers.lifecycle import ExecutionStatus, TimerStatus, Trigger
from timers.models import Execution, Timer
from timers.queries.shell import LATE_AFTER

SOON = timedelta(hours=1)
NEWEST, FEWEST = 200, 20
"""Executions looked at for the pace, and how many of them must have ended."""

FAILING = Q(schedule__consecutive_failures__gt=0)
"""Timers whose last run failed."""
PAUSED_BY_FAILURES = FAILING & Q(status=TimerStatus.PAUSED, status_changed_by__isnull=True)


@dataclass(frozen=True)
class Pace:
    """How the newest runs of the whole service went: `within` is what 99 % of them began late at most, in seconds."""

    runs: int
    completed: int
    within: float


@dataclass(frozen=True)
class Figures:
    """How many timers are in which state, and how many executions are under way."""

    total: int
    active: int
    paused: int
    auto_paused: int
    failing: int
    late: int
    due: int
    running: int
    waiting: int
    retrying: int
    pace: Pace | None = None


def is_late(now: datetime) -> Q:
    """Return the condition of timers that should have begun some seconds ago."""
    return Q(schedule__next_run_at__lt=now - LATE_AFTER)


def is_due_soon(now: datetime) -> Q:
    return Q(schedule__next_run_at__lt=now + SOON)


def figures(user: Any, *, now: datetime) -> Figures:
    """Return the figures of the timers that the user may know of, from two queries; three for administrators."""
    counted = (
        Timer.objects.visible_to(user)
        .not_deleted()
        .aggregate(
            total=Count("pk"),
            active=Count("pk", filter=Q(status=TimerStatus.ACTIVE)),
            paused=Count("pk", filter=Q(status=TimerStatus.PAUSED)),
            auto_paused=Count("pk", filter=PAUSED_BY_FAILURES),
            failing=Count("pk", filter=FAILING),
            late=Count("pk", filter=is_late(now)),
            due=Count("pk", filter=is_due_soon(now)),
        )
    )
    unfinished = Execution.objects.visible_to(user).unfinished()
    busy = dict(unfinished.values_list("status").annotate(n=Count("pk")).order_by())
    return Figures(
        **counted,
        running=busy.get(ExecutionStatus.RUNNING, 0),
        waiting=busy.get(ExecutionStatus.PENDING, 0),
        retrying=busy.get(ExecutionStatus.RETRYING, 0),
        pace=_pace(now) if user.is_staff else None,
    )


def _pace(now: datetime) -> Pace | None:
    """Return how the newest runs went; None while there are too few of them to tell."""
    newest = Execution.objects.filter(scheduled_for__lte=now).order_by("-scheduled_for", "-pk")
    rows = newest.values_list("status", "trigger", "attempt", "run_at", "started_at")[:NEWEST]
    ended = [row for row in rows if row[0] in (ExecutionStatus.COMPLETED, ExecutionStatus.FAILED)]
    late = sorted(
        max(0.0, (started - run_at).total_seconds())
        for _, trigger, attempt, run_at, started in ended
        if trigger == Trigger.SCHEDULE and attempt == 1 and started is not None
    )
    if len(late) < FEWEST:
        return None
    completed = sum(row[0] == ExecutionStatus.COMPLETED for row in ended)
    return Pace(len(ended), completed, late[math.ceil(0.99 * len(late)) - 1])
