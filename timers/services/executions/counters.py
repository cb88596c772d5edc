"""Counts the runs of timers as they end."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from timers.clock import to_us
from timers.lifecycle import ExecutionStatus
from timers.models import sql as rows

_COUNT = """
update timers_schedule as s
set run_count = s.run_count + v.runs, failure_count = s.failure_count + v.failures,
  cancelled_count = s.cancelled_count + v.cancelled,
  consecutive_failures = case when v.succeeded > 0 then 0 else s.consecutive_failures end + v.in_a_row,
  last_run_at = {greater}(coalesce(s.last_run_at, v.last_run_at), v.last_run_at)
from {table}
where s.timer_id = v.id
returning timer_id, next_run_at, overlap, consecutive_failures, breaker_openings"""

_LOCK = "select from timers_schedule where timer_id = any(%s::uuid[]) order by timer_id for no key update"

_COLUMNS = {
    "id": "uuid",
    "runs": "bigint",
    "failures": "bigint",
    "cancelled": "bigint",
    "succeeded": "integer",
    "in_a_row": "bigint",
    "last_run_at": "bigint",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class EndedRun:
    """A run that ended; `in_series`: it counts for failures in a row; `watched`: somebody asks for those before it."""

    timer_id: UUID
    status: str
    started_at: datetime
    in_series: bool = True
    watched: bool = False


@dataclass(frozen=True, slots=True)
class Standing:
    """How a timer's schedule stands after its runs were counted, and of a watched one how it stood before.

    With `breaker_openings` its runs are let through to try whether it works again.
    """

    next_run_at: int | None
    overlap: str
    consecutive_failures: int
    breaker_openings: int = 0
    failures_before: int = 0


def lock(timer_ids: Iterable[UUID | str]) -> None:
    """Take the schedule rows of these timers in the order that everybody takes them in, so that nobody is locked out.

    An update of several rows takes them in any order.
    """
    if rows.on_postgresql():
        rows.fetch(_LOCK, [rows.listed(sorted({rows.as_hex(each) for each in timer_ids}))])


class _Counts:
    def __init__(self) -> None:
        self.runs = self.failures = self.cancelled = self.succeeded = self.in_a_row = self.last_run_at = 0

    def add(self, run: EndedRun) -> None:
        self.runs += 1
        self.last_run_at = max(self.last_run_at, to_us(run.started_at))
        failed = run.status == ExecutionStatus.FAILED
        self.failures += failed
        self.cancelled += run.status == ExecutionStatus.CANCELLED
        if not run.in_series:
            return
        if run.status == ExecutionStatus.COMPLETED:
            self.succeeded, self.in_a_row = 1, 0
        self.in_a_row += failed


def count(runs: Iterable[EndedRun]) -> dict[UUID, Standing]:
    """Count runs in the order in which they ended; return how each of their timers stands now."""
    tallies: dict[str, _Counts] = {}
    watched: set[str] = set()
    for run in runs:
        tallies.setdefault(run.timer_id.hex, _Counts()).add(run)
        watched |= {run.timer_id.hex} if run.watched else set()
    values = [
        (key, tally.runs, tally.failures, tally.cancelled, tally.succeeded, tally.in_a_row, tally.last_run_at)
        for key, tally in tallies.items()
    ]
    lock(tallies)
    before = _failures(watched)
    greater = "greatest" if rows.on_postgresql() else "max"
    found = rows.fetch(_COUNT.format(table=rows.table("v", **_COLUMNS), greater=greater), rows.rows(values))
    return {(key := rows.as_uuid(row[0])): _standing(row, before.get(key, 0)) for row in found}


def _standing(row: Sequence[Any], failures_before: int) -> Standing:
    return Standing(row[1], row[2], row[3], row[4], failures_before)


def _failures(keys: Collection[str]) -> dict[UUID, int]:
    """Return the failures in a row of these timers, whose rows are ours."""
    if not keys:
        return {}
    sql = f"select timer_id, consecutive_failures from timers_schedule where {rows.among('timer_id')}"
    return {rows.as_uuid(row[0]): row[1] for row in rows.fetch(sql, [rows.listed(sorted(keys))])}
