"""Facts beside the preview of a timer's runs: its unfinished run, and how many timers start on the hour."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.db.models.functions import Mod

from timers.models import Execution, Schedule, Timer

MANY_TIMERS = 20
_HOUR_US = 3_600_000_000


@dataclass(frozen=True)
class UnfinishedRun:
    """An execution of the timer that has not ended."""

    execution: Execution
    begun: bool


def unfinished_run(timer: Timer, *, now: datetime) -> UnfinishedRun | None:
    """Return the newest unfinished execution of a timer that is due, None if there is none; one query."""
    execution = Execution.objects.filter(timer=timer, run_at__lte=now).unfinished().order_by("-scheduled_for").first()
    return None if execution is None else UnfinishedRun(execution, execution.started_at is not None)


def is_top_of_hour(instant: datetime) -> bool:
    return instant.minute == instant.second == instant.microsecond == 0


def many_at_the_top_of_the_hour() -> bool:
    """Return whether at least MANY timers have their next run at the top of an hour; one query that ends early."""
    rows = Schedule.objects.filter(next_run_at__isnull=False).annotate(rest=Mod("next_planned_at", _HOUR_US))
    return len(rows.filter(rest=0).values_list("pk", flat=True)[:MANY_TIMERS]) == MANY_TIMERS
