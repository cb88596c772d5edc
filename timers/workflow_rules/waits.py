"""Readers of a WAIT task's inputs: a duration in words, or an instant."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from zoneinfo import ZoneInfo

from timers import validation
from timers.errors import Invalid
from timers.scheduling.clock_changes import zone_names

MAX_WAIT = timedelta(days=36_525)

_UNITS = {"d": 86_400, "h": 3_600, "m": 60, "s": 1}
_PART = re.compile(r"\s*(\d{1,12}(?:\.\d{1,6})?)\s*([a-z]*)\s*,?", re.IGNORECASE)
_UNIT_SPELLINGS = {
    "s": ("", "s", "sec", "secs", "second", "seconds"),
    "m": ("m", "min", "mins", "minute", "minutes"),
    "h": ("h", "hr", "hrs", "hour", "hours"),
    "d": ("d", "day", "days"),
}
_UNIT_OF = {word: unit for unit, known in _UNIT_SPELLINGS.items() for word in known}
_MOMENT = re.compile(r"(\d{4}-\d\d-\d\d)(?:[ T](\d\d:\d\d(?::\d\d)?))?(?:\s+(\S+))?")
_OFFSET = re.compile(r"(?:GMT|UTC)?([+-])(\d\d?):?(\d\d)?", re.IGNORECASE)
_ZONES = {
    "Z": "UTC",
    "GMT": "UTC",
    **dict.fromkeys(("PST", "PDT"), "America/Los_Angeles"),
    **dict.fromkeys(("MST", "MDT"), "America/Denver"),
    **dict.fromkeys(("CST", "CDT"), "America/Chicago"),
    **dict.fromkeys(("EST", "EDT"), "America/New_York"),
    **dict.fromkeys(("CET", "CEST"), "Europe/Berlin"),
    "BST": "Europe/London",
    "IST": "Asia/Kolkata",
}


def until(inputs: Mapping[str, Any], *, now: datetime) -> datetime | None:
    """Return the instant at which a WAIT ends, None if only a result from outside ends it. Raises Invalid."""
    if inputs.get("duration") not in (None, ""):
        return now + duration(inputs["duration"], "duration")
    for name in ("until", "wait_until"):
        if inputs.get(name) not in (None, ""):
            return moment(inputs[name], name)
    return None


def duration(value: object, field: str) -> timedelta:
    """Return the duration of "30 seconds", "2m", "1 day 2 hours" or 30 (seconds); raises Invalid."""
    text = str(value).strip() if isinstance(value, str | int | float) and not isinstance(value, bool) else ""
    seconds, end = 0.0, 0
    for part in _PART.finditer(text):
        if part.start() != end or part[2].lower() not in _UNIT_OF:
            break
        end = part.end()
        seconds += float(part[1]) * _UNITS[_UNIT_OF[part[2].lower()]]
    if not text or end != len(text):
        raise Invalid({field: f"{value!r} is not a duration such as 30 seconds, 2m or 1 day 2 hours."})
    if seconds > MAX_WAIT.total_seconds():
        raise Invalid({field: "This is longer than a hundred years."})
    return timedelta(seconds=seconds)


def moment(value: object, field: str) -> datetime:
    """Return the instant of "2026-12-24", "2026-12-24 18:00", both with or without a zone, ISO text or milliseconds.

    Milliseconds count from 1970. Raises Invalid.
    """
    if isinstance(value, int) and not isinstance(value, bool):
        return validation.instant(_from_ms(value, field), field)
    if not isinstance(value, str):
        raise Invalid({field: "Give a date and time, such as 2026-12-24 18:00 Europe/Berlin."})
    parts = _MOMENT.fullmatch(value.strip())
    if parts is None:
        return validation.instant(value, field)
    local = datetime.fromisoformat(_valid(f"{parts[1]}T{parts[2] or '00:00'}", field))
    return validation.instant(local.replace(tzinfo=_zone(parts[3], field)), field)


def _from_ms(value: int, field: str) -> datetime:
    try:
        return datetime.fromtimestamp(value / 1000, UTC)
    except (OverflowError, ValueError, OSError):
        raise Invalid({field: "This number of milliseconds is not a valid date."}) from None


def _valid(text: str, field: str) -> str:
    try:
        datetime.fromisoformat(text)
    except ValueError:
        raise Invalid({field: f"{text} does not exist."}) from None
    return text


def _zone(text: str | None, field: str) -> Any:
    if text is None:
        return UTC
    offset = _OFFSET.fullmatch(text)
    if offset is not None:
        size = timedelta(hours=int(offset[2]), minutes=int(offset[3] or 0))
        if size >= timedelta(days=1):
            raise Invalid({field: f"{text!r} is not a UTC offset."})
        return timezone(size if offset[1] == "+" else -size)
    name = _ZONES.get(text.upper(), text)
    if name not in zone_names():
        raise Invalid({field: f"{text!r} is not a time zone."})
    return ZoneInfo(name)
