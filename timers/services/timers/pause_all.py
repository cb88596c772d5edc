"""Pauses everything at once: one owner's timers, or everybody's. Each timer's own pause is untouched by it.

The claim goes on meanwhile and writes what comes due as skipped, so that no occurrence is without a row. Runs made by
hand and retries go on.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.db import IntegrityError, transaction

from timers import validation
from timers.clock import to_us
from timers.errors import Forbidden
from timers.lifecycle import SkipReason
from timers.messaging import queue
from timers.models import SchedulingPause, sql
from timers.models.execution_sql import moves
from timers.services import events
from timers.services.timers import run_budget

CLAIMS = 7_210_454_301
"""The number of the lock that claims share and a pause takes alone, so that no claim in flight misses the pause."""

IS_PAUSED_SQL = "exists (select 1 from timers_schedulingpause p where p.owner_id = t.owner_id or p.owner_id is null)"
"""The condition that the owner of timer `t` has paused everything, or somebody has for everybody."""


def pause_all(*, owner: Any | None, by: Any, reason: str = "", now: datetime) -> SchedulingPause:
    """Return the pause of all of the owner's timers; with no owner, of everybody's.

    From now on their occurrences are skipped as `paused`, those claimed ahead too; what runs goes on. Paused already:
    nothing changes. Raises Forbidden when `by` may not do that, Invalid naming reason.
    """
    _check_right(owner, by)
    reason = validation.paragraph(reason or "", "reason")
    try:
        with transaction.atomic():
            if sql.on_postgresql():
                sql.fetch("select pg_advisory_xact_lock(%s)", [CLAIMS])
            pause = SchedulingPause.objects.create(owner=owner, reason=reason, since=now, by=by)
            _leave_out_ahead(owner, now=now)
            events.record("paused_all", now=now, by=by, owner=owner, text=reason)
    except IntegrityError:
        return SchedulingPause.objects.get(owner=owner)
    return pause


def resume_all(*, owner: Any | None, by: Any, now: datetime) -> bool:
    """End the pause of all of the owner's timers (or everybody's); return whether there was one.

    What came due meanwhile was skipped and is not made up; a timer that is paused by itself stays so. Raises
    Forbidden when `by` may not do that.
    """
    _check_right(owner, by)
    with transaction.atomic():
        if not SchedulingPause.objects.filter(owner=owner).delete()[0]:
            return False
        events.record("resumed_all", now=now, by=by, owner=owner)
        queue.wake_dispatchers()
    return True


def is_paused(owner: Any) -> bool:
    """Return whether nothing of this owner is started by schedule, by their own pause or by everybody's."""
    return SchedulingPause.objects.that_stop(owner).exists()


def _check_right(owner: Any | None, by: Any) -> None:
    if by is None or by.is_staff or (owner is not None and owner.pk == by.pk):
        return
    raise Forbidden("Only an administrator can pause and resume other people's timers.")


def _leave_out_ahead(owner: Any | None, *, now: datetime) -> None:
    """Skip what was claimed ahead and is not due yet, and refund those runs."""
    if owner is None:
        left_out = moves.SKIP_NOT_DUE.fetch(reason=SkipReason.PAUSED, now=to_us(now))
    else:
        left_out = moves.SKIP_NOT_DUE_OF_OWNER.fetch(reason=SkipReason.PAUSED, now=to_us(now), owner_id=owner.pk)
    run_budget.refund([sql.as_uuid(row.timer_id) for row in left_out], now=now)
