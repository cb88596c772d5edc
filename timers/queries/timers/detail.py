"""Read models of a timer's page: its state, its events, its upcoming runs."""

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

EVENTS_PAGE_SIZE = 15


@dataclass(frozen=True)
class TimerOverview:
    """One timer with derived values."""

    row: TimerRow
    unfinished: int
    missed: bool = False
    """True if the current pause has skipped an occurrence."""


@dataclass(frozen=True)
class Events:
    """Some events of a timer, newest first. `older` is the marker of the events before them."""

    rows: list[Event]
    older: int | None


@dataclass(frozen=True)
class Upcoming:
    """Entry in the list of next runs: a run or, if `forward` is set, a clock change in that direction."""

    at: datetime
    forward: bool | None = None
    size: timedelta = timedelta(0)


def timer_overview(timer: Timer, *, now: datetime) -> TimerOverview:
    """Return a timer with its state, from four queries."""
    planned = timer.schedule.next_planned_at
    return TimerOverview(
        row=timer_row(timer, now=now),
        unfinished=Execution.objects.filter(timer=timer).unfinished().count(),
        missed=timer.status == TimerStatus.PAUSED and planned is not None and planned <= now,
    )


def events_of(timer: Timer, *, before: int | None = None) -> Events:
    """Return the newest events of a timer, or those with an id below `before`, from one query."""
    events = Event.objects.filter(timer_id=timer.pk).select_related("actor").order_by("-id")
    if before is not None:
        events = events.filter(id__lt=before)
    rows = list(events[: EVENTS_PAGE_SIZE + 1])
    shown = rows[:EVENTS_PAGE_SIZE]
    return Events(shown, shown[-1].pk if len(rows) > EVENTS_PAGE_SIZE else None)


def upcoming(instants: Sequence[datetime], *, zone: ZoneInfo, now: datetime) -> list[Upcoming]:
    """Return the upcoming runs, and between them the clock changes of the zone."""
    if not instants:
        return []
    changes = [
        Upcoming(change.at, change.is_gap, change.size) for change in changes_between(zone.key, now, instants[-1])
    ]
    return sorted([*map(Upcoming, instants), *changes], key=lambda entry: (entry.at, entry.forward is None))


def clock_warnings(timer: Timer, *, now: datetime, limit: int) -> list[str]:
    """Return warnings about the next runs of a cron rule, such as times that a clock change skips; else none."""
    document = timer.definition.schedule if timer.definition else {}
    try:
        schedule = parse_schedule(document, now=now, refuse_never=False)
        return text.warnings(schedule, now=now, limit=limit) if schedule.rule.on_wall_clock else []
    except Exception:  # a rule that can no longer be read has no runs
        return []
