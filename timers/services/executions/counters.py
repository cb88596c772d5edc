"""Counts the runs of timers as they end."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from timers.clock import to_us
from timers.lifecycle import ExecutionStatus
from timers.models import sql
from timers.models.statement import Statement


class CountedSchedule(NamedTuple):
    """A schedule after runs of its timer were counted."""

    timer_id: UUID | str
    next_run_at: int | None
    overlap: str
    consecutive_failures: int
    breaker_openings: int


_COUNT = Statement(
    """
update timers_schedule as s
set run_count = s.run_count + v.runs, failure_count = s.failure_count + v.failures,
  cancelled_count = s.cancelled_count + v.cancelled,
  consecutive_failures = case when v.succeeded > 0 then 0 else s.consecutive_failures end + v.in_a_row,
  last_run_at = {greatest}(coalesce(s.last_run_at, v.last_run_at), v.last_run_at)
from {rows[id uuid, runs bigint, failures bigint, cancelled bigint, succeeded integer, in_a_row bigint,
  last_run_at bigint]}
where s.timer_id = v.id
returning timer_id, next_run_at, overlap, consecutive_failures, breaker_openings""",
    returns=CountedSchedule,
)

_LOCK = Statement[Any]("select from timers_schedule where {ids[timer_id]} order by timer_id for no key update")


class FailuresInARow(NamedTuple):
    """The failures in a row of a timer, before runs are counted."""

    timer_id: UUID | str
    consecutive_failures: int


_FAILURES = Statement(
    "select timer_id, consecutive_failures from timers_schedule where {ids[timer_id]}", returns=FailuresInARow
)


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
    """The state of a timer's schedule after its runs were counted, and the failures in a row that it had before.

    With `breaker_openings` its runs are let through to try whether it works again.
    """

    next_run_at: int | None
    overlap: str
    consecutive_failures: int
    breaker_openings: int = 0
    failures_before: int = 0


def lock(timer_ids: Iterable[UUID | str]) -> None:
    """Lock the schedule rows of these timers in the order in which all transactions do, so that there is no deadlock.

    An update of several rows locks them in any order.
    """
    if sql.on_postgresql():
        _LOCK.change(ids=sorted({sql.as_hex(timer_id) for timer_id in timer_ids}))


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
    """Count runs in the order in which they ended; return the standing of each of their timers."""
    tallies: dict[str, _Counts] = {}
    watched: set[str] = set()
    for run in runs:
        tallies.setdefault(run.timer_id.hex, _Counts()).add(run)
        if run.watched:
            watched.add(run.timer_id.hex)
    values = [
        (key, tally.runs, tally.failures, tally.cancelled, tally.succeeded, tally.in_a_row, tally.last_run_at)
        for key, tally in tallies.items()
    ]
    lock(tallies)
    before = _failures(watched)
    standing: dict[UUID, Standing] = {}
    for row in _COUNT.fetch(rows=values):
        timer_id = sql.as_uuid(row.timer_id)
        standing[timer_id] = Standing(
            row.next_run_at, row.overlap, row.consecutive_failures, row.breaker_openings, before.get(timer_id, 0)
        )
    return standing


def _failures(keys: Collection[str]) -> dict[UUID, int]:
    """Return the failures in a row of these timers, whose rows are ours."""
    rows = _FAILURES.fetch(ids=sorted(keys)) if keys else []
    return {sql.as_uuid(row.timer_id): row.consecutive_failures for row in rows}
