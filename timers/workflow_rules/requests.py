"""Parser of requests to start a workflow: Conductor's StartWorkflowRequest."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from timers import validation
from timers.errors import Invalid
from timers.workflow_rules import definitions

KEYS = (
    *("name", "version", "correlationId", "input", "priority", "taskToDomain", "workflowDef"),
    *("idempotencyKey", "idempotencyStrategy", "createdBy", "externalInputPayloadStoragePath"),
)
KEPT = ("taskToDomain", "idempotencyKey", "idempotencyStrategy")
"""Keys that are accepted, stored and returned, without any effect."""


@dataclass(frozen=True)
class StartRequest:
    """A parsed request. `definition` is the definition included in it, if any."""

    name: str
    version: int | None = None
    correlation_id: str | None = None
    input: Mapping[str, Any] = field(default_factory=dict)
    priority: int = 0
    definition: Mapping[str, Any] | None = None
    kept: Mapping[str, Any] = field(default_factory=dict)


def read(document: Mapping[str, Any]) -> StartRequest:
    """Return the request of a document; raises Invalid naming the field."""
    validation.only_known(document, KEYS)
    inline = document.get("workflowDef")
    if inline is not None:
        try:
            definitions.read(inline)
        except Invalid as error:
            raise error.under("workflowDef") from None
    for name in ("idempotencyKey", "idempotencyStrategy", "createdBy", "externalInputPayloadStoragePath"):
        validation.text(document.get(name), name, max_length=255)
    validation.mapping(document.get("taskToDomain"), "taskToDomain")
    return StartRequest(
        name=validation.path_name(document.get("name"), "name"),
        version=definitions.read_version(document.get("version") or None, "version"),
        correlation_id=validation.text(document.get("correlationId"), "correlationId", max_length=255),
        input=validation.mapping(document.get("input"), "input"),
        priority=validation.whole(document.get("priority") or 0, "priority", minimum=0, maximum=99),
        definition=inline,
        kept={name: document[name] for name in KEPT if document.get(name) is not None},
    )
