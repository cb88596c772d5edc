"""Code timers: finding declarations in the installed modules and keeping one timer for each."""

from __future__ import annotations

import threading
import traceback
from collections.abc import Iterator
from dataclasses import dataclass
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

from timers.code_timers import DeclarationError, RegisteredFunction, declared_in, place_of, services_in
from timers.errors import Invalid
from timers.lifecycle import TimerStatus
from timers.models import Definition, Timer, sql
from timers.services.people import rights
from timers.services.timers import commands as timers
from timers.services.timers import definitions

DECLARED = "declared"
"""Tag of timers that come from a declaration in code; its value is the module."""

GONE = "Its declaration is gone from the code."

_LOCK_NUMBER = 7_241_905_331
"""Lock that keeps two installations from creating the timer of a new declaration twice."""

_loading = threading.Lock()


@dataclass(frozen=True)
class Declarations:
    """Declared functions and services of this installation, by name, and the modules that were loaded."""

    functions: dict[str, RegisteredFunction]
    services: dict[str, type]
    modules: frozenset[str]


def registered() -> dict[str, RegisteredFunction]:
    """Return the functions that timers of type `code` can name; raises DeclarationError for two of one name."""
    return _declarations().functions


def registered_for(user: Any) -> dict[str, RegisteredFunction]:
    """Return the functions that a user may name; raises DeclarationError for two of one name."""
    return {
        name: entry for name, entry in registered().items() if rights.may_name_function(user, entry.declaration.allow)
    }


def services() -> dict[str, type]:
    """Return the services by name, with or without timers; raises DeclarationError for two of one name."""
    return _declarations().services


def _declarations() -> Declarations:
    with _loading:
        return _load()


@lru_cache(maxsize=1)
def _load() -> Declarations:
    functions: dict[str, RegisteredFunction] = {}
    services: dict[str, type] = {}
    modules = list(_modules())
    for module in modules:
        for entry in declared_in(module):
            other = functions.setdefault(entry.name, entry)
            if other is not entry:
                raise DeclarationError(
                    f"{entry.declaration.place}: the name {entry.name!r} is taken by {other.declaration.place}."
                )
        for service in services_in(module):
            same = services.setdefault(service.name, service)  # type: ignore[attr-defined]
            if same is not service:
                raise DeclarationError(
                    f"{place_of(service)}: the service name {service.name!r} is taken by {place_of(same)}."  # type: ignore[attr-defined]
                )
    return Declarations(functions, services, frozenset(module.__name__ for module in modules))


def _modules() -> Iterator[ModuleType]:
    """Import every installed app's timers.py and tasks.py, and the modules that the operator named; each once."""
    names = [
        name
        for config in apps.get_app_configs()
        if not config.name.startswith("django.")
        for name in (f"{config.name}.timers", f"{config.name}.tasks")
        if find_spec(name) is not None
    ]
    for name in dict.fromkeys([*names, *settings.TIMERS_CODE_MODULES]):
        try:
            yield import_module(name)
        except DeclarationError:
            raise
        except Exception as error:
            where = name if name in names else f"TIMERS_CODE_MODULES names {name}, which"
            raise DeclarationError(
                f"{where} cannot be imported{_place(error)}: {type(error).__name__}: {error}."
            ) from error


def _place(error: Exception) -> str:
    """Return the place in a module where its import failed; empty where there is no such module."""
    if isinstance(error, SyntaxError):
        return f" ({error.filename}:{error.lineno})"
    last = traceback.extract_tb(error.__traceback__)[-1]
    return "" if last.filename.startswith("<frozen") else f" ({last.filename}:{last.lineno})"


@dataclass(frozen=True)
class Synced:
    """Timers of the present declarations, and timers that ended because their declaration is gone."""

    declared: list[Timer]
    ended: list[Timer]


def sync(*, now: datetime) -> Synced:
    """Bring the declarations into the database: new ones get a timer, changed ones change it, gone ones end it.

    A restart moves no grid and resumes no paused timer. An edit on a page stays until the declaration itself changes.
    Timers belong to the first administrator; without one nothing is done. A declaration counts as gone only where its
    module was loaded. Raises DeclarationError.
    """
    declarations = _declarations()
    owner = get_user_model().objects.filter(is_staff=True, is_active=True).order_by("-is_superuser", "pk").first()
    if owner is None:
        return Synced([], [])
    with transaction.atomic():
        if sql.on_postgresql():
            sql.fetch("select pg_advisory_xact_lock(%s)", [_LOCK_NUMBER])
        declared = [entry for entry in declarations.functions.values() if entry.declaration.runs_on_time]
        made = [_sync_one(entry, owner=owner, now=now) for entry in declared]
        return Synced(made, _end_gone(declarations, {entry.name for entry in declared}, now=now))


def timer_of(name: str) -> Timer | None:
    """Return the timer that the declaration of that name has made; None for a function that is registered only."""
    timer: Timer | None = _declared().filter(definition__body__function=name).first()
    return timer


def _declared() -> Any:
    return (
        Timer.objects.not_deleted()
        .filter(owner__is_staff=True, action="code", tag_rows__key=DECLARED)
        .select_related("definition", "schedule")
        .order_by("created_at")
    )


def _sync_one(entry: RegisteredFunction, *, owner: Any, now: datetime) -> Timer:
    existing = timer_of(entry.name)
    fields = {
        "name": entry.name,
        "schedule": entry.declaration.schedule(now=now),
        "body": entry.declaration.body(entry.name),
        "policies": entry.declaration.policies,
    }
    try:
        if existing is None:
            return _make(entry, fields, owner=owner, now=now)
        changes = _changes(existing, fields, now=now)
        if timers.tags_of(existing).get(DECLARED) != entry.module:
            changes["tags"] = {**timers.tags_of(existing), DECLARED: entry.module}
        return timers.update(existing, changes=changes, by=None, now=now) if changes else existing
    except Invalid as error:
        raise DeclarationError(f"{entry.declaration.place}: {error.message}") from error


def _make(entry: RegisteredFunction, fields: dict[str, Any], *, owner: Any, now: datetime) -> Timer:
    timer = timers.create(owner=owner, action="code", tags={DECLARED: entry.module}, now=now, **fields)
    if entry.declaration.eager and entry.declaration.cron is not None:
        timers.run_now(timer, by=None, now=now)
    return timer


def _changes(existing: Timer, fields: dict[str, Any], *, now: datetime) -> dict[str, Any]:
    """Return the fields in which the declaration differs from the one that was read last."""
    before = Definition.objects.filter(timer=existing, created_by=None).order_by("-number").first()
    if before is None:
        return dict(fields)
    if existing.status == TimerStatus.ENDED:  # its declaration is back: the schedule begins anew
        return {**fields, "schedule": {"start": now.isoformat(), **fields["schedule"]}}
    declared = definitions.check(
        owner=existing.owner,
        action="code",
        old=None,
        now=now,
        minimum_interval=0.1,
        refuse_never=False,  # a grid that began now might never meet the window: the old grid counts
        **fields,
    )
    changes: dict[str, Any] = {}
    if _rule(declared.schedule.document()) != _rule(before.schedule):
        changes["schedule"] = fields["schedule"]
    if declared.body != before.body:
        changes["body"] = fields["body"]
    policies = {
        name: value
        for name, value in declared.policies.document().items()
        if name in before.policies and before.policies[name] != value
    }
    if policies:
        changes["policies"] = policies
    return changes


def _rule(schedule: dict[str, Any]) -> dict[str, Any]:
    """Return a schedule without its start, which is where the grid once began."""
    return {name: value for name, value in schedule.items() if name != "start"}


def _end_gone(declarations: Declarations, names: set[str], *, now: datetime) -> list[Timer]:
    ended = []
    for timer in _declared().filter(status__in=[TimerStatus.ACTIVE, TimerStatus.PAUSED]):
        module_is_loaded = timers.tags_of(timer).get(DECLARED) in declarations.modules
        if module_is_loaded and timer.definition.body.get("function") not in names:
            ended.append(timers.end(timer, reason=GONE, now=now))
    return ended
