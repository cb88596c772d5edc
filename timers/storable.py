"""JSON values that both databases store unchanged: `check` for input, `cleaned` for values of other programs."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from typing import Any

from timers.errors import Invalid

MAX_DEPTH = 64
MAX_NUMBER = 2**64
"""Larger numbers lose digits in other JSON parsers."""

_UNSTORABLE = re.compile("[\0\ud800-\udfff]")


def is_storable(text: str) -> bool:
    """Return whether both databases keep a text as it is: it holds no NUL and no half character."""
    return _UNSTORABLE.search(text) is None


def check(document: Any) -> None:
    """Raise Invalid, naming the field, for NUL characters, lone surrogates, infinities, large numbers and deep nesting.

    A database would refuse or change such values.
    """
    level: list[tuple[str, Any]] = list(_inside("", document))
    for _ in range(MAX_DEPTH):
        level = [inner for field, value in level for inner in _inside(field, value)]
        if not level:
            return
    raise Invalid({level[0][0].split(".")[0]: f"This is nested more than {MAX_DEPTH} levels deep."})


def cleaned(value: Any, *, depth: int = 0) -> Any:
    """Return the value in storable form: text without characters that databases refuse, no infinite numbers."""
    if isinstance(value, str):
        return _UNSTORABLE.sub("\ufffd", value)
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if depth >= MAX_DEPTH:
        return _UNSTORABLE.sub("\ufffd", repr(value))[:1000] if isinstance(value, dict | list | tuple) else value
    if isinstance(value, dict):
        return {cleaned(str(key)): cleaned(inner, depth=depth + 1) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [cleaned(inner, depth=depth + 1) for inner in value]
    return value


def _inside(field: str, value: object) -> Iterator[tuple[str, Any]]:
    """Check one value and yield the values inside it, each with its dotted path."""
    match value:
        case str():
            _check_text(value, field)
        case float() if not math.isfinite(value):
            raise Invalid({field: "This number is too large."})
        case int() if abs(value) >= MAX_NUMBER:
            raise Invalid({field: "This number has more than 64 bits; send it as text."})
        case dict():
            for key, inner in value.items():
                _check_text(key, field)
                yield f"{field}.{key}" if field else str(key), inner
        case list():
            for number, inner in enumerate(value):
                yield f"{field}.{number}" if field else str(number), inner


def _check_text(text: str, field: str) -> None:
    if "\0" in text:
        raise Invalid({field: "NUL characters are not allowed."})
    if not text.isascii() and any("\ud800" <= character <= "\udfff" for character in text):
        raise Invalid({field: "This text holds half a character (a lone surrogate)."})
