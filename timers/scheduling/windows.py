"""Windows: the hours and weekdays in which a schedule may fire, on the clock of a time zone (docs/policies.md).

A window is a value without a clock. Its open stretches are found day by day, without stepping through occurrences.
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
_MICROSECOND = timedelta(microseconds=1)
_MAX_UTC_OFFSET = timedelta(hours=26)
"""More than the UTC offset of any time zone."""

_TIME = re.compile(r"(\d{1,2}):(\d{2})(?::(\d{2}))?")


@dataclass(frozen=True)
class Stretch:
    """A stretch of time from one instant to another, both inclusive."""

    begin: datetime
    end: datetime


@dataclass(frozen=True)
class Window:
    """A window from `begin` to `end` (inclusive) on some weekdays (0 is Monday).

    It extends past midnight if `end` is before `begin`. The weekday is that of a stretch's beginning. Without times,
    whole days are open.
    """

    weekdays: frozenset[int]
    begin: time | None
    end: time | None
    timezone: str

    @classmethod
    def parse(cls, document: object) -> Self:
        """Return the window of `{"between"?: [from, until], "weekdays"?: "MON-FRI", "timezone"?}`; raises Invalid."""
        if not isinstance(document, Mapping):
            raise Invalid({"": "A window must be an object with `between`, `weekdays` or both."})
        validation.only_known(document, {"between", "weekdays", "timezone"})
        between, weekdays = document.get("between"), document.get("weekdays")
        if between is None and weekdays is None:
            raise Invalid({"between": "Give `between`, `weekdays` or both."})
        begin, end = (None, None) if between is None else _read_times(between)
        zone = read_zone_name(document.get("timezone") or "UTC", "timezone")
        return cls(frozenset(range(7)) if weekdays is None else _read_days(weekdays), begin, end, zone)

    def document(self) -> dict[str, Any]:
        """Return the document; `parse` turns it into an equal value."""
        document: dict[str, Any] = {"timezone": self.timezone}
        if self.begin is not None and self.end is not None:
            document["between"] = [_write_time(self.begin), _write_time(self.end)]
        if len(self.weekdays) < len(DAYS) or self.begin is None:
            document["weekdays"] = _write_days(self.weekdays)
        return document

    def describe(self) -> str:
        """Return text such as "Monday to Friday between 09:00 and 17:00 (Europe/Berlin)"."""
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
        """Return whether the window is open at an instant."""
        stretch = self.open_until(instant)
        return stretch is not None and stretch.end >= instant

    def open_after(self, instant: datetime) -> Stretch | None:
        """Return the first open stretch that ends at or after `instant`, None if there is none within nine days."""
        return next((stretch for stretch in self._stretches(instant, _DAY) if stretch.end >= instant), None)

    def open_until(self, instant: datetime) -> Stretch | None:
        """Return the last open stretch that begins at or before `instant`, None if there is none within nine days."""
        return next((stretch for stretch in self._stretches(instant, -_DAY) if stretch.begin <= instant), None)

    def _stretches(self, around: datetime, step: timedelta) -> Iterator[Stretch]:
        """Yield the stretches of ten days in the direction of `step`, beginning one day before `around`."""
        day = around.astimezone(load_zone(self.timezone)).date() - step
        for _ in range(10):
            if day.weekday() in self.weekdays:
                yield from self._opened_on(day)[:: step.days]
            day += step

    def _opened_on(self, day: date) -> list[Stretch]:
        """Return the stretches that begin on a day: one, or several when the clock changes in between."""
        begin, end = self._hours(day)
        earliest, latest = begin - _MAX_UTC_OFFSET, end + _MAX_UTC_OFFSET
        jumps = [change.at for change in changes_between(self.timezone, earliest, latest)]
        stretches: list[Stretch] = []
        for first, following in pairwise([earliest, *jumps, latest]):
            offset = first.astimezone(load_zone(self.timezone)).utcoffset() or timedelta(0)
            opens, closes = max(first, begin - offset), min(following - _MICROSECOND, end - offset)
            if opens > closes:
                continue
            if stretches and opens - stretches[-1].end <= _MICROSECOND:
                opens = stretches.pop().begin
            stretches.append(Stretch(opens, closes))
        return stretches

    def _hours(self, day: date) -> tuple[datetime, datetime]:
        """Return the local times at which the window opens and closes, written as if they were UTC."""
        if self.begin is None or self.end is None:
            return datetime.combine(day, time(), UTC), datetime.combine(day + _DAY, time(), UTC) - _MICROSECOND
        last = day if self.end > self.begin else day + _DAY
        return datetime.combine(day, self.begin, UTC), datetime.combine(last, self.end, UTC)


def _read_times(value: object) -> tuple[time, time]:
    if not isinstance(value, list | tuple) or len(value) != 2:
        raise Invalid({"between": 'Give two times of day, such as ["09:00", "17:00"].'})
    begin, end = (_read_time(text) for text in value)
    if begin == end:
        raise Invalid({"between": "The two times must differ."})
    return begin, end


def _read_time(value: object) -> time:
    match = _TIME.fullmatch(value.strip()) if isinstance(value, str) else None
    try:
        if match is None:
            raise ValueError
        hour, minute, second = (int(part or 0) for part in match.groups())
        return time(hour, minute, second)
    except ValueError:
        raise Invalid({"between": f"{ascii(value)[:40]} is not a time of day such as 09:00."}) from None


def _read_days(value: object) -> frozenset[int]:
    parts = value.upper().replace(" ", "").split(",") if isinstance(value, str) else value
    if not isinstance(parts, list | tuple) or not parts:
        raise Invalid({"weekdays": "Give weekdays such as MON-FRI or SAT,SUN."})
    days: set[int] = set()
    for part in parts:
        first, _, last = str(part).upper().partition("-")
        if first not in DAYS or (last or first) not in DAYS:
            raise Invalid({"weekdays": f"{ascii(part)[:40]} is not a weekday or range; write MON-FRI or SAT,SUN."})
        begin, end = DAYS.index(first), DAYS.index(last or first)
        days |= {day % 7 for day in range(begin, end + 1 if end >= begin else end + 8)}
    return frozenset(days)


def _write_time(value: time) -> str:
    return formatting.time_of_day(value.hour, value.minute, value.second)


def _write_days(days: frozenset[int]) -> str:
    return ",".join(DAYS[day] for day in sorted(days))
