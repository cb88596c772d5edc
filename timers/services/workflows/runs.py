"""Runs of workflows: started, found, terminated, removed; and those that took too long."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.contrib.auth import get_user_model
from django.db import DatabaseError, InterfaceError, transaction

from timers import validation
from timers.actions.base import Outcome
from timers.clock import to_us
from timers.errors import Conflict, Invalid, NotFound
from timers.lifecycle import WorkflowStatus
from timers.models import Definition, Execution, WorkflowRun, sql
from timers.models.execution_sql.begin import ASSIGN_WORKFLOWS
from timers.services import events
from timers.services.workflows import definitions as workflow_definitions
from timers.services.workflows import progress
from timers.services.workflows.unit_of_work import UnitOfWork
from timers.workflow_rules import definitions, requests
from timers.workflow_rules.requests import StartRequest

MAX_INPUT_BYTES = 10 * 1024 * 1024
ENDED_AT_ONCE = 100
OF_SCHEDULER = ("_startedByScheduler", "_scheduledTime", "_executedTime", "_executionId", "_schedulerCron")
"""Keys of a workflow's input that tell about the timer that started it."""


def check_request(body: Mapping[str, Any]) -> dict[str, Any]:
    """Return the document that starts a workflow, checked; raises Invalid naming the field.

    The workflow need not exist yet.
    """
    requests.read(body)
    return {key: value for key, value in body.items() if value is not None}


def start(*, owner: Any, body: Mapping[str, Any], by: Any = None, now: datetime) -> WorkflowRun:
    """Store a run and its first step, in one transaction; return it.

    Raises Invalid, and NotFound when there is no such workflow.
    """
    with sql.turn():
        writing = UnitOfWork(now)
        run = _new(owner, body, writing, more={})
        run.save(force_insert=True)
        events.record("workflow_started", now=now, by=by, owner=owner, object_id=run.pk, text=run.name)
        progress.begin(run, writing)
        writing.flush()
    return run


def _new(owner: Any, body: Mapping[str, Any], writing: UnitOfWork, *, more: Mapping[str, Any]) -> WorkflowRun:
    """Return a run that is not stored yet."""
    request, now = requests.read(body), writing.now
    if len(json.dumps(request.input)) > MAX_INPUT_BYTES:
        raise Invalid({"input": "The input is larger than 10 MiB."})
    document = _document(owner, request)
    workflow = definitions.read(document)
    run = WorkflowRun(
        owner=owner,
        name=workflow.name,
        version=workflow.version,
        definition=document,
        correlation_id=request.correlation_id,
        priority=request.priority,
        kept=dict(request.kept),
        input={**workflow.template, **request.input, **more},
        created_at=now,
        updated_at=now,
        deadline_at=_deadline(workflow, now),
    )
    writing.new_run(run)
    if run.deadline_at is not None:
        writing.due_later()
    return run


def _document(owner: Any, request: StartRequest) -> dict[str, Any]:
    if request.definition is not None:
        return dict(request.definition)
    return dict(workflow_definitions.find(owner, request.name, request.version).document)


def _deadline(workflow: definitions.Workflow, now: datetime) -> datetime | None:
    if not workflow.timeout_seconds or workflow.only_alerts:
        return None
    return now + timedelta(seconds=workflow.timeout_seconds)


def rerun(run: WorkflowRun, *, by: Any, now: datetime) -> WorkflowRun:
    """Return a new run of the same definition with the same input, for the same owner, without a timer."""
    body = {
        "name": run.name,
        "version": run.version,
        "workflowDef": run.definition,
        "correlationId": run.correlation_id,
        "priority": run.priority,
        "input": {name: value for name, value in run.input.items() if name not in OF_SCHEDULER},
        **run.kept,
    }
    return start(owner=run.owner, body=body, by=by, now=now)


# On behalf of timers


@dataclass(frozen=True, kw_only=True)
class ExecutionStart:
    """A workflow that an execution is to start."""

    owner_id: int
    body: Mapping[str, Any]
    execution_id: UUID
    timer_id: UUID
    attempt: int


def start_for_executions(starts: Sequence[ExecutionStart], *, now: datetime) -> list[Outcome]:
    """Start the workflows that executions stand for, in one transaction; return the outcome of each start, in order.

    An execution has one run at a time: a later attempt takes over the one that still goes on or came to a good end,
    and begins another where it failed. What cannot be started leaves its neighbours alone.
    """
    try:
        return _start_together(starts, now=now)
    except (DatabaseError, InterfaceError):
        raise
    except Exception:
        if len(starts) == 1:
            raise
        return [_start_alone(start, now=now) for start in starts]


def _start_alone(start: ExecutionStart, *, now: datetime) -> Outcome:
    try:
        return _start_together([start], now=now)[0]
    except (DatabaseError, InterfaceError):
        raise
    except Exception as error:
        return Outcome.failed(f"{type(error).__name__}: {error}", reason="error")


def _start_together(starts: Sequence[ExecutionStart], *, now: datetime) -> list[Outcome]:
    ids = [start.execution_id for start in starts]
    with sql.turn():
        writing = UnitOfWork(now)
        before = _runs_before(ids)
        known = {run.pk for run in before.values()}
        given = _scheduler_inputs(ids, now=now)
        owners = get_user_model().objects.in_bulk({start.owner_id for start in starts})
        runs: list[WorkflowRun] = []
        answers: list[WorkflowRun | Outcome] = []
        for start in starts:
            answer = _adopted(before.get(start.execution_id), start) or _made(start, owners, given, writing)
            answers.append(answer)
            if isinstance(answer, WorkflowRun) and answer.pk not in known:
                runs.append(answer)
        WorkflowRun.objects.bulk_create(runs)
        _note_runs(runs)
        for run in runs:
            progress.begin(run, writing)
        writing.flush()
    return [progress.outcome_of(answer) if isinstance(answer, WorkflowRun) else answer for answer in answers]


def _runs_before(ids: Sequence[UUID]) -> dict[UUID | None, WorkflowRun]:
    """Return the newest run of each execution that has one."""
    runs = WorkflowRun.objects.select_for_update().filter(execution_id__in=ids).order_by("attempt")
    return {run.execution_id: run for run in runs}


def _adopted(before: WorkflowRun | None, start: ExecutionStart) -> WorkflowRun | None:
    if before is None or before.status not in (WorkflowStatus.RUNNING, WorkflowStatus.COMPLETED):
        return None
    WorkflowRun.objects.filter(pk=before.pk).update(attempt=start.attempt)
    return before


def _made(
    start: ExecutionStart, owners: Mapping[int, Any], given: Mapping[UUID, Mapping[str, Any]], writing: UnitOfWork
) -> WorkflowRun | Outcome:
    try:
        run = _new(owners[start.owner_id], start.body, writing, more=given[start.execution_id])
    except NotFound as error:
        return Outcome.failed(error.message, reason="workflow_not_found")
    except Invalid as error:
        return Outcome.failed(error.message, reason="invalid")
    run.timer_id, run.execution_id, run.attempt = start.timer_id, start.execution_id, start.attempt
    return run


def _note_runs(runs: Sequence[WorkflowRun]) -> None:
    """Let each execution name the run that it started."""
    if runs:
        values = [(run.execution_id.hex, run.pk.hex) for run in runs if run.execution_id is not None]
        ASSIGN_WORKFLOWS.change(rows=values)


def _scheduler_inputs(ids: Sequence[UUID], *, now: datetime) -> dict[UUID, dict[str, Any]]:
    """Return what each workflow is given of the timer that started it."""
    executions = list(Execution.objects.filter(pk__in=ids))
    known = Definition.objects.only("name", "schedule").in_bulk({execution.definition_id for execution in executions})
    return {
        execution.pk: _scheduler_input(execution, known[execution.definition_id], now=now) for execution in executions
    }


def _scheduler_input(execution: Execution, definition: Definition, *, now: datetime) -> dict[str, Any]:
    given = {
        "_startedByScheduler": definition.name,
        "_scheduledTime": to_us(execution.scheduled_for) // 1000,
        "_executedTime": to_us(execution.started_at or now) // 1000,
        "_executionId": str(execution.pk),
    }
    if definition.schedule.get("type") == "cron":
        given["_schedulerCron"] = f"{definition.schedule['expression']} {definition.schedule['timezone']}"
    return given


def terminate_of_execution(execution_id: UUID, *, now: datetime) -> None:
    """Stop what goes on for an execution, if anything does."""
    for run in WorkflowRun.objects.running().filter(execution_id=execution_id):
        terminate(run, by=None, reason="The execution was cancelled.", now=now)


# What people and programs do to a run


def get_for(user: Any, id: UUID | str) -> WorkflowRun:
    """Return a run that the user may know of; raises NotFound."""
    identifier, visible = validation.uuid(id), WorkflowRun.objects.visible_to(user).select_related("owner")
    run = None if identifier is None else visible.filter(pk=identifier).first()
    if run is None:
        raise NotFound(f"There is no workflow run {str(id)[:100]}.")
    return run


def terminate(run: WorkflowRun, *, by: Any, reason: str | None = None, now: datetime) -> WorkflowRun:
    """Return the run ended as terminated; raises Conflict when it has ended already."""
    who = f"Terminated by {by.get_username()}." if by is not None else "Terminated."
    with transaction.atomic():
        writing = UnitOfWork(now)
        for fresh in progress.locked([run.pk]):
            progress.stop(fresh, WorkflowStatus.TERMINATED, writing, reason=reason or who)
            events.record("workflow_terminated", now=now, by=by, owner=fresh.owner, object_id=run.pk, text=reason or "")
            writing.flush()
            return fresh
    run.refresh_from_db()
    raise Conflict(f"The workflow run has ended already: {run.status}.")


def remove(run: WorkflowRun, *, by: Any, now: datetime) -> None:
    """Remove a run with its steps; raises Conflict while it goes on."""
    with transaction.atomic():
        run = WorkflowRun.objects.select_for_update().get(pk=run.pk)
        if run.status == WorkflowStatus.RUNNING:
            raise Conflict("A workflow run that goes on cannot be removed; terminate it first.")
        events.record("workflow_removed", now=now, by=by, owner=run.owner, object_id=run.pk, text=run.name)
        run.delete()


def end_overdue(*, now: datetime) -> datetime | None:
    """End the runs that took longer than their definitions allow; return when the next one does."""
    timed = WorkflowRun.objects.running().filter(deadline_at__isnull=False).order_by("deadline_at")
    overdue = list(timed.filter(deadline_at__lte=now).values_list("pk", flat=True)[:ENDED_AT_ONCE])
    if overdue:
        with transaction.atomic():
            writing = UnitOfWork(now)
            for run in progress.locked(overdue):
                seconds = definitions.read(run.definition).timeout_seconds
                reason = f"It took longer than the {seconds} seconds that its definition allows."
                progress.stop(run, WorkflowStatus.TIMED_OUT, writing, reason=reason)
            writing.flush()
    return timed.values_list("deadline_at", flat=True).first()
