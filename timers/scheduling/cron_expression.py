"""The parser of cron expressions: Spring's six fields and macros, and Unix's five fields with second 0.

The rules are those of Spring's CronExpression, described in docs/policies.md.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Protocol

from timers import formatting
from timers.errors import Invalid
from timers.scheduling import bits
from timers.scheduling.cron_calendar import CronCalendar

MAX_EXPRESSION_LENGTH = 500

MACROS = {
    "@yearly": "0 0 0 1 1 *",
    "@annually": "0 0 0 1 1 *",
    "@monthly": "0 0 0 1 * *",
    "@weekly": "0 0 0 * * 0",
    "@daily": "0 0 0 * * *",
    "@midnight": "0 0 0 * * *",
    "@hourly": "0 0 * * * *",
}

_MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
_WEEKDAYS = ("MON", "TUE", "WED", "THU", "FRI", "SAT", "SUN")
_SATURDAY, _SUNDAY = 6, 7


class DaySpecial(Protocol):
    """A part of a day field that depends on the month."""

    def day(self, first: int, length: int) -> int | None:
        """Return the matching day of a month, None if there is none.

        The month has `length` days and begins on the weekday `first` (Monday 1 to Sunday 7).
        """

    def in_words(self) -> str:
        """Return the day in words, to be followed by "of every month"."""


def _weekday(day: int, first: int) -> int:
    """Return the weekday (Monday 1 to Sunday 7) of a day in a month that begins on the weekday `first`."""
    return (first + day - 2) % 7 + 1


@dataclass(frozen=True)
class LastDay:
    """`L` and `L-n`: `before` days before the last day of the month."""

    before: int = 0

    def day(self, first: int, length: int) -> int | None:
        return length - self.before if self.before < length else None

    def in_words(self) -> str:
        if self.before <= 1:
            return "the day before the last day" if self.before else "the last day"
        return f"the day {self.before} days before the last day"


@dataclass(frozen=True)
class LastWorkday:
    """`LW`: the last Monday to Friday of the month."""

    def day(self, first: int, length: int) -> int:
        return length - max(0, _weekday(length, first) - 5)

    def in_words(self) -> str:
        return "the last workday"


@dataclass(frozen=True)
class NearestWorkday:
    """`nW`: the Monday to Friday nearest to day n, within the month. A month without a day n has none."""

    number: int

    def day(self, first: int, length: int) -> int | None:
        if self.number > length:
            return None
        weekday = _weekday(self.number, first)
        if weekday == _SATURDAY:
            return self.number - 1 if self.number > 1 else 3
        if weekday == _SUNDAY:
            return self.number + 1 if self.number < length else None
        return self.number

    def in_words(self) -> str:
        return f"the workday nearest to day {self.number}"


@dataclass(frozen=True)
class LastWeekday:
    """`dL`: the last such weekday of the month, Monday 1 to Sunday 7."""

    weekday: int

    def day(self, first: int, length: int) -> int:
        return length - (_weekday(length, first) - self.weekday) % 7

    def in_words(self) -> str:
        return f"the last {formatting.WEEKDAYS[self.weekday - 1]}"


@dataclass(frozen=True)
class NthWeekday:
    """`d#n`: the n-th such weekday of the month. A month may have none."""

    weekday: int
    nth: int

    def day(self, first: int, length: int) -> int | None:
        day = (self.weekday - first) % 7 + 1 + 7 * (self.nth - 1)
        return day if day <= length else None

    def in_words(self) -> str:
        return f"the {formatting.ordinal(self.nth)} {formatting.WEEKDAYS[self.weekday - 1]}"


@dataclass(frozen=True)
class DayField:
    """A day field: a set of plain values (days 1 to 31, or weekdays Monday 1 to Sunday 7), and specials."""

    every: int
    plain: int = 0
    specials: tuple[DaySpecial, ...] = ()

    @property
    def restricted(self) -> bool:
        return self.plain != self.every

    def special_days(self, first: int, length: int) -> int:
        days = 0
        for special in self.specials:
            day = special.day(first, length)
            if day is not None:
                days |= 1 << day
        return days


@dataclass(frozen=True)
class CronExpression:
    """A parsed expression. `fields` are always six fields, whatever way it was written."""

    fields: tuple[str, ...]
    written_fields: int
    """The number of fields as written: 6, 5, or 1 for a macro."""
    days: DayField
    weekdays: DayField
    calendar: CronCalendar = field(repr=False)

    @property
    def floating(self) -> bool:
        """True if it follows the clock through its changes: hour, minute or second begins with `*`."""
        return any(text.startswith("*") for text in self.fields[:3])


@dataclass(frozen=True)
class _Field:
    """One of the six fields: its range, the range of `*`, and the names that stand for numbers."""

    name: str
    least: int
    most: int
    star: tuple[int, int]
    names: tuple[str, ...] = ()
    cyclic: bool = False
    """True if the highest value equals 0, and means 0 at the beginning of a range: Sunday (7) before Monday."""

    def parts(self, text: str) -> list[str]:
        parts = text.split(",")
        if not all(parts):
            raise self.refusal("it has an empty part")
        return parts

    def plain(self, text: str) -> int:
        """Return the set of one part without specials: `*`, `n` or `a-b`, each with or without `/step`."""
        body, slash, step_text = text.partition("/")
        step = self.positive(step_text, text) if slash else 1
        if body == "*":
            least, most = self.star
        elif "-" in body:
            least, most = self._range(body, text)
        else:
            least = self.value(body, text)
            most = self.most if slash else least
        return bits.of_range(least, most, step)

    def _range(self, body: str, text: str) -> tuple[int, int]:
        opening, _, closing = body.partition("-")
        least, most = self.value(opening, text), self.value(closing, text)
        if self.cyclic and least == self.most:
            least = 0
        if least > most:
            raise self.refusal(f"the range {text} runs backwards")
        return least, most

    def value(self, text: str, part: str) -> int:
        if text.upper() in self.names:
            return self.names.index(text.upper()) + 1
        if not (text.isascii() and text.isdigit()):
            raise self.refusal(f"{part!a} cannot be read")
        if not self.least <= int(text) <= self.most:
            raise self.refusal(f"{text} is not between {self.least} and {self.most}")
        return int(text)

    def positive(self, text: str, part: str) -> int:
        if not (text.isascii() and text.isdigit()) or int(text) == 0:
            raise self.refusal(f"{part!a} needs a number of at least 1")
        return int(text)

    def refusal(self, why: str) -> Invalid:
        return Invalid({"expression": f"The {self.name} field cannot be used: {why}."})


_SECOND = _Field("second", 0, 59, (0, 59))
_MINUTE = _Field("minute", 0, 59, (0, 59))
_HOUR = _Field("hour", 0, 23, (0, 23))
_DAY = _Field("day of month", 1, 31, (1, 31))
_MONTH = _Field("month", 1, 12, (1, 12), _MONTHS)
_DAY_OF_WEEK = _Field("day of week", 0, 7, (1, 7), _WEEKDAYS, cyclic=True)


@lru_cache(maxsize=4096)
def parse_expression(text: str) -> CronExpression:
    """Return the parsed expression; raises Invalid naming the field "expression"."""
    if len(text) > MAX_EXPRESSION_LENGTH:
        raise Invalid({"expression": f"A cron expression has at most {MAX_EXPRESSION_LENGTH} characters."})
    written = text.split()
    fields = _six_fields(written)
    second, minute, hour, day, month, weekday = fields
    days = _day_field(_DAY, day, _day_special)
    weekdays = _day_field(_DAY_OF_WEEK, weekday, _weekday_special)
    calendar = CronCalendar(
        seconds=_plain_field(_SECOND, second),
        minutes=_plain_field(_MINUTE, minute),
        hours=_plain_field(_HOUR, hour),
        months=_plain_field(_MONTH, month),
        days=_day_tables(days, weekdays),
    )
    return CronExpression(fields, len(written), days, weekdays, calendar)


def _six_fields(written: list[str]) -> tuple[str, ...]:
    if len(written) == 1 and written[0].startswith("@"):
        macro = MACROS.get(written[0].lower())
        if macro is None:
            raise Invalid({"expression": f"Unknown macro {written[0]!a}; known: {', '.join(MACROS)}."})
        return tuple(macro.split())
    if len(written) == 5:
        return ("0", *written)
    if len(written) == 6:
        return tuple(written)
    raise Invalid(
        {
            "expression": "A cron expression has six fields (second, minute, hour, day of month, month, day of week) "
            f"or five without the second; this one has {len(written)}."
        }
    )


def _plain_field(rule: _Field, text: str) -> int:
    numbers = 0
    for part in rule.parts(text):
        numbers |= rule.plain(part)
    return numbers


def _day_field(rule: _Field, text: str, read_special: Callable[[str], DaySpecial | None]) -> DayField:
    every = bits.of_range(*rule.star)
    if text == "?":
        return DayField(every, every)
    plain, specials = 0, []
    for part in rule.parts(text):
        special = read_special(part)
        if special is None:
            plain |= rule.plain(part)
        else:
            specials.append(special)
    if rule.cyclic and bits.has(plain, 0):
        plain = plain ^ 1 | 1 << rule.most
    return DayField(every, plain, tuple(specials))


def _day_special(part: str) -> DaySpecial | None:
    """Return the special of `L`, `L-n`, `LW` or `nW`, upper case only as in Spring; None for a plain part."""
    if part == "L":
        return LastDay()
    if part == "LW":
        return LastWorkday()
    if part.startswith("L-"):
        return LastDay(_DAY.positive(part[2:], part))
    if part.endswith("W"):
        return NearestWorkday(_DAY.value(part[:-1], part))
    return None


def _weekday_special(part: str) -> DaySpecial | None:
    """Return the special of `dL` or `d#n`, in any case; None for a plain part."""
    if "#" in part:
        weekday, _, nth = part.partition("#")
        return NthWeekday(_DAY_OF_WEEK.value(weekday, part) or _SUNDAY, _DAY_OF_WEEK.positive(nth, part))
    if part.endswith(("L", "l")):
        return LastWeekday(_DAY_OF_WEEK.value(part[:-1], part) or _SUNDAY)
    return None


def _day_tables(days: DayField, weekdays: DayField) -> tuple[tuple[int, int, int, int], ...]:
    """Return the days that match both fields, by weekday of the first day (Monday 0) and length of the month."""

    def table(first: int, length: int) -> int:
        month = bits.of_range(1, length)
        by_number = days.plain & month | days.special_days(first, length)
        by_weekday = weekdays.special_days(first, length)
        for day in range(1, length + 1):
            if bits.has(weekdays.plain, _weekday(day, first)):
                by_weekday |= 1 << day
        return by_number & by_weekday

    return tuple(
        (table(first, 28), table(first, 29), table(first, 30), table(first, 31)) for first in range(1, _SUNDAY + 1)
    )
