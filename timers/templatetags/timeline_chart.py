"""The lanes of the first page: one picture per timer over the same stretch of time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from django import template
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from timers import formatting
from timers.queries.timers.timeline import Mark, Timeline, TimelineRow
from timers.templatetags.timer_charts import CROSS

register = template.Library()

HEIGHT, MIDDLE = 26, 13
NEAR = 0.008
"""Marks of one kind that are nearer, as a share of the width, are drawn as one."""
SHORT = 0.005
"""Runs shorter than this are drawn five pixels wide."""
_TOLD = ("completed", "failed", "cancelled", "running", "retrying", "pending", "skipped")
_STROKES: Mapping[str, str] = {
    "completed": '<rect class="mark is-ok" x="{}" y="7" width="{}" height="12" rx="3"/>',
    "cancelled": '<rect class="mark is-idle" x="{}" y="9" width="{}" height="8" rx="3"/>',
    "running": '<rect class="mark open is-run" x="{}" y="7.5" width="{}" height="11" rx="3"/>',
    "retrying": '<rect class="mark open is-wait" x="{}" y="7.5" width="{}" height="11" rx="3"/>',
    "unseen": '<rect class="mark unseen" x="{}" y="7" width="{}" height="12" rx="3"/>',
    "planned": '<rect class="mark plan" x="{}" y="7.5" width="{}" height="11" rx="3"/>',
}


# Pictures


@register.simple_tag(takes_context=True)
def lane_picture(context: Mapping[str, Any], shown: Timeline, lane: TimelineRow) -> SafeString:
    """Return one timer's lane: completed runs full, failed ones crosses, running ones open, planned ones dashed."""
    return format_html(
        '<svg height="{}" role="img" aria-label="{}">{}<line class="rule" x1="0" x2="100%" y1="{}" y2="{}"/>{}{}</svg>',
        HEIGHT,
        f"{lane.timer.name}: {lane_words(context, lane)}",
        format_html_join(
            "",
            '<line class="rule" x1="{}" x2="{}" y1="0" y2="{}"/>',
            ((at, at, HEIGHT) for at in (_percent(shown.share(tick)) for tick in shown.ticks)),
        ),
        MIDDLE,
        MIDDLE,
        format_html_join("", "{}", ((mark,) for mark in _marks(shown, lane))),
        _now_line(shown, context["now"]),
    )


def _now_line(shown: Timeline, now: datetime) -> SafeString:
    at = _percent(shown.share(now))
    return format_html('<line class="nowline" x1="{}" x2="{}" y1="0" y2="{}"/>', at, at, HEIGHT)


def _marks(shown: Timeline, lane: TimelineRow) -> Iterator[SafeString]:
    """Yield the marks: what matters most comes last, so that it lies on top."""
    for status in ("unseen", "paused", "skipped", "cancelled", "planned", "completed", "retrying", "running", "failed"):
        strokes = _joined([mark for mark in lane.marks if mark.status == status], shown)
        for begin, end in strokes:
            yield _mark(status, begin, end)


def _joined(marks: list[Mark], shown: Timeline) -> Iterator[tuple[float, float]]:
    """Yield from where to where to draw, as shares of the width: neighbours are one."""
    begin = end = -1.0
    for mark in sorted(marks, key=lambda mark: mark.begin):
        first, last = shown.share(mark.begin), shown.share(mark.end)
        if begin >= 0 and first - end < NEAR:
            end = max(end, last)
            continue
        if begin >= 0:
            yield begin, end
        begin, end = first, last
    if begin >= 0:
        yield begin, end


def _mark(status: str, begin: float, end: float) -> SafeString:
    if status == "failed":
        crosses = [begin] if end - begin < 4 * NEAR else [begin, (begin + end) / 2, end]
        return format_html_join(
            "",
            '<svg x="{}" y="{}" class="spark"><path class="halo" d="M-4-4 4 4M4-4-4 4"/>{}</svg>',
            ((_percent(at), MIDDLE, SafeString(CROSS)) for at in crosses),
        )
    if status == "skipped":
        return format_html('<circle class="mark is-idle" cx="{}" cy="{}" r="2"/>', _percent(begin), MIDDLE)
    if status == "paused":
        points = (_percent(begin), _percent(end), MIDDLE, MIDDLE)
        return format_html('<line class="mark hold" x1="{}" x2="{}" y1="{}" y2="{}"/>', *points)
    width = _percent(end - begin) if end - begin > SHORT else "6" if status == "planned" else "5"
    return format_html(_STROKES[status], _percent(begin), width)


@register.simple_tag(takes_context=True)
def timeline_axis(context: Mapping[str, Any], shown: Timeline) -> SafeString:
    """Return the hours (or days) above the lanes, on the reader's clock."""
    zone = context.get("zone", UTC)
    is_days = shown.zoom.step >= timedelta(days=1)
    last = len(shown.ticks) - 1
    texts = [
        (
            "axis alt" if index % 2 else "axis",
            _percent(shown.share(tick)),
            "start" if index == 0 else "end" if index == last and shown.share(tick) > 0.97 else "middle",
            f"{tick.astimezone(zone):%a %-d}" if is_days else f"{tick.astimezone(zone):%H:%M}",
        )
        for index, tick in enumerate(shown.ticks)
    ]
    return format_html(
        '<svg height="20" aria-hidden="true">{}</svg>',
        format_html_join("", '<text class="{}" x="{}" y="12" text-anchor="{}">{}</text>', texts),
    )


@register.simple_tag(takes_context=True)
def timeline_now(context: Mapping[str, Any], shown: Timeline) -> SafeString:
    """Return what stands below the line of the present instant."""
    now = context["now"]
    return format_html(
        '<svg height="16" aria-hidden="true">'
        '<text class="axis now" x="{}" y="12" text-anchor="middle">now, {}</text></svg>',
        _percent(shown.share(now)),
        _clock(context, now, seconds=False),
    )


# Words


@register.simple_tag(takes_context=True)
def timeline_zone(context: Mapping[str, Any]) -> str:
    """Return the short name of the reader's zone."""
    return formatting.zone_name(context["now"].astimezone(context.get("zone", UTC)))


@register.simple_tag(takes_context=True)
def lane_words(context: Mapping[str, Any], lane: TimelineRow) -> str:
    """Return what a lane shows, in words."""
    said = [f"{formatting.number(lane.counts[state])} {state}" for state in _TOLD if lane.counts.get(state)]
    if lane.running_since is not None:
        said.append(f"running since {_clock(context, lane.running_since)}")
    if lane.timer.status == "paused":
        said.append(f"{lane.state} since {_clock(context, lane.timer.status_changed_at)}")
    if lane.planned:
        said.append(f"{formatting.number(lane.planned)} planned, the next {_clock(context, lane.next_at)}")
    if lane.cut_before is not None:
        said.append(f"counted from {_clock(context, lane.cut_before)} on")
    return ", ".join(said) or "nothing in this time"


def _clock(context: Mapping[str, Any], instant: datetime | None, *, seconds: bool = True) -> str:
    """Return an instant on the reader's clock; the day only when it is another one."""
    if instant is None:
        return ""
    zone, now = context.get("zone", UTC), context["now"]
    is_today = instant.astimezone(zone).date() == now.astimezone(zone).date()
    shown = instant if seconds else instant.replace(second=0, microsecond=0)
    return formatting.clock_text(shown, zone, now=now, style="time" if is_today else "minute")


def _percent(share: float) -> str:
    return f"{100 * share:.2f}".rstrip("0").rstrip(".") + "%"
