"""Start, end, window, number of runs and jitter around a rule of any kind; the one reader of schedule documents."""

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
from timers.scheduling.base import KINDS, TICK, Schedule
from timers.scheduling.interval import MAX_INTERVAL_SECONDS, MIN_INTERVAL_SECONDS, IntervalSchedule
from timers.scheduling.windows import Stretch, Window

START_GRACE = timedelta(seconds=60)
"""A start this far back is still an occurrence and due: the request meant now and took its time (docs/policies.md)."""

MAX_RUNS = 2**31 - 1

MAX_CLOSED_OCCURRENCES = 1_000
"""How many closed stretches are looked past for the next occurrence: nearly three years of nights."""

_BEGINNING = datetime.min.replace(tzinfo=UTC)
_END_OF_TIME = datetime.max.replace(tzinfo=UTC)
_MAX_KIND_LENGTH = 64
_RUN_KEYS = ("n", "count", "iterations")


class EndCondition(StrEnum):
    """What ends a schedule."""

    TIME = "time"  # nothing is planned after an instant
    ITERATIONS = "iterations"  # so many runs have begun


@dataclass(frozen=True)
class BoundedSchedule:
    """A rule between its bounds.

    `start` and `end` are inclusive. `max_runs` counts runs that began; who keeps the count applies it, as this value
    knows no history. What the rule would fire while the `window` is closed is left out: only `left_out_between`
    speaks of that.
    """

    rule: Schedule
    start: datetime | None = None
    end: datetime | None = None
    max_runs: int | None = None
    window: Window | None = None

    @property
    def kind(self) -> str:
        return self.rule.kind

    @property
    def timezone(self) -> str:
        """The zone whose wall clock the rule reads; UTC for rules in absolute time."""
        return self.rule.timezone

    def next_after(self, instant: datetime) -> datetime | None:
        """Return the first occurrence within the bounds strictly after `instant`, or None for never."""
        found = self._planned_after(instant)
        for _ in range(MAX_CLOSED_OCCURRENCES):
            stretch = self._open_after(found)
            if found is None or stretch is None or stretch.begin <= found:
                return found if stretch is not None or self.window is None else None
            found = self._planned_after(stretch.begin - TICK)
        return None

    def last_until(self, instant: datetime) -> datetime | None:
        """Return the latest occurrence within the bounds at or before `instant`, or None."""
        found = self._planned_until(instant)
        for _ in range(MAX_CLOSED_OCCURRENCES):
            if found is None or self.window is None:
                return found
            stretch = self.window.open_until(found)
            if stretch is None or stretch.end >= found:
                return found if stretch is not None else None
            found = self._planned_until(stretch.end)
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
        """Return whether the window is never open when the rule fires, wherever the bounds lie."""
        return self.window is not None and BoundedSchedule(self.rule, window=self.window).next_after(now) is None

    def left_out_between(self, after: datetime, before: datetime) -> Iterator[tuple[datetime, datetime, int]]:
        """Yield what the closed window leaves out strictly between two instants: first, last and number of a run."""
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
        found = self.rule.next_after(instant)
        return None if found is None or (self.end is not None and found > self.end) else found

    def _planned_until(self, instant: datetime) -> datetime | None:
        found = self.rule.last_until(instant if self.end is None else min(instant, self.end))
        return None if found is None or (self.start is not None and found < self.start) else found

    def _planned_between(self, after: datetime, until: datetime) -> int:
        if self.start is not None:
            after = max(after, self.start - TICK)
        if self.end is not None:
            until = min(until, self.end)
        return self.rule.count_between(after, until) if after < until else 0

    def first(self, *, created: datetime) -> datetime | None:
        """Return the first planned instant of a timer made at `created`, or None when the schedule is already over.

        A grid begins with its start, also when that is up to a minute back; an older start only fixes the grid. The
        one instant of a schedule that does not repeat counts also when it is past.
        """
        if not self.rule.repeats:
            return self.next_after(_BEGINNING)
        anchor = self.rule.anchor()
        if anchor is not None and anchor >= created - START_GRACE:
            return self.next_after(anchor - TICK)
        return self.next_after(created)

    def smallest_gap(self) -> timedelta | None:
        """Return what two occurrences are at least apart, or None when there are no two."""
        return self.rule.smallest_gap()

    def document(self) -> dict[str, Any]:
        """Return the whole wire form; `parse_schedule` makes an equal value of it."""
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
    """Return the schedule of a wire document; raises Invalid, its fields below `name`.

    `minimum_interval` is in seconds. `refuse_never` refuses a rule that finds no occurrence, and an end before a start
    that was asked for; a preview, and who reads back what was stored, passes False.
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
        raise Invalid({"": "A schedule is an object with a type."})
    kind = document.get("type")
    if not isinstance(kind, str) or len(kind) > _MAX_KIND_LENGTH:
        raise Invalid({"type": f"Say which kind of schedule it is: {', '.join(KINDS)}."})
    rule = KINDS.get(kind).parse(document, now=now)
    if not rule.repeats:
        return BoundedSchedule(rule)
    given = document.get("start")
    start = rule.anchor() if given is None else validation.instant(given, "start")
    end, max_runs = _read_end(document.get("end"))
    return BoundedSchedule(rule, start=start, end=end, max_runs=max_runs, window=_read_window(document.get("window")))


def _read_window(value: object) -> Window | None:
    try:
        return None if value is None else Window.parse(value)
    except Invalid as error:
        raise error.under("window") from None


def _read_end(value: object) -> tuple[datetime | None, int | None]:
    """Return the last instant and the number of runs; a condition of one kind may carry the other one too."""
    if value is None:
        return None, None
    if not isinstance(value, Mapping):
        raise Invalid({"end": "An end is an object with a condition."})
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
        raise Invalid({"datetime": "Say when the schedule ends."})
    if condition is EndCondition.ITERATIONS and max_runs is None:
        raise Invalid({"n": "Say after how many runs the schedule ends."})
    return end, max_runs


def _read_runs(document: Mapping[str, Any]) -> int | None:
    """Return the number of runs under any of its three spellings."""
    given = {key: document[key] for key in _RUN_KEYS if document.get(key) is not None}
    counts = {validation.whole(value, key, minimum=1, maximum=MAX_RUNS) for key, value in given.items()}
    if len(counts) > 1:
        raise Invalid({next(iter(given)): f"Give one number of runs, not several: {', '.join(given)}."})
    return counts.pop() if counts else None


def _check_interval(rule: Schedule, minimum: float) -> None:
    if isinstance(rule, IntervalSchedule):
        validation.number(
            rule.interval_seconds, rule.main_field, minimum=minimum, maximum=MAX_INTERVAL_SECONDS, unit="seconds"
        )


def _check_fires(schedule: BoundedSchedule, now: datetime, *, start_given: bool) -> None:
    """Refuse what can never fire; one whose end is past is merely over."""
    rule, start, end = schedule.rule, schedule.start, schedule.end
    if start_given and start is not None and end is not None and end < start:
        raise Invalid({"end.datetime": "The end lies before the start."})
    if rule.repeats and rule.next_after(max(now, start or now)) is None:
        raise Invalid({rule.main_field: "This schedule never fires: no date within 40 years matches it."})
    if schedule.misses_window(now):
        raise Invalid({"window": "This schedule never fires: none of its occurrences lies in the window."})


def jitter_delay(*, timer_id: UUID, planned: datetime, jitter: timedelta) -> timedelta:
    """Return how long after `planned` this occurrence starts: from 0 to `jitter`, always the same for the same one."""
    seed = timer_id.bytes + to_us(planned).to_bytes(8, "big", signed=True)
    draw = int.from_bytes(hashlib.sha256(seed).digest()[:8], "big")
    return (draw * (jitter // TICK + 1) >> 64) * TICK
