"""Read models of lists of executions, with filters, text search and pages."""

from __future__ import annotations

import contextlib
import json
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from django.db import models
from django.db.models import Q

from timers import formatting
from timers.lifecycle import UNFINISHED, ExecutionStatus
from timers.models import Execution, Timer, TimerTag
from timers.queries.page_context import LATE_AFTER
from timers.queries.paging import HISTORY_ORDER, Order, Page, newest_first, page

PAGE_SIZE = 50
MAX_NAMED_TIMERS = 200
"""Timers up to which a query names each one, so that the database reads only their executions."""
MAX_SCANNED = 20_000
"""Executions that one page scans for a filter without an index. The marker leads on from there."""
_BEFORE_ALL = uuid.UUID(int=0)
ORDER = newest_first("scheduled_for")


@dataclass(frozen=True)
class ExecutionFilters:
    """Filters of a list of executions; empty values do not filter."""

    q: str = ""
    status: str = ""
    trigger: str = ""
    action: str = ""
    tag: str = ""
    since: datetime | None = None
    until: datetime | None = None
    """Bounds of the planned time: from `since` until just before `until`."""

    @property
    def any(self) -> bool:
        return bool(self.q or self.status or self.trigger or self.action or self.tag or self.since or self.until)


@dataclass(frozen=True)
class ExecutionsPage:
    """A page of executions. `sought_in` says where the text was found: `timers` or `errors`, empty without a text.

    `looked_until` is set when the page ends because enough rows were scanned, not because it is full.
    """

    page: Page[ExecutionRow]
    sought_in: str = ""
    looked_until: datetime | None = None


@dataclass(frozen=True)
class ExecutionRow:
    """One execution in a list, with derived values such as lateness and duration."""

    execution: Execution
    timer: Timer
    late: timedelta | None
    took: timedelta | None
    attempts: str
    said: str
    """The result in a few words."""

    @property
    def is_late(self) -> bool:
        return self.late is not None and self.late > LATE_AFTER


def executions_page(
    user: Any, *, now: datetime, filters: ExecutionFilters, marker: str | None = None, limit: int | None = None
) -> ExecutionsPage:
    """Return a page of executions, newest first, from at most four queries, however long the history is."""
    sought = _search_condition(user, filters)
    within = _planned_within(filters)
    edge = None
    if sought.is_rare:
        last_shown = ORDER.read(marker)
        edge = _edge(within & sought.among & (Q() if last_shown is None else ORDER.after(last_shown)))
    executions = Execution.objects.filter(within & sought.condition)
    if edge is not None:
        executions = executions.filter(scheduled_for__gte=edge)
    listed = _page(executions, ORDER, marker=marker, now=now, limit=limit or PAGE_SIZE)
    if edge is None or listed.next_marker is not None:
        return ExecutionsPage(listed, sought.sought_in)
    return ExecutionsPage(Page(listed.rows, ORDER.marker_of([edge, _BEFORE_ALL])), sought.sought_in, looked_until=edge)


def executions_to_export(user: Any, filters: ExecutionFilters) -> models.QuerySet[Execution]:
    """Return all executions that match the filters, newest first."""
    executions = Execution.objects.filter(_planned_within(filters) & _search_condition(user, filters).condition)
    return executions.select_related("timer").order_by("-scheduled_for", "-pk")


def tag_keys(user: Any) -> list[str]:
    """Return the tag keys of the timers visible to the user, at most 200."""
    tags = TimerTag.objects.all() if user.is_staff else TimerTag.objects.filter(timer__owner=user)
    return list(tags.order_by("key").values_list("key", flat=True).distinct()[:200])


def executions_of(
    timer: Timer, *, now: datetime, status: str = "", marker: str | None = None, limit: int = 25
) -> Page[ExecutionRow]:
    """Return a page of the executions of a timer, newest first, from one query."""
    executions = Execution.objects.filter(timer=timer).filter(_has_status(status))
    return _page(executions, HISTORY_ORDER, marker=marker, now=now, limit=limit)


def find_execution(user: Any, execution_id: uuid.UUID) -> Execution | None:
    """Return the execution, None if it does not exist or is not visible to the user."""
    executions = Execution.objects.visible_to(user).filter(pk=execution_id)
    return executions.select_related("timer__owner", "timer__schedule", "definition").first()


def find_executions(user: Any, ids: Sequence[uuid.UUID]) -> list[Execution]:
    """Return the executions with these ids that are visible to the user, newest first."""
    executions = Execution.objects.visible_to(user).filter(pk__in=ids)
    with_facts = executions.select_related("timer__owner", "timer__schedule", "definition")
    return list(with_facts.order_by("-scheduled_for", "-pk"))


def execution_row(execution: Execution, *, now: datetime) -> ExecutionRow:
    """Return the row of an execution, with its derived values."""
    began, ended = execution.started_at, execution.finished_at
    skipped = execution.status == ExecutionStatus.SKIPPED
    running = execution.status in UNFINISHED
    return ExecutionRow(
        execution=execution,
        timer=execution.timer,
        late=max(timedelta(0), began - execution.scheduled_for) if began and not skipped else None,
        took=((ended or now) - began if began and (ended or running) and not skipped else None),
        attempts=_attempts_text(execution),
        said=result_text(execution),
    )


def result_text(execution: Execution) -> str:
    """Return the result of an execution in a few words, empty without a result."""
    if execution.error_message:
        return execution.error_message
    result = execution.result
    if isinstance(result, dict):
        return _object_text(result)
    return _value_text(result)[:200]


def _object_text(result: dict[str, Any]) -> str:
    if "status_code" in result:
        return f"HTTP {result['status_code']}"
    if "files_transferred" in result:
        warnings = result.get("warnings") or 0
        counted = f", {formatting.count_of(warnings, 'warning')}" if warnings else ""
        return f"{result['files_transferred']} files copied, {result.get('files_skipped', 0)} unchanged{counted}"
    if "workflow_id" in result:
        return _output_text(result.get("output"))[:200]
    return _value_text(result.get("value", result))[:200]


def _output_text(output: Any) -> str:
    """Return the output of a workflow as text: small values, and only the names of large ones."""
    if not isinstance(output, dict):
        return _value_text(output)
    return ", ".join(f"{name} {'…' if isinstance(value, dict | list) else value}" for name, value in output.items())


def _value_text(value: Any) -> str:
    """Return the result of a function as text: the pairs of a small object, else JSON."""
    if value is None or value == {}:
        return ""
    if isinstance(value, dict) and all(isinstance(item, str | int | float) for item in value.values()):
        return ", ".join(f"{name} {item}" for name, item in value.items())
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)


def _attempts_text(execution: Execution) -> str:
    if not execution.attempt or execution.status == ExecutionStatus.SKIPPED:
        return ""
    most = (execution.definition.policies or {}).get("max_attempts") if execution.definition else None
    counted = execution.attempt - execution.lost_attempts
    return (
        f"{execution.attempt} of {most + execution.lost_attempts}"
        if most and counted >= 1 and most > 1
        else str(execution.attempt)
    )


def _page(
    executions: models.QuerySet[Execution], order: Order, *, marker: str | None, now: datetime, limit: int
) -> Page[ExecutionRow]:
    listed = page(executions.select_related("timer", "definition"), order=order, limit=limit, marker=marker)
    return listed.map(lambda execution: execution_row(execution, now=now))


@dataclass(frozen=True)
class _SearchCondition:
    """Condition of a search. `is_rare`: finding a page of matches may take reading a long history."""

    condition: Q
    is_rare: bool
    sought_in: str = ""
    among: Q = field(default_factory=Q)
    """Condition of the executions that are scanned: those of a few timers, or all."""


def _search_condition(user: Any, filters: ExecutionFilters) -> _SearchCondition:
    """Return the condition of all filters but the time. Timers are looked up first, because they are few."""
    facts = _has_status(filters.status)
    if filters.trigger:
        facts &= Q(trigger=filters.trigger)
    waits = filters.status in {*UNFINISHED, "unfinished"}  # unfinished executions have an index of their own
    rare = bool(filters.status or filters.trigger) and not waits
    with contextlib.suppress(ValueError):
        number = uuid.UUID(filters.q)
        visible = Q() if user.is_staff else Q(timer__owner=user)
        return _SearchCondition(facts & visible & (Q(pk=number) | Q(timer_id=number)), is_rare=False)
    timers = _timers(user, filters)
    if not filters.q:
        return _of_timers(timers, facts, rare=rare, waits=waits)
    by_name = _of_timers(timers.filter(name__icontains=filters.q), facts, rare=rare, waits=waits, sought_in="timers")
    if by_name.condition != _NOTHING:
        return by_name
    failed_with_text = facts & Q(error_message__icontains=filters.q)
    return replace(_of_timers(timers, failed_with_text, rare=True, waits=waits, sought_in="errors"), is_rare=not waits)


_NOTHING = Q(pk__in=[])


def _timers(user: Any, filters: ExecutionFilters) -> models.QuerySet[Timer]:
    """Return the timers that match the filters on timers."""
    timers: Any = Timer.objects.visible_to(user)
    if filters.action:
        timers = timers.filter(action=filters.action)
    if filters.tag:
        key, colon, value = filters.tag.partition(":")
        timers = timers.tagged(key, value if colon else None)
    return timers


def _of_timers(
    timers: models.QuerySet[Timer], facts: Q, *, rare: bool, waits: bool, sought_in: str = ""
) -> _SearchCondition:
    """Return the condition of executions of these timers. Up to MAX_NAMED_TIMERS are named one by one."""
    if not timers.query.where:
        return _SearchCondition(facts, rare, sought_in)
    ids = list(timers.order_by().values_list("pk", flat=True)[: MAX_NAMED_TIMERS + 1])
    if not ids:
        return _SearchCondition(_NOTHING, False, sought_in)
    if len(ids) <= MAX_NAMED_TIMERS:
        return _SearchCondition(facts & Q(timer_id__in=ids), False, sought_in, among=Q(timer_id__in=ids))
    return _SearchCondition(facts & Q(timer_id__in=timers.values("pk")), not waits, sought_in)


def _planned_within(filters: ExecutionFilters) -> Q:
    within = Q()
    if filters.since is not None:
        within &= Q(scheduled_for__gte=filters.since)
    if filters.until is not None:
        within &= Q(scheduled_for__lt=filters.until)
    return within


def _edge(among: Q) -> datetime | None:
    """Return the planned time up to which this page scans back, None when it can scan all older executions."""
    times = Execution.objects.filter(among).order_by("-scheduled_for").values_list("scheduled_for", flat=True)
    return next(iter(times[MAX_SCANNED : MAX_SCANNED + 1]), None)


def _has_status(status: str) -> Q:
    if status == "unfinished":
        return Q(status__in=UNFINISHED)
    return Q(status=status) if status in set(ExecutionStatus) else Q()
