"""How the load to come looks, and how lists of instants fall into days."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import groupby
from typing import Any

from django import template
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from timers import formatting
from timers.queries.executions.load_forecast import LoadCell, LoadForecast

register = template.Library()

HEIGHT = 48
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
    days = groupby(things, key=lambda each: instant(each).astimezone(zone).date())
    return [DayOf(f"{day:%A} {day.day} {day:%B %Y}", list(each)) for day, each in days]


@register.simple_tag(takes_context=True)
def skyline(context: Mapping[str, Any], load: LoadForecast) -> SafeString:
    """Return the week as a row of bars, one per hour, named by its result."""
    hours, most = load.hours, max((cell.runs for cell in load.hours), default=0) or 1
    wide = 100 / max(1, len(hours))
    bars = [
        (cell.level, f"{index * wide:.2f}", f"{HEIGHT - tall:.1f}", f"{wide * 0.82:.2f}", f"{tall:.1f}")
        for index, cell in enumerate(hours)
        if (tall := max(1.5, cell.runs / most * HEIGHT) if cell.runs else 0)
    ]
    return format_html(
        '<svg class="skyline" viewBox="0 0 100 {}" preserveAspectRatio="none" role="img" aria-label="{}">'
        '<path class="rule" d="M0 {}h100" vector-effect="non-scaling-stroke"/>{}</svg>',
        HEIGHT,
        load_words(context, load),
        HEIGHT,
        format_html_join("", '<rect class="h{}" x="{}" y="{}" width="{}" height="{}"/>', bars),
    )


def load_words(context: Mapping[str, Any], load: LoadForecast) -> str:
    """Return what the picture of the load says."""
    busiest, now, zone = load.busiest, context.get("now"), context.get("zone", UTC)
    if busiest is None or busiest.at is None:
        return "No run is planned in the next seven days"
    runs = f"{_runs(load.total)} planned in the next seven days"
    hour = formatting.clock_text(busiest.at, zone, now=now)
    return f"{runs}; most in the hour from {hour}: {formatting.number(busiest.runs)}"


@register.simple_tag(takes_context=True)
def cell_words(context: Mapping[str, Any], cell: LoadCell) -> str:
    """Return what one hour of the load says: "Wed 18 14:00 CET, 171 runs"."""
    assert cell.at is not None
    local = cell.at.astimezone(context.get("zone", UTC))
    return f"{local:%a} {local.day} {local:%H:%M} {formatting.zone_name(local)}, {_runs(cell.runs)}"


def _runs(count: int) -> str:
    return f"{formatting.number(count)} run{'' if count == 1 else 's'}"


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
