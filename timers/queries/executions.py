"""Executions as the pages show them: all that ran or was skipped, and one with its attempts."""

from __future__ import annotations

import contextlib
import json
import uuid
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.db import models
from django.db.models import Q

from timers import clock
from timers.lifecycle import UNFINISHED, ExecutionStatus
from timers.models import Attempt, Event, Execution, Timer, TimerTag, Transfer
from timers.queries.paging import Page, after, read_marker, write_marker

PAGE_SIZE = 50


@dataclass(frozen=True)
class Filters:
    """What the reader looks for; empty words mean everything."""

    q: str = ""
    status: str = ""
    trigger: str = ""
    action: str = ""
    tag: str = ""

    @property
    def any(self) -> bool:
        return bool(self.q or self.status or self.trigger or self.action or self.tag)


@dataclass(frozen=True)
class ExecutionRow:
    """One execution in a list, with what is derived from its facts."""

    execution: Execution
    timer: Timer
    late: timedelta | None
    took: timedelta | None
    attempts: str
    said: str
    """The result in a few words."""


@dataclass(frozen=True)
class ExecutionDetail:
    """One execution with its attempts, and what it started."""

    row: ExecutionRow
    attempts: list[Attempt]
    transfer: Transfer | None
    before: Execution | None
    next: Execution | None
    events: list[Event] = field(default_factory=list)


def executions_page(user: Any, *, now: datetime, filters: Filters, marker: str | None = None) -> Page[ExecutionRow]:
    """Return a page of all executions, newest first, from one query."""
    found = _filtered(Execution.objects.visible_to(user), filters)
    place = read_marker(marker, 2)
    if place is not None:
        found = found.filter(_after(["-scheduled_for", "-pk"], place))
    return _page(
        found.order_by("-scheduled_for", "-pk"), lambda last: (clock.to_us(last.scheduled_for), last.pk), now=now
    )


def executions_of(
    timer: Timer, *, now: datetime, status: str = "", marker: str | None = None, limit: int = 25
) -> Page[ExecutionRow]:
    """Return a page of one timer's executions, newest first, from one query."""
    found = Execution.objects.filter(timer=timer).filter(_has_status(status))
    place = read_marker(marker, 2)
    if place is not None:
        found = found.filter(_after(["-scheduled_for", "-serial"], place, last_is_id=False))
    ordered = found.order_by("-scheduled_for", "-serial")
    return _page(ordered, lambda last: (clock.to_us(last.scheduled_for), last.serial), now=now, limit=limit)


def find_execution(user: Any, execution_id: uuid.UUID) -> Execution | None:
    """Return the execution, or None when the user may not know of it."""
    found = Execution.objects.visible_to(user).filter(pk=execution_id)
    return found.select_related("timer__owner", "timer__schedule", "definition").first()


def execution_detail(execution: Execution, *, now: datetime) -> ExecutionDetail:
    """Return what the page of one execution shows, from five queries."""
    siblings = Execution.objects.filter(timer=execution.timer_id)
    return ExecutionDetail(
        row=execution_row(execution, now=now),
        attempts=list(Attempt.objects.filter(execution_id=execution.pk).order_by("number")),
        transfer=Transfer.objects.filter(pk=execution.transfer_id).first() if execution.transfer_id else None,
        before=siblings.filter(scheduled_for__lt=execution.scheduled_for).order_by("-scheduled_for", "-serial").first(),
        next=siblings.filter(scheduled_for__gt=execution.scheduled_for).order_by("scheduled_for", "serial").first(),
    )


def execution_row(execution: Execution, *, now: datetime) -> ExecutionRow:
    """Return an execution with what is derived from its facts."""
    began, ended = execution.started_at, execution.finished_at
    skipped = execution.status == ExecutionStatus.SKIPPED
    running = execution.status in UNFINISHED
    return ExecutionRow(
        execution=execution,
        timer=execution.timer,
        late=max(timedelta(0), began - execution.scheduled_for) if began and not skipped else None,
        took=((ended or now) - began if began and (ended or running) and not skipped else None),
        attempts=_attempts(execution),
        said=said(execution),
    )


def said(execution: Execution) -> str:
    """Return the result of an execution in a few words, empty when there is nothing to say."""
    if execution.error_message:
        return execution.error_message
    result = execution.result
    if isinstance(result, dict):
        return _result_words(result)
    return _plain_words(result)[:200]


def _result_words(result: dict[str, Any]) -> str:
    if "status_code" in result:
        return f"HTTP {result['status_code']}"
    if "files_transferred" in result:
        return f"{result['files_transferred']} files copied, {result.get('files_skipped', 0)} unchanged"
    return _plain_words(result.get("value", result))[:200]


def _plain_words(value: Any) -> str:
    """Return what a function gave back: the pairs of a small object, else as JSON writes it."""
    if value is None or value == {}:
        return ""
    if isinstance(value, dict) and all(isinstance(each, str | int | float) for each in value.values()):
        return ", ".join(f"{name} {each}" for name, each in value.items())
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)


def _attempts(execution: Execution) -> str:
    if not execution.attempt or execution.status == ExecutionStatus.SKIPPED:
        return ""
    most = (execution.definition.policies or {}).get("max_attempts") if execution.definition else None
    counted = execution.attempt - execution.losses
    return (
        f"{execution.attempt} of {most + execution.losses}"
        if most and counted >= 1 and most > 1
        else str(execution.attempt)
    )


def _page(
    found: models.QuerySet[Execution], place: Any, *, now: datetime, limit: int = PAGE_SIZE
) -> Page[ExecutionRow]:
    rows = list(found.select_related("timer", "definition")[: limit + 1])
    more = len(rows) > limit
    rows = rows[:limit]
    return Page([execution_row(each, now=now) for each in rows], write_marker(*place(rows[-1])) if more else None)


def _after(names: list[str], place: list[Any], *, last_is_id: bool = True) -> Q:
    try:
        values = [clock.from_us(int(place[0])), uuid.UUID(str(place[1])) if last_is_id else int(place[1])]
    except (ValueError, OverflowError):
        return Q()
    return after(names, values)


def _filtered(found: models.QuerySet[Execution], filters: Filters) -> models.QuerySet[Execution]:
    if filters.q:
        words = Q(timer__name__icontains=filters.q) | Q(error_message__icontains=filters.q)
        with contextlib.suppress(ValueError):
            words |= Q(pk=uuid.UUID(filters.q)) | Q(timer_id=uuid.UUID(filters.q))
        found = found.filter(words)
    if filters.trigger:
        found = found.filter(trigger=filters.trigger)
    if filters.action:
        found = found.filter(timer__action=filters.action)
    if filters.tag:
        key, colon, value = filters.tag.partition(":")
        tagged = TimerTag.objects.filter(key=key, **({"value": value} if colon else {}))
        found = found.filter(timer_id__in=tagged.values("timer_id"))
    return found.filter(_has_status(filters.status))


def _has_status(status: str) -> Q:
    if status == "unfinished":
        return Q(status__in=UNFINISHED)
    return Q(status=status) if status in set(ExecutionStatus) else Q()
