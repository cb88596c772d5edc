"""`${...}` references in a task's inputs: to the workflow's input, its variables, and earlier tasks."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from timers.errors import Invalid

_REFERENCE = re.compile(r"(\$?)\$\{([^{}]*)\}")
_PART = re.compile(r"\.?([^.\[\]]+)|\[(\d+)\]|\[(?:'([^']*)'|\"([^\"]*)\")\]")

MAX_DEPTH = 100
"""Depth up to which references in a document are replaced; deeper values stay as they are."""

MAX_BYTES = 10 * 1024 * 1024
"""Approximate limit on the JSON characters after replacement: a few references could produce any number."""

TOO_LARGE = "The values of the references are larger than 10 MiB."
VALUE_OVERHEAD = 8
"""Characters counted for a number, or for the punctuation around a value."""


def resolve(value: Any, scope: Mapping[str, Any], *, depth: int = 0) -> Any:
    """Return the value with every reference replaced.

    A text that is a single reference becomes the referenced value, with its type. Inside longer text a value becomes
    text. An unknown reference becomes null, and nothing inside longer text. `$${x}` stands for the text `${x}`. Raises
    Invalid for a text that becomes too long; `weight` checks the size of the whole.
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
    """Return whether a text contains a reference, so that its value is unknown before the run."""
    return isinstance(value, str) and any(not match[1] for match in _REFERENCE.finditer(value))


def look_up(path: str, scope: Mapping[str, Any]) -> Any:
    """Return the value at a path such as `first.output.rows[0].id`, None if there is none."""
    current: Any = scope
    end = 0
    for part in _PART.finditer(path.strip()):
        if part.start() != end:
            return None
        end = part.end()
        current = _step(current, part)
        if current is None:
            return None
    return current if end == len(path.strip()) and end else None


def _step(value: Any, part: re.Match[str]) -> Any:
    if part[2] is not None:
        index = int(part[2][:9])
        return value[index] if isinstance(value, list | tuple) and index < len(value) else None
    key = next(key_text for key_text in (part[1], part[3], part[4]) if key_text is not None)
    return value.get(key) if isinstance(value, Mapping) else None


def _in_text(text: str, scope: Mapping[str, Any]) -> Any:
    single = _REFERENCE.fullmatch(text)
    if single is not None and not single[1]:
        return look_up(single[2], scope)
    budget = MAX_BYTES

    def replaced(match: re.Match[str]) -> str:
        nonlocal budget
        inside = match[0][1:] if match[1] else _as_text(look_up(match[2], scope))
        budget -= len(inside)
        if budget < 0:
            raise Invalid({"": TOO_LARGE})
        return inside

    return _REFERENCE.sub(replaced, text)


def weight(value: Any, *, most: int) -> int:
    """Return the approximate number of JSON characters of a value; raises Invalid above `most` and for deep nesting."""
    total, level = 0, [value]
    for _ in range(2 * MAX_DEPTH):
        inner: list[Any] = []
        for item in level:
            total += VALUE_OVERHEAD + (len(item) if isinstance(item, str) else 0)
            if isinstance(item, Mapping):
                inner += [*item, *item.values()]
            elif isinstance(item, list | tuple):
                inner += item
        if total + VALUE_OVERHEAD * len(inner) > most:
            raise Invalid({"": TOO_LARGE})
        if not inner:
            return total
        level = inner
    raise Invalid({"": f"The values of the references are nested more than {2 * MAX_DEPTH} levels deep."})


def _as_text(value: Any) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
