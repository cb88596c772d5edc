"""Search and count of the local times that match a cron rule, on a calendar without a time zone.

Local times are naive datetimes. Searches are arithmetic on bit sets. The matching days of a month depend only on its
length and on the weekday of its first day, so 28 tables cover all months.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from itertools import pairwise

from timers.scheduling import bits

GIVE_UP_YEARS = 41
"""Years after which a search gives up. 29 February on a given weekday can take 40 years around 1900 or 2100."""

_REFERENCE_YEARS = range(2001, 2029)  # 28 years contain every kind of year
_MAX_DAY_GAP = 366

Time = tuple[int, int, int]


@dataclass(frozen=True)
class CronCalendar:
    """The sets of matching seconds, minutes, hours and months, and of days by kind of month.

    `days[first][length - 28]` is the set of days in a month.

    `first` is the weekday of the month's first day, Monday being 0.
    """

    seconds: int
    minutes: int
    hours: int
    months: int
    days: tuple[tuple[int, int, int, int], ...]

    def days_in(self, year: int, month: int) -> int:
        """Return the set of matching days of a month, whether or not the month itself matches."""
        return self.days[date(year, month, 1).weekday()][month_length(year, month) - 28]

    def has(self, local: datetime) -> bool:
        """Return whether a local time, in whole seconds, matches."""
        return (
            bits.has(self.hours, local.hour)
            and bits.has(self.minutes, local.minute)
            and bits.has(self.seconds, local.second)
            and self.has_day(local)
        )

    def has_day(self, day: date) -> bool:
        return bits.has(self.months, day.month) and bits.has(self.days_in(day.year, day.month), day.day)

    def next_after(self, local: datetime, *, last_year: int) -> datetime | None:
        """Return the first matching local time strictly after `local`, None when there is none until `last_year`."""
        time = self._time_after(local) if self.has_day(local) else None
        if time is not None:
            return datetime(local.year, local.month, local.day, *time)  # noqa: DTZ001
        day = self._day_from(local.year, local.month, local.day + 1, last_year)
        return None if day is None else datetime(*day, *self._first_time())  # noqa: DTZ001

    def last_until(self, local: datetime, *, first_year: int) -> datetime | None:
        """Return the latest matching local time at or before `local`, None when there is none back to `first_year`."""
        time = self._time_until(local) if self.has_day(local) else None
        if time is not None:
            return datetime(local.year, local.month, local.day, *time)  # noqa: DTZ001
        day = self._day_until(local.year, local.month, local.day - 1, first_year)
        return None if day is None else datetime(*day, *self._last_time())  # noqa: DTZ001

    def count_between(self, after: datetime, until: datetime) -> int:
        """Return the number of matching local times later than `after` and not later than `until`."""
        if until <= after:
            return 0
        whole_days = self._days_until(until, since=after)
        return whole_days * self.times_a_day() + self._rank(until) - self._rank(after)

    def times_a_day(self) -> int:
        return self.hours.bit_count() * self.minutes.bit_count() * self.seconds.bit_count()

    def smallest_gap(self) -> timedelta | None:
        """Return the smallest distance between two matching local times, None when no day ever matches."""
        gaps: list[int] = []
        span = 0
        for numbers, unit in ((self.seconds, 1), (self.minutes, 60), (self.hours, 3_600)):
            members = bits.members(numbers)
            gaps += [(later - earlier) * unit - span for earlier, later in pairwise(members)]
            span += (members[-1] - members[0]) * unit
        day_gap = self._smallest_day_gap()
        if day_gap is None:
            return None
        return timedelta(seconds=min([*gaps, day_gap * 86_400 - span]))

    def _smallest_day_gap(self) -> int | None:
        """Return the smallest number of days between two matching days, at most a year; None when no day matches."""
        smallest, before = _MAX_DAY_GAP, None
        for year in _REFERENCE_YEARS:
            for month in bits.members(self.months):
                first = date(year, month, 1).toordinal() - 1
                for day in bits.members(self.days_in(year, month)):
                    if before is not None:
                        smallest = min(smallest, first + day - before)
                    before = first + day
                    if smallest == 1:
                        return 1
        return None if before is None else smallest

    def _first_time(self) -> Time:
        first = bits.first_from
        return first(self.hours, 0) or 0, first(self.minutes, 0) or 0, first(self.seconds, 0) or 0

    def _last_time(self) -> Time:
        return self.hours.bit_length() - 1, self.minutes.bit_length() - 1, self.seconds.bit_length() - 1

    def _time_after(self, local: datetime) -> Time | None:
        _, first_minute, first_second = self._first_time()
        if bits.has(self.hours, local.hour):
            if bits.has(self.minutes, local.minute):
                second = bits.first_from(self.seconds, local.second + 1)
                if second is not None:
                    return local.hour, local.minute, second
            minute = bits.first_from(self.minutes, local.minute + 1)
            if minute is not None:
                return local.hour, minute, first_second
        hour = bits.first_from(self.hours, local.hour + 1)
        return None if hour is None else (hour, first_minute, first_second)

    def _time_until(self, local: datetime) -> Time | None:
        _, last_minute, last_second = self._last_time()
        if bits.has(self.hours, local.hour):
            if bits.has(self.minutes, local.minute):
                second = bits.last_until(self.seconds, local.second)
                if second is not None:
                    return local.hour, local.minute, second
            minute = bits.last_until(self.minutes, local.minute - 1) if local.minute else None
            if minute is not None:
                return local.hour, minute, last_second
        hour = bits.last_until(self.hours, local.hour - 1) if local.hour else None
        return None if hour is None else (hour, last_minute, last_second)

    def _day_from(self, year: int, month: int, day: int, last_year: int) -> tuple[int, int, int] | None:
        """Return the first matching day at or after the given one, which may be one past the end of its month."""
        while year <= last_year:
            matching_month = bits.first_from(self.months, month)
            if matching_month is None:
                year, month, day = year + 1, 1, 1
                continue
            matching_day = bits.first_from(self.days_in(year, matching_month), day if matching_month == month else 1)
            if matching_day is not None:
                return year, matching_month, matching_day
            month, day = matching_month + 1, 1
        return None

    def _day_until(self, year: int, month: int, day: int, first_year: int) -> tuple[int, int, int] | None:
        """Return the last matching day at or before the given one, whose number may be 0."""
        while year >= first_year:
            matching_month = bits.last_until(self.months, month)
            if matching_month is None:
                year, month, day = year - 1, 12, 31
                continue
            matching_day = bits.last_until(self.days_in(year, matching_month), day if matching_month == month else 31)
            if matching_day is not None:
                return year, matching_month, matching_day
            month, day = matching_month - 1, 31
        return None

    def _rank(self, local: datetime) -> int:
        """Return the number of matching times of a day that are not later than `local`; 0 if the day does not match."""
        if not self.has_day(local):
            return 0
        per_hour = self.minutes.bit_count() * self.seconds.bit_count()
        rank = bits.count_until(self.hours, local.hour) * per_hour
        if bits.has(self.hours, local.hour):
            rank -= per_hour
            rank += bits.count_until(self.minutes, local.minute) * self.seconds.bit_count()
            if bits.has(self.minutes, local.minute):
                rank -= self.seconds.bit_count() - bits.count_until(self.seconds, local.second)
        return rank

    def _days_until(self, until: date, *, since: date) -> int:
        """Return the number of matching days from the day of `since` (included) to the day of `until` (excluded)."""
        total = self._days_before(until) - self._days_before(since)
        year, month = since.year, since.month
        while (year, month) < (until.year, until.month):
            if bits.has(self.months, month):
                total += self.days_in(year, month).bit_count()
            year, month = (year, month + 1) if month < 12 else (year + 1, 1)
        return total

    def _days_before(self, day: date) -> int:
        """Return the number of matching days before `day` in its month."""
        if not bits.has(self.months, day.month):
            return 0
        return bits.count_until(self.days_in(day.year, day.month), day.day - 1)


def month_length(year: int, month: int) -> int:
    if month == 2:
        return 29 if year % 4 == 0 and (year % 100 != 0 or year % 400 == 0) else 28
    return 30 if month in (4, 6, 9, 11) else 31
