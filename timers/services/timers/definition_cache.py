"""What a worker needs to know of a definition. Definitions are immutable, so each process keeps those it has read."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from timers.actions.base import ACTIONS, Defaults
from timers.errors import Invalid
from timers.models import Definition
from timers.scheduling.overlap import OverlapPolicy
from timers.scheduling.policies import DEFAULT_BACKOFF_SECONDS

KEPT = 5_000
MAX_CACHED_BYTES = 64 * 1024


@dataclass(frozen=True, kw_only=True)
class CachedDefinition:
    """What to carry out, for whom, and how patiently. `problem` says why it cannot be carried out at all."""

    definition_id: int
    timer_id: UUID
    owner_id: int
    name: str
    action: str
    parameters: Mapping[str, Any]
    overlap: OverlapPolicy
    timeout_seconds: float | None
    max_attempts: int
    backoff_seconds: float
    pause_after_failures: int
    breaker_cooldown_seconds: float | None = None
    notify: tuple[str, ...] = ()
    interval_seconds: float | None = None
    problem: str | None = None

    @property
    def is_rapid(self) -> bool:
        """Return whether a worker may hold the timer and begin its occurrences ahead (services/subsecond.py)."""
        often = self.interval_seconds is not None and self.interval_seconds < 1
        simple = self.max_attempts == 1 and self.overlap is OverlapPolicy.SKIP and not self.on_every
        return often and simple and self.action == "code"

    @property
    def on_every(self) -> bool:
        """Return whether each occurrence runs once on every cluster."""
        return self.action == "code" and self.parameters.get("on") == "every"

    @property
    def at_most_once(self) -> bool:
        """Return whether nothing may be repeated whose worker died or stopped."""
        return self.action == "code" and bool(self.parameters.get("at_most_once"))

    @property
    def has_breaker(self) -> bool:
        """Return whether a pause after failures ends by itself with a run that is let through to try."""
        return self.breaker_cooldown_seconds is not None


_kept: dict[int, CachedDefinition] = {}
_lock = threading.Lock()


def read(definition_ids: Iterable[int]) -> dict[int, CachedDefinition]:
    """Return the instructions of each definition that exists; one query for those that are not known yet."""
    wanted = set(definition_ids)
    found = {each: known for each in wanted if (known := _kept.get(each)) is not None}
    missing = wanted - found.keys()
    if missing:
        found |= _read(missing)
    return found


def forget() -> None:
    """Drop everything that is kept, as tests need it whose databases reuse numbers."""
    with _lock:
        _kept.clear()


def _read(definition_ids: Iterable[int]) -> dict[int, CachedDefinition]:
    found = {}
    columns = ("pk", "timer_id", "timer__owner_id", "name", "action", "body", "secrets", "policies", "schedule")
    for row in Definition.objects.filter(pk__in=list(definition_ids)).values_list(*columns):
        found[row[0]] = made = _instructions(dict(zip(columns, row, strict=True)))
        if len(str(row[5])) <= MAX_CACHED_BYTES:
            _keep(made)
    return found


def _keep(instructions: CachedDefinition) -> None:
    with _lock:
        if len(_kept) >= KEPT:
            for oldest in list(_kept)[: KEPT // 10]:
                del _kept[oldest]
        _kept[instructions.definition_id] = instructions


def _instructions(row: Mapping[str, Any]) -> CachedDefinition:
    policies = row["policies"]
    problem = None
    parameters: Mapping[str, Any] = row["body"]
    defaults = Defaults(max_attempts=1, timeout_seconds=None)
    try:
        kind = ACTIONS.get(row["action"])
        defaults = kind.defaults
        parameters = kind.join_secrets(row["body"], row["secrets"])
    except Invalid as error:
        problem = error.message
    backoff_seconds = policies.get("backoff_seconds")
    return CachedDefinition(
        definition_id=row["pk"],
        timer_id=row["timer_id"],
        owner_id=row["timer__owner_id"],
        name=row["name"],
        action=row["action"],
        parameters=parameters,
        overlap=OverlapPolicy(policies.get("overlap") or OverlapPolicy.SKIP),
        timeout_seconds=policies.get("timeout_seconds", defaults.timeout_seconds),
        max_attempts=policies.get("max_attempts") or defaults.max_attempts,
        backoff_seconds=DEFAULT_BACKOFF_SECONDS if backoff_seconds is None else backoff_seconds,
        pause_after_failures=policies.get("pause_after_failures") or 0,
        breaker_cooldown_seconds=policies.get("breaker_cooldown_seconds"),
        notify=tuple(policies.get("notify") or ()),
        interval_seconds=row["schedule"].get("interval_seconds"),
        problem=problem,
    )
