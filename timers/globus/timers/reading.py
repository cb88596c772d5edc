"""Readers of the documents that create timers and jobs. Errors name the fields of the document."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

from timers import scopes, validation
from timers.errors import Invalid
from timers.globus import bodies
from timers.globus.errors import MISSING
from timers.globus.timers.schedules import read_job_schedule, read_schedule

DEFAULT_NAME = "Timer without a name"
POLICIES = {"overlap": "skip", "catch_up": "latest", "catch_up_window_seconds": None, "pause_after_failures": 0}

TRANSFER_URL = "https://actions.automate.globus.org/transfer/transfer/run"
FLOW_URL = "https://flows.automate.globus.org/flows/{}/run"

_TRANSFER_PATHS = ("/transfer/transfer/run", "/transfer/run")
_FLOW_PATH = re.compile(r"/flows/([0-9A-Fa-f-]{32,36})/run")

_JOB_FIELDS = (
    *("name", "start", "interval", "stop_after", "stop_after_n"),
    *("scope", "callback_url", "callback_body"),
)

Spelling = Callable[[str], str]


@dataclass(frozen=True, kw_only=True)
class TimerRequest:
    """The timer that a document requests, as arguments of our services.

    `action` is transfer, webhook or flow; a flow has a `flow_id`, and its body is the input. `document` holds the
    fields that are returned as they were sent. `spelled` turns the name of one of our fields into the document's.
    """

    name: str
    action: str
    schedule: dict[str, Any]
    body: dict[str, Any]
    flow_id: UUID | None = None
    document: dict[str, Any] = field(default_factory=dict)
    spelled: Spelling = lambda name: name


# The newer form


def read_timer(document: object, *, now: datetime) -> TimerRequest:
    """Return the request of a timer document; raises Invalid."""
    if not isinstance(document, Mapping):
        raise Invalid({"": MISSING if document is None else "A timer is an object."})
    kind = document.get("timer_type")
    if kind not in ("transfer", "flow"):
        raise Invalid({"timer_type": MISSING if kind is None else "Must be transfer or flow."})
    known = {"timer_type", "name", "schedule", "body"}
    validation.only_known(document, known | {"flow_id"} if kind == "flow" else known)
    name = _name(document.get("name"))
    schedule = validation.under("schedule", lambda: read_schedule(document.get("schedule"), now=now))
    body = validation.required_mapping(document, "body", missing=MISSING)
    if kind == "transfer":
        return TimerRequest(name=name, action="transfer", schedule=schedule, body=bodies.read_timer_body(body))
    flow_id = validation.uuid(document.get("flow_id"))
    if flow_id is None:
        raise Invalid({"flow_id": MISSING if document.get("flow_id") is None else "This is not a UUID."})
    return TimerRequest(
        name=name,
        action="flow",
        schedule=schedule,
        body=validation.under("body", lambda: _input(body)),
        flow_id=flow_id,
        document=_flow_document(flow_id, url=FLOW_URL.format(flow_id), content=body, scope=None),
        spelled=_spelled_flow,
    )


def read_changes(document: Mapping[str, Any], *, now: datetime) -> dict[str, Any]:
    """Return the changes to a timer: its name and, as an extension, schedule and transfer. Raises Invalid."""
    validation.only_known(document, {"name", "schedule", "body"})
    changes: dict[str, Any] = {}
    if document.get("name") is not None:
        changes["name"] = _name(document["name"])
    if document.get("schedule") is not None:
        changes["schedule"] = validation.under("schedule", lambda: read_schedule(document["schedule"], now=now))
    if document.get("body") is not None:
        changes["body"] = bodies.read_timer_body(validation.required_mapping(document, "body", missing=MISSING))
    return changes


# Jobs


def read_job(job: Mapping[str, Any], *, now: datetime) -> TimerRequest:
    """Return the request of a job. `callback_url` decides between transfer, flow and webhook. Raises Invalid."""
    missing = [name for name in ("start", "callback_url") if job.get(name) is None]
    if missing:
        raise Invalid(dict.fromkeys(missing, MISSING))
    validation.only_known(job, _JOB_FIELDS)
    url, content = job["callback_url"], job.get("callback_body")
    if not isinstance(url, str):
        raise Invalid({"callback_url": "This must be text."})
    if content is not None:
        validation.mapping(content, "callback_body")
    validation.text(job.get("scope"), "scope")
    name, schedule = _name(job.get("name")), read_job_schedule(job, now=now)
    flow_id = _flow_of(url)
    if flow_id is not None:
        return TimerRequest(
            name=name,
            action="flow",
            schedule=schedule,
            body=validation.under("callback_body", lambda: _input(content or {})),
            flow_id=flow_id,
            document=_flow_document(flow_id, url=url, content=content, scope=job.get("scope")),
            spelled=_spelled_job_flow,
        )
    document = {"callback_url": url, "callback_body": content, "scope": job.get("scope")}
    if _path(url) in _TRANSFER_PATHS:
        return _job_transfer(name, schedule, document)
    webhook = {"url": url, "method": "POST", **({} if content is None else {"json": dict(content)})}
    return TimerRequest(
        name=name, action="webhook", schedule=schedule, body=webhook, document=document, spelled=_spelled_webhook
    )


def _job_transfer(name: str, schedule: dict[str, Any], document: dict[str, Any]) -> TimerRequest:
    content = document["callback_body"] or {}
    inner, prefix = content, "callback_body"
    if "body" in content:
        inner, prefix = (
            validation.under("callback_body", lambda: validation.required_mapping(content, "body", missing=MISSING)),
            "callback_body.body",
        )
    body = validation.under(prefix, lambda: bodies.read_action_body(inner))

    def spelled(field: str) -> str:
        first, _, rest = field.partition(".")
        return f"{prefix}.{bodies.spelled_as(inner, rest)}" if first == "body" else _spelled_job(field)

    return TimerRequest(name=name, action="transfer", schedule=schedule, body=body, document=document, spelled=spelled)


def _input(body: Mapping[str, Any]) -> dict[str, Any]:
    """Return the input of a flow."""
    return dict(validation.mapping(body.get("body"), "body"))


def _flow_document(flow_id: UUID, *, url: str, content: Mapping[str, Any] | None, scope: str | None) -> dict[str, Any]:
    """Return the fields of a flow's timer that are returned as they were sent."""
    return {
        "callback_url": url,
        "callback_body": content,
        "scope": scope or scopes.flow_user(flow_id),
        "flow_id": str(flow_id),
    }


def _flow_of(url: str) -> UUID | None:
    """Return the id of the flow that a callback URL starts, None for any other URL."""
    parts = _split(url)
    match = _FLOW_PATH.fullmatch(parts[1])
    return validation.uuid(match[1]) if match and parts[0].endswith("flows.automate.globus.org") else None


def _path(url: str) -> str:
    return _split(url)[1]


def _split(url: str) -> tuple[str, str]:
    """Return host and path of a URL; two empty texts for an invalid one."""
    try:
        parts = urlsplit(url.strip())
        return parts.hostname or "", parts.path.rstrip("/")
    except ValueError:
        return "", ""


def _spelled_flow(field: str) -> str:
    return "flow_id" if field.startswith("body.") else field


def _spelled_job_flow(field: str) -> str:
    return "callback_url" if _spelled_flow(field) == "flow_id" else _spelled_job(field)


def _spelled_job(field: str) -> str:
    names = {"schedule.datetime": "start", "schedule.start": "start", "schedule.interval_seconds": "interval"}
    return names.get(field, "stop_after" if field.startswith("schedule.end") else field)


def _spelled_webhook(field: str) -> str:
    first, _, rest = field.partition(".")
    if first != "body":
        return _spelled_job(field)
    name, dot, inner = rest.partition(".")
    return {"url": "callback_url", "json": "callback_body"}.get(name, name) + dot + inner


# Single fields


def _name(value: object) -> str:
    return validation.text(value, "name") or DEFAULT_NAME
