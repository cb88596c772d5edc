"""Rows of occurrences that a schedule's window leaves out, written when the schedule moves past the last open one.

Such a row may reach into the future, up to the next opening. A change of the schedule cuts it off at the present.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from uuid import UUID

from timers.lifecycle import SkipReason
from timers.models import Execution, Timer
from timers.scheduling.base import TICK
from timers.scheduling.bounds import BoundedSchedule
from timers.scheduling.left_out import between
from timers.services import occurrences

MAX_AHEAD = timedelta(seconds=2)
"""Time by which the claim may have written such a row ahead of its first occurrence."""


def record(timer: Timer, rule: BoundedSchedule, *, after: datetime, before: datetime | None, now: datetime) -> None:
    """Write the rows of the occurrences that are left out strictly between two instants."""
    for run in between(rule, after=after, before=before):
        occurrences.record_skipped(timer.pk, timer.definition_id or 0, run, now=now)


def record_first(timer: Timer, rule: BoundedSchedule, *, now: datetime) -> None:
    """Write the rows of the occurrences that are left out before the first one of a schedule that begins now."""
    first = replace(rule, window=None).first(created=now) if rule.window is not None else None
    if first is not None:
        record(timer, rule, after=first - TICK, before=rule.first(created=now), now=now)


def cut(timer_id: UUID, rule: BoundedSchedule, *, now: datetime) -> None:
    """Shorten the row that reaches beyond now to the last occurrence before now."""
    if rule.window is None:
        return
    reaching = Execution.objects.filter(
        timer_id=timer_id,
        skip_reason=SkipReason.EXCLUDED_DATE,
        scheduled_until__gt=now,
        scheduled_for__lte=now + MAX_AHEAD,
    )
    for execution in reaching:
        last = replace(rule, window=None).last_until(now)
        if last is None or last < execution.scheduled_for:
            execution.delete()
            continue
        count = 1 + replace(rule, window=None).count_between(execution.scheduled_for, last)
        reaching.filter(pk=execution.pk).update(occurrences=count, scheduled_until=last if count > 1 else None)
