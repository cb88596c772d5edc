"""Flows, which a timer can start by an id: the owner's workflows, and their timers that take an input.

Only this module decides what a flow is and how it is started. Callers use its id, its title, and the action and body
of a timer that starts it.
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
"""The name space of the flow ids of workflows."""


@dataclass(frozen=True)
class Flow:
    """A workflow or timer that can be started with an input.

    A timer that starts it has this `action`, and `template` as its body, with the input in the field `takes`.
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

    def body(self, content: Mapping[str, Any]) -> dict[str, Any]:
        """Return the body of a timer that starts the flow with an input."""
        return {**self.template, self.takes: dict(content)}


def find(user: Any, flow_id: UUID) -> Flow | None:
    """Return the flow of this id that is visible to the user, None if there is none."""
    return _from_timer(user, flow_id) or _workflow_by_id(user, flow_id)


def of_workflows(user: Any) -> list[Flow]:
    """Return the user's workflows as flows, by name. A flow starts the newest version."""
    newest = WorkflowDefinition.objects.filter(owner=user).newest()
    return [_from_workflow(definition) for definition in newest.select_related("owner").order_by("name")]


def id_of_workflow(owner_id: int, name: str) -> UUID:
    """Return the flow id of a workflow, the same for all of its versions."""
    return uuid5(_WORKFLOWS, f"{owner_id}:{name}")


def _from_timer(user: Any, timer_id: UUID) -> Flow | None:
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


def _workflow_by_id(user: Any, flow_id: UUID) -> Flow | None:
    """Return the flow of the workflow whose name yields this id. Only that workflow's document is read."""
    newest = WorkflowDefinition.objects.filter(owner=user).newest()
    names = newest.values_list("pk", "name").iterator()
    key = next((pk for pk, name in names if id_of_workflow(user.pk, name) == flow_id), None)
    definition = newest.select_related("owner").filter(pk=key).first() if key is not None else None
    return _from_workflow(definition) if definition is not None else None


def _from_workflow(newest: WorkflowDefinition) -> Flow:
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
