"""Restoring an earlier version of a timer's definition, as a new version, so that no version is lost."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models import F

from timers.actions.base import ACTIONS
from timers.errors import Conflict, NotFound
from timers.models import Definition, Timer
from timers.services import events
from timers.services.timers import commands as timers


def restore(timer: Timer, *, number: int, by: Any, now: datetime) -> Timer:
    """Return the timer with the definition of an earlier version; it counts from now on, as any change does.

    Secrets that the timer has now stay; one that it no longer has is restored. Raises NotFound without such a version,
    Conflict when it equals the present one or the timer is deleted, Invalid when it cannot work any more.
    """
    version = Definition.objects.filter(timer=timer, number=number).first()
    present = Definition.objects.filter(timer=timer, timer__definition=F("pk")).first()
    if version is None or present is None:
        raise NotFound("There is no such version.")
    changes = _changes(version, present)
    if not changes:
        raise Conflict(f"Version {number} says the same as the present one.")
    with transaction.atomic():
        restored = timers.update(timer, changes=changes, by=by, now=now)
        events.record(
            "restored", now=now, by=by, owner=timer.owner, timer_id=timer.pk, text=f"version {number}", number=number
        )
    return restored


def _changes(version: Definition, present: Definition) -> dict[str, Any]:
    """Return the changes for `timers.update`: the fields that differ. An action goes with its body."""
    current = present.fields()
    changes = {name: value for name, value in version.fields().items() if value != current[name]}
    if changes.keys() & {"timer_type", "body"}:
        changes["body"] = _body(version, present)
    return changes


def _body(version: Definition, present: Definition) -> dict[str, Any]:
    """Return the body with masks for the secrets that the timer has, and the others in clear."""
    kept = {path.casefold() for path in present.secrets} if version.action == present.action else set()
    lost = {path: secret for path, secret in version.secrets.items() if path.casefold() not in kept}
    return ACTIONS.get(version.action).join_secrets(version.body, lost) if lost else version.body
