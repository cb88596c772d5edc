"""The one INSERT of executions by hand-written SQL. Its columns are those of the model, which names their defaults."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, NamedTuple
from uuid import UUID

from django.db.models import Field

from timers.models import Execution
from timers.models.statement import Row, Statement

_FIELDS: dict[str, Any] = {str(field.column): field for field in Execution._meta.local_concrete_fields}
_TYPES = {"UUIDField": "uuid", "CharField": "text", "TextField": "text"}


def insert(source: str, *, returning: str, **values: str) -> str:
    """Return the statement that inserts an execution for each row of `source`, a FROM clause.

    `values` are SQL expressions by column; a column that is not named gets the default of the model. An occurrence
    that has its execution already is passed by.
    """
    expressions = {column: values.get(column) or _default(field) for column, field in _FIELDS.items()}
    unknown = values.keys() - expressions.keys()
    if unknown:
        raise ValueError(f"Executions have no column {', '.join(sorted(unknown))}.")
    return f"""
insert into timers_execution ({", ".join(expressions)})
select {", ".join(expressions.values())}
{source}
on conflict do nothing returning {returning}"""


def fields_of(row: type[Row]) -> str:
    """Return the names of a NamedTuple's fields as a list of columns."""
    return ", ".join(row._fields)  # type: ignore[attr-defined]


def _default(field: Field[Any, Any]) -> str:
    """Return a column's default as SQL."""
    default = field.default if field.has_default() else None
    if callable(default) or (default is None and not field.null):
        raise ValueError(f"An insert of executions must name {field.column}.")
    if default is None:
        return "null"
    return f"'{default}'" if isinstance(default, str) else str(default).lower()


def _insert_rows(columns: Collection[str], *, returns: type[Row], **values: str) -> Statement[Row]:
    """Return the statement that inserts the parameter `rows`, which have these columns."""
    kinds = {name: getattr(_FIELDS[name], "target_field", _FIELDS[name]).get_internal_type() for name in columns}
    table = ", ".join(f"{name} {_TYPES.get(kind, 'bigint')}" for name, kind in kinds.items())
    given = {name: f"v.{name}" for name in columns}
    text = insert(f"from {{rows[{table}]}} where true", returning=fields_of(returns), **given, **values)
    return Statement(text, returns=returns)


class NewPlannedExecution(NamedTuple):
    """An execution to insert that `scheduling/` has planned; instants in microseconds."""

    id: str
    timer_id: str
    definition_id: int
    trigger: str
    status: str
    scheduled_for: int
    run_at: int
    created_at: int
    lease_until: int | None = None
    finished_at: int | None = None
    skip_reason: str | None = None
    occurrences: int = 1
    scheduled_until: int | None = None


class PlannedExecution(NamedTuple):
    """An execution as it was planned: to be carried out, or a row of occurrences that were left out."""

    id: UUID | str
    run_at: int
    definition_id: int
    status: str


PLANNED = _insert_rows(NewPlannedExecution._fields, returns=PlannedExecution)

EXTEND_SKIPPED = Statement[Any](
    """
update timers_execution set occurrences = occurrences + %(count)s, scheduled_until = %(last)s
where timer_id = %(timer_id)s and serial = 0 and status = 'skipped' and skip_reason = %(reason)s and scheduled_for = (
  select max(scheduled_for) from timers_execution where timer_id = %(timer_id)s and serial = 0
  and scheduled_for < %(first)s)"""
)
"""Lets the newest row of a timer take in its neighbours, when it is one of occurrences left out for that reason."""


class RoutedExecution(NamedTuple):
    """An execution as a message names it, and the cluster that it is for."""

    id: UUID | str
    run_at: int
    definition_id: int
    cluster: str | None
    serial: int


FOR_CLUSTERS = _insert_rows(
    ("id", "timer_id", "definition_id", "trigger", "serial", "scheduled_for", "cluster"),
    returns=RoutedExecution,
    run_at="v.scheduled_for",
    created_at="%(now)s",
    lease_until="%(lease_until)s",
)


class StartedExecution(NamedTuple):
    """An execution that was started just now, or begun ahead of its instant."""

    id: UUID | str
    timer_id: UUID | str
    definition_id: int
    trigger: str
    attempt: int
    lost_attempts: int
    scheduled_for: int
    serial: int


BEGUN_AHEAD = _insert_rows(
    ("id", "timer_id", "definition_id", "scheduled_for"),
    returns=StartedExecution,
    status="'running'",
    run_at="v.scheduled_for",
    created_at="%(now)s",
    lease_until="%(lease_until)s",
    lease_owner="%(owner)s",
    attempt="1",
)
