"""Finds declared code timers in the installed modules, and brings them into the database."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import datetime
from functools import lru_cache
from importlib import import_module
from importlib.util import find_spec
from types import ModuleType
from typing import Any

from django.apps import apps
from django.conf import settings
from django.contrib.auth import get_user_model
from django.db import transaction

from timers.codetimers import DeclarationError, Registered, declared_in
from timers.models import Timer
from timers.services import timers

_loading = threading.Lock()


def registered() -> dict[str, Registered]:
    """Return the functions that timers of type `code` can name; raises DeclarationError for two of one name."""
    with _loading:
        return _registered()


@lru_cache(maxsize=1)
def _registered() -> dict[str, Registered]:
    found: dict[str, Registered] = {}
    for module in _modules():
        for entry in declared_in(module):
            other = found.setdefault(entry.name, entry)
            if other is not entry:
                raise DeclarationError(
                    f"{entry.declaration.place}: the name {entry.name!r} is taken by {other.declaration.place}."
                )
    return found


def _modules() -> Iterator[ModuleType]:
    """Import every installed app's timers.py and tasks.py, and the modules that the operator named."""
    for config in apps.get_app_configs():
        if config.name.startswith("django."):
            continue
        for name in (f"{config.name}.timers", f"{config.name}.tasks"):
            if find_spec(name) is not None:
                yield import_module(name)
    for name in settings.TIMERS_CODE_MODULES:
        try:
            yield import_module(name)
        except ImportError as error:
            raise DeclarationError(f"TIMERS_CODE_MODULES names {name}, which cannot be imported: {error}.") from error


def sync(*, now: datetime) -> list[Timer]:
    """Return the timers of the declarations that run on time: made, changed or as they were.

    A restart moves no grid and wakes no paused timer. They belong to the first administrator; without one there is
    nothing to do yet.
    """
    owner = get_user_model().objects.filter(is_staff=True, is_active=True).order_by("pk").first()
    if owner is None:
        return []
    declared = [entry for entry in registered().values() if entry.declaration.runs_on_time]
    with transaction.atomic():
        return [_sync_one(entry, owner=owner, now=now) for entry in declared]


def _sync_one(entry: Registered, *, owner: Any, now: datetime) -> Timer:
    existing = (
        Timer.objects.not_deleted()
        .filter(owner=owner, action="code", definition__body__function=entry.name, tag_rows__key=DECLARED)
        .select_related("definition")
        .first()
    )
    wanted = _fields(entry, now=now)
    if existing is None or existing.definition is None:
        return timers.create(owner=owner, action="code", tags={DECLARED: ""}, now=now, **wanted)
    if _same_rule(wanted["schedule"], existing.definition.schedule):
        del wanted["schedule"]
        if wanted["policies"].items() <= existing.definition.policies.items():
            return existing
    return timers.update(existing, changes=wanted, by=None, now=now)


DECLARED = "declared"
"""Tag of timers that a declaration in code made."""


def _fields(entry: Registered, *, now: datetime) -> dict[str, Any]:
    return {
        "name": entry.name,
        "schedule": _schedule(entry, now=now),
        "body": {"function": entry.name},
        "policies": dict(entry.declaration.policies),
    }


def _schedule(entry: Registered, *, now: datetime) -> dict[str, Any]:
    declaration = entry.declaration
    if declaration.cron is not None:
        return {"type": "cron", "expression": declaration.cron, "timezone": declaration.timezone or "UTC"}
    interval = float(declaration.interval or 0)
    start = now.timestamp() + (0 if declaration.eager else interval)
    return {
        "type": "recurring",
        "interval_seconds": declaration.interval,
        "start": datetime.fromtimestamp(start, tz=now.tzinfo).isoformat(),
    }


def _same_rule(wanted: dict[str, Any], stored: dict[str, Any]) -> bool:
    """Whether the declaration still says what the stored schedule does; the start is where the grid once began."""
    return all(stored.get(key) == value for key, value in wanted.items() if key != "start")
