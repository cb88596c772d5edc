"""`${...}` references: what a task is given from the workflow's input, its variables and the tasks before."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from timers.errors import Invalid

_REFERENCE = re.compile(r"(\$?)\$\{([^{}]*)\}")
_PART = re.compile(r"\.?([^.\[\]]+)|\[(\d+)\]|\[(?:'([^']*)'|\"([^\"]*)\")\]")

MAX_DEPTH = 100
"""How deep a document is looked through; what lies deeper stays as it is."""

MAX_BYTES = 10 * 1024 * 1024
"""How many characters of JSON, more or less, references may come to: a few lines could ask for any number."""

TOO_LARGE = "What references come to is larger than 10 MiB."
PER_VALUE = 8
"""What a number, or the signs around a value, count for."""


def resolve(value: Any, scope: Mapping[str, Any], *, depth: int = 0) -> Any:
    """Return the value with every reference replaced.

    A text that is one reference becomes what it names, with its type; inside longer text it becomes text. What is
    unknown is null, and nothing inside longer text. `$${x}` stands for the text `${x}`. Raises Invalid for text that
    is too long; whether the whole is, `weight` says.
    """
    if depth > MAX_DEPTH:
        return value
    if isinstance(value, str):
        return _in_text(value, scope)
    if isinstance(value, Mapping):
        return {key: resolve(inner, scope, depth=depth + 1) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [resolve(inner, scope, depth=depth + 1) for inner in value]
    return value


def has_reference(value: Any) -> bool:
    """Return whether a text holds a reference, so that its content is not known before the run."""
    return isinstance(value, str) and any(not found[1] for found in _REFERENCE.finditer(value))


def look_up(path: str, scope: Mapping[str, Any]) -> Any:
    """Return what a path such as `first.output.rows[0].id` names, or None."""
    found: Any = scope
    end = 0
    for part in _PART.finditer(path.strip()):
        if part.start() != end:
            return None
        end = part.end()
        found = _step(found, part)
        if found is None:
            return None
    return found if end == len(path.strip()) and end else None


def _step(value: Any, part: re.Match[str]) -> Any:
    if part[2] is not None:
        index = int(part[2][:9])
        return value[index] if isinstance(value, list | tuple) and index < len(value) else None
    key = next(each for each in (part[1], part[3], part[4]) if each is not None)
    return value.get(key) if isinstance(value, Mapping) else None


def _in_text(text: str, scope: Mapping[str, Any]) -> Any:
    whole = _REFERENCE.fullmatch(text)
    if whole is not None and not whole[1]:
        return look_up(whole[2], scope)
    room = MAX_BYTES

    def replaced(found: re.Match[str]) -> str:
        nonlocal room
        inside = found[0][1:] if found[1] else _as_text(look_up(found[2], scope))
        room -= len(inside)
        if room < 0:
            raise Invalid({"": TOO_LARGE})
        return inside

    return _REFERENCE.sub(replaced, text)


def weight(value: Any, *, most: int) -> int:
    """Return about how many characters of JSON a value comes to; raises Invalid beyond `most`, and for deep nesting."""
    total, level = 0, [value]
    for _ in range(2 * MAX_DEPTH):
        inner: list[Any] = []
        for each in level:
            total += PER_VALUE + (len(each) if isinstance(each, str) else 0)
            if isinstance(each, Mapping):
                inner += [*each, *each.values()]
            elif isinstance(each, list | tuple):
                inner += each
        if total + PER_VALUE * len(inner) > most:
            raise Invalid({"": TOO_LARGE})
        if not inner:
            return total
        level = inner
    raise Invalid({"": f"What references come to is nested more than {2 * MAX_DEPTH} levels deep."})


def _as_text(value: Any) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
