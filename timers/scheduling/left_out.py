"""Occurrences of a schedule that its closed window leaves out, as runs of skipped instants."""

from __future__ import annotations

from datetime import datetime

from timers.lifecycle import SkipReason
from timers.scheduling.base import TICK
from timers.scheduling.bounds import BoundedSchedule
from timers.scheduling.catchup import SkippedRun


def between(rule: BoundedSchedule, *, after: datetime, before: datetime | None) -> list[SkippedRun]:
    """Return the occurrences left out by the closed window strictly between two instants. None: until the end."""
    if rule.window is None or (before is None and rule.end is None):
        return []
    until = before if before is not None or rule.end is None else rule.end + TICK
    assert until is not None
    return [
        SkippedRun(first, last, count, SkipReason.EXCLUDED_DATE)
        for first, last, count in rule.left_out_between(after, until)
    ]
