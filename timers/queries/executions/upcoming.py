"""Upcoming runs: the next ones of all timers, and the entries of a user's calendar."""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta, tzinfo
from itertools import islice
from typing import Any

from timers import clock
from timers.models import CalendarFeed, Schedule, Timer
from timers.queries.timers.listing import schedule_text
from timers.scheduling.base import TICK
from timers.scheduling.bounds import BoundedSchedule, parse_schedule

MAX_SHOWN = 20
MAX_SHOWN_PER_TIMER = 3
CALENDAR_DAYS = 28
MAX_EVENTS = 1000
MAX_LISTED_RUNS_A_DAY = 24
"""Runs a day up to which a calendar lists each run; a timer with more has one note a day."""


@dataclass(frozen=True)
class UpcomingRun:
    """A planned run of a timer."""

    timer: Timer
    at: datetime


@dataclass(frozen=True)
class CalendarEntry:
    """A run in a calendar, or with `on` a note that `runs` runs are planned on that day."""

    timer: Timer
    at: datetime
    schedule: str
    on: date | None = None
    runs: int = 1


def next_runs(user: Any) -> list[UpcomingRun]:
    """Return the next runs of all timers, at most a few of each, from one query."""
    rows = _upcoming(user.is_staff or user.pk, most=MAX_SHOWN)
    runs = [UpcomingRun(row.timer, at) for row in rows for at in islice(_occurrences(row), MAX_SHOWN_PER_TIMER)]
    return sorted(runs, key=lambda run: run.at)[:MAX_SHOWN]


def calendar_feed(user: Any) -> CalendarFeed | None:
    """Return the calendar feed of the user, None if there is none."""
    return CalendarFeed.objects.filter(owner_id=user.pk).first()


def calendar_entries(owner: Any, *, now: datetime, zone: tzinfo) -> list[CalendarEntry]:
    """Return the first thousand planned runs of the owner's timers in the next four weeks, from one query."""
    until = now + timedelta(days=CALENDAR_DAYS)
    rows = _upcoming(owner.pk, most=MAX_EVENTS)
    entries = heapq.merge(*(_entries(row, until, zone) for row in rows), key=lambda entry: entry.at)
    return list(islice(entries, MAX_EVENTS))


def _upcoming(whose: Any, *, most: int) -> list[Schedule]:
    """Return the schedules with the earliest next runs, of everybody (True) or of one owner."""
    rows = Schedule.objects.filter(next_run_at__isnull=False)
    if whose is not True:
        rows = rows.filter(timer__owner=whose)
    return list(rows.select_related("timer__definition").order_by("next_run_at", "pk")[:most])


def _schedule_of(row: Schedule) -> BoundedSchedule | None:
    """Return the schedule of a row, None if its definition can no longer be read."""
    try:
        assert row.timer.definition is not None
        return parse_schedule(row.timer.definition.schedule, now=clock.EPOCH, refuse_never=False)
    except Exception:  # one broken rule must not hide all others
        return None


def _runs_left(row: Schedule) -> int | None:
    return None if row.max_runs is None else row.max_runs - row.fired_count


def _occurrences(row: Schedule) -> Iterator[datetime]:
    """Yield the planned instants of a schedule, beginning with the stored next one."""
    schedule = _schedule_of(row)
    instant: datetime | None = row.next_planned_at
    left = _runs_left(row)
    while instant is not None and (left is None or left > 0):
        yield instant
        left = None if left is None else left - 1
        instant = schedule.next_after(instant) if schedule is not None else None


def _entries(row: Schedule, until: datetime, zone: tzinfo) -> Iterator[CalendarEntry]:
    schedule, begin = _schedule_of(row), row.next_planned_at
    assert begin is not None  # only such rows are read
    words = schedule_text(row.timer.definition.schedule if row.timer.definition else {}).rule
    if schedule is not None and schedule.count_between(begin, begin + timedelta(days=1)) > MAX_LISTED_RUNS_A_DAY:
        yield from _notes(row, schedule, words, begin=begin, until=until, zone=zone)
        return
    for at in _occurrences(row):
        if at >= until:
            return
        yield CalendarEntry(row.timer, at, words)


def _notes(
    row: Schedule, schedule: BoundedSchedule, words: str, *, begin: datetime, until: datetime, zone: tzinfo
) -> Iterator[CalendarEntry]:
    """Yield one note for each day with runs."""
    left = _runs_left(row)
    while begin < until and (left is None or left > 0):
        day = begin.astimezone(zone).date()
        following = datetime.combine(day + timedelta(days=1), time(), zone).astimezone(begin.tzinfo)
        runs = schedule.count_between(begin - TICK, min(following, until) - TICK)
        runs = runs if left is None else min(runs, left)
        if runs:
            yield CalendarEntry(row.timer, begin, words, on=day, runs=runs)
        left = None if left is None else left - runs
        begin = following
