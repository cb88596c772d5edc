"""Runs of workflows: started, looked up, terminated, removed; and those that took too long."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from django.db import transaction

from timers.actions.base import Outcome
from timers.clock import to_us
from timers.errors import Conflict, Invalid, NotFound
from timers.lifecycle import WorkflowStatus
from timers.models import Definition, Execution, WorkflowRun, rows
from timers.sequencing import definitions, requests
from timers.sequencing.requests import StartRequest
from timers.services import events, workflow_course, workflow_definitions

LARGEST_INPUT = 10 * 1024 * 1024
ENDED_AT_ONCE = 100
TOLD = ("_startedByScheduler", "_scheduledTime", "_executedTime", "_executionId", "_schedulerCron")
"""What a workflow's input holds when a timer started it."""


def check_request(body: Mapping[str, Any]) -> dict[str, Any]:
    """Return the document that starts a workflow, checked; raises Invalid naming the field.

    The workflow need not exist yet.
    """
    requests.read(body)
    return {key: value for key, value in body.items() if value is not None}


def start(
    *,
    owner: Any,
    body: Mapping[str, Any],
    now: datetime,
    by: Any = None,
    more: Mapping[str, Any] | None = None,
    timer_id: UUID | None = None,
    execution_id: UUID | None = None,
    attempt: int | None = None,
) -> WorkflowRun:
    """Store a run and its first step, in one transaction; return it. `more` is added to its input.

    Raises Invalid, and NotFound when there is no such workflow.
    """
    request = requests.read(body)
    if len(json.dumps(request.input)) > LARGEST_INPUT:
        raise Invalid({"input": "The input is larger than 10 MiB."})
    with rows.turn():
        document = _document(owner, request)
        workflow = definitions.read(document)
        run = WorkflowRun(
            id=uuid4(),
            owner=owner,
            name=workflow.name,
            version=workflow.version,
            definition=document,
            correlation_id=request.correlation_id,
            priority=request.priority,
            kept=dict(request.kept),
            input={**workflow.template, **request.input, **(more or {})},
            timer_id=timer_id,
            execution_id=execution_id,
            attempt=attempt,
            created_at=now,
            updated_at=now,
            deadline_at=_deadline(workflow, now),
        )
        run.save(force_insert=True)
        if execution_id is None:
            events.record("workflow_started", now=now, by=by, owner=owner, object_id=run.pk, text=str(workflow.name))
        workflow_course.send(workflow_course.begin(run, now=now))
    return run


def rerun(run: WorkflowRun, *, by: Any, now: datetime) -> WorkflowRun:
    """Return a new run of the same definition with the same input, for the same owner, without a timer."""
    told = {name: value for name, value in run.input.items() if name not in TOLD}
    body = {
        "name": run.name,
        "version": run.version,
        "workflowDef": run.definition,
        "correlationId": run.correlation_id,
        "priority": run.priority,
        "input": told,
        **run.kept,
    }
    return start(owner=run.owner, body=body, by=by, now=now)


def _document(owner: Any, request: StartRequest) -> dict[str, Any]:
    if request.definition is not None:
        return dict(request.definition)
    return dict(workflow_definitions.find(owner, request.name, request.version).document)


def _deadline(workflow: definitions.Workflow, now: datetime) -> datetime | None:
    if not workflow.timeout_seconds or workflow.only_alerts:
        return None
    return now + timedelta(seconds=workflow.timeout_seconds)


# On behalf of a timer


def start_for_execution(
    *, owner: Any, body: Mapping[str, Any], execution_id: UUID, timer_id: UUID, attempt: int, now: datetime
) -> Outcome:
    """Start the workflow that an execution stands for; return how that went.

    An execution has one run at a time: a later attempt takes over the one that still goes on or came to a good end,
    and begins another where it failed.
    """
    with rows.turn():
        before = WorkflowRun.objects.select_for_update().filter(execution_id=execution_id).order_by("-attempt").first()
        if before is not None and before.status in (WorkflowStatus.RUNNING, WorkflowStatus.COMPLETED):
            WorkflowRun.objects.filter(pk=before.pk).update(attempt=attempt)
            return workflow_course.outcome_of(before)
        try:
            with transaction.atomic():
                run = start(
                    owner=owner,
                    body=body,
                    now=now,
                    more=_told(execution_id, now=now),
                    timer_id=timer_id,
                    execution_id=execution_id,
                    attempt=attempt,
                )
        except NotFound as error:
            return Outcome.failed(error.message, reason="workflow_not_found")
        except Invalid as error:
            return Outcome.failed(error.message, reason="invalid")
        Execution.objects.filter(pk=execution_id).update(workflow_id=run.pk)
        run.refresh_from_db()
        return workflow_course.outcome_of(run)


def _told(execution_id: UUID, *, now: datetime) -> dict[str, Any]:
    """Return what a workflow is told of the timer that started it."""
    execution = Execution.objects.get(pk=execution_id)
    definition = Definition.objects.get(pk=execution.definition_id)
    told = {
        "_startedByScheduler": definition.name,
        "_scheduledTime": to_us(execution.scheduled_for) // 1000,
        "_executedTime": to_us(execution.started_at or now) // 1000,
        "_executionId": str(execution_id),
    }
    if definition.schedule.get("type") == "cron":
        told["_schedulerCron"] = f"{definition.schedule['expression']} {definition.schedule['timezone']}"
    return told


def terminate_of_execution(execution_id: UUID, *, now: datetime) -> None:
    """Stop what goes on for an execution, if anything does."""
    for run in WorkflowRun.objects.running().filter(execution_id=execution_id):
        terminate(run, by=None, reason="The execution was cancelled.", now=now)


# What people and programs do to a run


def get_for(user: Any, id: UUID | str) -> WorkflowRun:
    """Return a run that the user may know of; raises NotFound."""
    try:
        found = WorkflowRun.objects.visible_to(user).filter(pk=UUID(str(id))).first()
    except ValueError:
        found = None
    if found is None:
        raise NotFound(f"There is no workflow run {str(id)[:100]}.")
    return found


def terminate(run: WorkflowRun, *, by: Any, reason: str | None = None, now: datetime) -> WorkflowRun:
    """Return the run ended as terminated; raises Conflict when it has ended already."""
    with transaction.atomic():
        run = workflow_course.locked(run.pk)
        who = f"Terminated by {by.get_username()}." if by is not None else "Terminated."
        if not workflow_course.end(run, WorkflowStatus.TERMINATED, output={}, reason=reason or who, now=now):
            raise Conflict(f"The workflow run has ended already: {run.status}.")
        events.record("workflow_terminated", now=now, by=by, owner=run.owner, object_id=run.pk, text=reason or "")
    return run


def remove(run: WorkflowRun, *, by: Any, now: datetime) -> None:
    """Remove a run with its steps; raises Conflict while it goes on."""
    with transaction.atomic():
        run = workflow_course.locked(run.pk)
        if run.status == WorkflowStatus.RUNNING:
            raise Conflict("A workflow run that goes on cannot be removed; terminate it first.")
        events.record("workflow_removed", now=now, by=by, owner=run.owner, object_id=run.pk, text=run.name)
        run.delete()


def end_overdue(*, now: datetime) -> datetime | None:
    """End the runs that took longer than their definitions allow; return when the next one does."""
    timed = WorkflowRun.objects.running().filter(deadline_at__isnull=False).order_by("deadline_at")
    for run_id in list(timed.filter(deadline_at__lte=now).values_list("pk", flat=True)[:ENDED_AT_ONCE]):
        with transaction.atomic():
            run = workflow_course.locked(run_id)
            seconds = definitions.read(run.definition).timeout_seconds
            reason = f"It took longer than the {seconds} seconds that its definition allows."
            workflow_course.end(run, WorkflowStatus.TIMED_OUT, output={}, reason=reason, now=now)
    return timed.values_list("deadline_at", flat=True).first()
