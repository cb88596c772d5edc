"""Schedules of a cron expression on the clock of a time zone, with rules for times that the clock skips or repeats.

A local time has no instant (in a gap), one, or two (in an overlap). docs/policies.md says which of them fire.
With `skip` and `both`, an instant fires exactly when its local time matches, which is Spring's rule.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from itertools import pairwise
from typing import Any, ClassVar, Self
from zoneinfo import ZoneInfo

from timers import validation
from timers.errors import Invalid
from timers.parameters import Parameter, ParameterType
from timers.scheduling import cron_warnings
from timers.scheduling.base import TICK, ScheduleRule
from timers.scheduling.clock_changes import (
    ClockChange,
    DstGap,
    DstOverlap,
    change_at,
    changes_between,
    load_zone,
    read_zone_name,
)
from timers.scheduling.cron_calendar import GIVE_UP_YEARS
from timers.scheduling.cron_expression import CronExpression, parse_expression
from timers.scheduling.cron_text import in_words

_SECOND = timedelta(seconds=1)
_MAX_OVERLAP = timedelta(days=1)
_REFERENCE = (
    datetime(2020, 1, 1, tzinfo=UTC),
    datetime(2048, 1, 1, tzinfo=UTC),
)  # 28 years: every weekday of every date


def _one_of(name: str, label: str, members: type[StrEnum]) -> Parameter:
    choices = tuple((str(member), str(member)) for member in members)
    return Parameter(name=name, label=label, type=ParameterType.CHOICE, choices=choices)


@dataclass(frozen=True)
class CronSchedule(ScheduleRule):
    """Schedule with an occurrence at every local time that matches the expression, from 1970 on."""

    kind: ClassVar[str] = "cron"
    label: ClassVar[str] = "Cron"
    parameters: ClassVar[tuple[Parameter, ...]] = (
        Parameter(
            name="expression",
            label="Cron expression",
            required=True,
            description="Six fields, seconds first, or Unix's five.",
        ),
        Parameter(name="timezone", label="Time zone", description="An IANA name; UTC if left out."),
        _one_of("dst_gap", "A time that the clock change leaves out", DstGap),
        _one_of("dst_overlap", "A time that comes twice", DstOverlap),
    )
    main_field: ClassVar[str] = "expression"
    on_wall_clock: ClassVar[bool] = True

    expression: str
    timezone: str = "UTC"
    dst_gap: DstGap = DstGap.SHIFT
    dst_overlap: DstOverlap = DstOverlap.FIRST

    @classmethod
    def parse(cls, document: Mapping[str, Any], *, now: datetime) -> Self:
        validation.only_known(document, cls.field_names())
        given = {key: value for key, value in document.items() if value is not None}
        return cls(
            expression=_read_expression(given.get("expression")),
            timezone=read_zone_name(given.get("timezone", "UTC"), "timezone"),
            dst_gap=validation.choice(given.get("dst_gap", DstGap.SHIFT), "dst_gap", DstGap),
            dst_overlap=validation.choice(given.get("dst_overlap", DstOverlap.FIRST), "dst_overlap", DstOverlap),
        )

    @property
    def parsed(self) -> CronExpression:
        return parse_expression(self.expression)

    @property
    def zone(self) -> ZoneInfo:
        return load_zone(self.timezone)

    @property
    def shifts(self) -> bool:
        """True if a missing time fires after the gap. Never so for expressions that follow the clock."""
        return self.dst_gap is DstGap.SHIFT and not self.parsed.floating

    @property
    def passes(self) -> DstOverlap:
        """The pass of a repeated time that fires. Expressions that follow the clock fire in both."""
        return DstOverlap.BOTH if self.parsed.floating else self.dst_overlap

    def describe(self) -> str:
        return f"{in_words(self.parsed)} ({self.timezone})"

    def warnings(self, *, now: datetime, last: datetime) -> list[str]:
        changes = changes_between(self.timezone, now, last)
        return cron_warnings.of(
            self.parsed, changes=changes, timezone=self.timezone, shifts=self.shifts, passes=self.passes
        )

    def document(self) -> dict[str, Any]:
        return {
            "type": self.kind,
            "expression": self.expression,
            "timezone": self.timezone,
            "dst_gap": self.dst_gap.value,
            "dst_overlap": self.dst_overlap.value,
        }

    def next_after(self, instant: datetime) -> datetime | None:
        """Return the first occurrence strictly after `instant`, None when there is none within 41 years.

        The clock has already shown all local times before `instant`, except that a repeated stretch is still to come
        for the second pass. So the search begins at one local time, or at two inside the first pass.
        """
        if instant >= validation.LAST_INSTANT:
            return None
        instant = max(instant, validation.FIRST_INSTANT - TICK)
        local = _naive(instant, self.zone)
        fires = [self._fire_after(begin, instant) for begin in self._shown_until(local, instant)]
        return min((fire for fire in fires if fire is not None and fire <= validation.LAST_INSTANT), default=None)

    def last_until(self, instant: datetime) -> datetime | None:
        instant = min(instant, validation.LAST_INSTANT)
        if instant < validation.FIRST_INSTANT:
            return None
        local = _naive(instant, self.zone)
        fires = [self._fire_until(begin, instant) for begin in self._shown_until(local, instant)]
        return max((fire for fire in fires if fire is not None and fire >= validation.FIRST_INSTANT), default=None)

    def _shown_until(self, local: datetime, instant: datetime) -> tuple[datetime, ...]:
        """Return the last local time, inclusive, that the clock has shown by `instant`, for each pass that fires.

        For the first pass it is the latest time shown so far; for the second one the latest time that will not be
        shown again.
        """
        change = change_at(self.zone, local)
        if change is None:
            return (local,)
        in_first_pass = instant < change.at
        furthest = local if in_first_pass else change.local_end - _SECOND
        settled = change.local_start - _SECOND if in_first_pass else local
        if self.passes is DstOverlap.FIRST:
            return (furthest,)
        return (settled,) if self.passes is DstOverlap.SECOND else (furthest, settled)

    def _fire_after(self, begin: datetime, instant: datetime) -> datetime | None:
        """Return the first fire after `instant` of a local time after `begin`, None if there is none."""
        calendar, last_year = self.parsed.calendar, min(begin.year + GIVE_UP_YEARS, validation.LAST_INSTANT.year)
        local = calendar.next_after(begin, last_year=last_year)
        while local is not None:
            change = change_at(self.zone, local)
            for fire in self._fires(local, change):
                if fire > instant:
                    return fire
            begin = change.local_end - _SECOND if change is not None and change.is_gap else local
            local = calendar.next_after(begin, last_year=last_year)
        return None

    def _fire_until(self, begin: datetime, instant: datetime) -> datetime | None:
        """Return the last fire up to `instant` of a local time up to `begin`, None if there is none."""
        calendar, first_year = self.parsed.calendar, begin.year - GIVE_UP_YEARS
        local = calendar.last_until(begin, first_year=first_year)
        while local is not None:
            change = change_at(self.zone, local)
            for fire in reversed(self._fires(local, change)):
                if fire <= instant:
                    return fire
            begin = change.local_start if change is not None and change.is_gap else local
            local = calendar.last_until(begin - _SECOND, first_year=first_year)
        return None

    def _fires(self, local: datetime, change: ClockChange | None) -> tuple[datetime, ...]:
        """Return the instants at which a local time fires, in order. `change` is the clock change it falls into."""
        if change is None:
            return (local.replace(tzinfo=self.zone).astimezone(UTC),)
        if change.is_gap:
            return (change.at,) if self.shifts else ()
        both = ((local - change.before).replace(tzinfo=UTC), (local - change.after).replace(tzinfo=UTC))
        return {DstOverlap.FIRST: both[:1], DstOverlap.SECOND: both[1:], DstOverlap.BOTH: both}[self.passes]

    def count_between(self, after: datetime, until: datetime) -> int:
        """Return the number of occurrences later than `after` and not later than `until`.

        The calendar counts the local times. Then the times of gaps that do not fire are subtracted and, with `both`,
        the second passes of overlaps are added.
        """
        after, until = max(after, validation.FIRST_INSTANT - TICK), min(until, validation.LAST_INSTANT)
        if after >= until:
            return 0
        changes = changes_between(self.timezone, after - _MAX_OVERLAP, until)
        count = self.parsed.calendar.count_between(self._counted_until(after), self._counted_until(until))
        count -= sum(self._lost_in(change) for change in changes if change.is_gap and change.at > after)
        if self.passes is DstOverlap.BOTH:
            count += sum(self._repeated_in(change, after, until) for change in changes if not change.is_gap)
        return count

    def _counted_until(self, instant: datetime) -> datetime:
        """Return the local time up to which all times have fired, in the first pass unless only the second fires."""
        return self._shown_until(_naive(instant, self.zone), instant)[0]

    def _lost_in(self, gap: ClockChange) -> int:
        """Return the number of a gap's local times that do not fire.

        Shifted times fire once altogether, unless the time at the gap's end fires anyway.
        """
        calendar = self.parsed.calendar
        missing = calendar.count_between(gap.local_start - _SECOND, gap.local_end - _SECOND)
        if self.shifts and missing and not calendar.has(gap.local_end):
            return missing - 1
        return missing

    def _repeated_in(self, overlap: ClockChange, after: datetime, until: datetime) -> int:
        """Return the number of fires in an overlap's second pass later than `after` and not later than `until`."""
        begin = max(after, overlap.at - TICK) + overlap.after
        end = min(until, overlap.at + overlap.size - TICK) + overlap.after
        return self.parsed.calendar.count_between(begin.replace(tzinfo=None), end.replace(tzinfo=None))

    def smallest_gap(self) -> timedelta | None:
        """Return the smallest distance between two occurrences, clock changes included; None for fewer than two."""
        ordinary = self.parsed.calendar.smallest_gap()
        if ordinary is None:
            return None
        return min(
            [ordinary, *(gap for change in changes_between(self.timezone, *_REFERENCE) for gap in self._gaps(change))]
        )

    def _gaps(self, change: ClockChange) -> list[timedelta]:
        """Return the distances between the two occurrences before a clock change and the two from it on."""
        earlier = self.last_until(change.at - TICK)
        later = self.next_after(change.at - TICK)
        around = [
            earlier and self.last_until(earlier - TICK),
            earlier,
            later,
            later and self.next_after(later),
        ]
        return [after - before for before, after in pairwise(around) if before is not None and after is not None]


def _naive(instant: datetime, zone: ZoneInfo) -> datetime:
    return instant.astimezone(zone).replace(tzinfo=None)


def _read_expression(value: object) -> str:
    """Return the expression with single blanks, a macro in lower case; raises Invalid when it cannot be read."""
    if not isinstance(value, str):
        raise Invalid({"expression": "Give a cron expression, such as 0 0 9 * * MON-FRI."})
    text = " ".join(value.split())
    if text.startswith("@"):
        text = text.lower()
    parse_expression(text)
    return text
