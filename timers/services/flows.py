"""Flows: what a timer can start by the id of it: the workflows of the same owner, and their webhook timers.

What a flow is and what starting it means is decided here alone; whoever asks knows an id, a title, and what to put
into a timer that is to start it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID, uuid5

from timers.actions.base import ACTIONS
from timers.lifecycle import TimerStatus
from timers.models import Timer, WorkflowDefinition

_WORKFLOWS = UUID("9d3f3f0c-7a54-4a9e-9f5b-5d2c1f6e8a10")
"""The name space of the ids by which workflows are flows."""


@dataclass(frozen=True)
class Flow:
    """Something that can be started with an input.

    `action` and `template` make the body of a timer that does it, the input goes into the field `takes`.
    """

    id: UUID
    title: str
    description: str
    owner: Any
    created_at: datetime
    updated_at: datetime
    action: str
    template: Mapping[str, Any]
    takes: str

    def body(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """Return the body of a timer that starts this with an input."""
        return {**self.template, self.takes: dict(given)}


def find(user: Any, flow_id: UUID) -> Flow | None:
    """Return the flow of that id that the user may know of."""
    return _webhook(user, flow_id) or _workflow(user, flow_id)


def id_of_workflow(owner_id: int, name: str) -> UUID:
    """Return the id by which a workflow is a flow: the same for all of its versions, of which the newest is started."""
    return uuid5(_WORKFLOWS, f"{owner_id}:{name}")


def _webhook(user: Any, flow_id: UUID) -> Flow | None:
    timers = Timer.objects.select_related("owner", "definition").exclude(status=TimerStatus.DELETED)
    timer = timers.filter(pk=flow_id, owner=user, action="webhook").first()
    if timer is None or timer.definition is None:
        return None
    body = ACTIONS.get("webhook").join_secrets(timer.definition.body, timer.definition.secrets)
    return Flow(
        id=timer.pk,
        title=timer.name,
        description=timer.description,
        owner=timer.owner,
        created_at=timer.created_at,
        updated_at=timer.updated_at,
        action="webhook",
        template={name: value for name, value in body.items() if name in ("url", "method", "headers", "expect")},
        takes="json",
    )


def _workflow(user: Any, flow_id: UUID) -> Flow | None:
    mine = WorkflowDefinition.objects.filter(owner=user)
    names = mine.order_by("name").values_list("name", flat=True).distinct()
    name = next((name for name in names.iterator() if id_of_workflow(user.pk, name) == flow_id), None)
    newest = mine.select_related("owner").filter(name=name).order_by("-version").first()
    if name is None or newest is None:
        return None
    return Flow(
        id=flow_id,
        title=newest.name,
        description=str(newest.document.get("description") or ""),
        owner=newest.owner,
        created_at=newest.created_at,
        updated_at=newest.updated_at,
        action="workflow",
        template={"name": newest.name},
        takes="input",
    )
