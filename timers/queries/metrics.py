"""Metrics for monitoring, at a cost that does not grow with the history.

Counters come from the counts in each schedule row, so they never decrease, even when old executions are pruned.
The histogram counts the runs planned in the current hour. Within it buckets only grow; at the full hour they restart
at zero, which rate() and increase() of Prometheus understand as a counter reset.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Count, F, Max, Q, Sum

from timers import clock
from timers.lifecycle import PLANNED_TRIGGERS, UNFINISHED, UNFINISHED_TRANSFER
from timers.models import Execution, Process, Schedule, Timer, Transfer

LATENESS_BUCKETS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0)


@dataclass(frozen=True)
class Lateness:
    """Lateness of the current hour's runs: cumulative counts per bucket, total, sum in seconds, start of the hour."""

    counts: list[int]
    total: int
    seconds: float
    since: datetime


@dataclass(frozen=True)
class Metrics:
    """All metrics, by label."""

    finished: dict[tuple[str, str], int]
    unfinished: dict[str, int]
    timers: dict[str, int]
    transfers: dict[str, int]
    due: int
    oldest_due: float
    lateness: Lateness
    silence: dict[str, float]
    """Seconds since the last heartbeat, by role."""


def read_metrics(now: datetime) -> Metrics:
    """Return the metrics, from seven queries."""
    due = Schedule.objects.filter(next_run_at__lte=now)
    counted = due.aggregate(n=Count("pk"), earliest=Max(_us(now) - F("next_run_at")))
    return Metrics(
        finished=_finished(),
        unfinished=_counts(Execution.objects.filter(status__in=UNFINISHED), UNFINISHED),
        timers=_counts(Timer.objects.not_deleted(), ("active", "paused", "ended")),
        transfers=_counts(Transfer.objects.filter(status__in=UNFINISHED_TRANSFER), UNFINISHED_TRANSFER),
        due=counted["n"],
        oldest_due=_seconds(counted["earliest"]),
        lateness=_lateness(now),
        silence={
            role: (now - seen).total_seconds()
            for role, seen in Process.objects.values_list("role").annotate(Max("seen_at"))
        },
    )


def _finished() -> dict[tuple[str, str], int]:
    sums = Schedule.objects.values_list("timer__action").annotate(
        runs=Sum("run_count"), failures=Sum("failure_count"), cancelled=Sum("cancelled_count")
    )
    counts: dict[tuple[str, str], int] = {}
    for action, runs, failures, cancelled in sums.order_by():
        counts["completed", action] = runs - failures - cancelled
        counts["failed", action] = failures
        counts["cancelled", action] = cancelled
    return counts


def _counts(rows: Any, known: Sequence[str]) -> dict[str, int]:
    counted = dict(rows.order_by().values_list("status").annotate(n=Count("pk")))
    return {str(status): counted.get(status, 0) for status in known}


def _lateness(now: datetime) -> Lateness:
    since = now.replace(minute=0, second=0, microsecond=0)
    rows = Execution.objects.filter(
        scheduled_for__gte=since, trigger__in=PLANNED_TRIGGERS, started_at__isnull=False
    ).annotate(late=F("started_at") - F("scheduled_for"))
    buckets = {f"up_to_{i}": Count("pk", filter=Q(late__lte=int(b * 1e6))) for i, b in enumerate(LATENESS_BUCKETS)}
    counted = rows.aggregate(total=Count("pk"), us=Sum("late"), **buckets)
    return Lateness(
        [counted[f"up_to_{index}"] for index in range(len(LATENESS_BUCKETS))],
        counted["total"],
        _seconds(counted["us"]),
        since,
    )


def _us(instant: datetime) -> int:
    return clock.to_us(instant)


def _seconds(value: Any) -> float:
    """Return the seconds of an aggregate over instants, which is microseconds, a timedelta or an instant near 1970."""
    if value is None:
        return 0.0
    if isinstance(value, timedelta):
        return value.total_seconds()
    return (clock.to_us(value) if isinstance(value, datetime) else int(value)) / 1e6
