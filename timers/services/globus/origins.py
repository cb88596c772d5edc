"""Origins of timers that another dialect created: the original document, and the app whose consents they use."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any
from uuid import UUID

from timers.models import Timer, TimerOrigin


def record(timer: Timer, *, document: Mapping[str, Any], client_id: UUID | None) -> None:
    """Store the document that a timer was created from, in the caller's transaction."""
    TimerOrigin.objects.update_or_create(
        timer=timer,
        defaults={"document": dict(document), "client_id": client_id, "body_digest": _digest(timer)},
    )


def document_of(timer: Timer) -> dict[str, Any]:
    """Return the document that the timer's current body was created from, empty when there is none."""
    origin: TimerOrigin | None = getattr(timer, "origin", None)
    return dict(origin.document) if origin is not None and origin.body_digest == _digest(timer) else {}


def set_client(timer: Timer, *, client_id: UUID | None) -> None:
    """Let a timer use the consents of another app from now on; None means all rights of its owner."""
    if not TimerOrigin.objects.filter(timer=timer).update(client_id=client_id) and client_id is not None:
        TimerOrigin.objects.create(timer=timer, client_id=client_id, body_digest="")


def _digest(timer: Timer) -> str:
    body = timer.definition.body if timer.definition is not None else {}
    text = json.dumps([timer.action, body], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()
