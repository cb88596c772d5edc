"""Cron expressions as choices of a form, in both directions: hourly, daily, weekly, monthly, or six fields."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

from timers.scheduling.cron_expression import MACROS

WEEKDAYS = ("MON", "TUE", "WED", "THU", "FRI", "SAT", "SUN")
STEPS = (1, 2, 3, 4, 6, 8, 12)
"""Distances between runs, in hours, that divide a day."""

_NUMBER = re.compile(r"\d{1,2}")
_STEP = re.compile(r"(?:\*|0)/(\d{1,2})")
_ANY_DAY = ("*", "?")
_ON_DAYS = {*map(str, range(1, 32)), "L", "LW", "1W"}
_NTHS = ("1", "2", "3", "4", "L")


class CronShape(StrEnum):
    """The choices for the shape of a rule."""

    HOURLY = "hourly"
    DAILY = "daily"
    WEEKLY = "weekly"
    MONTHLY = "monthly"
    CUSTOM = "custom"


@dataclass(frozen=True, kw_only=True)
class CronChoice:
    """A rule as the choices of a form. All fields have values in every shape, so that changing the shape keeps them.

    `on` is the day of a month: a day field of a cron expression ("15", "L", "LW", "1W"), or "nth" for `nth` `weekday`.
    """

    pattern: CronShape = CronShape.DAILY
    step: int = 1
    minute: int = 0
    hour: int = 9
    weekdays: tuple[str, ...] = ("MON",)
    on: str = "1"
    nth: str = "1"
    weekday: str = "MON"
    fields: tuple[str, ...] = ("0", "0", "9", "*", "*", "?")

    def write(self) -> str:
        """Return the expression."""
        at = f"0 {self.minute} {self.hour}"
        match self.pattern:
            case CronShape.HOURLY:
                return f"0 {self.minute} {'*' if self.step == 1 else f'*/{self.step}'} * * ?"
            case CronShape.DAILY:
                return f"{at} * * ?"
            case CronShape.WEEKLY:
                return f"{at} ? * {_join_weekdays(self.weekdays)}"
            case CronShape.MONTHLY if self.on == "nth":
                return f"{at} ? * {self.weekday}{'L' if self.nth == 'L' else f'#{self.nth}'}"
            case CronShape.MONTHLY:
                return f"{at} {self.on} * ?"
            case _:
                return " ".join(field or "*" for field in self.fields)


def read(expression: str) -> CronChoice:
    """Return the choices for an expression, `custom` when it has no simpler shape. It need not be valid."""
    written = expression.split()
    if len(written) == 1:
        written = MACROS.get(written[0].lower(), expression).split()
    if len(written) == 5:
        written = ["0", *written]
    fields = (*written[:6], *["*"] * (6 - len(written)))
    minute, hour = _plain(fields[1], 59, 0), _plain(fields[2], 23, 9)
    custom = CronChoice(pattern=CronShape.CUSTOM, fields=fields, minute=minute, hour=hour)
    return custom if len(written) != 6 else _recognized(custom)


def _plain(text: str, most: int, default: int) -> int:
    """Return the number of a field that is a plain number, else the default."""
    return int(text) if _is_number(text, most) else default


def _recognized(custom: CronChoice) -> CronChoice:
    second, minute, hour, day, month, weekday = (text.upper() for text in custom.fields)
    if second not in ("0", "00") or month != "*" or not _is_number(minute, 59):
        return custom
    any_day, any_weekday = day in _ANY_DAY, weekday in _ANY_DAY
    if any_day and any_weekday and (step := _step(hour)) is not None:
        return _with_pattern(custom, CronShape.HOURLY, step=step)
    if not _is_number(hour, 23) or not (any_day or any_weekday):
        return custom
    if any_day and any_weekday:
        return _with_pattern(custom, CronShape.DAILY)
    if any_weekday:
        return _with_pattern(custom, CronShape.MONTHLY, on=day) if day in _ON_DAYS else custom
    return _on_weekdays(custom, weekday)


def _on_weekdays(custom: CronChoice, weekday: str) -> CronChoice:
    if days := _weekdays(weekday):
        return _with_pattern(custom, CronShape.WEEKLY, weekdays=days)
    match = re.fullmatch(r"([A-Z]{3}|[0-7])(?:#([1-4])|(L))", weekday)
    name = _weekday(match[1]) if match else None
    return (
        _with_pattern(custom, CronShape.MONTHLY, on="nth", nth=match[2] or "L", weekday=name)
        if match and name
        else custom
    )


def _with_pattern(custom: CronChoice, pattern: CronShape, **more: object) -> CronChoice:
    return CronChoice(**{**vars(custom), "pattern": pattern, **more})  # type: ignore[arg-type]


def _is_number(text: str, most: int) -> bool:
    return _NUMBER.fullmatch(text) is not None and int(text) <= most


def _step(hour: str) -> int | None:
    if hour == "*":
        return 1
    match = _STEP.fullmatch(hour)
    return int(match[1]) if match and int(match[1]) in STEPS else None


def _weekdays(text: str) -> tuple[str, ...]:
    """Return the days of a list of days and ranges, nothing for any other text."""
    days: set[str] = set()
    for part in text.split(","):
        first, dash, last = (_weekday(word) if word not in ("", "-") else word for word in part.partition("-"))
        if not first or (dash and not last):
            return ()
        begin, end = WEEKDAYS.index(first), WEEKDAYS.index(last if dash and last else first)
        if end < begin:
            return ()
        days |= set(WEEKDAYS[begin : end + 1])
    return tuple(day for day in WEEKDAYS if day in days)


def _weekday(text: str) -> str | None:
    """Return the name of a weekday given as name or number (Sunday is 0 and 7), None for any other text."""
    if text in WEEKDAYS:
        return text
    return WEEKDAYS[(int(text) - 1) % 7] if text.isdecimal() and int(text) <= 7 else None


def _join_weekdays(weekdays: tuple[str, ...]) -> str:
    """Return days as a list of a cron expression, three or more neighbours as a range."""
    numbers = [number for number, day in enumerate(WEEKDAYS) if day in weekdays]
    if len(numbers) > 2 and numbers[-1] - numbers[0] == len(numbers) - 1:
        return f"{WEEKDAYS[numbers[0]]}-{WEEKDAYS[numbers[-1]]}"
    return ",".join(WEEKDAYS[number] for number in numbers) or "MON"
