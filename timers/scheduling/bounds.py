"""Bounds of a rule of any kind: start, end, window, number of runs, jitter; and the reader of schedule documents."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any
from uuid import UUID

from timers import formatting, validation
from timers.clock import to_us
from timers.errors import Invalid
from timers.scheduling.base import KINDS, TICK, ScheduleRule
from timers.scheduling.interval import MAX_INTERVAL_SECONDS, MIN_INTERVAL_SECONDS, IntervalSchedule
from timers.scheduling.windows import Stretch, Window

START_GRACE = timedelta(seconds=60)
"""Age up to which a past start still counts as due: the request meant now and took a while (docs/policies.md)."""

MAX_RUNS = 2**31 - 1

MAX_CLOSED_OCCURRENCES = 1_000
"""Number of closed stretches that a search skips to find the next occurrence: nearly three years of nights."""

_BEGINNING = datetime.min.replace(tzinfo=UTC)
_END_OF_TIME = datetime.max.replace(tzinfo=UTC)
_MAX_KIND_LENGTH = 64
_RUN_KEYS = ("n", "count", "iterations")


class EndCondition(StrEnum):
    """The condition that ends a schedule."""

    TIME = "time"  # nothing is planned after an instant
    ITERATIONS = "iterations"  # a number of runs has begun


@dataclass(frozen=True)
class BoundedSchedule:
    """A rule with its bounds.

    `start` and `end` are inclusive. `max_runs` limits the runs that began. The caller applies it, because this value
    knows no history. Occurrences while the `window` is closed are left out: only `left_out_between` yields them.
    """

    rule: ScheduleRule
    start: datetime | None = None
    end: datetime | None = None
    max_runs: int | None = None
    window: Window | None = None

    @property
    def kind(self) -> str:
        return self.rule.kind

    @property
    def timezone(self) -> str:
        """The time zone of the rule; UTC for rules in absolute time."""
        return self.rule.timezone

    def next_after(self, instant: datetime) -> datetime | None:
        """Return the first occurrence within the bounds strictly after `instant`, or None for never."""
        occurrence = self._planned_after(instant)
        for _ in range(MAX_CLOSED_OCCURRENCES):
            stretch = self._open_after(occurrence)
            if occurrence is None or stretch is None or stretch.begin <= occurrence:
                return occurrence if stretch is not None or self.window is None else None
            occurrence = self._planned_after(stretch.begin - TICK)
        return None

    def last_until(self, instant: datetime) -> datetime | None:
        """Return the latest occurrence within the bounds at or before `instant`, or None."""
        occurrence = self._planned_until(instant)
        for _ in range(MAX_CLOSED_OCCURRENCES):
            if occurrence is None or self.window is None:
                return occurrence
            stretch = self.window.open_until(occurrence)
            if stretch is None or stretch.end >= occurrence:
                return occurrence if stretch is not None else None
            occurrence = self._planned_until(stretch.end)
        return None

    def count_between(self, after: datetime, until: datetime) -> int:
        """Return the number of occurrences within the bounds later than `after` and not later than `until`."""
        if self.window is None:
            return self._planned_between(after, until)
        count, stretch = 0, self.window.open_after(after + TICK)
        while stretch is not None and stretch.begin <= until:
            count += self._planned_between(max(after, stretch.begin - TICK), min(until, stretch.end))
            stretch = self.window.open_after(stretch.end + TICK)
        return count

    def misses_window(self, now: datetime) -> bool:
        """Return whether the window is never open when the rule fires, whatever the other bounds are."""
        return self.window is not None and BoundedSchedule(self.rule, window=self.window).next_after(now) is None

    def left_out_between(self, after: datetime, before: datetime) -> Iterator[tuple[datetime, datetime, int]]:
        """Yield the occurrences left out by the closed window strictly between two instants.

        Each item is a run of neighbouring occurrences: the first, the last, and their number.
        """
        planned = self._planned_after(after) if self.window is not None else None
        for _ in range(MAX_CLOSED_OCCURRENCES):
            if planned is None or planned >= before:
                return
            stretch = self._open_after(planned)
            if stretch is not None and stretch.begin <= planned:
                planned = self._planned_after(stretch.end)
                continue
            last = self._planned_until((before if stretch is None else min(before, stretch.begin)) - TICK)
            last = planned if last is None else max(planned, last)
            yield planned, last, 1 + self._planned_between(planned, last)
            planned = self._planned_after(last)

    def _open_after(self, instant: datetime | None) -> Stretch | None:
        return None if instant is None or self.window is None else self.window.open_after(instant)

    def _planned_after(self, instant: datetime) -> datetime | None:
        if self.start is not None and instant < self.start:
            instant = self.start - TICK
        occurrence = self.rule.next_after(instant)
        return None if occurrence is None or (self.end is not None and occurrence > self.end) else occurrence

    def _planned_until(self, instant: datetime) -> datetime | None:
        occurrence = self.rule.last_until(instant if self.end is None else min(instant, self.end))
        return None if occurrence is None or (self.start is not None and occurrence < self.start) else occurrence

    def _planned_between(self, after: datetime, until: datetime) -> int:
        if self.start is not None:
            after = max(after, self.start - TICK)
        if self.end is not None:
            until = min(until, self.end)
        return self.rule.count_between(after, until) if after < until else 0

    def first(self, *, created: datetime) -> datetime | None:
        """Return the first planned instant of a timer created at `created`, None when the schedule is already over.

        An interval begins at its start, even if that is up to a minute in the past. An older start only fixes the
        instants of the interval. The only instant of a schedule that does not repeat counts even if it is past.
        """
        if not self.rule.repeats:
            return self.next_after(_BEGINNING)
        anchor = self.rule.anchor()
        if anchor is not None and anchor >= created - START_GRACE:
            return self.next_after(anchor - TICK)
        return self.next_after(created)

    def smallest_gap(self) -> timedelta | None:
        """Return the smallest distance between two occurrences of the rule, None for fewer than two."""
        return self.rule.smallest_gap()

    def document(self) -> dict[str, Any]:
        """Return the complete document; `parse_schedule` turns it into an equal value."""
        document = self.rule.document()
        if self.start is not None:
            document["start"] = formatting.iso(self.start)
        if self.end is not None or self.max_runs is not None:
            document["end"] = self._end_document()
        if self.window is not None:
            document["window"] = self.window.document()
        return document

    def _end_document(self) -> dict[str, Any]:
        condition = EndCondition.ITERATIONS if self.end is None else EndCondition.TIME
        document: dict[str, Any] = {"condition": condition.value}
        if self.end is not None:
            document["datetime"] = formatting.iso(self.end)
        if self.max_runs is not None:
            document["n"] = self.max_runs
        return document


def parse_schedule(
    document: object,
    *,
    now: datetime,
    minimum_interval: float = MIN_INTERVAL_SECONDS,
    refuse_never: bool = True,
    name: str = "schedule",
) -> BoundedSchedule:
    """Return the schedule of a document; raises Invalid with fields below `name`.

    `minimum_interval` is in seconds. `refuse_never` refuses a rule without any occurrence, and an end before the given
    start. Previews and readers of stored schedules pass False.
    """
    try:
        schedule = _parse(document, now)
        _check_interval(schedule.rule, minimum_interval)
        if refuse_never:
            _check_fires(schedule, now, start_given=isinstance(document, Mapping) and document.get("start") is not None)
    except Invalid as error:
        raise error.under(name) if name else error from None
    return schedule


def _parse(document: object, now: datetime) -> BoundedSchedule:
    if not isinstance(document, Mapping):
        raise Invalid({"": "A schedule must be an object with a type."})
    kind = document.get("type")
    if not isinstance(kind, str) or len(kind) > _MAX_KIND_LENGTH:
        raise Invalid({"type": f"Give the kind of schedule: {', '.join(KINDS)}."})
    rule = KINDS.get(kind).parse(document, now=now)
    if not rule.repeats:
        return BoundedSchedule(rule)
    given_start = document.get("start")
    start = rule.anchor() if given_start is None else validation.instant(given_start, "start")
    end, max_runs = _read_end(document.get("end"))
    return BoundedSchedule(rule, start=start, end=end, max_runs=max_runs, window=_read_window(document.get("window")))


def _read_window(value: object) -> Window | None:
    try:
        return None if value is None else Window.parse(value)
    except Invalid as error:
        raise error.under("window") from None


def _read_end(value: object) -> tuple[datetime | None, int | None]:
    """Return the last instant and the number of runs. A condition of one kind may include the other one too."""
    if value is None:
        return None, None
    if not isinstance(value, Mapping):
        raise Invalid({"end": "An end must be an object with a condition."})
    try:
        return _read_condition(value)
    except Invalid as error:
        raise error.under("end") from None


def _read_condition(document: Mapping[str, Any]) -> tuple[datetime | None, int | None]:
    validation.only_known(document, {"condition", "datetime", *_RUN_KEYS})
    condition = validation.choice(document.get("condition"), "condition", EndCondition)
    at = document.get("datetime")
    end = None if at is None else validation.instant(at, "datetime", last=_END_OF_TIME)
    max_runs = _read_runs(document)
    if condition is EndCondition.TIME and end is None:
        raise Invalid({"datetime": "Give the time at which the schedule ends."})
    if condition is EndCondition.ITERATIONS and max_runs is None:
        raise Invalid({"n": "Give the number of runs after which the schedule ends."})
    return end, max_runs


def _read_runs(document: Mapping[str, Any]) -> int | None:
    """Return the number of runs, given in any of its three spellings."""
    given = {key: document[key] for key in _RUN_KEYS if document.get(key) is not None}
    counts = {validation.whole(value, key, minimum=1, maximum=MAX_RUNS) for key, value in given.items()}
    if len(counts) > 1:
        raise Invalid({next(iter(given)): f"Give one number of runs, not several: {', '.join(given)}."})
    return counts.pop() if counts else None


def _check_interval(rule: ScheduleRule, minimum: float) -> None:
    if isinstance(rule, IntervalSchedule):
        validation.number(
            rule.interval_seconds, rule.main_field, minimum=minimum, maximum=MAX_INTERVAL_SECONDS, unit="seconds"
        )


def _check_fires(schedule: BoundedSchedule, now: datetime, *, start_given: bool) -> None:
    """Raise Invalid for a schedule that can never fire. A past end is allowed: that schedule is merely over."""
    rule, start, end = schedule.rule, schedule.start, schedule.end
    if start_given and start is not None and end is not None and end < start:
        raise Invalid({"end.datetime": "The end lies before the start."})
    if rule.repeats and rule.next_after(max(now, start or now)) is None:
        raise Invalid({rule.main_field: "This schedule never fires: no date within 40 years matches it."})
    if schedule.misses_window(now):
        raise Invalid({"window": "This schedule never fires: none of its occurrences lies in the window."})


def jitter_delay(*, timer_id: UUID, planned: datetime, jitter: timedelta) -> timedelta:
    """Return the delay of an occurrence's start, from 0 to `jitter`; always the same for the same occurrence."""
    seed = timer_id.bytes + to_us(planned).to_bytes(8, "big", signed=True)
    draw = int.from_bytes(hashlib.sha256(seed).digest()[:8], "big")
    return (draw * (jitter // TICK + 1) >> 64) * TICK
