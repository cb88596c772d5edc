"""Progress of runs: a step that follows another is stored in the transaction in which that one ended.

Callers hold the locks of the runs' rows. So there is no moment at which a run waits for nothing: it has a step with an
instant, a lease or a worker to come, or it has ended. What many runs come to is gathered and written together.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from timers import storable
from timers.actions.base import Outcome
from timers.clock import to_us
from timers.errors import Invalid
from timers.lifecycle import STEP_MOVES, WORKFLOW_MOVES, StepStatus, WorkflowStatus, check_move
from timers.models import WorkflowRun, WorkflowStep
from timers.models.leases import STEPS
from timers.services.workflows.unit_of_work import UnitOfWork
from timers.workflow_rules import definitions, steps, waits
from timers.workflow_rules.definitions import BUILT_IN_TYPES, TaskType
from timers.workflow_rules.steps import FollowUp, NextStep, PassedStep, RunEnd, RunState

MAX_REASON_LENGTH = 10_000


def locked(run_ids: Iterable[UUID]) -> list[WorkflowRun]:
    """Return those of the runs that go on; their rows are ours until the transaction ends. All lock in one order."""
    return list(WorkflowRun.objects.select_for_update().running().filter(pk__in=set(run_ids)).order_by("pk"))


def begin(run: WorkflowRun, writing: UnitOfWork) -> None:
    """Write the first steps of a new run, which is stored already."""
    _advance(run, writing, seq=0)


def end_step(
    run: WorkflowRun,
    step: WorkflowStep,
    status: StepStatus,
    writing: UnitOfWork,
    *,
    output: Mapping[str, Any] | None = None,
    reason: str | None = None,
    worker: str | None = None,
    overdue: bool = False,
) -> None:
    """End an unfinished step of a run that goes on, and let the run go on.

    `overdue`: it took longer than its task definition allows.
    """
    patience = writing.patience_of(run.owner_id, step.name)
    retries = patience.retries if step.most_retries is None else step.most_retries
    verdict = steps.judge(
        status, optional=step.optional, retries=step.retries, most=retries, rule=patience, overdue=overdue
    )
    if output is not None:
        step.output = storable.cleaned(dict(output))
    step.reason = None if reason is None else storable.cleaned(reason[:MAX_REASON_LENGTH])
    step.worker = worker or step.worker
    step.is_retried = verdict.then is FollowUp.RETRY
    _end(step, verdict.status, writing)
    if verdict.then is FollowUp.RETRY:
        _wake(_retry(step, writing, delay=verdict.delay), writing)
    elif verdict.then is FollowUp.END_RUN:
        why = step.reason or f"It ended as {verdict.status}."
        end(run, verdict.run_status, writing, output={}, reason=f"Task {step.reference}: {why}")
    else:
        run.position = step.position + 1
        _advance(run, writing, seq=step.seq)


def end(
    run: WorkflowRun, status: WorkflowStatus, writing: UnitOfWork, *, output: Mapping[str, Any], reason: str | None
) -> None:
    """End a run that goes on, and the execution that waits for it."""
    check_move(WORKFLOW_MOVES, run.status, status)
    run.status, run.finished_at, run.updated_at = status, writing.now, writing.now
    run.output, run.reason = dict(output), reason and reason[:MAX_REASON_LENGTH]
    writing.run_changed(run)
    if run.execution_id is not None and run.attempt is not None:
        writing.execution_ended(run.execution_id, run.attempt, outcome_of(run))


def stop(run: WorkflowRun, status: WorkflowStatus, writing: UnitOfWork, *, reason: str) -> None:
    """End a run before its time: what it waits for is cancelled."""
    for step in writing.steps_of(run):
        if step.finished_at is None:
            step.reason = "The workflow has ended."
            _end(step, StepStatus.CANCELLED, writing)
            if step.type == TaskType.TRANSFER:
                writing.transfer_given_up(step.pk)
    end(run, status, writing, output={}, reason=reason)


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


# Steps of it


def _advance(run: WorkflowRun, writing: UnitOfWork, *, seq: int) -> None:
    """Write what follows step `seq`: what is passed at once, then a step to wait for or the end of the run."""
    workflow = definitions.read(run.definition)
    course = steps.advance(workflow, run.position, _known(run, writing))
    run.variables, run.updated_at = dict(course.variables), writing.now
    for number, passed in enumerate(course.passed, seq + 1):
        writing.new_step(_passed(run, passed, seq=number, now=writing.now))
    if isinstance(course.then, RunEnd):
        run.position = len(workflow.tasks)
        end(run, course.then.status, writing, output=course.then.output, reason=course.then.reason)
        return
    run.position = course.then.position
    writing.run_changed(run)
    _wait_for(run, course.then, writing, seq=seq + len(course.passed) + 1)


def _known(run: WorkflowRun, writing: UnitOfWork) -> RunState:
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
    for step in writing.steps_of(run) if run.position else ():
        if step.finished_at is not None and not step.is_retried:
            ended[step.reference] = {
                "input": step.input,
                "output": step.output,
                "status": step.status.upper(),
                "taskId": str(step.pk),
                "retryCount": step.retries,
                "reasonForIncompletion": step.reason,
            }
    return RunState(facts, run.variables, ended)


def _passed(run: WorkflowRun, passed: PassedStep, *, seq: int, now: datetime) -> WorkflowStep:
    step = _step(run, passed, seq=seq, now=now)
    step.status, step.started_at, step.finished_at = StepStatus.COMPLETED, now, now
    step.input, step.output = dict(passed.inputs), dict(passed.output)
    return step


def _step(run: WorkflowRun, place: PassedStep | NextStep, *, seq: int, now: datetime) -> WorkflowStep:
    return WorkflowStep(
        run=run,
        owner_id=run.owner_id,
        seq=seq,
        position=place.position,
        reference=place.task.reference,
        name=place.task.name,
        type=place.task.type,
        scheduled_at=now,
        updated_at=now,
    )


def _wait_for(run: WorkflowRun, following: NextStep, writing: UnitOfWork, *, seq: int) -> None:
    task = following.task
    patience = writing.patience_of(run.owner_id, task.name)
    step = _step(run, following, seq=seq, now=writing.now)
    step.run_at, step.optional, step.most_retries = writing.now, task.optional, task.retries
    step.input = {**patience.template, **following.inputs}
    step.response_timeout_seconds = patience.response_timeout_seconds
    if task.type is TaskType.WAIT:
        _begin_wait(run, step, writing)
    else:
        _wake(step, writing)


def _begin_wait(run: WorkflowRun, step: WorkflowStep, writing: UnitOfWork) -> None:
    step.status, step.started_at = StepStatus.IN_PROGRESS, writing.now
    try:
        step.run_at = step.lease_until = waits.until(step.input, now=writing.now)
    except Invalid as error:
        writing.new_step(step)
        end_step(run, step, StepStatus.FAILED_WITH_TERMINAL_ERROR, writing, reason=error.message)
        return
    writing.new_step(step)
    if step.lease_until is not None:
        writing.due_later()


def _retry(step: WorkflowStep, writing: UnitOfWork, *, delay: int) -> WorkflowStep:
    return WorkflowStep(
        run=step.run,
        owner_id=step.owner_id,
        seq=step.seq + 1,
        position=step.position,
        reference=step.reference,
        name=step.name,
        type=step.type,
        optional=step.optional,
        most_retries=step.most_retries,
        input=step.input,
        retries=step.retries + 1,
        retried_id=step.pk,
        response_timeout_seconds=step.response_timeout_seconds,
        scheduled_at=writing.now,
        updated_at=writing.now,
        run_at=writing.now + timedelta(seconds=delay),
    )


def _wake(step: WorkflowStep, writing: UnitOfWork) -> None:
    """Write a scheduled step, and wake a worker of ours if it can begin now; the reaper knows of a later one."""
    run_at = step.run_at or writing.now
    if step.type in BUILT_IN_TYPES:
        step.lease_until = writing.now + STEPS.message_lease if run_at <= writing.now else run_at
        if run_at <= writing.now:
            writing.wake(step.pk)
        else:
            writing.due_later()
    writing.new_step(step)


def _end(step: WorkflowStep, status: StepStatus, writing: UnitOfWork) -> None:
    check_move(STEP_MOVES, step.status, status)
    step.status, step.finished_at, step.updated_at = status, writing.now, writing.now
    step.lease_until = step.lease_owner = None
    writing.step_ended(step)
