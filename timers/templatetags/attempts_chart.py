"""The attempts of one run as a picture along the time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from django import template
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString, mark_safe

from timers import formatting
from timers.queries.executions.detail import ExecutionOverview

register = template.Library()

STEPS = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 21600, 43200, 86400, 604800)
"""Seconds between two marks on the axis."""

MAX_MARKS = 6

FIRST_WORDS = 27
"""Per cent that the first time with its zone takes in a narrow picture."""

CROSS = mark_safe('<g transform="translate(9)"><path class="mark cross" d="M-4-4 4 4M4-4-4 4"/></g>')

MIN_WIDTH_PERCENT = 0.8
"""Per cent that even the shortest attempt takes."""

MAX_DRAWN = 30


@dataclass(frozen=True)
class _Scale:
    """Instants as per cent of the picture's width."""

    begin: datetime
    length: timedelta

    def x(self, instant: datetime) -> float:
        return min(100.0, max(0.0, (instant - self.begin) / self.length * 100))


@register.simple_tag(takes_context=True)
def chain(context: Mapping[str, Any], shown: ExecutionOverview) -> SafeString:
    """Return the attempts along the time, with the waits between them; nothing for a single attempt."""
    attempts = shown.attempts[-MAX_DRAWN:]
    due = shown.execution.lease_until if shown.execution.status == "retrying" else None
    if not attempts or len(attempts) + shown.at_work + (due is not None) < 2:
        return mark_safe("")
    now, zone = context["now"], context.get("zone", UTC)
    until = max(
        filter(None, [attempts[-1].finished_at, shown.execution.finished_at, due, now if shown.unfinished else None])
    )
    begin = attempts[0].started_at
    scale = _Scale(begin, max(until - begin, timedelta(milliseconds=1)) * 1.04)
    return format_html(
        '<svg class="chain" height="60" role="img" aria-label="{}">{}{}{}</svg>',
        _words(shown, due, zone, now),
        _axis(scale, zone),
        format_html_join("", "{}", ((mark,) for mark in _marks(shown, attempts, scale, due, now))),
        _now(scale, now) if shown.unfinished else "",
    )


def _words(shown: ExecutionOverview, due: datetime | None, zone: Any, now: datetime) -> str:
    states = [
        f"attempt {attempt.number} {attempt.outcome} after"
        f" {formatting.duration(attempt.finished_at - attempt.started_at)}"
        for attempt in shown.attempts
    ]
    if due is not None:
        states.append(f"attempt {shown.next_attempt} due {formatting.clock_text(due, zone, now=now, style='second')}")
    elif shown.at_work:
        states.append(f"attempt {shown.execution.attempt} running")
    return f"Course of the attempts: {'; '.join(states[-MAX_DRAWN:])}"


def _axis(scale: _Scale, zone: Any) -> SafeString:
    seconds = scale.length.total_seconds()
    step = next(
        (step for step in STEPS if seconds / step <= MAX_MARKS),
        STEPS[-1] * (1 + int(seconds / STEPS[-1] / MAX_MARKS)),
    )
    first = scale.begin.replace(microsecond=0)
    marks = []
    for number in range(int(seconds // step) + 1):
        at = first + timedelta(seconds=number * step)
        x = scale.x(at)
        if number > 0 and x < FIRST_WORDS:
            continue
        anchor = "start" if x < 4 else "end" if x > 96 else "middle"
        words = formatting.clock_text(at, zone, style="time") if number == 0 else f"{at.astimezone(zone):%H:%M:%S}"
        marks.append((f"{x:.1f}", f"axis{' alt' if number % 2 else ''}", anchor, words))
    return format_html_join(
        "",
        '<line class="rule" x1="{0}%" x2="{0}%" y1="18" y2="52"/>'
        '<text class="{1}" x="{0}%" y="11" text-anchor="{2}">{3}</text>',
        marks,
    )


def _marks(
    shown: ExecutionOverview, attempts: list[Any], scale: _Scale, due: datetime | None, now: datetime
) -> Iterator[SafeString]:
    for number, attempt in enumerate(attempts):
        begin, end = scale.x(attempt.started_at), scale.x(attempt.finished_at)
        following = attempts[number + 1].started_at if number + 1 < len(attempts) else due
        tone = {"completed": "ok", "failed": "bad", "waiting": "run"}.get(attempt.outcome, "idle")
        width = max(end - begin, MIN_WIDTH_PERCENT)
        yield _bar(begin, width, f"mark is-{tone}", attempt.number)
        if attempt.outcome == "failed":
            yield format_html('<svg x="{}%" y="35" class="spark">{}</svg>', f"{begin + width:.2f}", CROSS)
        if following is not None:
            yield _wait(begin + width, scale.x(following))
    if shown.at_work:
        yield _bar(max(scale.x(now) - 3.0, 0.0), 3.0, "mark open is-run", shown.execution.attempt)
    if due is not None:
        yield _bar(scale.x(due), 3.0, "mark plan", shown.next_attempt)


def _bar(x: float, width: float, classes: str, number: int) -> SafeString:
    return format_html(
        '<rect class="{}" x="{}%" y="29" width="{}%" height="12" rx="3"/><text class="axis" x="{}%" y="56">{}</text>',
        classes,
        f"{x:.2f}",
        f"{min(width, 100 - x):.2f}",
        f"{x:.2f}",
        number,
    )


def _wait(begin: float, end: float) -> SafeString:
    """Return the line of a wait, with room for the cross at its left."""
    if end - begin < 4:
        return mark_safe("")
    return format_html(
        '<line class="mark wait" x1="{}%" x2="{}%" y1="35" y2="35"/>', f"{begin + 2.6:.2f}", f"{end - 0.8:.2f}"
    )


def _now(scale: _Scale, now: datetime) -> SafeString:
    x = scale.x(now)
    anchor = "end" if x > 96 else "middle"
    return format_html(
        '<line class="nowline" x1="{0}%" x2="{0}%" y1="16" y2="46"/>'
        '<text class="axis now" x="{0}%" y="56" text-anchor="{1}">now</text>',
        f"{x:.2f}",
        anchor,
    )
