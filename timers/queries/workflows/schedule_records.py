"""The search of the execution records of the Conductor interface's schedules."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Case, Q, QuerySet, Value, When

from timers import clock
from timers.lifecycle import ExecutionStatus
from timers.models import Definition, Execution, Timer
from timers.models.timers import CONDUCTOR

Condition = tuple[str, str, Sequence[str]]
"""A field, an operator (=, >, <, >=, <= or IN), and values."""

LOOKUPS = {"=": "", "IN": "", ">": "__gt", "<": "__lt", ">=": "__gte", "<=": "__lte"}
POLLED = Q(workflow_id__isnull=True, finished_at__isnull=True)
EXECUTED = Q(workflow_id__isnull=False)
STATES = {
    "POLLED": POLLED,
    "EXECUTED": EXECUTED,
    "COMPLETED": EXECUTED,
    "FAILED": Q(workflow_id__isnull=True, finished_at__isnull=False),
}
MAX_MS = 253_402_300_799_000


@dataclass(frozen=True)
class RecordPage:
    """A page of records, and the number of all matches."""

    rows: list[Execution]
    total: int


def search(
    owner: Any,
    *,
    clauses: Iterable[Condition],
    text: str,
    order: Sequence[str],
    start: int,
    size: int,
    now: datetime,
) -> RecordPage:
    """Return a page of the records that meet all conditions, without skipped and future occurrences."""
    timers = dict(Timer.objects.filter(owner=owner, interface=CONDUCTOR).values_list("pk", "name"))
    records = Execution.objects.filter(timer_id__in=list(timers)).exclude(status=ExecutionStatus.SKIPPED)
    records = records.filter(Q(started_at__isnull=False) | Q(run_at__lte=now))
    for field, operator, values in clauses:
        records = records.filter(_condition(owner, timers, field, operator, values))
    if text not in ("", "*"):
        records = records.filter(_free_text(owner, timers, text))
    shown = _ordered(records, order).select_related("timer", "definition")
    return RecordPage(list(shown[start : start + size]) if size else [], records.count())


def _condition(owner: Any, timers: dict[uuid.UUID, str], field: str, operator: str, values: Sequence[str]) -> Q:
    if field == "scheduleName":
        return Q(timer_id__in=[pk for pk, name in timers.items() if name in values])
    if field == "state":
        condition = Q(pk__in=[])
        for value in values:
            condition |= STATES[value.upper()]
        return condition
    if field == "workflowName":
        condition = Q(pk__in=[])
        for value in values:
            condition |= _of_workflow(owner, value)
        return condition
    if field in ("executionId", "workflowId"):
        column = "pk" if field == "executionId" else "workflow_id"
        return Q((f"{column}__in", [known for value in values if (known := _uuid(value)) is not None]))
    column = "scheduled_for" if field == "scheduledTime" else "started_at"
    return _at(column, operator, [min(int(value), MAX_MS) for value in values])


def _at(column: str, operator: str, values: Sequence[int]) -> Q:
    """Return a condition on an instant in milliseconds. Equality matches any instant within the millisecond."""
    if operator in ("=", "IN"):
        condition = Q(pk__in=[])
        for value in values:
            condition |= Q(**{f"{column}__gte": _instant(value), f"{column}__lt": _instant(value + 1)})
        return condition
    if operator == ">":  # later than the whole millisecond
        return Q((f"{column}__gte", _instant(values[0] + 1)))
    if operator == "<=":
        return Q((f"{column}__lt", _instant(values[0] + 1)))
    return Q((f"{column}{LOOKUPS[operator]}", _instant(values[0])))


def _instant(value: int) -> datetime:
    return clock.from_us(value * 1000)


def _of_workflow(owner: Any, part: str) -> Q:
    """Return the condition that the workflow's name contains this text, in any case."""
    definitions = Definition.objects.filter(timer__owner=owner, timer__interface=CONDUCTOR, body__name__icontains=part)
    return Q(definition_id__in=list(definitions.values_list("pk", flat=True)))


def _free_text(owner: Any, timers: dict[uuid.UUID, str], text: str) -> Q:
    part = text.strip().strip("*").casefold()
    condition = Q(timer_id__in=[pk for pk, name in timers.items() if part in name.casefold()]) | _of_workflow(
        owner, part
    )
    known = _uuid(part)
    if known is not None:
        return condition | Q(pk=known) | Q(workflow_id=known)
    if part and set(part) <= set("0123456789abcdef-"):
        return condition | Q(pk__icontains=part) | Q(workflow_id__icontains=part)
    return condition


def _ordered(records: QuerySet[Execution], order: Sequence[str]) -> QuerySet[Execution]:
    if any(column.lstrip("-") == "state" for column in order):
        state = Case(
            When(EXECUTED, then=Value("EXECUTED")), When(POLLED, then=Value("POLLED")), default=Value("FAILED")
        )
        records = records.annotate(state=state)
    return records.order_by(*order, "-pk")


def _uuid(text: str) -> uuid.UUID | None:
    try:
        return uuid.UUID(text.strip())
    except ValueError:
        return None
