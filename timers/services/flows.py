"""Flows: what a timer can start by the id of it. Today they are the webhook timers of the same owner.

What a flow is and what starting it means is decided here alone; whoever asks knows an id, a title, and what to put
into a timer that is to start it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from timers.actions.base import ACTIONS
from timers.lifecycle import TimerStatus
from timers.models import Timer


@dataclass(frozen=True)
class Flow:
    """Something that can be started with an input. `action` and `template` make the body of a timer that does it."""

    id: UUID
    title: str
    description: str
    owner: Any
    created_at: datetime
    updated_at: datetime
    action: str
    template: Mapping[str, Any]

    def body(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """Return the body of a timer that starts this with an input."""
        return {**self.template, "json": dict(given)}


def find(user: Any, flow_id: UUID) -> Flow | None:
    """Return the flow of that id that the user may know of."""
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
    )
