"""Reading single fields of the documents that workflows are made of; every function raises Invalid naming the field."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from typing import Any

from timers.errors import Invalid

MAX_NAME_LENGTH = 255


def name(value: object, field: str) -> str:
    """Return a name that can stand in a path: 1 to 255 characters, no slash, no control characters."""
    if not isinstance(value, str) or not value.strip():
        raise Invalid({field: "Give it a name."})
    if len(value) > MAX_NAME_LENGTH:
        raise Invalid({field: f"At most {MAX_NAME_LENGTH} characters; these are {len(value)}."})
    if "/" in value:
        raise Invalid({field: f"The name {value!r} holds a slash, so no path could name it."})
    if any(unicodedata.category(character) in {"Cc", "Cs"} for character in value):
        raise Invalid({field: "Control characters are not allowed."})
    return value


def whole(value: object, field: str, *, least: int, most: int = 2**31 - 1) -> int:
    """Return a whole number within the bounds; 3.0 counts as 3."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        raise Invalid({field: f"Give a whole number from {least:,} to {most:,}."})
    return value


def mapping(value: object, field: str) -> Mapping[str, Any]:
    """Return an object; null is an empty one."""
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise Invalid({field: "This must be an object."})
    return value


def text(value: object, field: str, *, longest: int = 10_000) -> str | None:
    """Return text or None."""
    if value is not None and not isinstance(value, str):
        raise Invalid({field: "This must be text."})
    if value is not None and len(value) > longest:
        raise Invalid({field: f"At most {longest:,} characters; these are {len(value):,}."})
    return value


def flag(value: object, field: str) -> bool:
    """Return true or false; null is false."""
    if value is not None and not isinstance(value, bool):
        raise Invalid({field: "This must be true or false."})
    return bool(value)


def names(value: object, field: str) -> tuple[str, ...]:
    """Return a list of texts; null is an empty one."""
    if value is None:
        return ()
    if not isinstance(value, list | tuple) or not all(isinstance(each, str) for each in value):
        raise Invalid({field: "This must be a list of names."})
    return tuple(value)
