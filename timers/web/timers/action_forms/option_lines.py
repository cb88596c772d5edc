"""Options of a transfer as lines of text: filter rules, speed limits by time of day, metadata.

What comes of the lines is checked where the options are read; nothing that was typed is left out.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from timers.errors import Invalid

MEGABYTE = 1_000_000
_HOURS = re.compile(r"(\d{1,2}:\d{2}(?::\d{2})?)\s*-\s*(\d{1,2}:\d{2}(?::\d{2})?)")
_SPEED = re.compile(r"(\d+(?:\.\d+)?)(?:MB/s)?", re.IGNORECASE)


def _lines(text: str) -> Iterator[str]:
    yield from filter(None, (line.strip() for line in text.splitlines()))


def read_rules(text: str) -> list[dict[str, str]]:
    """Return the filter rules of lines like "exclude *.tmp"; a pattern with a slash is one of paths."""
    return [_read_rule(line) for line in _lines(text)]


def _read_rule(line: str) -> dict[str, str]:
    method, _, rest = line.partition(" ")
    rule = {"DATA_TYPE": "filter_rule", "method": method.lower()}
    only, _, pattern = rest.strip().partition(" ")
    if only in ("file", "dir") and pattern.strip():
        rule["type"] = only
    else:
        pattern = rest
    pattern = pattern.strip()
    return {**rule, "path" if "/" in pattern else "name": pattern}


def write_rules(rules: Any) -> str:
    """Return the lines of filter rules."""
    words = (
        (rule.get("method"), rule.get("type"), rule.get("name") or _with_slash(rule.get("path")))
        for rule in rules or []
    )
    return "\n".join(" ".join(filter(None, line)) for line in words)


def _with_slash(path: str | None) -> str | None:
    """Return a pattern of paths so that its line is read as one."""
    return path if path is None or "/" in path else f"/{path}"


def read_limits(text: str) -> list[dict[str, Any]]:
    """Return the speed limits of lines like "08:00-18:00 MON-FRI 5 Europe/Berlin"; raises Invalid naming bandwidth."""
    return [_read_limit(line) for line in _lines(text)]


def _read_limit(line: str) -> dict[str, Any]:
    limit: dict[str, Any] = {}
    hours = _HOURS.search(line)
    if hours is not None:
        limit["between"] = list(hours.groups())
        line = line.replace(hours[0], " ", 1)
    for word in line.split():
        speed = _SPEED.fullmatch(word)
        if speed is not None and "max_bytes_per_second" not in limit:
            limit["max_bytes_per_second"] = round(float(speed[1]) * MEGABYTE)
        elif word.upper()[:3] in _DAYS and "weekdays" not in limit:
            limit["weekdays"] = word
        elif "timezone" not in limit:
            limit["timezone"] = word
        else:
            raise Invalid({"bandwidth": f"{line.strip()[:60]} cannot be read; write 08:00-18:00 MON-FRI 5."})
    return limit


_DAYS = {"MON", "TUE", "WED", "THU", "FRI", "SAT", "SUN"}


def write_limits(limits: Any) -> str:
    """Return the lines of speed limits."""
    return "\n".join(" ".join(_limit_words(limit)) for limit in limits or [])


def _limit_words(limit: dict[str, Any]) -> Iterator[str]:
    if limit.get("between"):
        yield "-".join(limit["between"])
    if weekdays := limit.get("weekdays"):
        yield weekdays.replace(" ", "") if isinstance(weekdays, str) else ",".join(weekdays)
    yield f"{limit['max_bytes_per_second'] / MEGABYTE:.6f}".rstrip("0").rstrip(".")
    if limit.get("timezone"):
        yield limit["timezone"]


def read_metadata(text: str) -> dict[str, str] | None:
    """Return the metadata of lines like "name: text", None for no lines; raises Invalid naming metadata."""
    metadata: dict[str, str] = {}
    for line in _lines(text):
        name, colon, value = line.partition(":")
        if not colon or name.strip() in metadata:
            raise Invalid({"metadata": f"Write one line for each name, as name: text; not {line[:60]}."})
        metadata[name.strip()] = value.strip()
    return metadata or None


def write_metadata(metadata: Any) -> str:
    """Return the lines of metadata."""
    return "\n".join(f"{name}: {text}" for name, text in (metadata or {}).items())
