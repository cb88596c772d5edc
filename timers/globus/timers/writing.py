"""Writers of the documents of timers and runs: the newer form at creation, the older one everywhere else."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from timers import formatting
from timers.globus import bodies
from timers.globus.timers.reading import TRANSFER_URL
from timers.globus.timers.schedules import start_of, write_schedule, write_stop
from timers.globus.transfer.tasks import write_task
from timers.lifecycle import ExecutionStatus, TimerStatus
from timers.models import Execution, Timer
from timers.queries.timers.results import TimerRuns
from timers.services.globus import origins
from timers.services.people import consents

_STATUSES = {
    TimerStatus.ACTIVE: "loaded",
    TimerStatus.PAUSED: "inactive",
    TimerStatus.ENDED: "ended",
    TimerStatus.DELETED: "deleted",
}
_RUN_STATUSES = {
    ExecutionStatus.PENDING: "running",
    ExecutionStatus.RUNNING: "running",
    ExecutionStatus.RETRYING: "retrying",
    ExecutionStatus.COMPLETED: "succeeded",
    ExecutionStatus.FAILED: "failed",
    ExecutionStatus.CANCELLED: "cancelled",
}
ACCEPTED, REFUSED, FORBIDDEN, NO_ANSWER = 202, 400, 403, 502


def write_timer(timer: Timer) -> dict[str, Any]:
    """Return the newer document of a timer, the answer to its creation."""
    definition, kept = _definition(timer), origins.document_of(timer)
    status = "new" if timer.status == TimerStatus.ACTIVE else _STATUSES[TimerStatus(timer.status)]
    body = (
        bodies.write_transfer(definition["body"]) if timer.action == "transfer" else _callback(timer)["callback_body"]
    )
    flow = {"flow_id": kept["flow_id"]} if "flow_id" in kept else {}
    return {
        **_common(timer, TimerRuns()),
        "status": status,
        "number_of_runs": 0,
        "number_of_errors": 0,
        "body": body,
        **flow,
    }


def write_job(timer: Timer, runs: TimerRuns, *, marker: str | None = None, fresh: bool = False) -> dict[str, Any]:
    """Return the older document of a timer, with its last runs. `fresh`: the timer was created just now."""
    schedule = _definition(timer)["schedule"]
    row = timer.schedule
    common = _common(timer, runs)
    return {
        **common,
        "status": "new" if fresh and timer.status == TimerStatus.ACTIVE else common["status"],
        "start": start_of(schedule),
        "interval": schedule.get("interval_seconds"),
        "stop_after": write_stop(schedule),
        "n_runs": row.run_count + timer.begun_runs,  # type: ignore[attr-defined]  # annotated where rows are read
        "n_errors": row.failure_count,
        **_callback(timer),
        "activity": _activity(timer, runs),
        "results": {"data": [write_run(execution, runs) for execution in runs.last], "page_next": marker},
    }


def _common(timer: Timer, runs: TimerRuns) -> dict[str, Any]:
    planned = timer.schedule.next_planned_at if timer.schedule.next_run_at is not None else None
    return {
        "job_id": str(timer.pk),
        "name": timer.name,
        "timer_type": _kind(timer),
        "status": _STATUSES[TimerStatus(timer.status)],
        "inactive_reason": _inactive_reason(timer),
        "submitted_at": formatting.iso(timer.created_at),
        "last_ran_at": _instant(_last_ran(timer, runs)),
        "next_run": _instant(planned),
        "schedule": write_schedule(_definition(timer)["schedule"]),
    }


def _definition(timer: Timer) -> dict[str, Any]:
    assert timer.definition is not None  # every timer has one from its creation on
    return {"schedule": timer.definition.schedule, "body": timer.definition.body}


def _kind(timer: Timer) -> str:
    return "flow" if "flow_id" in origins.document_of(timer) else timer.action


def _last_ran(timer: Timer, runs: TimerRuns) -> datetime | None:
    start_times = [execution.started_at for execution in runs.begun if execution.started_at is not None]
    known = [timer.schedule.last_run_at] if timer.schedule.last_run_at is not None else []
    return max([*known, *start_times], default=None)


def _callback(timer: Timer) -> dict[str, Any]:
    """Return the callback of a job: as it was sent, or built from the body when the timer was changed since."""
    kept, body = origins.document_of(timer), _definition(timer)["body"]
    if "callback_url" in kept:
        return {name: kept.get(name) for name in ("callback_url", "callback_body", "scope")}
    if timer.action == "transfer":
        return {
            "callback_url": TRANSFER_URL,
            "callback_body": {"body": bodies.write_transfer(body)},
            "scope": None,
        }
    return {"callback_url": body.get("url"), "callback_body": body.get("json"), "scope": None}


def _inactive_reason(timer: Timer) -> dict[str, Any] | None:
    if timer.status != TimerStatus.PAUSED:
        return None
    if timer.status_reason != consents.MISSING:
        return {"cause": "user", "detail": None}
    required = {"session_message": consents.MISSING, "required_scopes": consents.required_of_timer(timer)}
    return {
        "cause": "globus_auth_requirements",
        "detail": {"code": "ConsentRequired", "authorization_parameters": required},
    }


def _activity(timer: Timer, runs: TimerRuns) -> dict[str, Any] | None:
    if timer.status == TimerStatus.PAUSED:
        return {"code": "paused", "start_timestamp": formatting.iso(timer.status_changed_at)}
    if timer.status != TimerStatus.ACTIVE:
        return None
    for execution in runs.unfinished:
        if execution.status == ExecutionStatus.RETRYING:
            return {"code": "retrying", "start_timestamp": _instant(execution.started_at)}
        if execution.started_at is not None:
            return {"code": "run_in_progress", "start_timestamp": formatting.iso(execution.started_at)}
    return {"code": "awaiting_next_run", "start_timestamp": _instant(_last_ran(timer, runs) or timer.status_changed_at)}


def write_run(execution: Execution, runs: TimerRuns) -> dict[str, Any]:
    """Return the document of a run. `status` is that of the submission; later failures show in `run_status`."""
    transfer = runs.transfers.get(execution.transfer_id) if execution.transfer_id is not None else None
    status = _http_status(execution)
    return {
        "ran_at": _instant(execution.started_at),
        "status": status,
        "errors": None if execution.error_message is None else [execution.error_message],
        "run_status": _RUN_STATUSES.get(ExecutionStatus(execution.status)),
        "resource_id": None if execution.transfer_id is None else str(execution.transfer_id),
        "start_timestamp": _instant(execution.started_at),
        "end_timestamp": _instant(execution.finished_at),
        "last_check_timestamp": None,
        "next_check_timestamp": None,
        "http_status_submission": status,
        "http_status_polled": None,
        "data": _data(execution, None if transfer is None else write_task(transfer)),
    }


def _http_status(execution: Execution) -> int:
    if execution.transfer_id is not None:
        return ACCEPTED
    answered = (execution.result or {}).get("status_code")
    if isinstance(answered, int):
        return answered
    if execution.status != ExecutionStatus.FAILED:
        return ACCEPTED
    reasons = {"consent_required": FORBIDDEN, "invalid": REFUSED}
    return reasons.get(execution.failure_reason or "", NO_ANSWER)


def _data(execution: Execution, task: Mapping[str, Any] | None) -> dict[str, Any]:
    if task is None:
        status = {"completed": "SUCCEEDED", "failed": "FAILED", "cancelled": "FAILED"}.get(execution.status, "ACTIVE")
        details: Any = execution.result if execution.error_message is None else {"description": execution.error_message}
        return {
            "action_id": str(execution.pk),
            "status": status,
            "display_status": status,
            "label": None,
            "details": details,
        }
    return {
        "action_id": task["task_id"],
        "status": task["status"],
        "display_status": task["status"],
        "label": task["label"],
        "start_time": task["request_time"],
        "completion_time": task["completion_time"],
        "details": dict(task),
    }


def _instant(value: datetime | None) -> str | None:
    return None if value is None else formatting.iso(value)
