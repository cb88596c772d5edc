"""Readers of command line values: instants, durations, truth values and JSON. Every error is a sentence."""

from __future__ import annotations

import json
import re
from argparse import ArgumentTypeError
from datetime import datetime
from pathlib import Path
from typing import Any

_UNIT_SECONDS = {"w": 604_800, "d": 86_400, "h": 3_600, "m": 60, "s": 1, "": 1}
_NUMBER_AND_UNIT = re.compile(r"\s*(\d+(?:\.\d+)?)\s*([wdhms]?)", re.IGNORECASE)
_TRUTH = {
    **dict.fromkeys(("true", "t", "yes", "y", "1", "on"), True),
    **dict.fromkeys(("false", "f", "no", "n", "0", "off"), False),
}


class Usage(Exception):
    """The arguments are wrong; the text says why."""


def seconds(text: str) -> int | float:
    """Return a duration in seconds: 600, 90s, 1h30m, 2d, 1w. Raises ArgumentTypeError."""
    total, place = 0.0, 0
    while place < len(text.strip()):
        part = _NUMBER_AND_UNIT.match(text.strip(), place)
        if part is None or (not part[2] and place):
            raise ArgumentTypeError(f"{text!r} is not a duration such as 600, 90s, 1h30m or 2d")
        total += float(part[1]) * _UNIT_SECONDS[part[2].lower()]
        place = part.end()
    if not total:
        raise ArgumentTypeError(f"{text!r} is not a duration such as 600, 90s, 1h30m or 2d")
    return int(total) if total.is_integer() else total


def instant(text: str) -> datetime:
    """Return an instant; one without an offset is in this machine's local time. Raises ArgumentTypeError."""
    try:
        return datetime.fromisoformat(text.strip()).astimezone()
    except (ValueError, OverflowError):
        raise ArgumentTypeError(f"{text!r} is not a date and time such as 2026-12-01T02:00:00") from None


def truth(text: str) -> bool:
    """Return whether a word means true; raises Usage for a word that is neither true nor false."""
    try:
        return _TRUTH[text.strip().lower()]
    except KeyError:
        raise Usage(f"{text!r} is neither true nor false") from None


def document(text: str | None, path: str | None) -> Any:
    """Return the JSON given as text or in a file, None when there is neither. Raises Usage."""
    if path is not None:
        try:
            text = Path(path).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise Usage(f"{path} cannot be read: {error}") from error
    if text is None:
        return None
    try:
        return json.loads(text)
    except ValueError as error:
        raise Usage(f"the action's body is not JSON: {error}") from error
