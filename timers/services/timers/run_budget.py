"""Budget of runs of schedules that end after a number: refunds for occurrences that were left out or withdrawn."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from datetime import datetime, timedelta
from uuid import UUID

from django.db.models import F
from django.db.models.functions import Greatest

from timers.lifecycle import TimerStatus
from timers.messaging import queue
from timers.models import Definition, Schedule, Timer
from timers.services.timers import completion, schedules


def refund(timer_ids: Iterable[UUID], *, now: datetime) -> None:
    """Refund one run for each mention of a timer.

    A schedule that had used up its runs goes on; a timer that is over ends.
    """
    refunds = Counter(timer_ids)
    for timer_id in sorted(refunds):
        row = Schedule.objects.select_for_update().get(pk=timer_id)
        Schedule.objects.filter(pk=timer_id).update(fired_count=Greatest(F("fired_count") - refunds[timer_id], 0))
        if row.next_planned_at is None and row.max_runs is not None and row.fired_count >= row.max_runs:
            _resume_schedule(row)
    completion.end_finished(refunds, now=now)


def _resume_schedule(row: Schedule) -> None:
    """Plan the occurrence after the watermark, if the schedule has one."""
    document = Definition.objects.values_list("schedule", flat=True).get(pk=row.definition_id)
    planned = None if row.watermark_at is None else schedules.stored(document).next_after(row.watermark_at)
    if planned is None:
        return
    active = Timer.objects.filter(pk=row.pk, status=TimerStatus.ACTIVE).exists()
    jitter = timedelta(microseconds=row.jitter_us)
    Schedule.objects.filter(pk=row.pk).update(
        next_planned_at=planned,
        next_run_at=schedules.run_at(row.pk, planned, jitter) if active else None,
    )
    queue.wake_dispatchers()
