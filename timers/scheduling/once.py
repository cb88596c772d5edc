"""Schedules of a single instant."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar, Self

from timers import formatting, validation
from timers.parameters import Parameter, ParameterType
from timers.scheduling.base import ScheduleRule


@dataclass(frozen=True)
class OnceSchedule(ScheduleRule):
    """Schedule with one occurrence, at `at`. If that is past, it is due at once and keeps its planned instant."""

    kind: ClassVar[str] = "once"
    label: ClassVar[str] = "Once"
    parameters: ClassVar[tuple[Parameter, ...]] = (
        Parameter(name="datetime", label="Date and time", type=ParameterType.INSTANT),
    )
    main_field: ClassVar[str] = "datetime"
    repeats: ClassVar[bool] = False
    in_globus: ClassVar[bool] = True

    at: datetime

    @classmethod
    def parse(cls, document: Mapping[str, Any], *, now: datetime) -> Self:
        validation.only_known(document, cls.field_names())
        value = document.get("datetime")
        return cls(at=now if value is None else validation.instant(value, "datetime"))

    def next_after(self, instant: datetime) -> datetime | None:
        return self.at if self.at > instant else None

    def last_until(self, instant: datetime) -> datetime | None:
        return self.at if self.at <= instant else None

    def count_between(self, after: datetime, until: datetime) -> int:
        return int(after < self.at <= until)

    def describe(self) -> str:
        return f"Once, {formatting.date_and_time(self.at)} UTC"

    def document(self) -> dict[str, Any]:
        return {"type": self.kind, "datetime": formatting.iso(self.at)}
