"""Writers of Conductor's documents for workflow runs and tasks, and the reader of workers' results."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from timers import formatting, validation
from timers.clock import from_us
from timers.conductor.documents import ms
from timers.errors import Invalid, NotFound
from timers.lifecycle import StepStatus
from timers.models import WorkflowRun, WorkflowStep
from timers.services.workflows.worker_tasks import WorkerResult

STATUSES = {StepStatus.CANCELLED: "CANCELED"}
RESULTS = {
    "COMPLETED": StepStatus.COMPLETED,
    "COMPLETED_WITH_ERRORS": StepStatus.COMPLETED_WITH_ERRORS,
    "FAILED": StepStatus.FAILED,
    "FAILED_WITH_TERMINAL_ERROR": StepStatus.FAILED_WITH_TERMINAL_ERROR,
    "IN_PROGRESS": StepStatus.IN_PROGRESS,
}
MAX_CALLBACK_SECONDS = 30 * 86_400


def write_run(run: WorkflowRun, steps: Iterable[WorkflowStep] | None) -> dict[str, Any]:
    """Return the document of a workflow run, with the tasks that are given."""
    return {
        "workflowId": str(run.pk),
        "workflowName": run.name,
        "workflowType": run.name,
        "workflowVersion": run.version,
        "version": run.version,
        "status": run.status.upper(),
        "correlationId": run.correlation_id,
        "createTime": ms(run.created_at),
        "startTime": ms(run.created_at),
        "updateTime": ms(run.updated_at),
        "endTime": ms(run.finished_at),
        "priority": run.priority,
        "input": run.input,
        "output": run.output,
        "variables": run.variables,
        "reasonForIncompletion": run.reason,
        "workflowDefinition": run.definition,
        **run.kept,
        "tasks": [] if steps is None else [write_task(step, run) for step in steps],
    }


def write_summary(run: WorkflowRun) -> dict[str, Any]:
    """Return the document of a workflow run in search results."""
    return {
        "workflowId": str(run.pk),
        "workflowType": run.name,
        "version": run.version,
        "status": run.status.upper(),
        "correlationId": run.correlation_id,
        "startTime": _iso(run.created_at),
        "updateTime": _iso(run.updated_at),
        "endTime": _iso(run.finished_at),
        "executionTime": round(((run.finished_at or run.updated_at) - run.created_at).total_seconds() * 1000),
        "input": _json(run.input),
        "output": _json(run.output),
        "reasonForIncompletion": run.reason,
        "priority": run.priority,
    }


def _json(value: Any) -> str:
    """Return a document as JSON text: summaries contain no objects."""
    return json.dumps(value, ensure_ascii=False)


def write_task(step: WorkflowStep, run: WorkflowRun) -> dict[str, Any]:
    """Return the document of a task, as workers and readers of a workflow get it."""
    return {
        "taskId": str(step.pk),
        "taskType": step.name if step.type == "SIMPLE" else step.type,
        "taskDefName": step.name,
        "referenceTaskName": step.reference,
        "status": STATUSES.get(StepStatus(step.status), step.status.upper()),
        "inputData": step.input,
        "outputData": step.output,
        "workflowInstanceId": str(run.pk),
        "workflowType": run.name,
        "workflowPriority": run.priority,
        "correlationId": run.correlation_id,
        "retryCount": step.retries,
        "retried": step.is_retried,
        "retriedTaskId": None if step.retried_id is None else str(step.retried_id),
        "executed": step.finished_at is not None,
        "seq": step.seq,
        "pollCount": step.polls,
        "scheduledTime": ms(step.scheduled_at),
        "startTime": ms(step.started_at) or 0,
        "updateTime": ms(step.updated_at),
        "endTime": ms(step.finished_at) or 0,
        "responseTimeoutSeconds": step.response_timeout_seconds,
        "callbackAfterSeconds": step.callback_seconds,
        "workerId": step.worker,
        "reasonForIncompletion": step.reason,
        "iteration": 0,
        "workflowTask": _workflow_task(step, run),
    }


def _workflow_task(step: WorkflowStep, run: WorkflowRun) -> Any:
    tasks = run.definition.get("tasks") or []
    return tasks[step.position] if step.position < len(tasks) else None


def _iso(instant: datetime | None) -> str | None:
    return None if instant is None else formatting.iso(instant)


# Read


def read_result(document: Mapping[str, Any]) -> WorkerResult:
    """Return the result that a worker reports. Raises Invalid, and NotFound for text that is no id."""
    extend = validation.flag(document.get("extendLease"), "extendLease")
    status = document.get("status") or ("IN_PROGRESS" if extend else None)
    return WorkerResult(
        run_id=_named_id(document, "workflowInstanceId", "workflow run"),
        step_id=_named_id(document, "taskId", "task"),
        status=read_status(status),
        output=validation.mapping(document.get("outputData"), "outputData"),
        reason=validation.text(document.get("reasonForIncompletion"), "reasonForIncompletion", max_length=10**6),
        worker=validation.text(document.get("workerId"), "workerId", max_length=10_000),
        extend_lease=extend,
        callback_seconds=validation.whole(
            document.get("callbackAfterSeconds") or 0, "callbackAfterSeconds", minimum=0, maximum=MAX_CALLBACK_SECONDS
        ),
        logs=_logs(document.get("logs")),
    )


def read_status(value: object) -> StepStatus:
    """Return the task status that a worker names; raises Invalid."""
    if not isinstance(value, str) or value not in RESULTS:
        raise Invalid({"status": f"Unknown status {value!r}; known: {', '.join(RESULTS)}."})
    return RESULTS[value]


def _named_id(document: Mapping[str, Any], field: str, noun: str) -> UUID:
    value = document.get(field)
    if not isinstance(value, str) or not value:
        raise Invalid({field: f"Name the {noun}."})
    return read_id(value, noun)


def read_id(value: str, noun: str) -> UUID:
    """Return an id; raises NotFound for text that is no UUID."""
    try:
        return UUID(value)
    except ValueError:
        raise NotFound(f"There is no {noun} {value[:100]}.") from None


def _logs(value: object) -> list[dict[str, Any]]:
    if not isinstance(value, list):
        return []
    lines = [line for line in value if isinstance(line, Mapping)]
    return [{"log": str(line.get("log", ""))[:10_000], "createdTime": line.get("createdTime")} for line in lines]


def read_instant_ms(value: str) -> datetime:
    """Return the instant of milliseconds since 1970 in a query; raises Invalid."""
    if not (value.isascii() and value.isdigit() and len(value) <= 15):
        raise Invalid({"query": f"Times must be compared with milliseconds since 1970, not with {value[:50]!r}."})
    return from_us(int(value) * 1000)
