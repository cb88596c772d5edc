"""Runs to come: the next ones of all timers, and those of one person's calendar."""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta, tzinfo
from itertools import islice
from typing import Any

from timers import clock
from timers.models import CalendarFeed, Schedule, Timer
from timers.queries.timers.listing import words_for
from timers.scheduling.base import TICK
from timers.scheduling.bounds import BoundedSchedule, parse_schedule

SHOWN = 20
SHOWN_OF_EACH = 3
CALENDAR_DAYS = 28
MAX_EVENTS = 1000
OFTEN = 24
"""Runs a day; a timer with more has one note a day in a calendar."""


@dataclass(frozen=True)
class UpcomingRun:
    """A planned run of a timer."""

    timer: Timer
    at: datetime


@dataclass(frozen=True)
class CalendarEntry:
    """A run in a calendar, or with `runs` a note that so many are planned on the day `on`."""

    timer: Timer
    at: datetime
    schedule: str
    on: date | None = None
    runs: int = 1


def next_runs(user: Any) -> list[UpcomingRun]:
    """Return the next runs over all timers, a few of each at most, from one query."""
    rows = _upcoming(user.is_staff or user.pk, most=SHOWN)
    runs = [UpcomingRun(row.timer, at) for row in rows for at in islice(_occurrences(row), SHOWN_OF_EACH)]
    return sorted(runs, key=lambda run: run.at)[:SHOWN]


def calendar_feed(user: Any) -> CalendarFeed | None:
    """Return whether and since when there is an address of the user's calendar."""
    return CalendarFeed.objects.filter(owner_id=user.pk).first()


def calendar_entries(owner: Any, *, now: datetime, zone: tzinfo) -> list[CalendarEntry]:
    """Return what is planned for the owner's timers in the coming four weeks, from one query; the first thousand."""
    until = now + timedelta(days=CALENDAR_DAYS)
    rows = _upcoming(owner.pk, most=MAX_EVENTS)
    entries = heapq.merge(*(_entries(row, until, zone) for row in rows), key=lambda entry: entry.at)
    return list(islice(entries, MAX_EVENTS))


def _upcoming(whose: Any, *, most: int) -> list[Schedule]:
    """Return the schedules that run first, of all (True) or of one owner."""
    rows = Schedule.objects.filter(next_run_at__isnull=False)
    if whose is not True:
        rows = rows.filter(timer__owner=whose)
    return list(rows.select_related("timer__definition").order_by("next_run_at", "pk")[:most])


def _read(row: Schedule) -> BoundedSchedule | None:
    """Return the schedule of a row; None when its definition can no longer be read."""
    try:
        assert row.timer.definition is not None
        return parse_schedule(row.timer.definition.schedule, now=clock.EPOCH, refuse_never=False)
    except Exception:  # one broken rule must not hide all others
        return None


def _left(row: Schedule) -> int | None:
    return None if row.max_runs is None else row.max_runs - row.fired_count


def _occurrences(row: Schedule) -> Iterator[datetime]:
    """Yield the planned instants of a schedule, the stored next one first."""
    schedule = _read(row)
    instant: datetime | None = row.next_planned_at
    left = _left(row)
    while instant is not None and (left is None or left > 0):
        yield instant
        left = None if left is None else left - 1
        instant = schedule.next_after(instant) if schedule is not None else None


def _entries(row: Schedule, until: datetime, zone: tzinfo) -> Iterator[CalendarEntry]:
    schedule, begin = _read(row), row.next_planned_at
    assert begin is not None  # only such rows are read
    words = words_for(row.timer.definition.schedule if row.timer.definition else {}).rule
    if schedule is not None and schedule.count_between(begin, begin + timedelta(days=1)) > OFTEN:
        yield from _notes(row, schedule, words, begin=begin, until=until, zone=zone)
        return
    for at in _occurrences(row):
        if at >= until:
            return
        yield CalendarEntry(row.timer, at, words)


def _notes(
    row: Schedule, schedule: BoundedSchedule, words: str, *, begin: datetime, until: datetime, zone: tzinfo
) -> Iterator[CalendarEntry]:
    """Yield one note for each day that has runs."""
    left = _left(row)
    while begin < until and (left is None or left > 0):
        day = begin.astimezone(zone).date()
        following = datetime.combine(day + timedelta(days=1), time(), zone).astimezone(begin.tzinfo)
        runs = schedule.count_between(begin - TICK, min(following, until) - TICK)
        runs = runs if left is None else min(runs, left)
        if runs:
            yield CalendarEntry(row.timer, begin, words, on=day, runs=runs)
        left = None if left is None else left - runs
        begin = following
