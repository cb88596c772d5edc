"""The search of workflow runs."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from django.db.models import Q

from timers.models import WorkflowRun

Condition = tuple[str, str, Sequence[Any]]
"""A column, an operator (=, >, <, >=, <= or IN), and values."""

_LOOKUPS = {">": "gt", "<": "lt", ">=": "gte", "<=": "lte"}


@dataclass(frozen=True)
class RunPage:
    """A page of runs, and the number of all matches."""

    rows: list[WorkflowRun]
    total: int


def search(
    owner: Any, *, conditions: Iterable[Condition], text: str, order: Sequence[str], start: int, size: int
) -> RunPage:
    """Return a page of the owner's runs that meet all conditions."""
    runs = WorkflowRun.objects.filter(owner=owner)
    for column, operator, values in conditions:
        runs = runs.filter(_condition(column, operator, values))
    part = text.strip().strip("*")
    if part:
        matches = Q(name__icontains=part) | Q(correlation_id__icontains=part)
        known = _uuid(part)
        runs = runs.filter(matches if known is None else matches | Q(pk=known))
    rows = list(runs.order_by(*order, "-pk")[start : start + size]) if size else []
    return RunPage(rows, runs.count())


def _condition(column: str, operator: str, values: Sequence[Any]) -> Q:
    if operator in _LOOKUPS:
        return Q((f"{column}__{_LOOKUPS[operator]}", values[0]))
    if column == "id":
        values = [known for value in values if (known := _uuid(value)) is not None]
    return Q((f"{column}__in", list(values)))


def _uuid(text: str) -> uuid.UUID | None:
    try:
        return uuid.UUID(text.strip())
    except ValueError:
        return None
