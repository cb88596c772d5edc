"""Steps that real workers carry out: polled for, kept alive, and their results taken in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import transaction

from timers import validation
from timers.clock import to_us
from timers.errors import Conflict, NotFound
from timers.lifecycle import StepStatus, WorkflowStatus
from timers.messaging import queue
from timers.models import WorkflowRun, WorkflowStep, sql
from timers.services.people import tokens
from timers.services.workflows import progress
from timers.services.workflows.definitions import retry_rule_of
from timers.services.workflows.unit_of_work import UnitOfWork
from timers.workflow_rules.task_definitions import TimeoutPolicy

MAX_BATCH = 100
MAX_LOGS = 1_000

SOON = timedelta(seconds=5)
"""A dispatcher that nobody wakes sees in time what comes due no earlier than that."""

_WAITING = """
select id from timers_workflowstep
where owner_id = {owner} and name = %s and status = 'scheduled' and type = 'SIMPLE' and run_at <= %s
order by run_at limit %s"""
_WAITING_OF_OWNER = _WAITING.format(owner="%s")


@dataclass(frozen=True, kw_only=True)
class WorkerResult:
    """A worker's report on a step: it ended, or (IN_PROGRESS) it goes on or is to be put back."""

    run_id: UUID
    step_id: UUID
    status: StepStatus
    output: Mapping[str, Any] = field(default_factory=dict)
    reason: str | None = None
    worker: str | None = None
    extend_lease: bool = False
    callback_seconds: int = 0
    logs: Sequence[Mapping[str, Any]] = ()


def is_waiting(owner_id: int, name: str, *, now: datetime) -> bool:
    """Return whether a step waits for a worker of that name: cheap enough to be asked many times a second."""
    return bool(sql.fetch(_WAITING_OF_OWNER, [owner_id, name, to_us(now), 1]))


def asks_in_vain(caller: tokens.CallerQuery, name: str, *, now: datetime) -> bool:
    """Return whether a caller who may do so asks for tasks of which there are none: the most frequent request.

    False when the request has to be read in full.
    """
    who, parameters = caller
    waiting = _WAITING.format(owner="caller.owner_id")
    callers = sql.ask(
        f"select owner_id, scopes from ({who}) caller where not exists ({waiting})", [*parameters, name, to_us(now), 1]
    )
    return any(tokens.scopes_allow(scopes, tokens.CONDUCTOR_SCOPE) for _, scopes in callers)


def poll(owner_id: int, name: str, *, worker: str, count: int = 1, now: datetime) -> list[WorkflowStep]:
    """Return up to `count` steps that waited for a worker of that name; each goes to one worker only."""
    count = max(0, min(count, MAX_BATCH))
    if not count or not is_waiting(owner_id, name, now=now):
        return []
    patience = retry_rule_of(owner_id, name)
    with sql.turn():
        waiting = sql.fetch(_WAITING_OF_OWNER + sql.locked("update skip locked"), [owner_id, name, to_us(now), count])
        ids = [sql.as_uuid(step_id) for (step_id,) in waiting]
        steps = list(WorkflowStep.objects.filter(pk__in=ids).select_related("run").order_by("run_at"))
        limited = patience.timeout_seconds and patience.timeout_policy is not TimeoutPolicy.ALERT_ONLY
        for step in steps:
            step.status, step.worker, step.polls = StepStatus.IN_PROGRESS, worker[:255], step.polls + 1
            step.started_at, step.updated_at = step.started_at or now, now
            if limited and step.overdue_at is None:
                step.overdue_at = now + timedelta(seconds=patience.timeout_seconds)
            _keep(step, now=now)
    return steps


def _keep(step: WorkflowStep, *, now: datetime) -> None:
    """Give the worker of a step its time again, and store the step; its transaction is the caller's."""
    silent_at = now + timedelta(seconds=step.response_timeout_seconds)
    step.run_at = step.lease_until = min(silent_at, step.overdue_at or silent_at)
    step.save(
        update_fields=[
            *("status", "worker", "polls", "started_at", "updated_at", "overdue_at", "run_at", "lease_until", "logs"),
            *("output", "callback_seconds", "reason"),
        ]
    )
    if step.lease_until <= now + SOON:
        queue.wake_dispatchers()


def report(owner: Any, result: WorkerResult, *, now: datetime) -> WorkflowStep:
    """Take in a result; return the step. Raises NotFound, and Conflict when it does not wait for one any more.

    A result that was taken in before is no error when it comes again: its sender did not see the answer.
    """
    with transaction.atomic():
        run = WorkflowRun.objects.select_for_update().filter(owner=owner, pk=result.run_id).first()
        step = None if run is None else WorkflowStep.objects.filter(run=run, pk=result.step_id).first()
        if run is None or step is None:
            raise NotFound(f"There is no task {result.step_id} in the workflow run {result.run_id}.")
        if step.status not in (StepStatus.SCHEDULED, StepStatus.IN_PROGRESS):
            return step
        if run.status != WorkflowStatus.RUNNING:
            raise Conflict(f"The workflow run {run.pk} has ended: {run.status}.")
        step.logs = [*step.logs, *result.logs][-MAX_LOGS:]
        if result.extend_lease and result.status is StepStatus.IN_PROGRESS:
            if step.status == StepStatus.IN_PROGRESS and step.type == "SIMPLE":
                step.updated_at = now
                _keep(step, now=now)
        elif result.status is StepStatus.IN_PROGRESS:
            _goes_on(step, result, now=now)
        else:
            if result.logs:
                step.save(update_fields=["logs"])
            _ended(run, step, result, now=now)
    return step


def _ended(run: WorkflowRun, step: WorkflowStep, result: WorkerResult, *, now: datetime) -> None:
    writing = UnitOfWork(now)
    fresh = next(current for current in writing.steps_of(run) if current.pk == step.pk)
    progress.end_step(
        run, fresh, result.status, writing, output=result.output, reason=result.reason, worker=result.worker
    )
    writing.flush()


def _goes_on(step: WorkflowStep, result: WorkerResult, *, now: datetime) -> None:
    """Put a step back for its worker to be asked again, after a while when it so wishes."""
    step.output, step.reason, step.updated_at = dict(result.output) or step.output, result.reason, now
    step.worker, step.callback_seconds = result.worker or step.worker, result.callback_seconds
    if step.type != "SIMPLE":  # a WAIT that somebody reports on, but does not end
        step.save(update_fields=["output", "reason", "updated_at", "worker", "logs"])
        return
    step.status = StepStatus.SCHEDULED
    _keep(step, now=now)
    back_at = now + timedelta(seconds=max(0, result.callback_seconds))
    WorkflowStep.objects.filter(pk=step.pk).update(run_at=back_at, lease_until=None)


def find(user: Any, step_id: str) -> WorkflowStep:
    """Return a step that the user may know of; raises NotFound."""
    key = validation.uuid(step_id)
    steps = WorkflowStep.objects.select_related("run")
    if not user.is_staff:
        steps = steps.filter(owner_id=user.pk)
    step = None if key is None else steps.filter(pk=key).first()
    if step is None:
        raise NotFound(f"There is no task {step_id[:100]}.")
    return step


def find_by_reference(owner: Any, run_id: UUID, reference: str) -> WorkflowStep:
    """Return the unfinished step of that reference name; raises NotFound."""
    steps = WorkflowStep.objects.unfinished().filter(run__owner=owner, run_id=run_id, reference=reference)
    step = steps.order_by("-seq").first()
    if step is None:
        raise NotFound(f"The workflow run {run_id} has no unfinished task {reference}.")
    return step


def add_log(step: WorkflowStep, text: str, *, now: datetime) -> None:
    """Append a line to a step's log."""
    with transaction.atomic():
        fresh = WorkflowStep.objects.select_for_update().get(pk=step.pk)
        fresh.logs = [*fresh.logs, {"log": text[:10_000], "createdTime": to_us(now) // 1000}][-MAX_LOGS:]
        fresh.save(update_fields=["logs"])


def waiting_counts(owner: Any, names: Sequence[str]) -> dict[str, int]:
    """Return how many steps wait for a worker, by name."""
    waiting = WorkflowStep.objects.filter(owner_id=owner.pk, status=StepStatus.SCHEDULED, type="SIMPLE")
    return {name: waiting.filter(name=name).count() for name in names}
