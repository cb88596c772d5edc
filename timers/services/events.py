"""The history for people: the only writer of events."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from timers.models import Event


def record(
    verb: str,
    *,
    now: datetime,
    by: Any = None,
    owner: Any = None,
    timer_id: UUID | None = None,
    object_id: UUID | None = None,
    text: str = "",
    **data: Any,
) -> None:
    """Append an event, in the caller's transaction. `verb` is a stable word in the past tense."""
    Event.objects.create(
        at=now, actor=by, owner=owner, verb=verb, timer_id=timer_id, object_id=object_id, text=text, data=data
    )
