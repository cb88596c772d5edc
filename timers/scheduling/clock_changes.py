"""Time zones and the instants of their clock changes.

Local times are naive. Python's `fold` distinguishes the two passes of a repeated stretch and, for a missing time, the
offset before the change (0) from the one after it (1).
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
    """The rule for a fixed time that the clock skips."""

    SHIFT = "shift"
    """It fires at the first valid instant after the gap. Several such times fire once."""
    SKIP = "skip"
    """It does not fire that day."""


class DstOverlap(StrEnum):
    """The rule for a fixed time that comes twice: the pass that fires."""

    FIRST = "first"
    SECOND = "second"
    BOTH = "both"


@dataclass(frozen=True)
class ClockChange:
    """One clock change: from the instant `at` on, the UTC offset is `after` instead of `before`."""

    at: datetime
    before: timedelta
    after: timedelta

    @property
    def is_gap(self) -> bool:
        """True if local times are missing; otherwise they come twice."""
        return self.after > self.before

    @property
    def local_start(self) -> datetime:
        """The first local time that is missing or comes twice."""
        return (self.at + min(self.before, self.after)).replace(tzinfo=None)

    @property
    def local_end(self) -> datetime:
        """The first local time after the missing or repeated ones."""
        return (self.at + max(self.before, self.after)).replace(tzinfo=None)

    @property
    def size(self) -> timedelta:
        return abs(self.after - self.before)


@lru_cache(maxsize=1)
def zone_names() -> frozenset[str]:
    """Return the IANA names of all known time zones, always including UTC."""
    return frozenset(zoneinfo.available_timezones()) - _NOT_FOR_PEOPLE | {"UTC"}


def read_zone_name(value: object, field: str) -> str:
    """Return a known time zone name. Raises Invalid, with the right spelling if only the case is wrong."""
    if isinstance(value, str) and value in zone_names():
        return value
    sentence = "Give the IANA name of a time zone, such as Europe/Berlin."
    spelling = value.strip().lower() if isinstance(value, str) else None
    close = [name for name in zone_names() if name.lower() == spelling]
    raise Invalid({field: f"{sentence} Did you mean {close[0]}?" if close else sentence})


@lru_cache(maxsize=1024)
def load_zone(name: str) -> ZoneInfo:
    """Return the zone, from a large cache: the standard library caches only the last eight."""
    return ZoneInfo(name)


def change_at(zone: ZoneInfo, local: datetime) -> ClockChange | None:
    """Return the clock change that makes a naive local time missing or repeated, None for ordinary times."""
    before = zone.utcoffset(local.replace(fold=0))
    after = zone.utcoffset(local.replace(fold=1))
    if before is None or after is None or before == after:
        return None
    one, other = (local - before).replace(tzinfo=UTC), (local - after).replace(tzinfo=UTC)
    return ClockChange(_jump_between(zone, min(one, other), max(one, other), before), before, after)


def changes_between(name: str, after: datetime, until: datetime) -> list[ClockChange]:
    """Return the clock changes of a zone later than `after` and not later than `until`."""
    years = range(after.astimezone(UTC).year, until.astimezone(UTC).year + 1)
    return [change for year in years for change in _changes_in(name, year) if after < change.at <= until]


@lru_cache(maxsize=8192)
def _changes_in(name: str, year: int) -> tuple[ClockChange, ...]:
    """Return the clock changes in a year of UTC."""
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
