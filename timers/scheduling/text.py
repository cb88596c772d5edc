"""Schedules in words, and warnings for their owners."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import islice

from timers import formatting, validation
from timers.scheduling.bounds import BoundedSchedule
from timers.scheduling.clock_changes import load_zone

_MINUTE = timedelta(minutes=1)


def describe(schedule: BoundedSchedule) -> str:
    """Return text such as "Every 2 hours until 1 May 2027" or "Every day at 02:00 (Europe/Berlin), 10 times"."""
    return schedule.rule.describe() + _bounds(schedule)


def _bounds(schedule: BoundedSchedule) -> str:
    """Return window, start, end and number of runs in words, without the start of an interval: all have one."""
    text = "" if schedule.window is None else f", {schedule.window.describe()}"
    if schedule.start is not None and schedule.rule.anchor() is None:
        text += f" from {_instant(schedule.start, schedule)}"
    ends = (
        schedule.end is not None and schedule.end <= validation.LAST_INSTANT
    )  # programs write the year 9999 for "forever"
    if ends and schedule.end is not None:
        text += f" until {_instant(schedule.end, schedule)}"
    if schedule.max_runs is not None:
        times = "once" if schedule.max_runs == 1 else f"{schedule.max_runs:,} times"
        text += f", at most {times}" if ends else f", {times}"
    return text


def _instant(instant: datetime, schedule: BoundedSchedule) -> str:
    """Return the instant on the schedule's clock, without a time at midnight and without a zone that the rule names."""
    local = instant.astimezone(load_zone(schedule.timezone))
    if local.time() == local.time().min:
        return formatting.date_text(local)
    return formatting.date_and_time(local) if schedule.rule.on_wall_clock else f"{formatting.date_and_time(local)} UTC"


def warnings(schedule: BoundedSchedule, *, now: datetime, limit: int = 10) -> list[str]:
    """Return the warnings, one sentence each. Clock changes are searched among the next `limit` occurrences."""
    first = schedule.first(created=now)
    if first is None:
        return [_never_fires_text(schedule, now)]
    if not schedule.rule.repeats:
        return ["That instant has passed: it runs at once."] if first < now else []
    gap = schedule.smallest_gap()
    often = ["It fires more than once a minute."] if gap is not None and gap < _MINUTE else []
    *_, last = islice(_occurrences_from(schedule, first), max(1, limit))
    return [*often, *schedule.rule.warnings(now=now, last=last)]


def _never_fires_text(schedule: BoundedSchedule, now: datetime) -> str:
    if schedule.rule.next_after(max(now, schedule.start or now)) is None:
        return "It never fires: no date within 40 years matches it."
    if schedule.misses_window(now):
        return "It never fires: none of its occurrences lies in the window."
    return "It never fires: it ends before its first occurrence."


def _occurrences_from(schedule: BoundedSchedule, occurrence: datetime | None) -> Iterator[datetime]:
    while occurrence is not None:
        yield occurrence
        occurrence = schedule.next_after(occurrence)
