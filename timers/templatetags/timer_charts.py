"""The pictures of one timer: how long its last runs took, and how half a year of days went."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, date, timedelta
from typing import Any

from django import template
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from timers import formatting
from timers.lifecycle import ExecutionStatus
from timers.queries.timers.runs import WEEKS, Durations, RunDay, RunDays, RunDuration

register = template.Library()

CROSS = '<path class="mark cross" d="M-4-4 4 4M4-4-4 4"/>'
_BUSY = (ExecutionStatus.RUNNING, ExecutionStatus.RETRYING, ExecutionStatus.PENDING)
_TOLD = ("failed", "cancelled", "running", "retrying", "pending")


# Durations

HEIGHT, LOWEST = 132, 3.0
WIDEST = 2.5
"""Width of a bar in per cent at most, when there are few of them."""


@register.simple_tag(takes_context=True)
def durations_picture(context: Mapping[str, Any], shown: Durations) -> SafeString:
    """Return the last runs as bars, oldest at the left: failed ones bear a cross, running ones are open."""
    rules = [(f"{y:.1f}",) * 2 for y in (0.5, HEIGHT / 3 + 0.5, HEIGHT * 2 / 3 + 0.5, HEIGHT - 0.5)]
    return format_html(
        '<svg role="img" aria-label="{}">{}{}{}</svg>',
        durations_words(shown),
        format_html_join("", '<line class="rule" x1="0" x2="100%" y1="{}" y2="{}"/>', rules),
        format_html_join("", "{}", ((bar,) for bar in _bars(context, shown))),
        format_html_join("", '<line class="{}" x1="0" x2="100%" y1="{}" y2="{}"/>', _levels(shown)),
    )


def durations_words(shown: Durations) -> str:
    """Return the name of the picture: its result in words."""
    states = [run.status for run in shown.runs]
    said = []
    if shown.median is not None and shown.p95 is not None:
        said.append(f"median {formatting.duration(shown.median)}, 95 % within {formatting.duration(shown.p95)}")
    counts = ", ".join(f"{states.count(state)} {state}" for state in _TOLD if state in states)
    return f"Duration of the last {len(states)} runs: {'; '.join([*said, counts or 'all completed'])}"


def _levels(shown: Durations) -> Iterator[tuple[str, str, str]]:
    for name, value in (("median", shown.median), ("p95", shown.p95)):
        if value is not None and value <= shown.top:
            y = f"{HEIGHT - HEIGHT * value / shown.top:.1f}"
            yield name, y, y


def _bars(context: Mapping[str, Any], shown: Durations) -> Iterator[SafeString]:
    slot = 100 / len(shown.runs)
    width = min(slot * 0.75, WIDEST)
    for index, run in enumerate(shown.runs):
        yield _bar(run, index * slot + (slot - width) / 2, width, shown.top, _told(context, run))


def _told(context: Mapping[str, Any], run: RunDuration) -> str:
    planned = formatting.clock_text(run.planned, context.get("zone", UTC), now=context.get("now"))
    return f"{planned}: {run.status}" + ("" if run.took is None else f", {formatting.duration(run.took)}")


def _bar(run: RunDuration, x: float, width: float, top: float, told: str) -> SafeString:
    share = (run.took or 0.0) / top
    height = max(LOWEST, HEIGHT * min(share, 1.0))
    y = HEIGHT - height
    left, right = f"{x:.2f}", f"{x + width:.2f}"
    cut = format_html('<line class="cut" x1="{}%" x2="{}%" y1="9" y2="5"/>', left, right) if share > 1 else ""
    cross = format_html('<svg x="{}%" y="{}" class="spark">{}</svg>', f"{x + width / 2:.2f}", f"{y - 9:.0f}", _CROSS)
    return format_html(
        '<g><title>{}</title><rect class="mark {}" x="{}%" y="{}" width="{}%" height="{}" rx="1.5"/>{}{}</g>',
        told,
        _class(run.status),
        left,
        f"{y:.1f}",
        f"{width:.2f}",
        f"{height:.1f}",
        cut,
        cross if run.status == ExecutionStatus.FAILED else "",
    )


def _class(status: str) -> str:
    if status in _BUSY:
        return "open is-run" if status == ExecutionStatus.RUNNING else "open is-wait"
    return {"completed": "is-ok", "failed": "is-bad"}.get(status, "is-idle")


# Days

_LEFT, _ABOVE, _STEP, _CELL = 30, 16, 13, 11
_WEEKDAYS = ((0, "Mon"), (2, "Wed"), (4, "Fri"))
_CROSS = SafeString(CROSS)


@register.simple_tag
def days_picture(shown: RunDays) -> SafeString:
    """Return half a year as one square a day, a column a week: fuller with more runs, a cross where one failed."""
    width, height = _LEFT + WEEKS * _STEP - 2, _ABOVE + 7 * _STEP - 2
    cells = [
        (_cell(day, _LEFT + column * _STEP, _ABOVE + row * _STEP, shown),)
        for column, week in enumerate(shown.weeks)
        for row, day in enumerate(week)
        if day.date >= shown.first
    ]
    return format_html(
        '<svg class="days" viewBox="0 0 {} {}" role="img" aria-label="{}">{}{}{}</svg>',
        width,
        height,
        days_words(shown),
        format_html_join("", '<text class="axis" x="{}" y="11">{}</text>', _months(shown)),
        format_html_join(
            "",
            '<text class="axis" x="0" y="{}">{}</text>',
            ((_ABOVE + row * _STEP + 10, word) for row, word in _WEEKDAYS),
        ),
        format_html_join("", "{}", cells),
    )


def days_words(shown: RunDays) -> str:
    """Return the name of the picture: its result in words."""
    failing, runs = len(shown.failing), shown.runs
    many = f"{formatting.number(runs)} run{'' if runs == 1 else 's'}"
    said = f"failures on {failing} day{'' if failing == 1 else 's'}" if failing else "no failure"
    return f"Days of the last {WEEKS} weeks: {many}, {said}" if runs else f"No run in the last {WEEKS} weeks"


def _months(shown: RunDays) -> Iterator[tuple[int, str]]:
    """Yield where each month begins; none so near to the edge, or to the one before, that its name has no room."""
    last = -WEEKS
    for column, week in enumerate(shown.weeks):
        first = next((day.date for day in week if day.date.day == 1), week[0].date if column == 0 else None)
        if first is not None and column - last >= 3 and column <= WEEKS - 2:
            if column == 0 and _begins_soon(shown):
                continue
            last = column
            yield _LEFT + column * _STEP, f"{first:%b}"


def _begins_soon(shown: RunDays) -> bool:
    """Return whether another month begins in one of the next columns, so that its name takes the room."""
    return any(day.date.day == 1 for week in shown.weeks[1:3] for day in week)


def _cell(day: RunDay, x: int, y: int, shown: RunDays) -> SafeString:
    middle_x, middle_y = x + _CELL / 2, y + _CELL / 2
    mark = SafeString("")
    if day.failed:
        mark = format_html('<svg x="{}" y="{}" overflow="visible">{}</svg>', middle_x, middle_y, _CROSS)
    elif day.skipped and not day.runs:
        mark = format_html('<circle class="mark is-idle" cx="{}" cy="{}" r="2"/>', middle_x, middle_y)
    return format_html(
        '<g><title>{}</title><rect class="{}" x="{}" y="{}" width="{}" height="{}" rx="2.5"/>{}</g>',
        f"{day_text(day.date)}: {day_words(day)}",
        _level(day, shown.busiest),
        x,
        y,
        _CELL,
        _CELL,
        mark,
    )


def _level(day: RunDay, busiest: int) -> str:
    """Return how full the square is; one with a cross is empty, so that the cross is seen."""
    if not day.runs or day.failed:
        return "none"
    return "d1" if day.runs * 3 <= busiest else "d2" if day.runs * 3 <= busiest * 2 else "d3"


@register.filter
def day_text(day: date) -> str:
    """Return a day of the calendar as people read it."""
    return f"{day:%a} {day.day} {day:%b} {day.year}"


@register.filter
def day_words(day: RunDay) -> str:
    """Return how one day went."""
    parts = [f"{formatting.number(day.runs)} run{'' if day.runs == 1 else 's'}"] if day.runs else []
    parts += [f"{formatting.number(day.failed)} failed"] if day.failed else []
    parts += [f"{formatting.number(day.skipped)} skipped"] if day.skipped else []
    return ", ".join(parts) or "no run"


@register.filter
def week_text(monday: date) -> str:
    """Return the days of a week as people read them: "2 to 8 Mar 2026"."""
    sunday = monday + timedelta(days=6)
    first = f"{monday.day}" if monday.month == sunday.month else f"{monday.day} {monday:%b}"
    return f"{first} to {sunday.day} {sunday:%b} {sunday.year}"
