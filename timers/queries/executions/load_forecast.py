"""The load forecast: planned runs in each hour of the next seven days, and the timers that run in one hour."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo
from functools import cached_property
from typing import Any
from uuid import UUID

from django.core.cache import cache
from django.db import models
from django.db.models.functions import Cast

from timers import clock
from timers.models import Schedule, Timer
from timers.queries.executions.hourly_load import HOUR_US, UNLIMITED, HourlyCounter, PlannedSchedule

DAYS = 7
MAX_TIMERS = 20_000
MAX_TIMERS_PER_HOUR = 50
CACHE_SECONDS = 60
LEVELS = 5
FLAT_SHARE = 0.8
"""Share of the busiest hour's runs that every hour must reach for the week to count as flat."""


# The week


@dataclass(frozen=True)
class LoadCell:
    """One hour of the week. `at` is None for an hour that is past or skipped by a clock change."""

    at: datetime | None
    runs: int = 0
    level: int = 0
    current: bool = False


@dataclass(frozen=True)
class LoadDay:
    """One day of the forecast: its midnight and its 24 hours."""

    at: datetime
    cells: list[LoadCell]


@dataclass(frozen=True)
class LoadForecast:
    """Planned runs by hour for seven days from today, on the reader's clock."""

    days: list[LoadDay]
    step: int
    """Number of runs of one colour level."""
    left_out: int
    """Number of timers not counted: their rules are too many or cannot be read."""

    @cached_property
    def hours(self) -> list[LoadCell]:
        return [cell for day in self.days for cell in day.cells if cell.at is not None]

    @cached_property
    def total(self) -> int:
        return sum(cell.runs for cell in self.hours)

    @cached_property
    def busiest(self) -> LoadCell | None:
        return max(self.hours, key=lambda cell: cell.runs, default=None) if self.total else None

    @property
    def scale(self) -> list[str]:
        """Labels of the colour levels: 0, 1-80, -160, ..., more."""
        if self.step == 1:
            return [*map(str, range(LEVELS)), "more"]
        return ["0", f"1–{self.step}", *(f"–{self.step * level}" for level in range(2, LEVELS)), "more"]


def week_load(user: Any, *, now: datetime, zone: tzinfo) -> LoadForecast:
    """Return the forecast, from two queries. Counts are cached for a minute."""
    starts = _week(now, zone)
    key = f"load:{'all' if user.is_staff else user.pk}:{clock.to_us(starts[0])}:{len(starts)}"
    kept = cache.get(key)
    if kept is None:
        hours = HourlyCounter(
            now=clock.to_us(now), begin=clock.to_us(now), first=clock.to_us(starts[0]), hours=len(starts)
        )
        for row in planned_schedules(user, before=hours.until):
            hours.add(row)
        kept = (hours.totals(), hours.left_out)
        cache.set(key, kept, CACHE_SECONDS)
    totals, left_out = kept
    return _by_day(starts, totals, left_out, zone)


def _week(now: datetime, zone: tzinfo) -> list[datetime]:
    """Return the beginnings of the hours on the reader's clock, from the current hour to the end of the seventh day."""
    local = now.astimezone(zone)
    first = now - timedelta(minutes=local.minute, seconds=local.second, microseconds=local.microsecond)
    last_day = local.date() + timedelta(days=DAYS - 1)
    starts = (first + timedelta(hours=number) for number in range((DAYS + 1) * 24))
    return [start for start in starts if start.astimezone(zone).date() <= last_day]


def _by_day(starts: list[datetime], totals: list[int], left_out: int, zone: tzinfo) -> LoadForecast:
    step = _level_step(totals)
    runs_by_hour: dict[tuple[Any, int], tuple[datetime, int]] = {}
    for start, runs in zip(starts, totals, strict=True):
        local = start.astimezone(zone)
        at, already = runs_by_hour.get((local.date(), local.hour), (start, 0))  # a repeated hour is one cell
        runs_by_hour[local.date(), local.hour] = (at, already + runs)
    today = starts[0].astimezone(zone).replace(hour=0)
    days = []
    for number in range(DAYS):
        day = today + timedelta(days=number)
        cells = [_cell(runs_by_hour.get((day.date(), hour)), step, starts[0]) for hour in range(24)]
        days.append(LoadDay(day, cells))
    return LoadForecast(days, step, left_out)


def _cell(start_and_runs: tuple[datetime, int] | None, step: int, first: datetime) -> LoadCell:
    if start_and_runs is None:
        return LoadCell(None)
    at, runs = start_and_runs
    return LoadCell(at, runs, min(LEVELS, -(-runs // step)), current=at == first)


def _level_step(totals: list[int]) -> int:
    """Return the number of runs of a level. A flat week uses only the lower levels: it has no peak to point out."""
    most = max(totals, default=0)
    is_flat = all(runs >= most * FLAT_SHARE for runs in totals[1:])
    return _round_up(-(-most // (2 if is_flat else LEVELS)))


def _round_up(number: int) -> int:
    """Return the next round number: 1, 2, 4, 5, 8, 10, 20, 40, ..."""
    size = 1
    while True:
        for lead in (1, 2, 4, 5, 8):
            if lead * size >= number:
                return lead * size
        size *= 10


# One hour


@dataclass(frozen=True)
class TimerOfHour:
    """A timer with the number of its runs in an hour."""

    timer: Timer
    runs: int


@dataclass(frozen=True)
class HourLoad:
    """The timers with planned runs in one hour, those with the most runs first, at most fifty."""

    at: datetime
    until: datetime
    runs: int
    timers: int
    rows: list[TimerOfHour]
    left_out: int


def hour_load(user: Any, *, at: datetime, now: datetime) -> HourLoad:
    """Return the planned runs of the hour that begins at `at`, from three queries. Counts are cached for a minute."""
    until = clock.to_us(at) + HOUR_US
    key = f"load-of-hour:{'all' if user.is_staff else user.pk}:{until}"
    kept = cache.get(key)
    if kept is None:
        kept = _counted(user, begin=clock.to_us(max(at, now)), until=until, now=clock.to_us(now))
        cache.set(key, kept, CACHE_SECONDS)
    most, runs, timers, left_out = kept
    timer_by_id = Timer.objects.in_bulk([timer_id for _, timer_id in most])
    rows = [TimerOfHour(timer_by_id[pk], count) for count, pk in most if pk in timer_by_id]
    return HourLoad(at, clock.from_us(until), runs, timers, rows, left_out)


def _counted(user: Any, *, begin: int, until: int, now: int) -> tuple[list[tuple[int, UUID]], int, int, int]:
    """Return the timers with the most runs until `until`, then the numbers of runs, timers, and timers left out."""
    hours = HourlyCounter(now=now, begin=begin, first=until - HOUR_US, hours=1)
    counted: list[tuple[int, UUID]] = []
    for row in planned_schedules(user, before=until):
        before = hours.totals()[0]
        hours.add(row)
        if runs := hours.totals()[0] - before:
            counted.append((runs, row.timer_id))
    counted.sort(reverse=True)
    return counted[:MAX_TIMERS_PER_HOUR], sum(runs for runs, _ in counted), len(counted), hours.left_out


# Schedules from the database


def planned_schedules(user: Any, *, before: int) -> Iterator[PlannedSchedule]:
    """Yield the schedules of active timers with a run before `before`, from two queries."""
    rows = Schedule.objects.filter(next_run_at__isnull=False, next_planned_at__lt=before)
    if not user.is_staff:
        rows = rows.filter(timer__owner=user)
    numbers = rows.annotate(
        at_us=Cast("next_planned_at", models.BigIntegerField()), end_us=Cast("end_at", models.BigIntegerField())
    )
    names = ("timer_id", "interval_us", "at_us", "end_us", "max_runs", "fired_count")
    for row in numbers.filter(interval_us__isnull=False).values_list(*names)[:MAX_TIMERS]:
        yield _planned(row)
    others = numbers.filter(interval_us__isnull=True)
    for row in others.values_list(*names, "timer__definition__schedule")[:MAX_TIMERS]:
        yield _planned(row[:-1], document=row[-1])


def _planned(row: tuple[Any, ...], *, document: dict[str, Any] | None = None) -> PlannedSchedule:
    timer_id, interval_us, at, end, most, fired = row
    left = UNLIMITED if most is None else most - fired
    return PlannedSchedule(timer_id, interval_us, at, UNLIMITED if end is None else end, left, document)
