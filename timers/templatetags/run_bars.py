"""The last runs of a timer as a row of small bars."""

from __future__ import annotations

from collections.abc import Iterable

from django import template
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString, mark_safe

from timers.queries.timers.last_runs import LastRun

register = template.Library()

_STEP, _BASE = 5.4, 19


@register.simple_tag
def spark(bars: Iterable[LastRun]) -> SafeString:
    """Return the last runs as bars, oldest at the left: height is duration, failed ones hang below the line."""
    bars = list(bars)[::-1]
    if not bars:
        return mark_safe('<span class="dim">no runs yet</span>')
    longest = max((bar.seconds for bar in bars), default=0) or 1
    width = max(len(bars), 24) * _STEP
    offset = width - len(bars) * _STEP
    strokes: dict[str, list[str]] = {}
    for index, bar in enumerate(bars):
        name, stroke = _bar(bar, offset + index * _STEP + 1.9, longest)
        strokes.setdefault(name, []).append(stroke)
    marks = format_html_join("", '<path class="mark {}" d="{}"/>', ((name, "".join(d)) for name, d in strokes.items()))
    return format_html(
        '<svg class="spark" width="{}" height="28" role="img" aria-label="{}">'
        '<path class="rule" d="M0 {}h{}"/>{}</svg>',
        round(width),
        spark_words(bars),
        _BASE + 0.5,
        round(width),
        marks,
    )


def spark_words(bars: Iterable[LastRun]) -> str:
    """Return the name of the picture: its result in words."""
    states = [bar.status for bar in bars]
    order = ("completed", "failed", "cancelled", "running", "retrying", "pending", "skipped")
    said = ", ".join(f"{states.count(state)} {state}" for state in order if state in states)
    return f"Last {len(states)}: {said}" if len(states) > 1 else f"Last one: {states[0]}"


def _bar(bar: LastRun, x: float, longest: float) -> tuple[str, str]:
    """Return the class of a bar, and its stroke around `x`: one path of each class keeps long lists small."""
    if bar.status == "completed":
        return "bar is-ok", f"M{x:.1f} {_BASE}v-{4 + 14 * min(1.0, bar.seconds / longest):.1f}"
    if bar.status == "failed":
        return "bar is-bad", f"M{x:.1f} 20.5v7"
    if bar.status in ("running", "retrying", "pending"):
        tone = "run" if bar.status == "running" else "wait"
        return f"open is-{tone}", f"M{x - 1.5:.1f} 7h3v12h-3z"
    return "bar is-idle", f"M{x:.1f} 17v2"
