"""The end of timers: no occurrence follows and the last execution has finished."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from uuid import UUID

from django.db.models import Exists, OuterRef, Q

from timers.lifecycle import TimerStatus
from timers.models import Execution, Timer
from timers.services import events


def end_finished(timer_ids: Iterable[UUID], *, now: datetime) -> None:
    """End those of the timers that are active, have no next run and no unfinished execution."""
    unfinished = Execution.objects.unfinished().filter(timer=OuterRef("pk"))
    ending = Timer.objects.filter(
        ~Exists(unfinished),
        Q(pk__in=list(timer_ids), status=TimerStatus.ACTIVE, schedule__next_run_at__isnull=True),
    )
    for timer_id in list(ending.values_list("pk", flat=True)):
        if Timer.objects.move(
            timer_id,
            TimerStatus.ACTIVE,
            TimerStatus.ENDED,
            status_changed_at=now,
            status_changed_by=None,
            status_reason="The schedule has no further occurrence.",
        ):
            owner = Timer.objects.select_related("owner").get(pk=timer_id).owner
            events.record("ended", now=now, owner=owner, timer_id=timer_id)
