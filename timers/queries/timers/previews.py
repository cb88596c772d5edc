"""What a preview of a timer's runs tells besides the runs: what runs now, and who else starts then."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.db.models.functions import Mod

from timers.models import Execution, Schedule, Timer

MANY = 20
_HOUR_US = 3_600_000_000


@dataclass(frozen=True)
class UnfinishedRun:
    """An execution of the timer that has not ended."""

    execution: Execution
    begun: bool


def at_work(timer: Timer, *, now: datetime) -> UnfinishedRun | None:
    """Return the newest execution of a timer that has come due and has not ended; one query."""
    found = Execution.objects.filter(timer=timer, run_at__lte=now).unfinished().order_by("-scheduled_for").first()
    return None if found is None else UnfinishedRun(found, found.started_at is not None)


def is_top_of_hour(instant: datetime) -> bool:
    return instant.minute == instant.second == instant.microsecond == 0


def many_at_the_top_of_the_hour() -> bool:
    """Return whether many timers have their next run at the top of an hour; one query that ends early."""
    rows = Schedule.objects.filter(next_run_at__isnull=False).annotate(rest=Mod("next_planned_at", _HOUR_US))
    return len(rows.filter(rest=0).values_list("pk", flat=True)[:MANY]) == MANY
