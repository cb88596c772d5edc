"""The hours and weekdays in which a schedule may fire, on the wall clock of one zone (docs/policies.md).

A window is a value without a clock. Its stretches are sought day by day; no occurrence is looked at one by one.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise
from typing import Any, Self

from timers import formatting, validation
from timers.errors import Invalid
from timers.scheduling.clock_changes import changes_between, load_zone, read_zone_name

DAYS = ("MON", "TUE", "WED", "THU", "FRI", "SAT", "SUN")
_DAY = timedelta(days=1)
_INSTANT = timedelta(microseconds=1)
_FURTHEST = timedelta(hours=26)
"""No wall clock is as far from UTC."""

_TIME = re.compile(r"(\d{1,2}):(\d{2})(?::(\d{2}))?")


@dataclass(frozen=True)
class Stretch:
    """From one instant to another, both inclusive."""

    begin: datetime
    end: datetime


@dataclass(frozen=True)
class Window:
    """From `begin` to `end` (inclusive) on these weekdays (0 is Monday); over midnight when the end lies before.

    The weekday is that of the stretch's beginning. Without times a day is open as a whole.
    """

    weekdays: frozenset[int]
    begin: time | None
    end: time | None
    timezone: str

    @classmethod
    def parse(cls, document: object) -> Self:
        """Return the window of `{"between"?: [from, until], "weekdays"?: "MON-FRI", "timezone"?}`."""
        if not isinstance(document, Mapping):
            raise Invalid({"": "A window is an object with `between`, `weekdays` or both."})
        validation.only_known(document, {"between", "weekdays", "timezone"})
        between, weekdays = document.get("between"), document.get("weekdays")
        if between is None and weekdays is None:
            raise Invalid({"between": "Give `between`, `weekdays` or both."})
        begin, end = (None, None) if between is None else _read_times(between)
        zone = read_zone_name(document.get("timezone") or "UTC", "timezone")
        return cls(frozenset(range(7)) if weekdays is None else _read_days(weekdays), begin, end, zone)

    def document(self) -> dict[str, Any]:
        """Return the wire form; `parse` makes an equal value of it."""
        document: dict[str, Any] = {"timezone": self.timezone}
        if self.begin is not None and self.end is not None:
            document["between"] = [_write_time(self.begin), _write_time(self.end)]
        if len(self.weekdays) < len(DAYS) or self.begin is None:
            document["weekdays"] = _write_days(self.weekdays)
        return document

    def describe(self) -> str:
        """Return for example "Monday to Friday between 09:00 and 17:00 (Europe/Berlin)"."""
        parts = []
        if len(self.weekdays) < len(DAYS):
            parts.append(
                formatting.joined(
                    formatting.number_spans([day + 1 for day in sorted(self.weekdays)], formatting.WEEKDAYS)
                )
            )
        if self.begin is not None and self.end is not None:
            parts.append(f"between {_write_time(self.begin)} and {_write_time(self.end)}")
        return f"{' '.join(parts) or 'every day'} ({self.timezone})"

    def has(self, instant: datetime) -> bool:
        """Return whether the window is open at that instant."""
        found = self.open_until(instant)
        return found is not None and found.end >= instant

    def open_after(self, instant: datetime) -> Stretch | None:
        """Return the first open stretch that ends at or after `instant`."""
        return next((each for each in self._stretches(instant, _DAY) if each.end >= instant), None)

    def open_until(self, instant: datetime) -> Stretch | None:
        """Return the last open stretch that begins at or before `instant`."""
        return next((each for each in self._stretches(instant, -_DAY) if each.begin <= instant), None)

    def _stretches(self, around: datetime, step: timedelta) -> Iterator[Stretch]:
        """Yield the stretches of the days around an instant and of those that follow (or precede), for nine days."""
        day = around.astimezone(load_zone(self.timezone)).date() - step
        for _ in range(10):
            if day.weekday() in self.weekdays:
                yield from self._opened_on(day)[:: step.days]
            day += step

    def _opened_on(self, day: date) -> list[Stretch]:
        """Return the stretches that begin on that day: one, but for days on which the clocks jump."""
        begin, end = self._hours(day)
        earliest, latest = begin - _FURTHEST, end + _FURTHEST
        jumps = [change.at for change in changes_between(self.timezone, earliest, latest)]
        found: list[Stretch] = []
        for first, following in pairwise([earliest, *jumps, latest]):
            offset = first.astimezone(load_zone(self.timezone)).utcoffset() or timedelta(0)
            opens, closes = max(first, begin - offset), min(following - _INSTANT, end - offset)
            if opens > closes:
                continue
            if found and opens - found[-1].end <= _INSTANT:
                opens = found.pop().begin
            found.append(Stretch(opens, closes))
        return found

    def _hours(self, day: date) -> tuple[datetime, datetime]:
        """Return when it opens and closes by the wall clock, written as if that showed UTC."""
        if self.begin is None or self.end is None:
            return datetime.combine(day, time(), UTC), datetime.combine(day + _DAY, time(), UTC) - _INSTANT
        last = day if self.end > self.begin else day + _DAY
        return datetime.combine(day, self.begin, UTC), datetime.combine(last, self.end, UTC)


def _read_times(value: object) -> tuple[time, time]:
    if not isinstance(value, list | tuple) or len(value) != 2:
        raise Invalid({"between": 'Give two times of day, such as ["09:00", "17:00"].'})
    begin, end = (_read_time(each) for each in value)
    if begin == end:
        raise Invalid({"between": "The two times must differ."})
    return begin, end


def _read_time(value: object) -> time:
    found = _TIME.fullmatch(value.strip()) if isinstance(value, str) else None
    try:
        if found is None:
            raise ValueError
        hour, minute, second = (int(part or 0) for part in found.groups())
        return time(hour, minute, second)
    except ValueError:
        raise Invalid({"between": f"{ascii(value)[:40]} is no time of day, such as 09:00."}) from None


def _read_days(value: object) -> frozenset[int]:
    parts = value.upper().replace(" ", "").split(",") if isinstance(value, str) else value
    if not isinstance(parts, list | tuple) or not parts:
        raise Invalid({"weekdays": "Name weekdays, such as MON-FRI or SAT,SUN."})
    found: set[int] = set()
    for part in parts:
        first, _, last = str(part).upper().partition("-")
        if first not in DAYS or (last or first) not in DAYS:
            raise Invalid({"weekdays": f"{ascii(part)[:40]} names no weekdays; write MON-FRI or SAT,SUN."})
        begin, end = DAYS.index(first), DAYS.index(last or first)
        found |= {day % 7 for day in range(begin, end + 1 if end >= begin else end + 8)}
    return frozenset(found)


def _write_time(value: time) -> str:
    return formatting.time_of_day(value.hour, value.minute, value.second)


def _write_days(days: frozenset[int]) -> str:
    return ",".join(DAYS[day] for day in sorted(days))
