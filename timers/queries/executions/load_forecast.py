"""The load to come: how many runs are planned in each hour of the next seven days, and whose runs an hour holds."""

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
from timers.queries.executions.hourly_load import EVER, HOUR, Hours, PlannedSchedule

DAYS = 7
MAX_TIMERS = 20_000
SHOWN_OF_AN_HOUR = 50
KEPT_FOR = 60
LEVELS = 5
FLAT = 0.8
"""A week whose quietest hour has this share of the busiest one's runs has no peaks."""


# The week


@dataclass(frozen=True)
class Cell:
    """One hour of the week; `at` is None for an hour that is past, or that the clocks leave out."""

    at: datetime | None
    runs: int = 0
    level: int = 0
    current: bool = False


@dataclass(frozen=True)
class LoadDay:
    """One row of the picture: midnight, and its 24 hours."""

    at: datetime
    cells: list[Cell]


@dataclass(frozen=True)
class Load:
    """The runs planned in the hours of the next seven days, today included, on the reader's clock."""

    days: list[LoadDay]
    step: int
    """The runs that one level of the picture stands for."""
    left_out: int
    """Timers that are not counted: too many different rules, or one that cannot be read."""

    @cached_property
    def hours(self) -> list[Cell]:
        return [cell for day in self.days for cell in day.cells if cell.at is not None]

    @cached_property
    def total(self) -> int:
        return sum(cell.runs for cell in self.hours)

    @cached_property
    def busiest(self) -> Cell | None:
        return max(self.hours, key=lambda cell: cell.runs, default=None) if self.total else None

    @property
    def scale(self) -> list[str]:
        """What the levels say: 0, 1-80, -160, ..., more."""
        if self.step == 1:
            return [*map(str, range(LEVELS)), "more"]
        return ["0", f"1–{self.step}", *(f"–{self.step * level}" for level in range(2, LEVELS)), "more"]


def load(user: Any, *, now: datetime, zone: tzinfo) -> Load:
    """Return the load to come, from two queries; what was counted is kept for a minute."""
    starts = _week(now, zone)
    key = f"load:{'all' if user.is_staff else user.pk}:{clock.to_us(starts[0])}:{len(starts)}"
    kept = cache.get(key)
    if kept is None:
        hours = Hours(now=clock.to_us(now), begin=clock.to_us(now), first=clock.to_us(starts[0]), hours=len(starts))
        for row in planned(user, before=hours.until):
            hours.add(row)
        kept = (hours.totals(), hours.left_out)
        cache.set(key, kept, KEPT_FOR)
    totals, left_out = kept
    return _laid_out(starts, totals, left_out, zone)


def _week(now: datetime, zone: tzinfo) -> list[datetime]:
    """Return where the hours of the reader's clock begin, from the present one to the end of the seventh day."""
    local = now.astimezone(zone)
    first = now - timedelta(minutes=local.minute, seconds=local.second, microseconds=local.microsecond)
    last_day = local.date() + timedelta(days=DAYS - 1)
    starts = (first + timedelta(hours=number) for number in range((DAYS + 1) * 24))
    return [start for start in starts if start.astimezone(zone).date() <= last_day]


def _laid_out(starts: list[datetime], totals: list[int], left_out: int, zone: tzinfo) -> Load:
    step = _step_of(totals)
    found: dict[tuple[Any, int], tuple[datetime, int]] = {}
    for start, runs in zip(starts, totals, strict=True):
        local = start.astimezone(zone)
        at, already = found.get((local.date(), local.hour), (start, 0))  # an hour that comes twice is one cell
        found[local.date(), local.hour] = (at, already + runs)
    today = starts[0].astimezone(zone).replace(hour=0)
    days = []
    for number in range(DAYS):
        day = today + timedelta(days=number)
        cells = [_cell(found.get((day.date(), hour)), step, starts[0]) for hour in range(24)]
        days.append(LoadDay(day, cells))
    return Load(days, step, left_out)


def _cell(found: tuple[datetime, int] | None, step: int, first: datetime) -> Cell:
    if found is None:
        return Cell(None)
    at, runs = found
    return Cell(at, runs, min(LEVELS, -(-runs // step)), current=at == first)


def _step_of(totals: list[int]) -> int:
    """Return how many runs make a level; a week without peaks stays pale, as nothing in it needs an eye."""
    most = max(totals, default=0)
    is_flat = all(runs >= most * FLAT for runs in totals[1:])
    return _round_up(-(-most // (2 if is_flat else LEVELS)))


def _round_up(number: int) -> int:
    """Return the next number that reads well: 1, 2, 4, 5, 8, 10, 20, 40, ..."""
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
    """Whose runs are planned in one hour: those with the most first, fifty at most."""

    at: datetime
    until: datetime
    runs: int
    timers: int
    rows: list[TimerOfHour]
    left_out: int


def hour(user: Any, *, at: datetime, now: datetime) -> HourLoad:
    """Return what is planned in the hour that begins at `at`, from three queries; what was counted is kept likewise."""
    until = clock.to_us(at) + HOUR
    key = f"load-of-hour:{'all' if user.is_staff else user.pk}:{until}"
    kept = cache.get(key)
    if kept is None:
        kept = _counted(user, begin=clock.to_us(max(at, now)), until=until, now=clock.to_us(now))
        cache.set(key, kept, KEPT_FOR)
    most, runs, timers, left_out = kept
    named = Timer.objects.in_bulk([timer_id for _, timer_id in most])
    rows = [TimerOfHour(named[pk], count) for count, pk in most if pk in named]
    return HourLoad(at, clock.from_us(until), runs, timers, rows, left_out)


def _counted(user: Any, *, begin: int, until: int, now: int) -> tuple[list[tuple[int, UUID]], int, int, int]:
    """Return the timers with the most runs until that instant, all runs, all timers, and those left out."""
    hours = Hours(now=now, begin=begin, first=until - HOUR, hours=1)
    counted: list[tuple[int, UUID]] = []
    for row in planned(user, before=until):
        before = hours.totals()[0]
        hours.add(row)
        if runs := hours.totals()[0] - before:
            counted.append((runs, row.timer_id))
    counted.sort(reverse=True)
    return counted[:SHOWN_OF_AN_HOUR], sum(runs for runs, _ in counted), len(counted), hours.left_out


# What is stored


def planned(user: Any, *, before: int) -> Iterator[PlannedSchedule]:
    """Yield the schedules of active timers that have a run before that instant, from two queries."""
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
    left = EVER if most is None else most - fired
    return PlannedSchedule(timer_id, interval_us, at, EVER if end is None else end, left, document)
