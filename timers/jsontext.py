"""Reading JSON that callers send, in the form that both databases can keep as it is."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from typing import Any, NoReturn

from timers.errors import Invalid

DEEPEST = 64
LARGEST_NUMBER = 2**64
"""Beyond 64 bits other readers of JSON lose digits without a word."""


def read(raw: bytes) -> object:
    """Return what a text holds; raises Invalid, about the text as a whole."""
    try:
        return json.loads(raw.decode("utf-8-sig"), parse_constant=_refuse_constant)
    except RecursionError:
        raise Invalid({"": f"The body is nested more than {DEEPEST} levels deep."}) from None
    except ValueError as error:
        raise Invalid({"": f"The body cannot be read as JSON: {_reason(error)}."}) from error


def _reason(error: ValueError) -> str:
    return "it is not UTF-8" if isinstance(error, UnicodeDecodeError) else str(error)


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a JSON number")


def check_storable(document: Mapping[str, Any]) -> None:
    """Raise Invalid, naming the field, for what a database would refuse or change: NUL, half characters, infinities."""
    level: list[tuple[str, Any]] = list(document.items())
    for text in document:
        _check_text(text, "")
    for _ in range(DEEPEST):
        level = [found for field, value in level for found in _inside(field, value)]
        if not level:
            return
    raise Invalid({level[0][0].split(".")[0]: f"This is nested more than {DEEPEST} levels deep."})


def _inside(field: str, value: object) -> Iterator[tuple[str, Any]]:
    """Check one value and yield those that it holds, each with its dotted path."""
    match value:
        case str():
            _check_text(value, field)
        case float() if not math.isfinite(value):
            raise Invalid({field: "This number is too large."})
        case int() if abs(value) >= LARGEST_NUMBER:
            raise Invalid({field: "This number has more than 64 bits; send it as text."})
        case dict():
            for key, inner in value.items():
                _check_text(key, field)
                yield f"{field}.{key}", inner
        case list():
            for number, inner in enumerate(value):
                yield f"{field}.{number}", inner


def _check_text(text: str, field: str) -> None:
    if "\0" in text:
        raise Invalid({field: "NUL characters are not allowed."})
    if not text.isascii() and any("\ud800" <= character <= "\udfff" for character in text):
        raise Invalid({field: "This text holds half a character (a lone surrogate)."})
