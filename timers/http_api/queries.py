"""Reading query parameters; every reader raises Invalid naming the parameter."""

from __future__ import annotations

from collections.abc import Mapping

from django.http import QueryDict

from timers import storable
from timers.errors import Invalid

MAX_DIGITS = 18

_TRUE, _FALSE = frozenset({"true", "1", "yes"}), frozenset({"false", "0", "no"})


def check(query: QueryDict) -> None:
    """Raise Invalid for text that no database can compare: NUL, and half characters."""
    for name, values in query.lists():
        if not all(map(storable.is_storable, (name, *values))):
            raise Invalid({name.replace("\0", "?"): "NUL and half characters are not allowed."})


def flag(query: Mapping[str, str], name: str, *, default: bool = False) -> bool:
    """Return true or false, written in any case; the default where nothing is said."""
    value = optional_flag(query, name)
    return default if value is None else value


def optional_flag(query: Mapping[str, str], name: str) -> bool | None:
    """Return true or false, written in any case; None where nothing is said."""
    word = query.get(name, "").strip().lower()
    if word in _TRUE or word in _FALSE:
        return word in _TRUE
    if word:
        raise Invalid({name: "Give true or false."})
    return None


def whole(
    query: Mapping[str, str], name: str, *, default: int, maximum: int, minimum: int = 0, capped: bool = True
) -> int:
    """Return a whole number; a larger one than the maximum counts as that where it is `capped`, else is refused."""
    text = query.get(name, "").strip()
    if text in ("", "null", "None"):
        return default
    is_number = text.isascii() and text.removeprefix("-").isdigit() and len(text) <= MAX_DIGITS
    value = int(text) if is_number else None
    if value is None or value < minimum or (value > maximum and not capped):
        raise Invalid({name: f"Give a whole number from {minimum:,} to {maximum:,}."})
    return min(value, maximum)
