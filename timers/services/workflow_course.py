"""How runs go on: the steps that follow one another, written down in the transaction in which the one before ended.

Callers hold the lock of the run's row. So there is no moment at which a run waits for nothing: it has a step with an
instant, a lease or a worker to come, or it has ended.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from functools import partial
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import transaction

from timers import queue, storable
from timers.actions.base import Outcome
from timers.clock import to_us
from timers.errors import Invalid
from timers.lifecycle import StepStatus, WorkflowStatus
from timers.models import WorkflowRun, WorkflowStep
from timers.sequencing import definitions, steps, waits
from timers.sequencing.definitions import CARRIED_OUT_HERE, TaskType
from timers.sequencing.steps import End, Known, Next, Passed, Then
from timers.services import executions, transfers
from timers.services.workflow_definitions import patience_of

MESSAGE_LEASE = timedelta(seconds=10)
"""How long the message for a step may take before the reaper repeats it."""

GROUP_LIMIT = 20
"""How many steps travel in one message at most."""

LONGEST_REASON = 10_000


def locked(run_id: UUID) -> WorkflowRun:
    """Return a run whose row is ours until the transaction ends."""
    return WorkflowRun.objects.select_for_update().get(pk=run_id)


def begin(run: WorkflowRun, *, now: datetime) -> list[UUID]:
    """Write the first steps of a new run; return those that a worker of ours is to be woken for."""
    return _go_on(run, seq=0, now=now)


def end_step(
    run: WorkflowRun,
    step: WorkflowStep,
    status: StepStatus,
    *,
    now: datetime,
    output: Mapping[str, Any] | None = None,
    reason: str | None = None,
    worker: str | None = None,
    overdue: bool = False,
) -> list[UUID]:
    """End a step of a locked run, and let the run go on; return the steps that a worker is to be woken for."""
    if run.status != WorkflowStatus.RUNNING:
        return []
    patience = patience_of(run.owner_id, step.name)
    verdict = steps.judge(status, optional=step.optional, retries=step.retries, patience=patience, overdue=overdue)
    changes: dict[str, Any] = {
        "output": step.output if output is None else storable.cleaned(dict(output)),
        "reason": None if reason is None else storable.cleaned(reason[:LONGEST_REASON]),
        "worker": worker or step.worker,
        "is_retried": verdict.then is Then.RETRY,
    }
    if not _move(step, verdict.status, now=now, **changes):
        return []
    if verdict.then is Then.RETRY:
        return _wake([_retry(run, step, run_at=now + timedelta(seconds=verdict.delay), now=now)], now=now)
    if verdict.then is Then.END_RUN:
        why = reason or f"The task {step.reference} ended as {verdict.status}."
        end(run, verdict.run_status, output={}, reason=f"Task {step.reference}: {why}", now=now)
        return []
    run.position = step.position + 1
    return _go_on(run, seq=step.seq, now=now)


def end(
    run: WorkflowRun, status: WorkflowStatus, *, output: Mapping[str, Any], reason: str | None, now: datetime
) -> bool:
    """End a locked run, its unfinished steps, and the execution that waits for it."""
    changes = {"output": dict(output), "reason": reason and reason[:LONGEST_REASON], "variables": run.variables}
    if not WorkflowRun.objects.move(
        run.pk, run.status, status, finished_at=now, updated_at=now, position=run.position, **changes
    ):
        return False
    run.status, run.finished_at, run.output, run.reason = status, now, changes["output"], changes["reason"]
    for step in WorkflowStep.objects.unfinished().filter(run=run):
        _move(step, StepStatus.CANCELLED, now=now, reason="The workflow has ended.")
        if step.type == TaskType.TRANSFER:  # after the commit: who ends a transfer locks it first, then the run
            transaction.on_commit(partial(transfers.cancel_of_step, step.pk, now=now))
    if run.execution_id is not None and run.attempt is not None:
        executions.finish_elsewhere(run.execution_id, attempt=run.attempt, outcome=outcome_of(run), now=now)
    return True


def outcome_of(run: WorkflowRun) -> Outcome:
    """Return how an execution ends whose run is as it is now."""
    result = {"workflow_id": str(run.pk), "status": run.status, "output": run.output}
    if run.status == WorkflowStatus.RUNNING:
        return Outcome.waiting()
    if run.status == WorkflowStatus.COMPLETED:
        return Outcome.completed(result)
    if run.status == WorkflowStatus.TERMINATED:
        return Outcome.cancelled(run.reason or "The workflow was terminated.")
    reason = "timed_out" if run.status == WorkflowStatus.TIMED_OUT else "workflow_failed"
    return Outcome.failed(run.reason or "The workflow failed.", reason=reason, retryable=True, result=result)


# Messages


def send(step_ids: Iterable[UUID]) -> None:
    """Send messages that wake workers for these steps, as part of the transaction; a burst goes in groups."""
    wanted = [str(each) for each in step_ids]
    size = max(1, min(GROUP_LIMIT, -(-len(wanted) // (2 * settings.TIMERS_WORKERS))))
    queue.send([queue.package(queue.RUN_STEPS, wanted[at : at + size]) for at in range(0, len(wanted), size)])


# Steps of it


def _go_on(run: WorkflowRun, *, seq: int, now: datetime) -> list[UUID]:
    """Write what follows step `seq`: what is passed at once, then a step to wait for or the end of the run."""
    workflow = definitions.read(run.definition)
    course = steps.advance(workflow, run.position, _known(run))
    run.variables, run.updated_at = dict(course.variables), now
    for number, passed in enumerate(course.passed, seq + 1):
        _store_passed(run, passed, seq=number, now=now)
    if isinstance(course.then, End):
        run.position = len(workflow.tasks)
        end(run, course.then.status, output=course.then.output, reason=course.then.reason, now=now)
        return []
    run.position = course.then.position
    run.save(update_fields=["variables", "updated_at", "position"])
    return _wait_for(run, course.then, seq=seq + len(course.passed) + 1, now=now)


def _known(run: WorkflowRun) -> Known:
    facts = {
        "workflowId": str(run.pk),
        "workflowType": run.name,
        "version": run.version,
        "correlationId": run.correlation_id,
        "createTime": to_us(run.created_at) // 1000,
        "startTime": to_us(run.created_at) // 1000,
        "priority": run.priority,
        "status": run.status.upper(),
        "input": run.input,
    }
    ended = {}
    if run.position:
        for step in run.steps.filter(is_retried=False, position__lt=run.position).order_by("position"):
            ended[step.reference] = {
                "input": step.input,
                "output": step.output,
                "status": step.status.upper(),
                "taskId": str(step.pk),
                "retryCount": step.retries,
                "reasonForIncompletion": step.reason,
            }
    return Known(facts, run.variables, ended)


def _store_passed(run: WorkflowRun, passed: Passed, *, seq: int, now: datetime) -> None:
    task = passed.task
    WorkflowStep.objects.create(
        run=run,
        owner_id=run.owner_id,
        seq=seq,
        position=passed.position,
        reference=task.reference,
        name=task.name,
        type=task.type,
        status=StepStatus.COMPLETED,
        input=passed.inputs,
        output=passed.output,
        scheduled_at=now,
        started_at=now,
        updated_at=now,
        finished_at=now,
    )


def _wait_for(run: WorkflowRun, following: Next, *, seq: int, now: datetime) -> list[UUID]:
    task = following.task
    patience = patience_of(run.owner_id, task.name)
    step = WorkflowStep(
        run=run,
        owner_id=run.owner_id,
        seq=seq,
        position=following.position,
        reference=task.reference,
        name=task.name,
        type=task.type,
        optional=task.optional,
        input={**patience.template, **following.inputs},
        response_timeout_seconds=patience.response_timeout_seconds,
        scheduled_at=now,
        updated_at=now,
        run_at=now,
    )
    if task.type is not TaskType.WAIT:
        return _wake([step], now=now)
    try:
        step.run_at = step.lease_until = waits.until(step.input, now=now)
    except Invalid as error:
        step.save(force_insert=True)
        return end_step(run, step, StepStatus.FAILED_WITH_TERMINAL_ERROR, reason=error.message, now=now)
    step.status, step.started_at = StepStatus.IN_PROGRESS, now
    step.save(force_insert=True)
    if step.lease_until is not None:
        queue.wake_dispatchers()
    return []


def _retry(run: WorkflowRun, step: WorkflowStep, *, run_at: datetime, now: datetime) -> WorkflowStep:
    return WorkflowStep(
        run=run,
        owner_id=step.owner_id,
        seq=step.seq + 1,
        position=step.position,
        reference=step.reference,
        name=step.name,
        type=step.type,
        optional=step.optional,
        input=step.input,
        retries=step.retries + 1,
        retried_id=step.pk,
        response_timeout_seconds=step.response_timeout_seconds,
        scheduled_at=now,
        updated_at=now,
        run_at=run_at,
    )


def _wake(new: Iterable[WorkflowStep], *, now: datetime) -> list[UUID]:
    """Store scheduled steps; return those that a worker of ours can begin now. The reaper knows of the later ones."""
    due = []
    for step in new:
        run_at = step.run_at or now
        if step.type in CARRIED_OUT_HERE:
            step.lease_until = now + MESSAGE_LEASE if run_at <= now else run_at
            due += [step.pk] if run_at <= now else []
            if run_at > now:
                queue.wake_dispatchers()
        step.save(force_insert=True)
    return due


def _move(step: WorkflowStep, status: StepStatus, *, now: datetime, **changes: Any) -> bool:
    free = {"lease_until": None, "lease_owner": None, "finished_at": now, "updated_at": now}
    if not WorkflowStep.objects.move(step.pk, step.status, status, **free, **changes):
        return False
    step.status = status
    for name, value in (free | changes).items():
        setattr(step, name, value)
    return True
