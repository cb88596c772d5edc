"""Reading what was typed: instants, spans, truth values, and JSON; each complaint is a sentence."""

from __future__ import annotations

import json
import re
from argparse import ArgumentTypeError
from datetime import datetime
from pathlib import Path
from typing import Any

_UNITS = {"w": 604_800, "d": 86_400, "h": 3_600, "m": 60, "s": 1, "": 1}
_PART = re.compile(r"\s*(\d+(?:\.\d+)?)\s*([wdhms]?)", re.IGNORECASE)
_TRUTH = {
    **dict.fromkeys(("true", "t", "yes", "y", "1", "on"), True),
    **dict.fromkeys(("false", "f", "no", "n", "0", "off"), False),
}


class Usage(Exception):
    """The words cannot be understood; the text says why."""


def seconds(text: str) -> int | float:
    """Return a span in seconds: 600, 90s, 1h30m, 2d, 1w."""
    found, place = 0.0, 0
    while place < len(text.strip()):
        part = _PART.match(text.strip(), place)
        if part is None or (not part[2] and place):
            raise ArgumentTypeError(f"{text!r} is no span of time, such as 600, 90s, 1h30m or 2d")
        found += float(part[1]) * _UNITS[part[2].lower()]
        place = part.end()
    if not found:
        raise ArgumentTypeError(f"{text!r} is no span of time, such as 600, 90s, 1h30m or 2d")
    return int(found) if found.is_integer() else found


def instant(text: str) -> datetime:
    """Return an instant; one without an offset is in this machine's local time."""
    try:
        return datetime.fromisoformat(text.strip()).astimezone()
    except (ValueError, OverflowError):
        raise ArgumentTypeError(f"{text!r} is no date and time, such as 2026-12-01T02:00:00") from None


def truth(text: str) -> bool:
    """Return whether a word means yes."""
    try:
        return _TRUTH[text.strip().lower()]
    except KeyError:
        raise Usage(f"{text!r} is neither true nor false") from None


def document(text: str | None, path: str | None) -> Any:
    """Return the JSON that was given as text or in a file; None when there is neither."""
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
        raise Usage(f"the action's body is no JSON: {error}") from error
