"""Steps of workflow runs that this service carries out itself: taken by its workers, kept, ended, taken back when lost.

Each statement changes only what still stands as it was read; a worker that was given up changes nothing any more.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import F
from django.dispatch import receiver

from timers.actions.base import ACTIONS, Action, Outcome, OutcomeKind, kinds_that
from timers.clock import to_us
from timers.errors import TimersError
from timers.lifecycle import StepStatus, WorkflowStatus
from timers.models import Transfer, WorkflowRun, WorkflowStep, sql
from timers.models.leases import MAX_LOST_ATTEMPTS, STEPS
from timers.models.statement import RowId, Statement
from timers.services.signals import transfer_ended
from timers.services.workflows import progress
from timers.services.workflows.definitions import retry_rule_of
from timers.services.workflows.unit_of_work import UnitOfWork, send
from timers.workflow_rules import http_tasks
from timers.workflow_rules.definitions import BUILT_IN_TYPES, TaskType

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class HeldStep:
    """A step that is ours to carry out. `problem` says why it cannot be."""

    step_id: UUID
    run_id: UUID
    timer_id: UUID | None
    owner_id: int
    name: str
    action: str
    type: str
    parameters: Mapping[str, Any]
    attempt: int
    scheduled_at: datetime
    seconds: float
    """Time limit of the step."""
    problem: str | None = None


@dataclass(frozen=True, slots=True)
class StepResult:
    """A step that was carried out."""

    held: HeldStep
    outcome: Outcome


def take(ids: Iterable[UUID | str], *, owner: str, now: datetime) -> list[HeldStep]:
    """Begin those of the steps that are scheduled and due; return what is ours to carry out now."""
    with sql.turn():
        due = WorkflowStep.objects.filter(
            pk__in=[sql.as_uuid(step_id) for step_id in ids],
            status=StepStatus.SCHEDULED,
            type__in=list(BUILT_IN_TYPES),
            run_at__lte=now,
        )
        free = due.select_for_update(of=("self",), skip_locked=True).select_related("run__owner")
        steps = list(free.order_by("scheduled_at"))
        WorkflowStep.objects.filter(pk__in=[step.pk for step in steps]).take(
            owner,
            until=now + STEPS.lease,
            status=StepStatus.IN_PROGRESS,
            attempt=F("attempt") + 1,
            started_at=now,
            updated_at=now,
            worker=owner,
        )
    return [_held(step) for step in steps]


def action_for(task_type: str) -> type[Action]:
    """Return the action that carries out a type of task."""
    return ACTIONS.get(kinds_that(lambda action: action.task_type == task_type)[0])


def _held(step: WorkflowStep) -> HeldStep:
    action = action_for(step.type)
    parameters, problem = _parameters(step, action)
    return HeldStep(
        step_id=step.pk,
        run_id=step.run_id,
        timer_id=step.run.timer_id,
        owner_id=step.run.owner_id,
        name=step.name,
        action=action.kind,
        type=step.type,
        parameters=parameters,
        attempt=step.attempt + 1,
        scheduled_at=step.scheduled_at,
        seconds=_seconds(step, action),
        problem=problem,
    )


def _parameters(step: WorkflowStep, action: type[Action]) -> tuple[Mapping[str, Any], str | None]:
    try:
        body = http_tasks.webhook_body(step.input) if step.type == TaskType.HTTP else step.input
        return action.clean(body, owner=step.run.owner), None
    except TimersError as error:
        return {}, error.message
    except Exception as error:  # it must not keep those that were taken with it
        log.exception("The input of a step could not be read.", extra={"step": str(step.pk)})
        return {}, f"{type(error).__name__}: {error}"


def _seconds(step: WorkflowStep, action: type[Action]) -> float:
    if step.type == TaskType.HTTP:
        return http_tasks.seconds(step.input)
    return float(retry_rule_of(step.owner_id, step.name).timeout_seconds) or action.task_timeout_seconds


def finish(ended: Sequence[StepResult], *, owner: str, now: datetime) -> None:
    """Record how these steps ended, where attempt and owner still agree, and let their runs go on."""
    over: list[StepResult] = []
    with sql.turn():
        for result in ended:
            if result.outcome.ending is OutcomeKind.WAITING:
                _goes_on_elsewhere(result.held, owner=owner)
            else:
                over.append(result)
        writing = UnitOfWork(now)
        runs = {run.pk: run for run in progress.locked(result.held.run_id for result in over)}
        writing.read_steps(runs.values())
        for result in over:
            run = runs.get(result.held.run_id)
            step = None if run is None else _ours(run, result.held, writing, owner=owner)
            if run is not None and step is not None:
                _end(run, step, result.outcome, writing)
        writing.flush()


def _goes_on_elsewhere(held: HeldStep, *, owner: str) -> None:
    ours = WorkflowStep.objects.filter(
        pk=held.step_id, attempt=held.attempt, lease_owner=owner, status=StepStatus.IN_PROGRESS
    )
    ours.release()


def _ours(run: WorkflowRun, held: HeldStep, writing: UnitOfWork, *, owner: str) -> WorkflowStep | None:
    """Return the step, if attempt and owner still agree and its run goes on."""
    step = next((step for step in writing.steps_of(run) if step.pk == held.step_id), None)
    if step is None or step.status != StepStatus.IN_PROGRESS or run.status != WorkflowStatus.RUNNING:
        return None
    return step if step.attempt == held.attempt and step.lease_owner == owner else None


@receiver(transfer_ended)
def end_step_of_transfer(transfer: Transfer, outcome: Outcome, now: datetime, **_: Any) -> None:
    """End the step that waited for a transfer, if one did."""
    if transfer.step_id is not None and transfer.attempt is not None:
        finish_elsewhere(transfer.step_id, attempt=transfer.attempt, outcome=outcome, now=now)


def finish_elsewhere(step_id: UUID, *, attempt: int, outcome: Outcome, now: datetime) -> None:
    """End the step that waits for a transfer, in the transaction that ends it."""
    run_id = WorkflowStep.objects.filter(pk=step_id).values_list("run_id", flat=True).first()
    if run_id is None:
        return
    writing = UnitOfWork(now)
    for run in progress.locked([run_id]):
        for step in list(writing.steps_of(run)):
            if step.pk == step_id and step.attempt == attempt and step.status == StepStatus.IN_PROGRESS:
                _end(run, step, outcome, writing)
    writing.flush()


def _end(run: WorkflowRun, step: WorkflowStep, outcome: Outcome, writing: UnitOfWork) -> None:
    output = http_tasks.output(outcome.result) if step.type == TaskType.HTTP else outcome.result or {}
    status = StepStatus.COMPLETED if outcome.ending is OutcomeKind.COMPLETED else StepStatus.FAILED
    if status is StepStatus.FAILED and outcome.failure_reason in FINAL:
        status = StepStatus.FAILED_WITH_TERMINAL_ERROR
    progress.end_step(run, step, status, writing, output=output, reason=outcome.error_message)


FINAL = frozenset({"invalid", "target_refused", "cancelled", "lost"})
"""Failures that no retry can mend."""


_RENEW = Statement(
    """
update timers_workflowstep as s set lease_until = %(lease_until)s
from {rows[key uuid, number integer]}
where s.id = v.key and s.attempt = v.number and s.lease_owner = %(owner)s and s.status = 'in_progress' returning id""",
    returns=RowId,
)


def renew(held: Sequence[HeldStep], *, owner: str, now: datetime) -> set[UUID]:
    """Extend the leases of steps that are being carried out; return those that are no longer ours."""
    if not held:
        return set()
    values = [(step.step_id.hex, step.attempt) for step in held]
    renewed = _RENEW.fetch(lease_until=to_us(now + STEPS.lease), rows=values, owner=owner)
    return {step.step_id for step in held} - {sql.as_uuid(row.id) for row in renewed}


def requeue(held: Iterable[HeldStep], *, owner: str, now: datetime) -> None:
    """Let others carry these out at once, as if they had not been begun: the worker stops."""
    step_ids = [step.step_id for step in held]
    with sql.turn():
        ours = WorkflowStep.objects.filter(pk__in=step_ids, lease_owner=owner, status=StepStatus.IN_PROGRESS)
        ids = list(ours.values_list("pk", flat=True))
        ours.release(until=now + STEPS.message_lease, status=StepStatus.SCHEDULED)
        send(ids)


def lost(run: WorkflowRun, step: WorkflowStep, writing: UnitOfWork) -> None:
    """Have a step of a locked run repeated whose worker fell silent; after five times it has failed."""
    if step.lost_attempts + 1 >= MAX_LOST_ATTEMPTS:
        outcome = Outcome.failed(f"The worker {step.worker} did not report any more.", reason="lost")
        _end(run, step, outcome, writing)
        return
    WorkflowStep.objects.filter(pk=step.pk, status=StepStatus.IN_PROGRESS).release(
        until=writing.now + STEPS.message_lease,
        status=StepStatus.SCHEDULED,
        lost_attempts=F("lost_attempts") + 1,
        updated_at=writing.now,
    )
    writing.wake(step.pk)
