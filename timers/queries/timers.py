"""Timers as the pages show them: the list with its figures."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from django.db import connection, models
from django.db.models import Case, Count, Q, Value, When
from django.db.models.functions import Coalesce, Lower

from timers import clock
from timers.lifecycle import UNFINISHED, ExecutionStatus, TimerStatus
from timers.models import Execution, Timer, TimerTag
from timers.queries.paging import Page, after, read_marker, write_marker
from timers.scheduling import text
from timers.scheduling.bounds import parse_schedule

PAGE_SIZE = 50
BARS = 24
LATE_AFTER = timedelta(seconds=5)
NEVER = 2**62
"""Stands behind every instant, for timers without a next run."""

STATUSES = ("active", "paused", "failing", "running", "late", "due", "ended")
ORDERS = {
    "attention": ("sort_failing", "sort_next"),
    "name": ("sort_name",),
    "newest": ("-created_at",),
}
"""Columns of each order; the id breaks ties."""


@dataclass(frozen=True)
class Filters:
    """What the reader looks for; empty words mean everything."""

    q: str = ""
    status: str = ""
    action: str = ""
    tag: str = ""
    order: str = "attention"

    @property
    def any(self) -> bool:
        return bool(self.q or self.status or self.action or self.tag)


@dataclass(frozen=True)
class Bar:
    """One run in a small picture."""

    status: str
    seconds: float


@dataclass(frozen=True)
class Words:
    """A schedule for people: the rule, and the zone whose clock it reads."""

    rule: str
    zone: str


@dataclass(frozen=True)
class TimerRow:
    """One timer in the list."""

    timer: Timer
    state: str
    schedule: Words
    summary: str
    tags: list[tuple[str, str]]
    bars: list[Bar] = field(default_factory=list)
    since: datetime | None = None
    """When what runs now began."""

    @property
    def can_pause(self) -> bool:
        return self.timer.status == TimerStatus.ACTIVE

    @property
    def can_resume(self) -> bool:
        return self.timer.status == TimerStatus.PAUSED


@dataclass(frozen=True)
class Figures:
    """The numbers on top of the list."""

    total: int
    active: int
    paused: int
    auto_paused: int
    failing: int
    late: int
    due: int
    running: int
    waiting: int
    retrying: int


@dataclass(frozen=True)
class TimersPage:
    """The list of timers with the figures above it."""

    page: Page[TimerRow]
    figures: Figures
    tags: list[str]
    filters: Filters


def timers_page(user: Any, *, now: datetime, filters: Filters, marker: str | None = None) -> TimersPage:
    """Return a page of the list: seven queries, however many timers there are."""
    visible = Timer.objects.visible_to(user).not_deleted()
    return TimersPage(
        page=_page(visible, now=now, filters=filters, marker=marker),
        figures=_figures(visible, user, now=now),
        tags=list(
            TimerTag.objects.filter(timer__in=visible.values("pk"))
            .order_by("key")
            .values_list("key", flat=True)
            .distinct()[:200]
        ),
        filters=filters,
    )


def timer_row(timer: Timer, *, now: datetime) -> TimerRow:
    """Return one row of the list."""
    return _rows([timer], now=now)[0]


def find_timer(user: Any, timer_id: uuid.UUID) -> Timer | None:
    """Return the timer, deleted ones too, or None when the user may not know of it."""
    found = Timer.objects.visible_to(user).filter(pk=timer_id)
    return found.select_related("schedule", "definition", "owner", "status_changed_by").first()


def words_for(document: dict[str, Any]) -> Words:
    """Return a stored schedule in words; a rule that can no longer be read is shown as its kind."""
    try:
        schedule = parse_schedule(document, now=clock.EPOCH, refuse_never=False)
        return Words(text.describe(schedule).replace(f" ({schedule.timezone})", ""), schedule.timezone)
    except Exception:  # one broken rule must not hide the list that helps to find it
        return Words(f"{document.get('type', 'unknown')} (unreadable)", "")


# The list


def _page(visible: models.QuerySet[Timer], *, now: datetime, filters: Filters, marker: str | None) -> Page[TimerRow]:
    order = [*ORDERS.get(filters.order, ORDERS["attention"]), "pk"]
    found = _with_sort_keys(_filtered(visible, filters, now=now), filters.order).order_by(*order)
    place = read_marker(marker, len(order))
    if place is not None:
        found = found.filter(_after_place(order, place))
    timers = list(found.select_related("schedule", "definition")[: PAGE_SIZE + 1])
    more = len(timers) > PAGE_SIZE
    timers = timers[:PAGE_SIZE]
    return Page(_rows(timers, now=now), write_marker(*_place(timers[-1], order)) if more else None)


def _with_sort_keys(found: models.QuerySet[Timer], order: str) -> models.QuerySet[Timer]:
    """Return the timers with what their order needs that is no column."""
    if order == "name":
        return found.annotate(sort_name=Lower("name"))
    if order == "newest":
        return found
    failing = Case(When(schedule__consecutive_failures__gt=0, then=Value(0)), default=Value(1))
    upcoming = Coalesce("schedule__next_run_at", Value(NEVER), output_field=models.BigIntegerField())
    return found.annotate(sort_failing=failing, sort_next=upcoming)


def _place(timer: Timer, order: Sequence[str]) -> list[Any]:
    """Return where a timer stands in the order, as plain values."""
    values = [getattr(timer, name.removeprefix("-")) for name in order]
    return [clock.to_us(value) if isinstance(value, datetime) else value for value in values]


def _after_place(order: Sequence[str], place: Sequence[Any]) -> Q:
    """Return the condition of what comes after a place; none at all for one that nobody gave out."""
    kinds = {"sort_name": str, "pk": str}
    if not all(isinstance(value, kinds.get(name, int)) for name, value in zip(order, place, strict=True)):
        return Q()
    try:
        values = [*place[:-1], uuid.UUID(place[-1])]
        if order[0] == "-created_at":
            values[0] = clock.from_us(values[0])
    except (ValueError, OverflowError):
        return Q()
    return after(order, values)


def _filtered(visible: models.QuerySet[Timer], filters: Filters, *, now: datetime) -> models.QuerySet[Timer]:
    found = visible
    if filters.q:
        found = found.filter(_matches(filters.q))
    if filters.action:
        found = found.filter(action=filters.action)
    if filters.tag:
        key, colon, value = filters.tag.partition(":")
        found = found.tagged(key, value if colon else None)  # type: ignore[attr-defined]
    return found.filter(_has_status(filters.status, now=now))


def _matches(words: str) -> Q:
    tagged = TimerTag.objects.filter(Q(key__icontains=words) | Q(value__icontains=words)).values("timer_id")
    found = Q(name__icontains=words) | Q(action__icontains=words) | Q(pk__in=tagged)
    try:
        return found | Q(pk=uuid.UUID(words))
    except ValueError:
        return found


def _has_status(status: str, *, now: datetime) -> Q:
    match status:
        case "active" | "paused" | "ended":
            return Q(status=status)
        case "failing":
            return Q(schedule__consecutive_failures__gt=0)
        case "late":
            return Q(schedule__next_run_at__lt=now - LATE_AFTER)
        case "due":
            return Q(schedule__next_run_at__lt=now + timedelta(hours=1))
        case "running":
            return Q(pk__in=Execution.objects.filter(status=ExecutionStatus.RUNNING).values("timer_id"))
        case _:
            return Q()


# Its rows


def _rows(timers: list[Timer], *, now: datetime) -> list[TimerRow]:
    """Return the rows for these timers from three queries: tags, last runs, what is unfinished."""
    ids = [timer.pk for timer in timers]
    tags: dict[uuid.UUID, list[tuple[str, str]]] = {}
    for timer_id, key, value in (
        TimerTag.objects.filter(timer__in=ids).order_by("id").values_list("timer_id", "key", "value")
    ):
        tags.setdefault(timer_id, []).append((key, value))
    bars = last_runs(ids, now=now)
    unfinished = _unfinished(ids)
    return [
        replace(_row(timer, unfinished.get(timer.pk, {})), tags=tags.get(timer.pk, []), bars=bars.get(timer.pk, []))
        for timer in timers
    ]


def _row(timer: Timer, unfinished: dict[str, datetime | None]) -> TimerRow:
    definition = timer.definition
    return TimerRow(
        timer=timer,
        state=_state(timer, unfinished),
        schedule=words_for(definition.schedule if definition else {}),
        summary=_summary(timer),
        tags=[],
        since=unfinished.get(ExecutionStatus.RUNNING),
    )


def _state(timer: Timer, unfinished: dict[str, datetime | None]) -> str:
    """Return the state to show: the timer's, or what it is busy with."""
    if timer.status == TimerStatus.PAUSED:
        by_itself = timer.status_changed_by_id is None and timer.schedule.consecutive_failures > 0
        return "auto-paused" if by_itself else "paused"
    if timer.status == TimerStatus.ACTIVE:
        for busy in (ExecutionStatus.RUNNING, ExecutionStatus.RETRYING):
            if busy in unfinished:
                return busy
    return timer.status


def _summary(timer: Timer) -> str:
    from timers.actions.base import ACTIONS

    if timer.definition is None:
        return ""
    try:
        return ACTIONS.get(timer.action).summary(timer.definition.body)
    except Exception:  # a kind that is not installed any more still has its row
        return ""


def _unfinished(ids: list[uuid.UUID]) -> dict[uuid.UUID, dict[str, datetime | None]]:
    found: dict[uuid.UUID, dict[str, datetime | None]] = {}
    rows = Execution.objects.filter(timer__in=ids, status__in=UNFINISHED).values_list("timer_id", "status")
    for timer_id, status, began in rows.annotate(began=models.Min("started_at")):
        found.setdefault(timer_id, {})[status] = began
    return found


def last_runs(ids: list[uuid.UUID], *, now: datetime) -> dict[uuid.UUID, list[Bar]]:
    """Return the last runs of each timer, newest first, in one query.

    One walk along the index per timer: a window function would read each timer's whole history.
    """
    if not ids:
        return {}
    walk = (
        "select * from (select timer_id, status, started_at, finished_at from timers_execution"
        " where timer_id = %s order by scheduled_for desc, serial desc limit %s) as walk_{}"
    )
    statement = " union all ".join(walk.format(index) for index in range(len(ids)))
    field_ = Execution._meta.get_field("timer")
    parameters = [value for pk in ids for value in (field_.get_db_prep_value(pk, connection), BARS)]
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)
        rows = cursor.fetchall()
    runs: dict[uuid.UUID, list[Bar]] = {}
    for timer_id, status, started, finished in rows:
        key = timer_id if isinstance(timer_id, uuid.UUID) else uuid.UUID(timer_id)
        seconds = ((finished or clock.to_us(now)) - started) / 1e6 if started is not None else 0.0
        runs.setdefault(key, []).append(Bar(status, max(0.0, seconds)))
    return runs


# The figures


def _figures(visible: models.QuerySet[Timer], user: Any, *, now: datetime) -> Figures:
    counted = visible.aggregate(
        total=Count("pk"),
        active=Count("pk", filter=Q(status=TimerStatus.ACTIVE)),
        paused=Count("pk", filter=Q(status=TimerStatus.PAUSED)),
        auto_paused=Count(
            "pk",
            filter=Q(status=TimerStatus.PAUSED, status_changed_by__isnull=True, schedule__consecutive_failures__gt=0),
        ),
        failing=Count("pk", filter=_has_status("failing", now=now)),
        late=Count("pk", filter=_has_status("late", now=now)),
        due=Count("pk", filter=_has_status("due", now=now)),
    )
    unfinished = Execution.objects.visible_to(user).filter(status__in=UNFINISHED)
    busy = dict(unfinished.values_list("status").annotate(n=Count("pk")).order_by())
    return Figures(
        **counted,
        running=busy.get(ExecutionStatus.RUNNING, 0),
        waiting=busy.get(ExecutionStatus.PENDING, 0),
        retrying=busy.get(ExecutionStatus.RETRYING, 0),
    )
