"""Instants, durations, numbers and documents as text. Tags read `now` and `zone` of the page from the context."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import groupby
from typing import Any

from django import template
from django.utils.html import format_html
from django.utils.safestring import SafeString, mark_safe

from timers import formatting
from timers.actions.base import MASK

register = template.Library()

for _words in (formatting.duration, formatting.number, formatting.size):
    register.filter(_words.__name__, _words)


@register.simple_tag(takes_context=True)
def when(context: Mapping[str, Any], instant: datetime | None, style: str = "minute", classes: str = "") -> SafeString:
    """Return an instant in the reader's zone (or in the part's own, `zone`), with ISO and UTC within reach."""
    if instant is None:
        return mark_safe("")
    zone = context.get("zone", UTC)
    return format_html(
        '<time{} datetime="{}" title="{}">{}</time>',
        format_html(' class="{}"', classes) if classes else "",
        iso(instant),
        f"{iso(instant)} ({formatting.clock_text(instant, UTC, style='second')})",
        formatting.clock_text(instant, zone, now=context.get("now"), style=style),
    )


@register.filter
def iso(instant: datetime) -> str:
    """Return the machine form of an instant."""
    return instant.astimezone(UTC).isoformat()


@register.simple_tag(takes_context=True)
def relative(context: Mapping[str, Any], instant: datetime | None) -> SafeString:
    """Return how far away an instant is: "in 27 min 53 s", "3 min ago"; a script counts on from there."""
    if instant is None:
        return mark_safe("")
    away = timedelta(seconds=round((instant - context["now"]).total_seconds()))
    words = f"in {formatting.duration(away)}" if away > timedelta(0) else f"{formatting.duration(-away)} ago"
    return format_html('<span data-relative="{}">{}</span>', iso(instant), words if away else "now")


@register.filter
def percent(done: int, total: int) -> int:
    """Return how much is done, from 0 to 100; 100 only when all is."""
    return 0 if not total else min(100, done * 100 // total)


@register.filter
def pretty(document: Any) -> str:
    """Return a document as indented JSON."""
    return json.dumps(document, indent=2, ensure_ascii=False, default=str)


@register.filter
def pretty_text(text: str) -> str:
    """Return text indented when it is JSON, else as it is."""
    try:
        return pretty(json.loads(text))
    except (ValueError, TypeError):
        return text


@register.filter
def is_masked(value: object) -> bool:
    return value == MASK


@register.simple_tag(takes_context=True)
def theme(context: Mapping[str, Any]) -> str:
    """Return the theme the reader chose, empty for the system's; on pages without a shell the cookie tells."""
    request = context.get("request")
    chosen = context.get("theme", request.COOKIES.get("theme", "") if request is not None else "")
    return chosen if chosen in ("light", "dark") else ""


_INSTANTS: Mapping[str, Callable[[Any], datetime]] = {
    "planned": lambda row: row.execution.scheduled_for,
    "run": lambda run: run.at,
}


@dataclass(frozen=True)
class DayOf:
    """Things that belong to one day of the reader."""

    name: str
    things: list[Any]


@register.simple_tag(takes_context=True)
def by_day(context: Mapping[str, Any], things: Iterable[Any], which: str) -> list[DayOf]:
    """Return the things, which stand in order of time, day by day: "Wednesday 18 November 2026"."""
    zone, instant = context.get("zone", UTC), _INSTANTS[which]
    days = groupby(things, key=lambda thing: instant(thing).astimezone(zone).date())
    return [DayOf(f"{day:%A} {day.day} {day:%B %Y}", list(group)) for day, group in days]


@register.simple_tag(takes_context=True)
def hour_words(context: Mapping[str, Any], at: datetime) -> str:
    """Return an hour: "Thu 19 Nov 09:00 to 10:00 CET"."""
    zone = context.get("zone", UTC)
    local, until = at.astimezone(zone), (at + timedelta(hours=1)).astimezone(zone)
    return f"{local:%a} {local.day} {local:%b %H:%M} to {until:%H:%M} {formatting.zone_name(until)}"


@register.simple_tag(takes_context=True)
def field_time(context: Mapping[str, Any], instant: datetime | None) -> str:
    """Return an instant as a field for a day and a time holds it, on the reader's clock."""
    return "" if instant is None else f"{instant.astimezone(context.get('zone', UTC)):%Y-%m-%dT%H:%M}"


@register.filter
def day_name(at: datetime) -> str:
    """Return the name of a row of the load: "Wed 18"."""
    return f"{at:%a} {at.day}"


@register.simple_tag(takes_context=True)
def clock_words(context: Mapping[str, Any], instant: datetime) -> str:
    """Return an instant of a picture's axis as bare text, in the reader's zone."""
    return formatting.clock_text(instant, context.get("zone", UTC), style="time")


@register.filter
def answer_words(seconds: float) -> str:
    """Return how long an answer took."""
    return formatting.duration(seconds) if seconds >= 0.001 else f"under 1{formatting.TIED}ms"


@register.filter
def clock_change(size: Any, forward: bool) -> str:
    """Return what the clocks do: "Clocks go forward by 1 h"."""
    return f"Clocks go {'forward' if forward else 'back'} by {formatting.duration(size)}"


@register.filter
def since(later: datetime | None, earlier: datetime | None) -> str:
    """Return how long after `earlier` the later instant is, in words."""
    return formatting.duration(later - earlier) if later is not None and earlier is not None else ""
