"""The versions of a timer's definition, and the differences between two of them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from timers.actions.base import MASK
from timers.models import Definition, Timer
from timers.queries.timers.listing import schedule_text

PAGE_SIZE = 25
MAX_CHANGES = 200
MAX_SHOWN_LENGTH = 400
ABSENT = ""
_SECTIONS = ("name", "timer_type", "schedule", "body", "policies")


@dataclass(frozen=True)
class Versions:
    """Some versions, newest first. `older` is the marker of the versions before them."""

    rows: list[Definition]
    older: int | None


@dataclass(frozen=True)
class FieldChange:
    """One field that differs between two versions; empty text where it is absent."""

    field: str
    before: str
    after: str


@dataclass(frozen=True)
class Comparison:
    """Two versions side by side. `left_out` is the number of changes that are not shown."""

    before: Definition
    after: Definition
    changes: list[FieldChange]
    left_out: int


def versions_of(timer: Timer, *, below: int | None = None, limit: int = PAGE_SIZE) -> Versions:
    """Return the newest versions, or those with a number below `below`, without their bodies; one query."""
    definitions = (
        Definition.objects.filter(timer=timer).select_related("created_by").defer("body", "secrets", "policies")
    )
    if below is not None:
        definitions = definitions.filter(number__lt=below)
    rows = list(definitions.order_by("-number")[: limit + 1])
    shown = rows[:limit]
    return Versions(shown, shown[-1].number if len(rows) > limit else None)


def compare(timer: Timer, *, before: int, after: int) -> Comparison | None:
    """Return the comparison of two versions of a timer, None if one does not exist; one query."""
    definitions = Definition.objects.filter(timer=timer, number__in={before, after}).select_related("created_by")
    known = {definition.number: definition for definition in definitions}
    if before not in known or after not in known:
        return None
    changes = list(differences(known[before], known[after]))
    return Comparison(known[before], known[after], changes[:MAX_CHANGES], max(0, len(changes) - MAX_CHANGES))


def differences(before: Definition, after: Definition) -> Iterator[FieldChange]:
    """Yield the differences, field by field, in the order of the document. Secrets are not shown."""
    rules = schedule_text(before.schedule).rule, schedule_text(after.schedule).rule
    if rules[0] != rules[1]:
        yield FieldChange("schedule", *rules)
    old, new = _fields(before), _fields(after)
    for name in sorted({**old, **new}, key=_section_index):
        if old.get(name, ABSENT) != new.get(name, ABSENT):
            yield FieldChange(name, old.get(name, ABSENT), new.get(name, ABSENT))
        elif new.get(name) == MASK and _secret(before, name) != _secret(after, name):
            yield FieldChange(name, f"{MASK} (not shown)", f"{MASK} (another one, not shown)")


def _section_index(name: str) -> int:
    """Return the position, in the document, of the section that a field belongs to."""
    return _SECTIONS.index(name.partition(".")[0])


def _secret(definition: Definition, name: str) -> str | None:
    path = name.removeprefix("body.").casefold()
    return next((value for known, value in definition.secrets.items() if known.casefold() == path), None)


def _fields(definition: Definition) -> dict[str, str]:
    """Return all values of a definition as text, by dotted path."""
    return {path: _text(value)[:MAX_SHOWN_LENGTH] for path, value in _leaves(definition.fields(), "")}


def _leaves(value: Any, path: str) -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping) and value:
        for name, inner in value.items():
            yield from _leaves(inner, f"{path}.{name}" if path else str(name))
    elif isinstance(value, list) and any(isinstance(inner, Mapping | list) for inner in value):
        for number, inner in enumerate(value, start=1):
            yield from _leaves(inner, f"{path}.{number}")
    else:
        yield path, value


def _text(value: Any) -> str:
    if isinstance(value, float) and value.is_integer():
        value = int(value)  # 30.0 and 30 are the same duration
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
