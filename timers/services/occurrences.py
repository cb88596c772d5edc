"""Occurrences and other runs as rows: made, cancelled while they wait, taken back, recorded as left out."""

from __future__ import annotations

import secrets
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import F, Q
from django.db.models.functions import Greatest

from timers.clock import to_us
from timers.lifecycle import PLANNED_TRIGGERS, ExecutionStatus, Trigger
from timers.messaging import queue
from timers.models import Execution, Schedule, Timer
from timers.models.leases import EXECUTION_MESSAGE_LEASE
from timers.scheduling.catchup import SkippedRun


def create_manual(timer: Timer, *, by: Any, now: datetime, send: bool = True) -> Execution:
    """Return an execution that starts now, made by hand; its message joins the transaction.

    Without `send` the caller carries it out itself.
    """
    return create(timer, trigger=Trigger.MANUAL, scheduled_for=now, serial=new_serial(), now=now, send=send)


def create_caught_up(timer: Timer, *, planned: datetime, now: datetime) -> Execution:
    """Return an execution that makes up now for a missed occurrence."""
    return create(timer, trigger=Trigger.CATCH_UP, scheduled_for=planned, serial=0, now=now)


def cancel_waiting(timer_id: UUID, *, by: Any, now: datetime) -> int:
    """Cancel what waits to begin or to be tried again; return how many those were. What runs goes on."""
    return cancel_waiting_where(Q(timer_id=timer_id), now=now)


def withdraw(timer_id: UUID, *, now: datetime) -> list[datetime]:
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


def new_serial() -> int:
    """Return a number that sets apart what was asked for in one microsecond."""
    return secrets.randbelow(2**62) + 1


def create(
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
            lease_until=now + EXECUTION_MESSAGE_LEASE,
        )
        if send:
            queue.enqueue_executions([(made.pk.hex, to_us(now), made.definition_id)])
    return made


def cancel_waiting_where(which: Q, *, now: datetime) -> int:
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
