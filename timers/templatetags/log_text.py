"""The log, the traceback and the headers of one attempt."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from django import template
from django.utils.html import format_html
from django.utils.safestring import SafeString, mark_safe

from timers import formatting
from timers.models import Attempt
from timers.queries.executions.detail import LogLine

register = template.Library()


@register.filter
def retry_after(attempt: Attempt) -> str:
    """Return what the answer to an attempt asked to wait, empty when it asked for nothing."""
    answer = (attempt.details or {}).get("answer") or {}
    return str((answer.get("headers") or {}).get("retry-after", ""))


@register.simple_tag(takes_context=True)
def log_time(context: Mapping[str, Any], at: datetime | None) -> SafeString:
    """Return when a line was written, to the millisecond; its zone stands in the head of the log."""
    if at is None:
        return mark_safe("")
    local = at.astimezone(context.get("zone", UTC))
    moment = f"{local:%H:%M:%S}.{local.microsecond // 1000:03d}"
    return format_html('<time datetime="{}" title="{}">{}</time>', at.isoformat(), at.isoformat(), moment)


@register.simple_tag(takes_context=True)
def zone_of_log(context: Mapping[str, Any], lines: list[LogLine]) -> str:
    """Return the short name of the reader's zone when the log was written."""
    at = next((line.at for line in lines if line.at is not None), context["now"])
    return formatting.zone_name(at.astimezone(context.get("zone", UTC)))


@register.filter
def rank_tone(rank: int) -> str:
    """Return the class of a log line's level."""
    return "is-bad" if rank >= 40 else "is-wait" if rank >= 30 else ""


@register.filter
def trace_lines(text: str) -> list[tuple[str, bool]]:
    """Return the lines of a traceback, and of each whether it says what went wrong: those after the last frame."""
    lines = str(text).rstrip().splitlines()
    frames = [number for number, line in enumerate(lines) if line.lstrip().startswith("File ")]
    here = frames[-1] if frames else len(lines)
    return [(line, number > here) for number, line in enumerate(lines)]
