"""Execution rows: create, cancel while waiting, withdraw before they are due, record as skipped."""

from __future__ import annotations

import secrets
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

from django.db import transaction
from django.db.models import F
from django.db.models.functions import Greatest

from timers.clock import to_us
from timers.lifecycle import PLANNED_TRIGGERS, ExecutionStatus, Trigger
from timers.messaging import queue
from timers.models import Execution, Schedule, Timer
from timers.models.execution_sql import inserts, moves
from timers.models.execution_sql.inserts import NewPlannedExecution
from timers.models.leases import EXECUTIONS
from timers.scheduling.catchup import SkippedRun


def create_manual(timer: Timer, *, by: Any, now: datetime, send: bool = True) -> Execution:
    """Create and return a manual execution that starts now. Its message is sent in the same transaction.

    Without `send` no message is sent: the caller runs it itself.
    """
    return create(timer, trigger=Trigger.MANUAL, scheduled_for=now, serial=new_serial(), now=now, send=send)


def create_caught_up(timer: Timer, *, planned: datetime, now: datetime) -> Execution:
    """Create and return an execution that makes up for a missed occurrence now."""
    return create(timer, trigger=Trigger.CATCH_UP, scheduled_for=planned, serial=0, now=now)


def cancel_waiting(timer_id: UUID, *, by: Any, now: datetime) -> int:
    """Cancel the timer's executions that wait to begin or to be retried; return their number. Running ones go on."""
    return moves.CANCEL_WAITING.change(now=to_us(now), timer_id=timer_id.hex)


def withdraw(timer_id: UUID, *, now: datetime) -> list[datetime]:
    """Delete executions that were claimed ahead and are not due, with their counts; return their planned instants."""
    ahead = Execution.objects.unfinished().filter(
        timer_id=timer_id,
        status=ExecutionStatus.PENDING,
        trigger__in=PLANNED_TRIGGERS,
        started_at__isnull=True,
        run_at__gt=now,
    )
    with transaction.atomic():
        withdrawn = []
        for execution in ahead.order_by("scheduled_for"):
            if Execution.objects.filter(pk=execution.pk, status=ExecutionStatus.PENDING).delete()[0]:
                withdrawn.append(execution.scheduled_for)
        if withdrawn:
            Schedule.objects.filter(pk=timer_id).update(fired_count=Greatest(F("fired_count") - len(withdrawn), 0))
    return withdrawn


def record_skipped(timer_id: UUID, definition_id: int, run: SkippedRun, *, now: datetime) -> None:
    """Store one row for neighbouring occurrences that were left out for one reason."""
    inserts.PLANNED.change(rows=[skipped(timer_id, definition_id, run, now=now)])


def skipped(timer_id: UUID, definition_id: int, run: SkippedRun, *, now: datetime) -> NewPlannedExecution:
    """Return the row of such occurrences."""
    return NewPlannedExecution(
        id=uuid4().hex,
        timer_id=timer_id.hex,
        definition_id=definition_id,
        trigger=Trigger.SCHEDULE,
        status=ExecutionStatus.SKIPPED,
        scheduled_for=to_us(run.first),
        run_at=to_us(run.first),
        created_at=to_us(now),
        finished_at=to_us(now),
        skip_reason=run.reason,
        occurrences=run.count,
        scheduled_until=to_us(run.last) if run.count > 1 else None,
    )


def new_serial() -> int:
    """Return a random number that distinguishes runs requested in the same microsecond."""
    return secrets.randbelow(2**62) + 1


def create(
    timer: Timer, *, trigger: Trigger, scheduled_for: datetime, serial: int, now: datetime, send: bool = True
) -> Execution:
    with transaction.atomic():
        execution = Execution.objects.create(
            timer=timer,
            definition_id=timer.definition_id or 0,
            trigger=trigger,
            serial=serial,
            scheduled_for=scheduled_for,
            run_at=now,
            created_at=now,
            lease_until=now + EXECUTIONS.message_lease,
        )
        if send:
            queue.enqueue_executions([(execution.pk.hex, to_us(now), execution.definition_id)])
    return execution
