"""One timer as its page shows it: its state, what happened to it, when it runs next."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from timers.lifecycle import TimerStatus
from timers.models import Event, Execution, Timer
from timers.queries.timers.listing import TimerRow, timer_row
from timers.scheduling import text
from timers.scheduling.bounds import parse_schedule
from timers.scheduling.clock_changes import changes_between

EVENTS_AT_ONCE = 15


@dataclass(frozen=True)
class TimerDetail:
    """One timer with what is derived from its facts."""

    row: TimerRow
    unfinished: int
    missed: bool = False
    """Whether a pause left something out so far."""


@dataclass(frozen=True)
class Events:
    """Some lines of a timer's history, newest first; `older` leads to those before them."""

    rows: list[Event]
    older: int | None


@dataclass(frozen=True)
class Upcoming:
    """What stands in the list of next runs: a run, or (when `forward` says which way) a change of the clock."""

    at: datetime
    forward: bool | None = None
    size: timedelta = timedelta(0)


def timer_detail(timer: Timer, *, now: datetime) -> TimerDetail:
    """Return one timer with its state, from four queries."""
    planned = timer.schedule.next_planned_at
    return TimerDetail(
        row=timer_row(timer, now=now),
        unfinished=Execution.objects.filter(timer=timer).unfinished().count(),
        missed=timer.status == TimerStatus.PAUSED and planned is not None and planned <= now,
    )


def events_of(timer: Timer, *, before: int | None = None) -> Events:
    """Return the newest lines of a timer's history, or those older than the one named; one query."""
    found = Event.objects.filter(timer_id=timer.pk).select_related("actor").order_by("-id")
    if before is not None:
        found = found.filter(id__lt=before)
    rows = list(found[: EVENTS_AT_ONCE + 1])
    shown = rows[:EVENTS_AT_ONCE]
    return Events(shown, shown[-1].pk if len(rows) > EVENTS_AT_ONCE else None)


def upcoming(instants: Sequence[datetime], *, zone: ZoneInfo, now: datetime) -> list[Upcoming]:
    """Return the runs to come, and between them the changes of that zone's clock."""
    if not instants:
        return []
    changes = [
        Upcoming(change.at, change.is_gap, change.size) for change in changes_between(zone.key, now, instants[-1])
    ]
    return sorted([*map(Upcoming, instants), *changes], key=lambda instant: (instant.at, instant.forward is None))


def clock_warnings(timer: Timer, *, now: datetime, limit: int) -> list[str]:
    """Return a sentence for each thing that may surprise about the next runs of a rule that reads a wall clock."""
    document = timer.definition.schedule if timer.definition else {}
    try:
        schedule = parse_schedule(document, now=now, refuse_never=False)
        return text.warnings(schedule, now=now, limit=limit) if schedule.rule.on_wall_clock else []
    except Exception:  # a rule that can no longer be read has no runs to warn of
        return []
