"""Readers and writers of Conductor's documents for schedules, tags and execution records."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from timers import formatting, validation
from timers.clock import EPOCH, to_us
from timers.errors import Invalid
from timers.lifecycle import TimerStatus
from timers.models import Execution, Timer
from timers.scheduling.clock_changes import read_zone_name
from timers.scheduling.cron import CronSchedule
from timers.services.timers import schedules
from timers.workflow_rules import requests

POLICIES = {"overlap": "allow", "catch_up_window_seconds": None, "catch_up_limit": 1000}
"""Policies of every timer that this interface creates."""

TAG_TYPES = (None, "METADATA", "RATE_LIMIT")
MAX_REASON_LENGTH = 1_000


@dataclass(frozen=True, kw_only=True)
class SaveSchedule:
    """A SaveScheduleRequest, converted to the arguments of our services."""

    name: str
    schedule: dict[str, Any]
    body: dict[str, Any]
    policies: dict[str, Any]
    description: str
    paused: bool


# Read


def read_schedule(document: Mapping[str, Any]) -> SaveSchedule:
    """Return the schedule of a SaveScheduleRequest; raises Invalid naming the field."""
    if document.get("cronSchedules"):
        raise Invalid({"cronSchedules": "One cron expression per schedule: give cronExpression and zoneId."})
    name = validation.path_name(document.get("name"), "name")
    request = document.get("startWorkflowRequest")
    if not isinstance(request, Mapping):
        raise Invalid({"startWorkflowRequest": "Say which workflow to start."})
    if not request.get("name"):
        raise Invalid({"startWorkflowRequest.name": "Name the workflow to start."})
    try:
        requests.read(request)
    except Invalid as error:
        raise error.under("startWorkflowRequest") from None
    catch_up = validation.flag(document.get("runCatchupScheduleInstances"), "runCatchupScheduleInstances")
    return SaveSchedule(
        name=name,
        schedule=_schedule(document),
        body=dict(request),
        policies={**POLICIES, "catch_up": "all" if catch_up else "none"},
        description=validation.text(document.get("description"), "description") or "",
        paused=validation.flag(document.get("paused"), "paused"),
    )


def _schedule(document: Mapping[str, Any]) -> dict[str, Any]:
    schedule = {
        "type": "cron",
        "expression": read_cron(document.get("cronExpression")),
        "timezone": read_zone(document.get("zoneId")),
        "dst_gap": "skip",
        "dst_overlap": "both",
    }
    start = read_ms(document.get("scheduleStartTime"), "scheduleStartTime")
    end = read_ms(document.get("scheduleEndTime"), "scheduleEndTime")
    if start is not None and end is not None and end < start:
        raise Invalid({"scheduleEndTime": "The end lies before the start."})
    if start is not None:
        schedule["start"] = formatting.iso(start)
    if end is not None:
        schedule["end"] = {"condition": "time", "datetime": formatting.iso(end)}  # type: ignore[assignment]
    return schedule


def read_cron(value: object) -> str:
    """Return a cron expression of six fields, or a macro, in its normal form; raises Invalid with `cron` and reason."""
    if not isinstance(value, str) or not value.strip():
        raise Invalid({"cronExpression": "A cron expression is needed."})
    fields = value.split()
    try:
        if len(fields) != 6 and not (len(fields) == 1 and fields[0].startswith("@")):
            raise Invalid({"": f"it has {len(fields)} fields instead of six"})
        return CronSchedule.parse({"expression": value}, now=EPOCH).expression
    except Invalid as error:
        why = next(iter(error.fields.values()))[0]
        message = f'Invalid cron expression "{value[:200]}": {why}'
        raise Invalid({"cronExpression": message}, message) from None


def read_zone(value: object) -> str:
    """Return the name of a time zone, UTC when none is given; raises Invalid."""
    if value in (None, ""):
        return "UTC"
    try:
        return read_zone_name(value, "zoneId")
    except Invalid as error:
        why = error.fields["zoneId"][0]
        raise Invalid({"zoneId": f"Unknown zone {value!r}: {why}"}) from None


def read_ms(value: object, field: str) -> datetime | None:
    """Return the instant of milliseconds since 1970, None for None, "null" and 0; raises Invalid."""
    if isinstance(value, str):
        text = value.strip()
        value = int(text) if text.removeprefix("-").isdigit() and text.isascii() and len(text) < 20 else text or None
    if value in (None, 0, "null", "None"):
        return None
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int):
        raise Invalid({field: "Give a time in milliseconds since 1970."})
    try:
        return validation.instant(
            datetime.fromtimestamp(value // 1000, UTC).replace(microsecond=value % 1000 * 1000), field
        )
    except (OverflowError, ValueError, OSError):
        raise Invalid({field: f"{value} milliseconds since 1970 is not a valid date."}) from None


def read_tags(document: Sequence[Any]) -> list[tuple[str, str]]:
    """Return the pairs of key and value of a list of tags, each pair once; raises Invalid."""
    pairs = []
    for number, tag in enumerate(document):
        if not isinstance(tag, Mapping) or not isinstance(tag.get("key"), str) or not tag["key"].strip():
            raise Invalid({str(number): "A tag is an object with a key and a value."})
        value = tag.get("value")
        if value is not None and not isinstance(value, str | int | float):
            raise Invalid({f"{number}.value": "This must be text."})
        if tag.get("type") not in TAG_TYPES:
            raise Invalid({f"{number}.type": "Must be METADATA or RATE_LIMIT."})
        pairs.append((tag["key"], "" if value is None else str(value)))
    return list(dict.fromkeys(pairs))


def tags_by_key(pairs: Iterable[tuple[str, str]]) -> dict[str, Any]:
    """Return tags in the form of the services: {key: [values]}."""
    tags: dict[str, list[str]] = {}
    for key, value in pairs:
        tags.setdefault(key, []).append(value)
    return dict(tags)


# Write


def write_schedule(timer: Timer, *, now: datetime) -> dict[str, Any]:
    """Return the WorkflowSchedule document of a timer whose definition, schedule, owner and tags are loaded."""
    definition = timer.definition
    assert definition is not None
    rule = definition.schedule
    paused = timer.status == TimerStatus.PAUSED
    changed_by = definition.created_by or timer.owner
    return {
        "name": timer.name,
        "cronExpression": rule["expression"],
        "zoneId": rule["timezone"],
        "description": timer.description or None,
        "runCatchupScheduleInstances": definition.policies.get("catch_up") == "all",
        "paused": paused,
        "pausedReason": (timer.status_reason or None) if paused else None,
        "scheduleStartTime": _ms_of_text(rule.get("start")),
        "scheduleEndTime": _ms_of_text((rule.get("end") or {}).get("datetime")),
        "startWorkflowRequest": definition.body,
        "createTime": ms(timer.created_at),
        "updatedTime": ms(timer.updated_at),
        "createdBy": timer.owner.get_username(),
        "updatedBy": changed_by.get_username(),
        "nextRunTime": ms(_next_run(timer, now=now)),
        "tags": write_tags(timer),
    }


def _next_run(timer: Timer, *, now: datetime) -> datetime | None:
    """Return the next planned instant; for a paused schedule the one that it would have."""
    if timer.status == TimerStatus.ACTIVE:
        return timer.schedule.next_planned_at
    if timer.status != TimerStatus.PAUSED or timer.definition is None:
        return None
    return schedules.stored(timer.definition.schedule).next_after(now)


def write_tags(timer: Timer) -> list[dict[str, str]]:
    """Return the documents of a timer's tags, oldest first."""
    rows = sorted(timer.tag_rows.all(), key=lambda row: row.pk)
    return [{"key": row.key, "value": row.value, "type": "METADATA"} for row in rows]


def write_record(execution: Execution) -> dict[str, Any]:
    """Return the record document of an execution whose timer and definition are loaded."""
    definition = execution.definition
    state = state_of(execution)
    reason = (execution.error_message or f"It ended as {execution.status}.") if state == "FAILED" else None
    return {
        "executionId": str(execution.pk),
        "scheduleName": execution.timer.name,
        "scheduledTime": ms(execution.scheduled_for),
        "executionTime": ms(execution.started_at or execution.created_at),
        "workflowName": definition.body.get("name"),
        "workflowId": None if execution.workflow_id is None else str(execution.workflow_id),
        "reason": None if reason is None else reason[:MAX_REASON_LENGTH],
        "stackTrace": None,
        "startWorkflowRequest": definition.body,
        "state": state,
        "zoneId": definition.schedule.get("timezone", "UTC"),
    }


def state_of(execution: Execution) -> str:
    """Return the record's state: POLLED until it is known whether the workflow started, then EXECUTED or FAILED."""
    if execution.workflow_id is not None:
        return "EXECUTED"
    return "POLLED" if execution.finished_at is None else "FAILED"


def ms(instant: datetime | None) -> int | None:
    """Return an instant in milliseconds since 1970; None for None."""
    return None if instant is None else to_us(instant) // 1000


def _ms_of_text(value: str | None) -> int | None:
    return None if value is None else ms(datetime.fromisoformat(value))
