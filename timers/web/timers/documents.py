"""Reading what the fields of a timer's form hold."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from timers.errors import Invalid


def read_instant(text: str | None, zone: ZoneInfo, field: str) -> str | None:
    """Return the instant of a local time without zone, None for an empty field."""
    if not text or text.strip().lower() == "now":
        return None
    try:
        instant = datetime.fromisoformat(text.strip())
    except ValueError:
        raise Invalid({field: "Give a date and a time, like 2026-12-15 14:30."}) from None
    return (instant if instant.tzinfo else instant.replace(tzinfo=zone)).isoformat()


def write_instant(text: str | None, zone: ZoneInfo) -> str:
    """Return an instant as the field shows it, on that zone's clock."""
    if not text:
        return ""
    instant = datetime.fromisoformat(text)
    try:
        return instant.astimezone(zone).replace(tzinfo=None).isoformat(timespec="seconds")
    except OverflowError:  # the end of the year 9999, which programs write for "never"
        return instant.isoformat(timespec="seconds")


def read_json(text: str, field: str) -> Any:
    """Return what JSON text says; raises Invalid naming line and column."""
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        sentence = f"This is not JSON: {error.msg} at line {error.lineno}, column {error.colno}."
        raise Invalid({field: sentence}) from None
    except (ValueError, RecursionError):
        raise Invalid({field: "This is not JSON that can be read."}) from None


def read_tags(text: str) -> dict[str, Any]:
    """Return the tags of "prod, team:backend"; a key that comes several times has a list of values."""
    tags: dict[str, Any] = {}
    for word in filter(None, (part.strip() for part in text.split(","))):
        key, _, value = (part.strip() for part in word.partition(":"))
        tags[key] = (
            [*tags[key], value] if isinstance(tags.get(key), list) else [tags[key], value] if key in tags else value
        )
    return tags


def write_tags(tags: Mapping[str, Any]) -> str:
    """Return tags as the field shows them."""
    return ", ".join(_tag_words(tags))


def _tag_words(tags: Mapping[str, Any]) -> Iterable[str]:
    for key, value in tags.items():
        for each in value if isinstance(value, list) else [value]:
            yield f"{key}:{each}" if each else key
