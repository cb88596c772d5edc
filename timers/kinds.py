"""The settings that add kinds: TIMERS_ACTIONS, TIMERS_SCHEDULES, TIMERS_STORAGES and TIMERS_CHANNELS."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from django.conf import settings

from timers.actions.base import ACTIONS
from timers.channels.base import CHANNELS
from timers.registry import Registry
from timers.scheduling.base import KINDS
from timers.storages.base import STORAGES

REGISTRIES: Mapping[str, Registry[Any]] = {
    "TIMERS_ACTIONS": ACTIONS,
    "TIMERS_SCHEDULES": KINDS,
    "TIMERS_STORAGES": STORAGES,
    "TIMERS_CHANNELS": CHANNELS,
}
MAX_KIND_LENGTH = 20
"""The length of the shortest column that holds a kind."""


def register_added() -> None:
    """Register what the settings add; raises ValueError for a name that is taken."""
    for setting, registry in REGISTRIES.items():
        for kind, path in getattr(settings, setting).items():
            registry.register(kind, path)


def problems() -> Iterator[str]:
    """Yield a sentence for each added kind that cannot be used; importing them is what shows it."""
    for setting, registry in REGISTRIES.items():
        for kind in getattr(settings, setting):
            if problem := _problem_of(registry, kind):
                yield f"{setting}: {kind!r} cannot be used: {problem}"


def _problem_of(registry: Registry[Any], kind: str) -> str:
    if len(kind) > MAX_KIND_LENGTH:
        return f"a name has at most {MAX_KIND_LENGTH} characters."
    try:
        entry = registry.get(kind)
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return "" if entry.kind == kind else f"its class calls itself {entry.kind!r}."
