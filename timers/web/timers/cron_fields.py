"""Picking a cron expression from a few choices. The text is what counts; what is picked is kept in step with it.

The page carries, beside the choices, the expression that they were shown for. So the server can tell which of the two
was changed: the choices count when the text is still that one and they no longer are.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from timers import formatting
from timers.errors import Invalid
from timers.scheduling import cron_patterns
from timers.scheduling.cron_expression import parse_expression
from timers.scheduling.cron_patterns import STEPS, WEEKDAYS, CronChoice, CronShape

FIELD_NAMES = ("Second", "Minute", "Hour", "Day", "Month", "Weekday")
PATTERNS = (
    (CronShape.HOURLY, "By the hour"),
    (CronShape.DAILY, "Daily"),
    (CronShape.WEEKLY, "Weekly"),
    (CronShape.MONTHLY, "Monthly"),
    (CronShape.CUSTOM, "Custom"),
)
DEFAULT = "0 0 9 * * ?"


@dataclass(frozen=True)
class CronBuilder:
    """The choices as they are shown for an expression, and what was sent back for them."""

    shown_for: str
    picked: CronChoice
    stands: bool = False
    """True when the choices came with the expression that they were shown for; only then do they count."""
    changed: bool = False
    """True when the choices count and differ from the expression."""

    @property
    def expression(self) -> str:
        """The expression that was picked."""
        return self.picked.write()

    @property
    def at(self) -> str:
        return f"{self.picked.hour:02}:{self.picked.minute:02}"

    @property
    def patterns(self) -> list[tuple[str, str]]:
        return [(str(pattern), label) for pattern, label in PATTERNS]

    @property
    def steps(self) -> list[tuple[int, str]]:
        return [(step, formatting.duration_words(step * 3600)) for step in STEPS]

    @property
    def weekdays(self) -> list[tuple[str, str, bool]]:
        return [
            (day, name, day in self.picked.weekdays) for day, name in zip(WEEKDAYS, formatting.WEEKDAYS, strict=True)
        ]

    @property
    def days_of_month(self) -> Iterator[tuple[str, str]]:
        """The days that a monthly rule can be on; `nth` needs a weekday beside it."""
        yield from ((str(day), f"day {day}") for day in range(1, 32))
        yield from (("L", "the last day"), ("1W", "the first working day"), ("LW", "the last working day"))
        yield "nth", "a weekday"

    @property
    def nths(self) -> list[tuple[str, str]]:
        return [("1", "first"), ("2", "second"), ("3", "third"), ("4", "fourth"), ("L", "last")]

    @property
    def fields(self) -> list[tuple[int, str, str]]:
        return [(place, name, self.picked.fields[place]) for place, name in enumerate(FIELD_NAMES)]


def builder_for(expression: str) -> CronBuilder:
    """Return the choices for an expression; for one that cannot be read, those of the default."""
    shown = expression if is_valid(expression) else DEFAULT
    return CronBuilder(shown, cron_patterns.read(shown))


def read(data: Any) -> CronBuilder | None:
    """Return what was sent for the choices, None when the page had none."""
    shown_for = data.get("cron_shown_for")
    if shown_for is None:
        return None
    before = cron_patterns.read(shown_for)
    picked = _picked(data, before)
    untouched = data.get("expression", "").split() == shown_for.split()
    return CronBuilder(shown_for, picked, stands=untouched, changed=untouched and picked.write() != before.write())


def is_valid(expression: str) -> bool:
    try:
        parse_expression(" ".join(expression.split()))
    except Invalid:
        return False
    return True


def _picked(data: Any, before: CronChoice) -> CronChoice:
    hour, _, minute = data.get("cron_at", "").partition(":")
    pattern = _one_of(data.get("cron_pattern"), list(CronShape), before.pattern)
    hourly = pattern == CronShape.HOURLY
    return CronChoice(
        pattern=CronShape(pattern),
        step=int(_one_of(data.get("cron_step"), list(map(str, STEPS)), str(before.step))),
        minute=_number(data.get("cron_minute") if hourly else minute, 59, before.minute),
        hour=_number(hour, 23, before.hour),
        weekdays=tuple(day for day in WEEKDAYS if day in data.getlist("cron_weekdays")) or before.weekdays,
        on=data.get("cron_on", before.on)[:4] or before.on,
        nth=_one_of(data.get("cron_nth"), ["1", "2", "3", "4", "L"], before.nth),
        weekday=_one_of(data.get("cron_weekday"), list(WEEKDAYS), before.weekday),
        fields=tuple(
            "".join(data.get(f"cron_field_{place}", field).split()) for place, field in enumerate(before.fields)
        ),
    )


def _one_of(value: str | None, known: list[Any], default: Any) -> Any:
    return value if value in known else default


def _number(text: str | None, most: int, default: int) -> int:
    text = (text or "")[:2]
    return int(text) if text.isascii() and text.isdecimal() and int(text) <= most else default
