"""Time zones and the instants at which their wall clocks jump.

Local times are naive; Python's `fold` tells the two passes of a repeated stretch apart and, for a missing time, the
offset before the jump (0) from the one after it (1).
"""

from __future__ import annotations

import zoneinfo
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from functools import lru_cache
from zoneinfo import ZoneInfo

from timers.errors import Invalid

_SECOND = timedelta(seconds=1)
_PROBE = timedelta(days=6)  # no zone changes twice within six days between 1970 and 2100
_NOT_FOR_PEOPLE = frozenset({"localtime", "posixrules", "Factory"})


class DstGap(StrEnum):
    """What becomes of a fixed time that the clock skips."""

    SHIFT = "shift"
    """It fires at the first valid instant after the gap; several become one."""
    SKIP = "skip"
    """It does not fire that day."""


class DstOverlap(StrEnum):
    """Which pass of a fixed time that comes twice fires."""

    FIRST = "first"
    SECOND = "second"
    BOTH = "both"


@dataclass(frozen=True)
class ClockChange:
    """One jump: from the instant `at` on, the offset to UTC is `after` instead of `before`."""

    at: datetime
    before: timedelta
    after: timedelta

    @property
    def is_gap(self) -> bool:
        """Whether local times are missing; otherwise they come twice."""
        return self.after > self.before

    @property
    def local_start(self) -> datetime:
        """The first local time that is missing or comes twice."""
        return (self.at + min(self.before, self.after)).replace(tzinfo=None)

    @property
    def local_end(self) -> datetime:
        """The first local time after those."""
        return (self.at + max(self.before, self.after)).replace(tzinfo=None)

    @property
    def size(self) -> timedelta:
        return abs(self.after - self.before)


@lru_cache(maxsize=1)
def zone_names() -> frozenset[str]:
    """Return the IANA names that this installation knows; UTC is always one."""
    return frozenset(zoneinfo.available_timezones()) - _NOT_FOR_PEOPLE | {"UTC"}


def read_zone_name(value: object, field: str) -> str:
    """Return a known zone name; raises Invalid, with the right spelling when only the case is wrong."""
    if isinstance(value, str) and value in zone_names():
        return value
    sentence = "Give the IANA name of a time zone, such as Europe/Berlin."
    close = [name for name in zone_names() if isinstance(value, str) and name.lower() == value.strip().lower()]
    raise Invalid({field: f"{sentence} Did you mean {close[0]}?" if close else sentence})


@lru_cache(maxsize=1024)
def load_zone(name: str) -> ZoneInfo:
    """Return the zone, kept for good: the standard library keeps only the last eight."""
    return ZoneInfo(name)


def change_at(zone: ZoneInfo, local: datetime) -> ClockChange | None:
    """Return the change because of which this naive local time is missing or comes twice; None for ordinary times."""
    before = zone.utcoffset(local.replace(fold=0))
    after = zone.utcoffset(local.replace(fold=1))
    if before is None or after is None or before == after:
        return None
    one, other = (local - before).replace(tzinfo=UTC), (local - after).replace(tzinfo=UTC)
    return ClockChange(_jump_between(zone, min(one, other), max(one, other), before), before, after)


def changes_between(name: str, after: datetime, until: datetime) -> list[ClockChange]:
    """Return the changes of a zone later than `after` and not later than `until`."""
    years = range(after.astimezone(UTC).year, until.astimezone(UTC).year + 1)
    return [change for year in years for change in _changes_in(name, year) if after < change.at <= until]


@lru_cache(maxsize=8192)
def _changes_in(name: str, year: int) -> tuple[ClockChange, ...]:
    """Return the changes in a year of UTC."""
    zone, changes = load_zone(name), []
    instant, end = datetime(year - 1, 12, 31, 23, 59, 59, tzinfo=UTC), datetime(year, 12, 31, 23, 59, 59, tzinfo=UTC)
    offset = _offset(zone, instant)
    while instant < end:
        probe = min(instant + _PROBE, end)
        after = _offset(zone, probe)
        if after != offset:
            changes.append(ClockChange(_jump_between(zone, instant, probe, offset), offset, after))
        instant, offset = probe, after
    return tuple(changes)


def _jump_between(zone: ZoneInfo, early: datetime, late: datetime, before: timedelta) -> datetime:
    """Return the first whole second after `early`, and not after `late`, that has another offset than `before`."""
    low, high = 0, (late - early) // _SECOND
    while high - low > 1:
        middle = (low + high) // 2
        if _offset(zone, early + middle * _SECOND) == before:
            low = middle
        else:
            high = middle
    return early + high * _SECOND


def _offset(zone: ZoneInfo, instant: datetime) -> timedelta:
    return instant.astimezone(zone).utcoffset() or timedelta(0)
