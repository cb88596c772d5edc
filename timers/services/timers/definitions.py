"""Definitions of timers: checked, secrets kept apart, stored as immutable numbered rows."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from timers import validation
from timers.actions.base import ACTIONS, MASK, Action
from timers.channels import base as channels
from timers.errors import Invalid
from timers.models import Definition, Timer
from timers.scheduling.bounds import BoundedSchedule, parse_schedule
from timers.scheduling.policies import Policies, parse_policies

MAX_BODY_BYTES = 10 * 1024 * 1024


@dataclass(frozen=True, kw_only=True)
class CheckedDefinition:
    """Checked definition that is not stored yet."""

    name: str
    action: str
    schedule: BoundedSchedule
    body: dict[str, Any]
    secrets: dict[str, str]
    policies: Policies

    def changed(self, old: Definition) -> list[str]:
        """Return the names of the creation fields that differ from a stored definition."""
        fields = {
            "name": self.name,
            "timer_type": self.action,
            "schedule": self.schedule.document(),
            "body": self.body if self.secrets == old.secrets else None,
            "policies": self.policies.document(),
        }
        return [name for name, value in old.fields().items() if fields[name] != value]


def check(
    *,
    owner: Any,
    name: object,
    action: object,
    schedule: object,
    body: object,
    policies: object,
    old: Definition | None,
    now: datetime,
    minimum_interval: float,
    refuse_never: bool = True,
) -> CheckedDefinition:
    """Return the checked definition; raises one Invalid that names every field that cannot work.

    `old` is the definition that is edited: its secrets replace masks in the new body.
    """
    problems: dict[str, list[str]] = {}
    checked_name = _collect(problems, lambda: validation.name(name))
    rule = _collect(
        problems,
        lambda: parse_schedule(schedule, now=now, minimum_interval=minimum_interval, refuse_never=refuse_never),
    )
    checked_body = _collect(problems, lambda: check_body(action, body, owner=owner, old=old))
    checked_policies = None
    if action in ACTIONS:
        checked_policies = _collect(problems, lambda: _check_policies(action, policies, rule, owner=owner))
    if problems or checked_name is None or rule is None or checked_body is None or checked_policies is None:
        raise Invalid(problems)
    public, secrets = checked_body
    return CheckedDefinition(
        name=checked_name, action=str(action), schedule=rule, body=public, secrets=secrets, policies=checked_policies
    )


def _collect(problems: dict[str, list[str]], step: Any) -> Any:
    try:
        return step()
    except Invalid as error:
        for field, texts in error.fields.items():
            problems.setdefault(field, []).extend(texts)
        return None


def check_body(
    kind: object, body: object, *, owner: Any, old: Definition | None
) -> tuple[dict[str, Any], dict[str, str]]:
    """Return a body without its secrets, and these by path; raises Invalid naming body.*."""
    action = ACTIONS.get(kind)  # type: ignore[arg-type]
    if not isinstance(body, Mapping):
        raise Invalid({"body": "The body is an object with what the action needs."})
    try:
        public, given = action.split_secrets(action.clean(body, owner=owner))
        secrets = _unmask(given, {} if old is None or old.action != kind else old.secrets)
        if old is not None and secrets:
            _refuse_moved(action, given, public, old)
    except Invalid as error:
        raise error.under("body") from None
    if len(json.dumps(public)) > MAX_BODY_BYTES:
        raise Invalid({"body": "The body is larger than 10 MiB."})
    return public, secrets


def _unmask(secrets: Mapping[str, str], known: Mapping[str, str]) -> dict[str, str]:
    """Return the secrets with each mask replaced by the value stored under the same path, whatever its case."""
    stored = {path.casefold(): value for path, value in known.items()}
    unknown = [path for path, value in secrets.items() if value == MASK and path.casefold() not in stored]
    if unknown:
        raise Invalid(dict.fromkeys(unknown, f"{MASK} stands for a stored secret, and there is none yet."))
    return {path: stored[path.casefold()] if value == MASK else value for path, value in secrets.items()}


def _refuse_moved(action: type[Action], given: Mapping[str, str], body: Mapping[str, Any], old: Definition) -> None:
    """Refuse masks in a body whose secrets would go to another place than the one that they were given for."""
    masked = [path for path, value in given.items() if value == MASK]
    if masked and action.recipient(body) != action.recipient(old.body):
        raise Invalid(dict.fromkeys(masked, "Give it again: the scheme, host or port that it is sent to changed."))


def _check_policies(kind: object, policies: object, schedule: BoundedSchedule | None, *, owner: Any) -> Policies:
    defaults = ACTIONS.get(kind).defaults  # type: ignore[arg-type]
    try:
        parsed = parse_policies(
            {} if policies is None else policies,
            max_attempts=defaults.max_attempts,
            timeout_seconds=defaults.timeout_seconds,
            schedule=schedule,
        )
        return replace(parsed, notify=channels.clean_recipients(parsed.notify, owner=owner))
    except Invalid as error:
        raise error.under("policies") from None


def store(timer: Timer, definition: CheckedDefinition, *, number: int, by: Any, now: datetime) -> Definition:
    """Store a checked definition as the timer's definition of that number."""
    return Definition.objects.create(
        timer=timer,
        number=number,
        name=definition.name,
        action=definition.action,
        schedule=definition.schedule.document(),
        body=definition.body,
        secrets=definition.secrets,
        policies=definition.policies.document(),
        created_at=now,
        created_by=by,
    )
