"""The load to come as a picture, and its hours in words."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC
from typing import Any

from django import template
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from timers import formatting
from timers.queries.executions.load_forecast import Cell, Load

register = template.Library()

HEIGHT = 48


@register.simple_tag(takes_context=True)
def skyline(context: Mapping[str, Any], load: Load) -> SafeString:
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


def load_words(context: Mapping[str, Any], load: Load) -> str:
    """Return what the picture of the load says."""
    busiest, now, zone = load.busiest, context.get("now"), context.get("zone", UTC)
    if busiest is None or busiest.at is None:
        return "No run is planned in the next seven days"
    runs = f"{_runs(load.total)} planned in the next seven days"
    hour = formatting.clock_text(busiest.at, zone, now=now)
    return f"{runs}; most in the hour from {hour}: {formatting.number(busiest.runs)}"


@register.simple_tag(takes_context=True)
def cell_words(context: Mapping[str, Any], cell: Cell) -> str:
    """Return what one hour of the load says: "Wed 18 14:00 CET, 171 runs"."""
    assert cell.at is not None
    local = cell.at.astimezone(context.get("zone", UTC))
    return f"{local:%a} {local.day} {local:%H:%M} {formatting.zone_name(local)}, {_runs(cell.runs)}"


def _runs(count: int) -> str:
    return f"{formatting.number(count)} run{'' if count == 1 else 's'}"
