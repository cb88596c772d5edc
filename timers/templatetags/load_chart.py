"""The load to come as a picture, and its hours in words."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, tzinfo
from typing import Any
from urllib.parse import quote

from django import template
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString, mark_safe

from timers import formatting
from timers.queries.executions.load_forecast import LoadCell, LoadForecast
from timers.templatetags.formatting import iso

register = template.Library()

HEIGHT = 48


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
def load_cell(context: Mapping[str, Any], cell: LoadCell) -> SafeString:
    """Return one hour of the load as a cell of its table: a link to its timers when it has runs."""
    return format_html(
        "<td{}>{}</td>", mark_safe(' class="current"' if cell.current else ""), _hour(cell, context.get("zone", UTC))
    )


def _hour(cell: LoadCell, zone: tzinfo) -> SafeString:
    if cell.at is None:
        return mark_safe('<span class="cell past">·</span>')
    if not cell.runs:
        return mark_safe('<span class="cell h0">0</span>')
    address = f"{reverse('activity')}?hour={quote(iso(cell.at))}#hour"
    name = cell_words(cell.at.astimezone(zone), cell.runs)
    return format_html(
        '<a class="h{}" href="{}" aria-label="{}">{}</a>', cell.level, address, name, formatting.number(cell.runs)
    )


def cell_words(local: datetime, runs: int) -> str:
    """Return what one hour of the load says: "Wed 18 14:00 CET, 171 runs"."""
    return f"{local:%a} {local.day} {local:%H:%M} {formatting.zone_name(local)}, {_runs(runs)}"


def _runs(count: int) -> str:
    return f"{formatting.number(count)} run{'' if count == 1 else 's'}"
