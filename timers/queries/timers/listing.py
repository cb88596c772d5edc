"""The list of timers: filtered, ordered, one page at a time."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.db import models
from django.db.models import Q
from django.db.models.functions import Lower

from timers import clock
from timers.actions.base import ACTIONS
from timers.lifecycle import UNFINISHED, ExecutionStatus, TimerStatus
from timers.models import Execution, Timer, TimerTag
from timers.models.timers import TimerQuerySet
from timers.queries.paging import Order, Page, SortKey, page_of_parts
from timers.queries.timers.counts import FAILING, TimerCounts, timer_counts
from timers.queries.timers.filters import TimerFilters, filtered
from timers.queries.timers.last_runs import LastRun, last_runs
from timers.scheduling import text
from timers.scheduling.bounds import parse_schedule

PAGE_SIZE = 50

_ID = SortKey("pk", uuid.UUID)
_NEXT = (SortKey("schedule__next_run_at", datetime), _ID)
_NEWEST = (SortKey("created_at", datetime, descending=True), _ID)
_WITHOUT_NEXT = Q(schedule__next_run_at__isnull=True)
ORDERS: Mapping[str, Sequence[tuple[Q, Order]]] = {
    "attention": (
        (FAILING & ~_WITHOUT_NEXT, Order("failing", _NEXT)),
        (FAILING & _WITHOUT_NEXT, Order("failing-rest", _NEWEST)),
        (~FAILING & ~_WITHOUT_NEXT, Order("others", _NEXT)),
        (~FAILING & _WITHOUT_NEXT, Order("others-rest", _NEWEST)),
    ),
    "next": ((~_WITHOUT_NEXT, Order("next", _NEXT)), (_WITHOUT_NEXT, Order("next-rest", _NEWEST))),
    "name": ((Q(), Order("name", (SortKey("sort_name", str), _ID))),),
    "newest": ((Q(), Order("newest", _NEWEST)),),
}
"""Phases of each order, one after the other, with condition and columns. Each phase is read from an index."""


@dataclass(frozen=True)
class ScheduleText:
    """A schedule in words: the rule, and its time zone."""

    rule: str
    zone: str


@dataclass(frozen=True)
class TimerRow:
    """One timer in the list."""

    timer: Timer
    state: str
    schedule: ScheduleText
    summary: str
    tags: list[tuple[str, str]]
    bars: list[LastRun] = field(default_factory=list)
    since: datetime | None = None
    """Start of the execution that is running."""

    @property
    def can_pause(self) -> bool:
        return self.timer.status == TimerStatus.ACTIVE

    @property
    def can_resume(self) -> bool:
        return self.timer.status == TimerStatus.PAUSED

    @property
    def last(self) -> LastRun | None:
        """The last run that has ended."""
        return next((bar for bar in self.bars if bar.ended is not None), None)


@dataclass(frozen=True)
class TimersPage:
    """A page of the list of timers, with the counts above it."""

    page: Page[TimerRow]
    figures: TimerCounts
    tags: list[str]
    filters: TimerFilters


def timers_page(user: Any, *, now: datetime, filters: TimerFilters, marker: str | None = None) -> TimersPage:
    """Return a page of the list, from at most ten queries, however many timers there are."""
    visible = Timer.objects.visible_to(user).not_deleted()
    return TimersPage(
        page=_page(visible, now=now, filters=filters, marker=marker),
        figures=timer_counts(user, now=now),
        tags=list(
            TimerTag.objects.filter(timer__in=visible.values("pk"))
            .order_by("key")
            .values_list("key", flat=True)
            .distinct()[:200]
        ),
        filters=filters,
    )


def timer_row(timer: Timer, *, now: datetime) -> TimerRow:
    """Return the row of a timer."""
    return _rows([timer], now=now)[0]


def find_timer(user: Any, timer_id: uuid.UUID) -> Timer | None:
    """Return the timer, even a deleted one; None if it does not exist or is not visible to the user."""
    timers = Timer.objects.visible_to(user).filter(pk=timer_id)
    return timers.select_related("schedule", "definition", "owner", "status_changed_by").first()


def find_timers(user: Any, ids: Sequence[uuid.UUID]) -> list[Timer]:
    """Return the timers with these ids that are visible to the user and not deleted, by name."""
    timers = Timer.objects.visible_to(user).not_deleted().filter(pk__in=ids)
    return list(timers.select_related("schedule", "definition", "owner").order_by(Lower("name"), "pk"))


def schedule_text(document: Mapping[str, Any]) -> ScheduleText:
    """Return a stored schedule in words. A rule that can no longer be read is shown as its kind."""
    try:
        schedule = parse_schedule(document, now=clock.EPOCH, refuse_never=False)
        return ScheduleText(text.describe(schedule).replace(f" ({schedule.timezone})", ""), schedule.timezone)
    except Exception:  # one broken rule must not break the whole list
        return ScheduleText(f"{document.get('type', 'unknown')} (unreadable)", "")


# Pages


def _page(visible: TimerQuerySet, *, now: datetime, filters: TimerFilters, marker: str | None) -> Page[TimerRow]:
    timers = filtered(visible, filters, now=now).annotate(sort_name=Lower("name"))
    timers = timers.select_related("schedule", "definition", "owner")
    phases = [(timers.filter(condition), order) for condition, order in ORDERS[filters.order]]
    listed = page_of_parts(phases, limit=PAGE_SIZE, marker=marker)
    return Page(_rows(listed.rows, now=now), listed.next_marker)


# Rows


def _rows(timers: Sequence[Timer], *, now: datetime) -> list[TimerRow]:
    """Return the rows of these timers, from three queries: tags, last runs, unfinished executions."""
    ids = [timer.pk for timer in timers]
    tags: dict[uuid.UUID, list[tuple[str, str]]] = {}
    for timer_id, key, value in (
        TimerTag.objects.filter(timer__in=ids).order_by("id").values_list("timer_id", "key", "value")
    ):
        tags.setdefault(timer_id, []).append((key, value))
    bars = last_runs(ids, now=now)
    unfinished = unfinished_of(ids)
    return [
        _row(timer, unfinished.get(timer.pk, {}), tags.get(timer.pk, []), bars.get(timer.pk, [])) for timer in timers
    ]


def _row(
    timer: Timer, unfinished: Mapping[str, datetime | None], tags: list[tuple[str, str]], bars: list[LastRun]
) -> TimerRow:
    definition = timer.definition
    return TimerRow(
        timer=timer,
        state=state_of(timer, unfinished),
        schedule=schedule_text(definition.schedule if definition else {}),
        summary=_summary(timer),
        tags=tags,
        bars=bars,
        since=unfinished.get(ExecutionStatus.RUNNING),
    )


def state_of(timer: Timer, unfinished: Mapping[str, datetime | None]) -> str:
    """Return the state to show: that of an unfinished execution if there is one, else the timer's."""
    if timer.status == TimerStatus.PAUSED:
        by_itself = timer.status_changed_by_id is None and timer.schedule.consecutive_failures > 0
        return "auto-paused" if by_itself else "paused"
    if timer.status == TimerStatus.ACTIVE:
        for busy in (ExecutionStatus.RUNNING, ExecutionStatus.RETRYING):
            if busy in unfinished:
                return busy
    return timer.status


def _summary(timer: Timer) -> str:
    if timer.definition is None:
        return ""
    try:
        return ACTIONS.get(timer.action).summary(timer.definition.body)
    except Exception:  # the kind of action is no longer installed
        return ""


def unfinished_of(ids: Sequence[uuid.UUID]) -> dict[uuid.UUID, dict[str, datetime | None]]:
    """Return, by timer, the states of its unfinished executions with the earliest start, from one query."""
    states_by_timer: dict[uuid.UUID, dict[str, datetime | None]] = {}
    rows = Execution.objects.filter(timer__in=ids, status__in=UNFINISHED).values_list("timer_id", "status")
    for timer_id, status, began in rows.annotate(began=models.Min("started_at")):
        states_by_timer.setdefault(timer_id, {})[status] = began
    return states_by_timer
