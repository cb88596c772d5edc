"""The base class of all kinds of schedules, and the registry of kinds.

An instant is always an aware datetime. A schedule is a value: it has no clock and no state, and no method steps through
missed occurrences one by one.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, ClassVar, Self

from timers.parameters import Parameter
from timers.registry import Registry

TICK = timedelta(microseconds=1)
"""The smallest distance between two instants: `instant - TICK` turns "strictly after" into "at or after"."""

BOUND_KEYS = frozenset({"type", "start", "end", "window"})
"""Keys that every repeating kind may have beside its rule; `bounds.py` reads them."""


class ScheduleRule(ABC):
    """A rule that yields occurrences. Its subclasses are frozen dataclasses, so equal rules are equal values."""

    kind: ClassVar[str]
    label: ClassVar[str]
    parameters: ClassVar[tuple[Parameter, ...]]
    """The fields of its document beside those of every kind (BOUND_KEYS); forms and the API document read them."""
    main_field: ClassVar[str]
    """Field at which an error about the whole rule is shown."""
    repeats: ClassVar[bool] = True
    """True if there can be more than one occurrence. A rule that does not repeat runs late rather than never."""
    on_wall_clock: ClassVar[bool] = False
    """True if it reads the clock of a zone, which its description names."""
    in_globus: ClassVar[bool] = False
    """True if the Globus dialect can describe it."""
    timezone: str = "UTC"

    @classmethod
    def field_names(cls) -> frozenset[str]:
        """Return the names of the fields that its document can have."""
        bounds = BOUND_KEYS if cls.repeats else frozenset({"type"})
        return bounds | {parameter.name for parameter in cls.parameters}

    @classmethod
    @abstractmethod
    def parse(cls, document: Mapping[str, Any], *, now: datetime) -> Self:
        """Return the schedule of a document; raises Invalid with field names relative to the document."""

    @abstractmethod
    def next_after(self, instant: datetime) -> datetime | None:
        """Return the first occurrence strictly after `instant`, or None for never."""

    @abstractmethod
    def last_until(self, instant: datetime) -> datetime | None:
        """Return the latest occurrence at or before `instant`, or None when there is none."""

    @abstractmethod
    def count_between(self, after: datetime, until: datetime) -> int:
        """Return the number of occurrences later than `after` and not later than `until`."""

    @abstractmethod
    def document(self) -> dict[str, Any]:
        """Return the normalised document, with all defaults filled in."""

    def describe(self) -> str:
        """Return the rule in words, such as "Every 2 hours"; a description of the bounds follows it."""
        return self.label

    def warnings(self, *, now: datetime, last: datetime) -> list[str]:
        """Return a sentence for each thing to know of the rule before saving it, between two instants."""
        return []

    def smallest_gap(self) -> timedelta | None:
        """Return the smallest distance between two occurrences, None for fewer than two."""
        return None

    def anchor(self) -> datetime | None:
        """Return occurrence number 0 of an interval, None for a rule of the calendar."""
        return None


KINDS: Registry[ScheduleRule] = Registry("type")
KINDS.register("once", "timers.scheduling.once.OnceSchedule")
KINDS.register("recurring", "timers.scheduling.interval.IntervalSchedule")
KINDS.register("cron", "timers.scheduling.cron.CronSchedule")
