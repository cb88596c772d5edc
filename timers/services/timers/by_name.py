"""Timers that Conductor clients know by name: created or replaced, found, paused."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.db import IntegrityError, transaction

from timers.errors import NotFound
from timers.lifecycle import TimerStatus
from timers.models import Timer
from timers.models.timers import CONDUCTOR, TimerQuerySet
from timers.services.timers import commands as timers


def timers_of(owner: Any) -> TimerQuerySet:
    """Return the timers of the Conductor interface that are not deleted."""
    return Timer.objects.not_deleted().filter(
        owner=owner, interface=CONDUCTOR, action="workflow", schedule__kind="cron"
    )


def find(owner: Any, name: str) -> Timer:
    """Return the timer of that name; raises NotFound."""
    timer = timers_of(owner).select_related("owner", "schedule", "definition__created_by").filter(name=name).first()
    if timer is None:
        raise NotFound(f"There is no schedule named {name}.")
    return timer


def save(
    *,
    owner: Any,
    name: str,
    schedule: Mapping[str, Any],
    body: Mapping[str, Any],
    policies: Mapping[str, Any],
    description: str,
    paused: bool,
    now: datetime,
) -> Timer:
    """Return the timer of that name, created or replaced; its tags and its time of creation stay.

    Raises Invalid, and then nothing is changed.
    """
    fields = {"schedule": schedule, "body": body, "policies": policies, "description": description}
    try:
        with transaction.atomic():
            return _save(owner, name, fields, paused=paused, now=now)
    except IntegrityError:  # another request created it at the same moment: replace that one
        with transaction.atomic():
            return _save(owner, name, fields, paused=paused, now=now)


def _save(owner: Any, name: str, fields: dict[str, Any], *, paused: bool, now: datetime) -> Timer:
    known = Timer.objects.not_deleted().filter(owner=owner, interface=CONDUCTOR, name=name).first()
    if known is None:
        created = {**fields, "action": "workflow", "interface": CONDUCTOR, "refuse_never": False, "paused": paused}
        return timers.create(owner=owner, name=name, by=owner, now=now, **created)
    changes = {**fields, "timer_type": "workflow"}
    timer = timers.update(known, changes=changes, by=owner, now=now, refuse_never=False)
    if paused:
        return pause(timer, reason="", by=owner, now=now)
    return timers.resume(timer, by=owner, now=now) if timer.status == TimerStatus.PAUSED else timer


def pause(timer: Timer, *, reason: str, by: Any, now: datetime) -> Timer:
    """Return the timer paused for this reason until somebody resumes it, also when it was paused for another before.

    One that has ended has nothing to pause. Raises Invalid naming reason.
    """
    if timer.status == TimerStatus.ENDED:
        return timer
    with transaction.atomic():
        paused = timers.pause(timer, by=by, reason=reason, now=now)
        paused.status_reason, paused.paused_until = reason, None
        paused.save(update_fields=["status_reason", "paused_until"])
    return paused
