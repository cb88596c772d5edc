"""Executions as people and timers handle them: made by hand, cancelled, repeated, taken back, left out.

How they are begun, kept alive and ended is in `attempts`, `leases` and `endings`, which are offered here as well.
"""

from __future__ import annotations

import secrets
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import F, Q
from django.db.models.functions import Greatest

from timers.clock import to_us
from timers.errors import Conflict
from timers.lifecycle import PLANNED_TRIGGERS, ExecutionStatus, TimerStatus, Trigger
from timers.messaging import queue
from timers.models import Attempt, Execution, Schedule, Timer
from timers.scheduling.catchup import SkippedRun
from timers.services import events
from timers.services.executions import delegated, overlap_queue
from timers.services.executions.begin import Begun, begin
from timers.services.executions.complete import Finished, finish, finish_all_elsewhere, finish_elsewhere
from timers.services.executions.leases import Heartbeat, Reaped, extend, look, reap, release_retries
from timers.services.executions.requeue import hand_back
from timers.services.timers import completion

__all__ = [
    "Begun",
    "Finished",
    "Heartbeat",
    "Reaped",
    "begin",
    "cancel",
    "cancel_waiting",
    "create_caught_up",
    "create_manual",
    "extend",
    "finish",
    "finish_all_elsewhere",
    "finish_elsewhere",
    "hand_back",
    "look",
    "reap",
    "record_skipped",
    "release_retries",
    "rerun",
    "take_back",
]


def create_manual(timer: Timer, *, by: Any, now: datetime, send: bool = True) -> Execution:
    """Return an execution that starts now, made by hand; its message joins the transaction.

    Without `send` the caller carries it out itself.
    """
    return _create(timer, trigger=Trigger.MANUAL, scheduled_for=now, serial=_serial(), now=now, send=send)


def ended(execution_id: UUID) -> Execution | None:
    """Return the execution once it has finished."""
    return Execution.objects.filter(pk=execution_id, finished_at__isnull=False).first()


def traceback_of(execution: Execution) -> str | None:
    """Return where the last attempt raised what it raised, if it did."""
    last = Attempt.objects.filter(execution_id=execution.pk).order_by("-number").first()
    return None if last is None else (last.details or {}).get("traceback")


def create_caught_up(timer: Timer, *, planned: datetime, now: datetime) -> Execution:
    """Return an execution that makes up now for a missed occurrence."""
    return _create(timer, trigger=Trigger.CATCH_UP, scheduled_for=planned, serial=0, now=now)


def rerun(execution: Execution, *, by: Any, now: datetime) -> Execution:
    """Return a new execution of the same timer, as it is defined now. Raises Conflict when the timer is deleted."""
    with transaction.atomic():
        timer = Timer.objects.get(pk=execution.timer_id)
        if timer.status == TimerStatus.DELETED:
            raise Conflict("A deleted timer cannot be run.")
        made = _create(timer, trigger=Trigger.RERUN, scheduled_for=now, serial=_serial(), now=now)
        events.record("reran", now=now, by=by, owner=timer.owner, timer_id=timer.pk, object_id=made.pk)
    return made


def cancel(execution: Execution, *, by: Any, now: datetime) -> Execution:
    """Return the execution cancelled, or asked to stop when it is running. Raises Conflict when it has finished."""
    with transaction.atomic():
        if not (_cancel_waiting(Q(pk=execution.pk), now=now) or _ask_to_stop(execution, now=now)):
            raise Conflict("The execution has finished already.")
        timer = Timer.objects.select_related("owner").get(pk=execution.timer_id)
        events.record("cancelled", now=now, by=by, owner=timer.owner, timer_id=timer.pk, object_id=execution.pk)
        execution.refresh_from_db()
        if execution.status == ExecutionStatus.CANCELLED:
            _settle(timer, now=now)
    return execution


def cancel_waiting(timer_id: UUID, *, by: Any, now: datetime) -> int:
    """Cancel what waits to begin or to be tried again; return how many those were. What runs goes on."""
    return _cancel_waiting(Q(timer_id=timer_id), now=now)


def take_back(timer_id: UUID, *, now: datetime) -> list[datetime]:
    """Return the planned instants of what was claimed ahead and is not due yet; those rows and counts are undone."""
    ahead = Execution.objects.unfinished().filter(
        timer_id=timer_id,
        status=ExecutionStatus.PENDING,
        trigger__in=PLANNED_TRIGGERS,
        started_at__isnull=True,
        run_at__gt=now,
    )
    with transaction.atomic():
        taken = []
        for execution in ahead.order_by("scheduled_for"):
            if Execution.objects.filter(pk=execution.pk, status=ExecutionStatus.PENDING).delete()[0]:
                taken.append(execution.scheduled_for)
        if taken:
            Schedule.objects.filter(pk=timer_id).update(fired_count=Greatest(F("fired_count") - len(taken), 0))
    return taken


def record_skipped(timer_id: UUID, definition_id: int, run: SkippedRun, *, now: datetime) -> None:
    """Write one row for neighbouring occurrences that were left out for one reason."""
    Execution.objects.bulk_create(
        [
            Execution(
                timer_id=timer_id,
                definition_id=definition_id,
                trigger=Trigger.SCHEDULE,
                status=ExecutionStatus.SKIPPED,
                scheduled_for=run.first,
                run_at=run.first,
                created_at=now,
                finished_at=now,
                skip_reason=run.reason,
                occurrences=run.count,
                scheduled_until=run.last if run.count > 1 else None,
            )
        ],
        ignore_conflicts=True,
    )


def _serial() -> int:
    """Return a number that sets apart what was asked for in one microsecond."""
    return secrets.randbelow(2**62) + 1


def _create(
    timer: Timer, *, trigger: Trigger, scheduled_for: datetime, serial: int, now: datetime, send: bool = True
) -> Execution:
    with transaction.atomic():
        made = Execution.objects.create(
            timer=timer,
            definition_id=timer.definition_id or 0,
            trigger=trigger,
            serial=serial,
            scheduled_for=scheduled_for,
            run_at=now,
            created_at=now,
            lease_until=now + overlap_queue.MESSAGE_LEASE,
        )
        if send:
            queue.enqueue_executions([(made.pk.hex, to_us(now), made.definition_id)])
    return made


def _cancel_waiting(which: Q, *, now: datetime) -> int:
    waiting = Execution.objects.unfinished().filter(
        which, status__in=[ExecutionStatus.PENDING, ExecutionStatus.RETRYING]
    )
    return waiting.update(
        status=ExecutionStatus.CANCELLED,
        finished_at=now,
        lease_until=None,
        error_message="Cancelled before it began, or before its next attempt.",
        failure_reason="cancelled",
    )


def _ask_to_stop(execution: Execution, *, now: datetime) -> bool:
    running = Execution.objects.filter(pk=execution.pk, status=ExecutionStatus.RUNNING)
    if not running.update(cancel_requested=True):
        return False
    if running.filter(lease_until__isnull=True).exists():
        delegated.stop([execution.pk], now=now)
    return True


def _settle(timer: Timer, *, now: datetime) -> None:
    """Let the timer go on after one of its executions was cancelled before it began."""
    if timer.schedule.overlap in overlap_queue.QUEUEING:
        overlap_queue.wake_next([timer.pk], now=now)
    completion.end_finished([timer.pk], now=now)
