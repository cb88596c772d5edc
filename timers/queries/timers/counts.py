"""The counts above the list of timers."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Count, Q

from timers.lifecycle import ExecutionStatus, TimerStatus
from timers.models import Execution, Timer
from timers.queries.page_context import LATE_AFTER
from timers.queries.timers.service_levels import ServiceLevel, Workers, service_level, workers

SOON = timedelta(hours=1)

FAILING = Q(schedule__consecutive_failures__gt=0)
"""Condition of timers whose last run failed."""
PAUSED_BY_FAILURES = FAILING & Q(status=TimerStatus.PAUSED, status_changed_by__isnull=True)


@dataclass(frozen=True)
class TimerCounts:
    """Numbers of timers by state and of unfinished executions, with the service level and the workers."""

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
    pace: ServiceLevel
    workers: Workers


def is_late(now: datetime) -> Q:
    """Return the condition of timers whose run should have begun more than LATE_AFTER ago."""
    return Q(schedule__next_run_at__lt=now - LATE_AFTER)


def is_due_soon(now: datetime) -> Q:
    return Q(schedule__next_run_at__lt=now + SOON)


def timer_counts(user: Any, *, now: datetime) -> TimerCounts:
    """Return the counts for the timers visible to the user, from five queries."""
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
    begun_ahead = Q(status=ExecutionStatus.RUNNING, scheduled_for__gt=now)
    unfinished = Execution.objects.visible_to(user).unfinished().exclude(begun_ahead)
    busy = dict(unfinished.values_list("status").annotate(n=Count("pk")).order_by())
    return TimerCounts(
        **counted,
        running=busy.get(ExecutionStatus.RUNNING, 0),
        waiting=busy.get(ExecutionStatus.PENDING, 0),
        retrying=busy.get(ExecutionStatus.RETRYING, 0),
        pace=service_level(user, now=now),
        workers=workers(now),
    )
