"""A slow and obvious answer to the question when a cron rule fires: walk the clock and look.

Nothing is taken from the code under test but the description of a case. Cases are drawn together with their meaning:
a text for the expression and, beside it, plain sets and predicates.
"""

from __future__ import annotations

import calendar
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import cache
from zoneinfo import ZoneInfo

from hypothesis import strategies as st

STEP = timedelta(seconds=30)  # every clock change since 1970 falls on a half minute
HALF_WINDOW = timedelta(hours=30)

Numbers = tuple[str, frozenset[int]]
Days = tuple[str, Callable[[date], bool]]

CHANGES = [
    ("America/New_York", datetime(2026, 3, 8, 7, tzinfo=UTC)),
    ("America/New_York", datetime(2026, 11, 1, 6, tzinfo=UTC)),
    ("Europe/London", datetime(2028, 3, 26, 1, tzinfo=UTC)),
    ("Europe/Berlin", datetime(2026, 10, 25, 1, tzinfo=UTC)),
    ("Australia/Lord_Howe", datetime(2026, 4, 4, 15, tzinfo=UTC)),  # half an hour
    ("Australia/Lord_Howe", datetime(2026, 10, 3, 15, 30, tzinfo=UTC)),
    ("America/Havana", datetime(2026, 11, 1, 5, tzinfo=UTC)),  # 01:00 back to 00:00
    ("America/Havana", datetime(2026, 3, 8, 5, tzinfo=UTC)),  # no midnight
    ("America/Sao_Paulo", datetime(2018, 2, 18, 2, tzinfo=UTC)),  # 00:00 back to 23:00 of the day before
    ("America/St_Johns", datetime(2006, 10, 29, 2, 31, tzinfo=UTC)),  # 00:01 back to 23:01 of the day before
    ("Africa/Casablanca", datetime(2027, 2, 7, 2, tzinfo=UTC)),  # back for Ramadan
    ("Pacific/Apia", datetime(2011, 12, 30, 10, tzinfo=UTC)),  # a whole day is missing
    ("Asia/Kathmandu", datetime(1985, 12, 31, 18, 30, tzinfo=UTC)),  # a quarter of an hour
    ("Africa/Monrovia", datetime(1972, 1, 7, 0, 44, 30, tzinfo=UTC)),  # from 44 minutes 30 seconds behind
    ("Antarctica/Vostok", datetime(1994, 1, 31, 17, tzinfo=UTC)),  # seven hours twice
    ("Asia/Kolkata", datetime(2026, 2, 28, 18, 30, tzinfo=UTC)),  # none
    ("UTC", datetime(2028, 2, 29, tzinfo=UTC)),
]


@dataclass(frozen=True)
class Case:
    """One rule at one change of a clock; `expression` is the text, the rest is what it means."""

    expression: str
    seconds: frozenset[int]
    minutes: frozenset[int]
    hours: frozenset[int]
    on_day: Callable[[date], bool]
    zone: str
    middle: datetime
    gap: str
    overlap: str

    @property
    def floating(self) -> bool:
        return any(field.startswith("*") for field in self.expression.split()[:3])

    @property
    def begin(self) -> datetime:
        return self.middle - HALF_WINDOW

    @property
    def end(self) -> datetime:
        return self.middle + HALF_WINDOW

    def fires(self) -> list[datetime]:
        """Return every instant in the window, without its first and last moment, at which the rule fires."""
        readings = readings_of(self.zone, self.middle)
        found = {fire for local in self._local_times(readings) for fire in self._fires_of(local, readings)}
        return sorted(instant for instant in found if self.begin < instant < self.end)

    def _local_times(self, readings: dict[datetime, list[datetime]]) -> list[datetime]:
        first, last = min(readings), max(readings)
        days = [first.date() + timedelta(days=number) for number in range((last - first).days + 2)]
        times = [
            datetime(day.year, day.month, day.day, hour, minute, second)  # noqa: DTZ001
            for day in days
            if self.on_day(day)
            for hour in self.hours
            for minute in self.minutes
            for second in self.seconds
        ]
        return [local for local in times if first <= local <= last]

    def _fires_of(self, local: datetime, readings: dict[datetime, list[datetime]]) -> list[datetime]:
        instants = readings.get(local, [])
        if self.floating or len(instants) == 1:
            return instants
        if not instants:
            return [self._end_of_gap(local, readings)] if self.gap == "shift" else []
        return {"first": instants[:1], "second": instants[1:], "both": instants}[self.overlap]

    def _end_of_gap(self, local: datetime, readings: dict[datetime, list[datetime]]) -> datetime:
        while local not in readings:
            local += STEP
        return readings[local][0]


@cache
def readings_of(zone: str, middle: datetime) -> dict[datetime, list[datetime]]:
    """Return each reading of the wall clock around an instant, with the instants at which it is read."""
    readings: dict[datetime, list[datetime]] = {}
    instant = middle - HALF_WINDOW
    while instant <= middle + HALF_WINDOW:
        readings.setdefault(instant.astimezone(ZoneInfo(zone)).replace(tzinfo=None), []).append(instant)
        instant += STEP
    return readings


def numbers(least: int, most: int) -> st.SearchStrategy[Numbers]:
    """Draw a field of plain numbers with the set that it means."""
    value = st.integers(least, most)
    step = st.integers(1, most + 3)

    def span(ends: tuple[int, int, int]) -> Numbers:
        first, last, width = min(ends[:2]), max(ends[:2]), ends[2]
        return f"{first}-{last}/{width}", frozenset(range(first, last + 1, width))

    part = st.one_of(
        st.just(("*", frozenset(range(least, most + 1)))),
        step.map(lambda width: (f"*/{width}", frozenset(range(least, most + 1, width)))),
        value.map(lambda number: (str(number), frozenset({number}))),
        st.tuples(value, step).map(lambda pair: (f"{pair[0]}/{pair[1]}", frozenset(range(pair[0], most + 1, pair[1])))),
        st.tuples(value, value, step).map(span),
    )
    return st.lists(part, min_size=1, max_size=3).map(
        lambda parts: (",".join(text for text, _ in parts), frozenset().union(*(meant for _, meant in parts)))
    )


def month_days() -> st.SearchStrategy[Days]:
    """Draw a day-of-month field with the test whether a date is meant."""
    special = st.one_of(
        st.just(("L", lambda day: day.day == length(day))),
        st.just(("LW", lambda day: day.day == max(workdays(day)))),
        st.integers(1, 30).map(lambda n: (f"L-{n}", lambda day: day.day == length(day) - n)),
        st.integers(1, 31).map(lambda n: (f"{n}W", lambda day: day.day == nearest_workday(day, n))),
    )
    return _any_of(_plain(numbers(1, 31), lambda day: day.day), special)


def week_days() -> st.SearchStrategy[Days]:
    """Draw a day-of-week field with the test whether a date is meant; Monday is 1 and Sunday 0 or 7."""
    names = ("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT")
    plain = numbers(1, 7).filter(lambda drawn: "7-7" not in drawn[0])  # a Sunday that opens a range is 0: every day
    pairs = st.tuples(st.sampled_from(names), st.integers(1, 6))
    special = st.one_of(
        st.sampled_from(names).map(lambda name: (f"{name}L", lambda day: _is(day, name) and day.day + 7 > length(day))),
        pairs.map(
            lambda pair: (f"{pair[0]}#{pair[1]}", lambda day: _is(day, pair[0]) and (day.day - 1) // 7 + 1 == pair[1])
        ),
        st.sampled_from(names[1:]).map(lambda name: (name.lower(), lambda day: _is(day, name))),
    )
    return _any_of(_plain(plain, lambda day: day.isoweekday()), special)


def _plain(drawn: st.SearchStrategy[Numbers], number: Callable[[date], int]) -> st.SearchStrategy[Days]:
    return drawn.map(lambda pair: (pair[0], lambda day: number(day) in pair[1]))


def _any_of(plain: st.SearchStrategy[Days], special: st.SearchStrategy[Days]) -> st.SearchStrategy[Days]:
    def joined(parts: list[Days]) -> Days:
        return ",".join(text for text, _ in parts), lambda day: any(meant(day) for _, meant in parts)

    everything: Days = ("?", lambda day: True)
    return st.just(everything) | st.lists(plain | special, min_size=1, max_size=3).map(joined)


def _is(day: date, name: str) -> bool:
    return day.strftime("%a").upper() == name


def length(day: date) -> int:
    return calendar.monthrange(day.year, day.month)[1]


def workdays(day: date) -> list[int]:
    """Return the days of the same month that are Monday to Friday."""
    return [number for number in range(1, length(day) + 1) if day.replace(day=number).weekday() < 5]


def nearest_workday(day: date, number: int) -> int | None:
    """Return the workday nearest to day `number` in the same month, on a Sunday only the one after it."""
    if number > length(day):
        return None
    if day.replace(day=number).weekday() == 6:
        return number + 1 if number < length(day) else None
    return min(workdays(day), key=lambda candidate: abs(candidate - number))


@st.composite
def cases(draw: st.DrawFn) -> Case:
    """Draw a rule at a change of a clock."""
    second = draw(st.sampled_from([("0", {0}), ("30", {30}), ("0,30", {0, 30}), ("*/30", {0, 30}), ("00", {0})]))
    minute, hour = draw(numbers(0, 59)), draw(numbers(0, 23))
    day, weekday = draw(month_days()), draw(week_days())
    month, months = draw(st.just(("*", frozenset(range(1, 13)))) | numbers(1, 12))
    zone, middle = draw(st.sampled_from(CHANGES))
    return Case(
        expression=f"{second[0]} {minute[0]} {hour[0]} {day[0]} {month} {weekday[0]}",
        seconds=frozenset(second[1]),
        minutes=minute[1],
        hours=hour[1],
        on_day=lambda date: date.month in months and day[1](date) and weekday[1](date),
        zone=zone,
        middle=middle,
        gap=draw(st.sampled_from(["shift", "skip"])),
        overlap=draw(st.sampled_from(["first", "second", "both"])),
    )
