"""Operations on executions: cancel, run again, wake those that were not started."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import transaction

from timers.clock import to_us
from timers.errors import Conflict
from timers.lifecycle import UNFINISHED, ExecutionStatus, TimerStatus, Trigger
from timers.models import Attempt, Execution, Timer
from timers.models.execution_sql import moves
from timers.models.leases import EXECUTIONS
from timers.models.timers import CONDUCTOR
from timers.services import events
from timers.services.executions import delegated, overlap_queue
from timers.services.occurrences import create, new_serial
from timers.services.timers import completion

MAX_REQUEUED = 1_000


def ended(execution_id: UUID) -> Execution | None:
    """Return the execution once it has finished."""
    return Execution.objects.filter(pk=execution_id, finished_at__isnull=False).first()


def traceback_of(execution: Execution) -> str | None:
    """Return where the last attempt raised what it raised, if it did."""
    last = Attempt.objects.filter(execution_id=execution.pk).order_by("-number").first()
    return None if last is None else (last.details or {}).get("traceback")


def rerun(execution: Execution, *, by: Any, now: datetime) -> Execution:
    """Return a new execution of the same timer, as it is defined now. Raises Conflict when the timer is deleted."""
    with transaction.atomic():
        timer = Timer.objects.get(pk=execution.timer_id)
        if timer.status == TimerStatus.DELETED:
            raise Conflict("A deleted timer cannot be run.")
        made = create(timer, trigger=Trigger.RERUN, scheduled_for=now, serial=new_serial(), now=now)
        events.record("reran", now=now, by=by, owner=timer.owner, timer_id=timer.pk, object_id=made.pk)
    return made


def cancel(execution: Execution, *, by: Any, now: datetime) -> Execution:
    """Return the execution cancelled, or asked to stop when it is running. Raises Conflict when it has finished."""
    with transaction.atomic():
        was_waiting = moves.CANCEL_WAITING_ONE.change(now=to_us(now), id=execution.pk.hex)
        if not was_waiting and not _ask_to_stop(execution, now=now):
            raise Conflict("The execution has finished already.")
        timer = Timer.objects.select_related("owner").get(pk=execution.timer_id)
        events.record("cancelled", now=now, by=by, owner=timer.owner, timer_id=timer.pk, object_id=execution.pk)
        execution.refresh_from_db()
        if execution.status == ExecutionStatus.CANCELLED:
            _update_timer(timer, now=now)
    return execution


def _ask_to_stop(execution: Execution, *, now: datetime) -> bool:
    running = Execution.objects.filter(pk=execution.pk, status=ExecutionStatus.RUNNING)
    if not running.update(cancel_requested=True):
        return False
    if running.filter(lease_until__isnull=True).exists():
        delegated.stop([execution.pk], now=now)
    return True


def _update_timer(timer: Timer, *, now: datetime) -> None:
    """Let the timer go on after one of its executions was cancelled before it began."""
    if timer.schedule.overlap in overlap_queue.QUEUEING:
        overlap_queue.wake_next([timer.pk], now=now)
    completion.end_finished([timer.pk], now=now)


def requeue_stuck(owner: Any, *, now: datetime) -> list[UUID]:
    """Wake again what was taken and not started; return which executions those are."""
    stuck = Execution.objects.filter(
        timer__owner=owner,
        timer__interface=CONDUCTOR,
        status__in=UNFINISHED,
        workflow_id__isnull=True,
        run_at__lte=now - EXECUTIONS.message_lease,
    )
    ids = list(stuck.order_by("scheduled_for").values_list("pk", flat=True)[:MAX_REQUEUED])
    with transaction.atomic():
        overlap_queue.wake([execution_id.hex for execution_id in ids], now=now)
    return ids
