"""Flows: what a timer can start by an id: the workflows of the same owner, and their timers that take an input.

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
    return _of_timer(user, flow_id) or _of_workflow_with_id(user, flow_id)


def of_workflows(user: Any) -> list[Flow]:
    """Return the user's workflows as flows, by name; of the versions of one, the newest is started."""
    newest = WorkflowDefinition.objects.filter(owner=user).newest()
    return [_of_workflow(workflow) for workflow in newest.select_related("owner").order_by("name")]


def id_of_workflow(owner_id: int, name: str) -> UUID:
    """Return the id by which a workflow is a flow: the same for all of its versions."""
    return uuid5(_WORKFLOWS, f"{owner_id}:{name}")


def _of_timer(user: Any, timer_id: UUID) -> Flow | None:
    timers = Timer.objects.select_related("owner", "definition").exclude(status=TimerStatus.DELETED)
    timer = timers.filter(pk=timer_id, owner=user).first()
    if timer is None or timer.definition is None or timer.action not in ACTIONS:
        return None
    action = ACTIONS.get(timer.action)
    if not action.input_fields:
        return None
    body = action.join_secrets(timer.definition.body, timer.definition.secrets)
    return Flow(
        id=timer.pk,
        title=timer.name,
        description=timer.description,
        owner=timer.owner,
        created_at=timer.created_at,
        updated_at=timer.updated_at,
        action=timer.action,
        template={name: value for name, value in body.items() if name not in action.input_fields},
        takes=action.input_fields[0],
    )


def _of_workflow_with_id(user: Any, flow_id: UUID) -> Flow | None:
    """Return the workflow as a flow whose name makes this id; its document alone is read."""
    newest = WorkflowDefinition.objects.filter(owner=user).newest()
    names = newest.values_list("pk", "name").iterator()
    key = next((pk for pk, name in names if id_of_workflow(user.pk, name) == flow_id), None)
    workflow = newest.select_related("owner").filter(pk=key).first() if key is not None else None
    return _of_workflow(workflow) if workflow is not None else None


def _of_workflow(newest: WorkflowDefinition) -> Flow:
    return Flow(
        id=id_of_workflow(newest.owner_id, newest.name),
        title=newest.name,
        description=str(newest.document.get("description") or ""),
        owner=newest.owner,
        created_at=newest.created_at,
        updated_at=newest.updated_at,
        action="workflow",
        template={"name": newest.name},
        takes="input",
    )
