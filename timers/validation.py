"""Readers of outside values: each returns the value checked, or raises Invalid naming its field, nothing else.

Every interface, schedule, action, storage and workflow reads its documents by these; what a kind of document means is
said where that kind lives. Names stand for trade words: a `line` has no line breaks, a `paragraph` may have some.
"""

from __future__ import annotations

import json
import math
import unicodedata
from collections.abc import Callable, Collection, Iterable, Mapping
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, NoReturn, TypeVar
from uuid import UUID

from timers.errors import REQUIRED, Invalid
from timers.formatting import plain_number
from timers.storable import MAX_DEPTH

MAX_NAME_LENGTH = 255
MAX_TEXT_LENGTH = 10_000
MAX_INSTANT_LENGTH = 64
MAX_TAGS = 100
MAX_WHOLE = 2**31 - 1

FIRST_INSTANT = datetime(1970, 1, 1, tzinfo=UTC)
LAST_INSTANT = datetime(9998, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC)
"""The last instant that can be planned; one year short of what `datetime` holds, so that every zone can show it."""

_CONTROL_CATEGORIES = {"Cc", "Cs"}

Value = TypeVar("Value")
Member = TypeVar("Member", bound=StrEnum)


# Whole documents


def json_value(raw: bytes) -> object:
    """Return what a JSON text holds; the error is about the text as a whole. `storable` says what can be kept."""
    try:
        return json.loads(raw.decode("utf-8-sig"), parse_constant=_refuse_constant)
    except RecursionError:
        raise Invalid({"": f"The body is nested more than {MAX_DEPTH} levels deep."}) from None
    except UnicodeDecodeError as error:
        raise Invalid({"": "The body cannot be read as JSON: it is not UTF-8."}) from error
    except ValueError as error:
        raise Invalid({"": f"The body cannot be read as JSON: {error}."}) from error


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a JSON number")


def only_known(document: Mapping[str, Any], known: Iterable[str]) -> None:
    """Refuse every key of a document that is not known, by its name."""
    names = sorted(known)
    unknown = [str(key) for key in document if key not in names]
    if unknown:
        raise Invalid({key: f"Unknown field; known here: {', '.join(names)}." for key in unknown})


def required(document: Mapping[str, Any], names: Collection[str]) -> None:
    """Refuse a document in which a field is missing or null, naming each such field."""
    missing = [name for name in names if document.get(name) is None]
    if missing:
        raise Invalid(dict.fromkeys(missing, REQUIRED))


def under(prefix: str, read: Callable[[], Value]) -> Value:
    """Return what a reader returns; the fields that it complains of are named below `prefix`."""
    try:
        return read()
    except Invalid as error:
        raise error.under(prefix) from None


# Single fields


def mapping(value: object, field: str) -> Mapping[str, Any]:
    """Return an object; null is an empty one."""
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise Invalid({field: "This must be an object."})
    return value


def required_mapping(document: Mapping[str, Any], field: str, *, missing: str = REQUIRED) -> dict[str, Any]:
    """Return the object that has to stand under this name; `missing` is said of one that is absent or null."""
    value = document.get(field)
    if not isinstance(value, Mapping):
        raise Invalid({field: missing if value is None else "This must be an object."})
    return dict(value)


def flag(value: object, field: str, *, default: bool = False) -> bool:
    """Return true or false; null is the default."""
    if value is None:
        return default
    if not isinstance(value, bool):
        raise Invalid({field: "This must be true or false."})
    return value


def number(value: object, field: str, *, minimum: float, maximum: float, unit: str = "") -> int | float:
    """Return a finite number within the bounds, both inclusive."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise Invalid({field: "Give a number."})
    if isinstance(value, float) and not math.isfinite(value):
        raise Invalid({field: "Give a finite number."})
    if not minimum <= value <= maximum:
        bounds = f"{plain_number(minimum):,} and {plain_number(maximum):,}"
        raise Invalid({field: f"Must lie between {bounds} {unit}".rstrip() + "."})
    return value


def whole(value: object, field: str, *, minimum: int, maximum: int = MAX_WHOLE) -> int:
    """Return a whole number within the bounds, both inclusive; 3.0 counts as 3."""
    is_whole = not isinstance(value, bool) and isinstance(value, int | float) and value % 1 == 0
    if not is_whole or not minimum <= value <= maximum:  # type: ignore[operator]
        raise Invalid({field: f"Give a whole number from {minimum:,} to {maximum:,}."})
    return int(value)  # type: ignore[call-overload, no-any-return]


def choice(value: object, field: str, members: type[Member]) -> Member:
    """Return the member of an enumeration that has this value."""
    return members(one_of(value, field, list(members)))


def one_of(value: object, field: str, known: Collection[str]) -> str:
    """Return text that is one of the known words."""
    if isinstance(value, str) and value in known:
        return value
    raise Invalid({field: f"Must be one of {', '.join(known)}."})


def instant(value: object, field: str, *, last: datetime = LAST_INSTANT) -> datetime:
    """Return the aware UTC instant of ISO 8601 text or of a datetime; one without an offset is UTC."""
    if isinstance(value, str):
        value = _parse_instant(value.strip(), field)
    if not isinstance(value, datetime):
        raise Invalid({field: "Give a date and time as ISO 8601 text, such as 2026-12-15T14:30:00+00:00."})
    try:
        moment = value.replace(tzinfo=UTC) if value.utcoffset() is None else value.astimezone(UTC)
    except (OverflowError, ValueError):
        moment = None
    if moment is None or not FIRST_INSTANT <= moment <= last:
        raise Invalid({field: f"The year must lie between {FIRST_INSTANT.year} and {last.year}."})
    return moment


def optional_instant(value: object, field: str) -> datetime | None:
    """Return an instant, or None for null."""
    return None if value is None else instant(value, field)


def instant_of_query(text: str, field: str) -> datetime:
    """Return the instant of an address; a blank after the date stands for a plus sign that was not encoded."""
    return instant(text[:11] + text[11:].replace(" ", "+"), field)


def _parse_instant(text: str, field: str) -> datetime:
    try:
        if len(text) > MAX_INSTANT_LENGTH:
            raise ValueError
        return datetime.fromisoformat(text.upper())
    except ValueError:
        shown = ascii(text[:MAX_INSTANT_LENGTH])
        raise Invalid({field: f"{shown} is no ISO 8601 date and time, such as 2026-12-15T14:30:00+00:00."}) from None


def uuid(value: object) -> UUID | None:
    """Return the identifier in any spelling of a UUID, or None for what is none."""
    try:
        return UUID(str(value))
    except ValueError:
        return None


# Text


def text(value: object, field: str, *, max_length: int = MAX_TEXT_LENGTH) -> str | None:
    """Return text of any characters, or None for null."""
    if value is not None and not isinstance(value, str):
        raise Invalid({field: "This must be text."})
    if value is not None and len(value) > max_length:
        raise Invalid({field: f"At most {max_length:,} characters; these are {len(value):,}."})
    return value


def line(value: object, field: str, *, max_length: int = MAX_NAME_LENGTH) -> str:
    """Return text without control characters."""
    return _without_controls(value, field, max_length=max_length, allowed="")


def paragraph(value: object, field: str, *, max_length: int = MAX_TEXT_LENGTH) -> str:
    """Return text that may hold line breaks and tabs, and no other control characters."""
    return _without_controls(value, field, max_length=max_length, allowed="\n\r\t")


def _without_controls(value: object, field: str, *, max_length: int, allowed: str) -> str:
    checked = text(value, field, max_length=max_length)
    if checked is None:
        raise Invalid({field: "This must be text."})
    categories = {unicodedata.category(character) for character in checked if character not in allowed}
    if categories & _CONTROL_CATEGORIES:
        raise Invalid({field: "Control characters are not allowed."})
    return checked


def name(value: object, field: str = "name") -> str:
    """Return a name of 1 to 255 characters without control characters."""
    if not isinstance(value, str) or not value.strip():
        raise Invalid({field: "Give it a name."})
    return line(value, field)


def path_name(value: object, field: str) -> str:
    """Return a name that can stand in a path: one without a slash."""
    checked = name(value, field)
    if "/" in checked:
        raise Invalid({field: f"The name {checked!r} holds a slash, so no path could name it."})
    return checked


def names(value: object, field: str) -> tuple[str, ...]:
    """Return a list of texts; null is an empty one."""
    if value is None:
        return ()
    if not isinstance(value, list | tuple) or not all(isinstance(entry, str) for entry in value):
        raise Invalid({field: "This must be a list of names."})
    return tuple(value)


def tags(value: object) -> list[tuple[str, str]]:
    """Return the pairs of a tag document {key: value or list of values}; the fields are named `tags.<key>`."""
    if not isinstance(value, Mapping):
        raise Invalid({"tags": "Tags are an object of keys and values."})
    pairs: dict[tuple[str, str], None] = {}
    for key, given in value.items():
        field = f"tags.{key}"
        name(key, field)
        for tag in given if isinstance(given, list) else [given]:
            pairs[key, line("" if tag is None else tag, field)] = None
    if len(pairs) > MAX_TAGS:
        raise Invalid({"tags": f"At most {MAX_TAGS} tags; these are {len(pairs)}."})
    return list(pairs)
