"""Interval schedules that never drift: occurrence n is at start + n x interval, in absolute time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, ClassVar, Self

from timers import formatting, validation
from timers.clock import from_us, to_us
from timers.errors import Invalid
from timers.parameters import Parameter, ParameterType
from timers.scheduling.base import TICK, ScheduleRule

MIN_INTERVAL_SECONDS = 0.1
MAX_INTERVAL_SECONDS = 100 * 365.25 * 86_400

_SECOND_US = 1_000_000
_LAST_US = to_us(validation.LAST_INSTANT)


@dataclass(frozen=True)
class IntervalSchedule(ScheduleRule):
    """Schedule with occurrences at `start` and every `interval_us` microseconds after it."""

    kind: ClassVar[str] = "recurring"
    label: ClassVar[str] = "Every"
    parameters: ClassVar[tuple[Parameter, ...]] = (
        Parameter(
            name="interval_seconds",
            label="Interval",
            type=ParameterType.NUMBER,
            required=True,
            minimum=MIN_INTERVAL_SECONDS,
        ),
    )
    main_field: ClassVar[str] = "interval_seconds"
    in_globus: ClassVar[bool] = True

    interval_us: int
    start: datetime

    @classmethod
    def parse(cls, document: Mapping[str, Any], *, now: datetime) -> Self:
        validation.only_known(document, cls.field_names())
        start = document.get("start")
        return cls(
            interval_us=_read_interval(document.get("interval_seconds")),
            start=now if start is None else validation.instant(start, "start"),
        )

    @property
    def interval(self) -> timedelta:
        return self.interval_us * TICK

    @property
    def interval_seconds(self) -> int | float:
        return formatting.plain_number(self.interval_us / _SECOND_US)

    def next_after(self, instant: datetime) -> datetime | None:
        return self._at(self._number_until(instant))

    def last_until(self, instant: datetime) -> datetime | None:
        number = self._number_until(min(instant, validation.LAST_INSTANT))
        return self._at(number - 1) if number else None

    def count_between(self, after: datetime, until: datetime) -> int:
        return max(0, self._number_until(min(until, validation.LAST_INSTANT)) - self._number_until(after))

    def describe(self) -> str:
        return formatting.sentence_case(formatting.every(self.interval_seconds))

    def document(self) -> dict[str, Any]:
        return {
            "type": self.kind,
            "interval_seconds": self.interval_seconds,
            "start": formatting.iso(self.start),
        }

    def smallest_gap(self) -> timedelta:
        return self.interval

    def anchor(self) -> datetime:
        return self.start

    def _number_until(self, instant: datetime) -> int:
        """Return the number of occurrences not later than `instant`, which is the index of the next one."""
        since_start = (instant - self.start) // TICK
        return since_start // self.interval_us + 1 if since_start >= 0 else 0

    def _at(self, number: int) -> datetime | None:
        at = to_us(self.start) + number * self.interval_us
        return from_us(at) if at <= _LAST_US else None


def _read_interval(value: object) -> int:
    """Return whole microseconds. A float is rounded to the nearest one, so 0.1 is exactly 100,000. Raises Invalid."""
    if value is None:
        raise Invalid({"interval_seconds": "Give the number of seconds from one occurrence to the next."})
    seconds = validation.number(
        value, "interval_seconds", minimum=MIN_INTERVAL_SECONDS, maximum=MAX_INTERVAL_SECONDS, unit="seconds"
    )
    return seconds * _SECOND_US if isinstance(seconds, int) else round(seconds * _SECOND_US)
