"""Kinds as somebody outside the package writes them: two actions, a schedule, a storage and a channel."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar, Self

from timers import validation
from timers.actions.base import Action, Context, Outcome
from timers.channels.base import Channel, Delivery
from timers.errors import ExternalError, Invalid
from timers.parameters import Parameter, ParameterType
from timers.scheduling.base import TICK, ScheduleRule
from timers.storages.memory import MemoryStorage

SETTINGS = {
    "TIMERS_ACTIONS": {
        "echo": "tests.contracts.new_kinds.EchoAction",
        "note": "tests.contracts.new_kinds.NoteAction",
    },
    "TIMERS_SCHEDULES": {"daily": "tests.contracts.new_kinds.DailySchedule"},
    "TIMERS_STORAGES": {"drawer": "tests.contracts.new_kinds.DrawerStorage"},
    "TIMERS_CHANNELS": {"pager": "tests.contracts.new_kinds.PagerChannel"},
}


class EchoAction(Action):
    """Repeats a text; its form, its checks and its part of the API document are made of its parameters."""

    kind = "echo"
    label = "Echo"
    icon = "retry"
    parameters = (
        Parameter(name="text", label="Text to repeat", required=True, width="wide"),
        Parameter(name="times", label="Times", type=ParameterType.WHOLE, minimum=1, maximum=9, beside=True),
        Parameter(name="loud", label="Loud", type=ParameterType.FLAG),
        Parameter(name="key", label="Secret key", secret=True),
    )

    def run(self, context: Context) -> Outcome:
        given = context.parameters
        text = " ".join([given["text"]] * given.get("times", 1))
        return Outcome.completed({"value": text.upper() if given.get("loud") else text, "key": len(given["key"])})

    @classmethod
    def summary(cls, body: Mapping[str, Any]) -> str:
        return f"says {body.get('text')}"


class NoteAction(Action):
    """Declares nothing but what it does: its body is any object."""

    kind = "note"
    label = "Note"

    def run(self, context: Context) -> Outcome:
        return Outcome.completed(dict(context.parameters))


@dataclass(frozen=True)
class DailySchedule(ScheduleRule):
    """Once a day at an hour of UTC."""

    kind: ClassVar[str] = "daily"
    label: ClassVar[str] = "Daily"
    parameters: ClassVar[tuple[Parameter, ...]] = (
        Parameter(name="hour", label="Hour of the day", type=ParameterType.WHOLE, required=True, minimum=0, maximum=23),
    )
    main_field: ClassVar[str] = "hour"

    hour: int

    @classmethod
    def parse(cls, document: Mapping[str, Any], *, now: datetime) -> Self:
        validation.only_known(document, cls.field_names())
        validation.required(document, ["hour"])
        return cls(hour=validation.whole(document["hour"], "hour", minimum=0, maximum=23))

    def next_after(self, instant: datetime) -> datetime | None:
        return self._at(self._number_until(instant))

    def last_until(self, instant: datetime) -> datetime | None:
        return self._at(self._number_until(instant) - 1)

    def count_between(self, after: datetime, until: datetime) -> int:
        return max(0, self._number_until(until) - self._number_until(after))

    def document(self) -> dict[str, Any]:
        return {"type": self.kind, "hour": self.hour}

    def describe(self) -> str:
        return f"Every day at {self.hour} o'clock UTC"

    def smallest_gap(self) -> timedelta:
        return timedelta(days=1)

    @property
    def _first(self) -> datetime:
        return datetime(1970, 1, 1, self.hour, tzinfo=UTC)

    def _number_until(self, instant: datetime) -> int:
        """Return how many occurrences are not later than an instant."""
        instant = min(max(instant, self._first - TICK), validation.LAST_INSTANT)
        return (instant - self._first) // timedelta(days=1) + 1

    def _at(self, number: int) -> datetime | None:
        instant = self._first + timedelta(days=number)
        return instant if number >= 0 and instant <= validation.LAST_INSTANT else None


class DrawerStorage(MemoryStorage):
    """A named drawer of this process, which a pin opens."""

    kind = "drawer"
    label = "Drawer"
    heading = "A drawer of this process"
    parameters = (
        Parameter(name="name", label="Name on the drawer", required=True),
        Parameter(name="pin", label="Pin", required=True, secret=True, beside=True),
    )

    @classmethod
    def place(cls, parameters: Mapping[str, Any]) -> str:
        return f"drawer {parameters['name']}"


class PagerChannel(Channel):
    """Keeps what it is given in a list; a busy one takes nothing for now, a broken one nothing at all."""

    kind = "pager"
    label = "Pager"
    examples = ("pager:name",)
    received: ClassVar[list[Delivery]] = []

    @classmethod
    def clean_target(cls, text: str, *, owner: Any) -> str:
        if not text.isalpha():
            raise Invalid({"": f"{text!r} is no name of a pager."})
        return text

    def deliver(self, delivery: Delivery) -> None:
        if delivery.target in ("busy", "broken"):
            raise ExternalError(f"It is {delivery.target}.", retryable=delivery.target == "busy", reason="refused")
        self.received.append(delivery)
