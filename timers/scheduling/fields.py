"""Reading one field of a document; every function raises Invalid with the name of its field, nothing else."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, TypeVar

from timers.errors import Invalid

FIRST_INSTANT = datetime(1970, 1, 1, tzinfo=UTC)
LAST_INSTANT = datetime(9998, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC)
"""The last instant that can be planned; one year short of what `datetime` holds, so that every zone can show it."""

_MAX_TEXT_LENGTH = 64

Word = TypeVar("Word", bound=StrEnum)


def known_keys(document: Mapping[str, Any], known: Iterable[str]) -> None:
    """Refuse every key of `document` that is not `known`, by its name."""
    names = sorted(known)
    unknown = [str(key) for key in document if key not in names]
    if unknown:
        raise Invalid({key: f"Unknown field; known here: {', '.join(names)}." for key in unknown})


def read_instant(value: object, field: str, *, last: datetime = LAST_INSTANT) -> datetime:
    """Return the aware UTC instant of ISO 8601 text or of a datetime; one without an offset is UTC."""
    if isinstance(value, str):
        value = _from_text(value.strip(), field)
    if not isinstance(value, datetime):
        raise Invalid({field: "Give a date and time as ISO 8601 text, such as 2026-12-15T14:30:00+00:00."})
    try:
        instant = value.replace(tzinfo=UTC) if value.utcoffset() is None else value.astimezone(UTC)
    except (OverflowError, ValueError):
        instant = None
    if instant is None or not FIRST_INSTANT <= instant <= last:
        raise Invalid({field: f"The year must lie between {FIRST_INSTANT.year} and {last.year}."})
    return instant


def _from_text(text: str, field: str) -> datetime:
    try:
        if len(text) > _MAX_TEXT_LENGTH:
            raise ValueError
        return datetime.fromisoformat(text.upper())
    except ValueError:
        shown = ascii(text[:_MAX_TEXT_LENGTH])
        raise Invalid({field: f"{shown} is no ISO 8601 date and time, such as 2026-12-15T14:30:00+00:00."}) from None


def read_number(value: object, field: str, *, least: float, most: float, unit: str = "") -> int | float:
    """Return a finite number within the bounds, both inclusive."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise Invalid({field: "Give a number."})
    if isinstance(value, float) and not math.isfinite(value):
        raise Invalid({field: "Give a finite number."})
    if not least <= value <= most:
        bounds = f"{write_number(least):,} and {write_number(most):,}"
        raise Invalid({field: f"Must lie between {bounds} {unit}".rstrip() + "."})
    return value


def read_whole(value: object, field: str, *, least: int, most: int) -> int:
    """Return a whole number within the bounds, both inclusive; 3.0 counts as 3."""
    number = read_number(value, field, least=least, most=most)
    if number != int(number):
        raise Invalid({field: "Give a whole number."})
    return int(number)


def read_word(value: object, field: str, words: type[Word]) -> Word:
    """Return the member of `words` that has this value."""
    if isinstance(value, str) and value in list(words):
        return words(value)
    raise Invalid({field: f"Must be one of {', '.join(words)}."})


def write_instant(instant: datetime) -> str:
    """Return ISO 8601 text in UTC, ending in +00:00."""
    return instant.astimezone(UTC).isoformat()


def write_number(number: float) -> int | float:
    """Return a whole number without its fraction, so that 60.0 is written as 60."""
    return int(number) if number == int(number) else number
