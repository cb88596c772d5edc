"""A cache of definitions for workers: definitions are immutable, so each process keeps those that it has read."""

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
    """Cached definition: the action, its owner and its policies. `problem` says why it cannot be carried out."""

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
    may_run_ahead: bool = False
    signs_deliveries: bool = False
    watches_deadline: bool = False
    on_every: bool = False
    """True when each occurrence runs once on every cluster."""
    at_most_once: bool = False
    """True when no attempt is repeated after its worker died or stopped."""

    @property
    def is_rapid(self) -> bool:
        """Return whether a worker may hold the timer and begin its occurrences ahead (services/subsecond.py)."""
        often = self.interval_seconds is not None and self.interval_seconds < 1
        simple = self.max_attempts == 1 and self.overlap is OverlapPolicy.SKIP and not self.on_every
        return often and simple and self.may_run_ahead

    @property
    def has_breaker(self) -> bool:
        """Return whether a pause after failures ends by itself with a run that is let through to try."""
        return self.breaker_cooldown_seconds is not None


_kept: dict[int, CachedDefinition] = {}
_lock = threading.Lock()


def read(definition_ids: Iterable[int]) -> dict[int, CachedDefinition]:
    """Return the instructions of each definition that exists; one query for those that are not known yet."""
    ids = set(definition_ids)
    definitions = {pk: known for pk in ids if (known := _kept.get(pk)) is not None}
    missing = ids - definitions.keys()
    if missing:
        definitions |= _read(missing)
    return definitions


def forget() -> None:
    """Drop everything that is kept, as tests need it whose databases reuse numbers."""
    with _lock:
        _kept.clear()


def _read(definition_ids: Iterable[int]) -> dict[int, CachedDefinition]:
    definitions = {}
    columns = ("pk", "timer_id", "timer__owner_id", "name", "action", "body", "secrets", "policies", "schedule")
    for row in Definition.objects.filter(pk__in=list(definition_ids)).values_list(*columns):
        values = dict(zip(columns, row, strict=True))
        definitions[values["pk"]] = definition = _instructions(values)
        if len(str(values["body"])) <= MAX_CACHED_BYTES:
            _keep(definition)
    return definitions


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
    facts: dict[str, bool] = {}
    try:
        action = ACTIONS.get(row["action"])
        defaults = action.defaults
        parameters = action.join_secrets(row["body"], row["secrets"])
        facts = {
            "may_run_ahead": action.may_run_ahead,
            "signs_deliveries": action.signs_deliveries,
            "watches_deadline": action.watches_deadline,
            "on_every": action.runs_on_every_cluster(parameters),
            "at_most_once": action.runs_at_most_once(parameters),
        }
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
        **facts,
    )
