"""Small makers of workflows, and the steps of their runs, for tests."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from timers.actions.base import Outcome
from timers.models import WorkflowDefinition, WorkflowRun, WorkflowStep
from timers.services.workflows import definitions as workflow_definitions
from timers.services.workflows import runs as workflow_runs
from timers.services.workflows import steps as workflow_steps
from timers.services.workflows.steps import StepResult

ANSWER = {"status_code": 200, "headers": {}, "text": '{"ok": true}', "truncated": False}


def simple(reference: str = "ask", **inputs: Any) -> dict[str, Any]:
    return {"name": "ask", "taskReferenceName": reference, "type": "SIMPLE", "inputParameters": inputs}


def http(reference: str = "call", uri: str = "https://example.org/") -> dict[str, Any]:
    request = {"http_request": {"uri": uri, "method": "GET"}}
    return {"name": "call", "taskReferenceName": reference, "type": "HTTP", "inputParameters": request}


def wait(reference: str = "pause", **inputs: Any) -> dict[str, Any]:
    return {"name": "pause", "taskReferenceName": reference, "type": "WAIT", "inputParameters": inputs}


def define(owner: Any, *tasks: Mapping[str, Any], now: datetime, name: str = "flow", **more: Any) -> WorkflowDefinition:
    document = {"name": name, "version": 1, "tasks": list(tasks), **more}
    return workflow_definitions.register(owner=owner, document=document, overwrite=True, now=now)


def start(owner: Any, *tasks: Mapping[str, Any], now: datetime, **more: Any) -> WorkflowRun:
    """Define a workflow and start it."""
    given = more.pop("input", {})
    define(owner, *tasks, now=now, **more)
    return workflow_runs.start(owner=owner, body={"name": more.get("name", "flow"), "input": given}, now=now)


def carry_out(now: datetime, outcome: Outcome | None = None, *, worker: str = "w1") -> int:
    """Take every step that this service carries out itself, and end it so; return how many those were."""
    due = WorkflowStep.objects.filter(status="scheduled", type__in=["HTTP", "TRANSFER", "CODE"])
    held = workflow_steps.take(list(due.values_list("pk", flat=True)), owner=worker, now=now)
    outcome = outcome or Outcome.completed(ANSWER)
    workflow_steps.finish([StepResult(each, outcome) for each in held], owner=worker, now=now)
    return len(held)


def steps(run: WorkflowRun) -> list[tuple[str, str, int]]:
    """Return reference, state and number of retries of each step in order."""
    return list(run.steps.order_by("seq").values_list("reference", "status", "retries"))


def reloaded(run: WorkflowRun) -> WorkflowRun:
    return WorkflowRun.objects.get(pk=run.pk)
