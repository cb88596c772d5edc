"""Timers with less than a second between occurrences: the worker that holds one claims and begins ahead, in batches.

One transaction each half second writes how the last occurrences ended and begins those of the coming seconds, so the
instants themselves wait for no database. A row that was begun ahead is running, has a lease and an attempt like any
other, and no `started_at` until it ended or was seen at work by a step: what becomes of it when its worker dies is
decided as for any other.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

from timers.actions.base import Outcome
from timers.clock import to_us
from timers.lifecycle import SkipReason, TimerStatus
from timers.models import sql
from timers.models.execution_sql import begin, inserts, moves
from timers.models.execution_sql.moves import UNFINISHED
from timers.models.leases import EXECUTIONS
from timers.models.statement import Statement, TimerId
from timers.services.attempt_values import AttemptResult, StartedAttempt
from timers.services.executions import complete
from timers.services.timers.definition_cache import read
from timers.services.timers.pause_all import IS_PAUSED_SQL

SILENT = timedelta(seconds=2)
"""A worker that holds a timer and has written nothing for so long does not hold it any more."""

SOON = timedelta(milliseconds=10)
"""An occurrence that is due that soon stays with the worker that has it already."""


class HeldSchedule(NamedTuple):
    """The schedule of a timer that a worker holds; `may_be_held` says whether the worker may go on doing so."""

    timer_id: UUID | str
    definition_id: int
    next_planned_at: int
    interval_us: int
    end_at: int | None
    status: str
    may_be_held: bool


_HELD = Statement(
    f"""
select s.timer_id, s.definition_id, s.next_planned_at, s.interval_us, s.end_at,
  case when t.status = 'active' and {IS_PAUSED_SQL} then 'paused' else t.status end,
  s.kind = 'recurring' and s.interval_us < 1000000 and s.jitter_us = 0 and not s.has_window and s.max_runs is null
    and s.planning_failures = 0 and s.overlap = 'skip' and s.breaker_openings = 0 and s.next_run_at is not null
    and s.next_run_at = s.next_planned_at and s.next_planned_at > %(soon)s
    and not exists (
      select 1 from timers_execution o
      where o.timer_id = s.timer_id and o.{UNFINISHED} and o.status <> 'pending'
        and (o.lease_owner is null or o.lease_owner <> %(owner)s)
        and (o.started_at is not null or o.scheduled_for > %(silent)s))
from timers_schedule s join timers_timer t on t.id = s.timer_id
where {{ids[s.timer_id]}} order by s.timer_id{{locked[no key update of s skip locked]}}""",
    returns=HeldSchedule,
)


_MOVE_ON = Statement(
    """
update timers_schedule as s set fired_count = s.fired_count + v.number, watermark_at = v.last_at,
  next_planned_at = v.following, next_run_at = v.following
from {rows[id uuid, number bigint, last_at bigint, following bigint, read_at bigint]}
where s.timer_id = v.id and s.next_planned_at = v.read_at
returning timer_id""",
    returns=TimerId,
)


@dataclass(frozen=True, slots=True)
class BatchStep:
    """The attempts that one step began, and the timers that are held no longer, with their status."""

    begun: list[StartedAttempt]
    released: dict[UUID, str]


def step(
    held: Mapping[UUID, int],
    *,
    finished: Sequence[AttemptResult],
    at_work: Iterable[tuple[UUID, datetime]] = (),
    owner: str,
    now: datetime,
    horizon: datetime,
) -> BatchStep:
    """Write how occurrences ended, and begin those up to the horizon of the timers held (by definition).

    `at_work` are executions that have started and go on, and when they did. A timer is released when it is paused (by
    itself or with all others), changed, or carried out by another worker: what is begun of it stays begun.
    """
    with sql.turn():
        complete.finish(finished, owner=owner, now=now)
        for execution_id, started_at in at_work:
            begin.NOTE_START.change(started_at=to_us(started_at), id=execution_id.hex, owner=owner)
        if not held:
            return BatchStep([], {})
        ours: list[HeldSchedule] = []
        released: dict[UUID, str] = {}
        ids = [timer_id.hex for timer_id in held]
        for row in _HELD.fetch(soon=to_us(now + SOON), owner=owner, silent=to_us(now - SILENT), ids=ids):
            timer_id = sql.as_uuid(row.timer_id)
            if row.status == TimerStatus.ACTIVE and row.may_be_held and held[timer_id] == row.definition_id:
                ours.append(row)
            else:
                released[timer_id] = row.status
        return BatchStep(_begin(ours, owner=owner, now=now, horizon=to_us(horizon)), released)


def _begin(schedules: Sequence[HeldSchedule], *, owner: str, now: datetime, horizon: int) -> list[StartedAttempt]:
    """Take over what the dispatcher has claimed of these already, and claim the rest."""
    if not schedules:
        return []
    leased = {"owner": owner, "lease_until": to_us(now + EXECUTIONS.lease)}
    timer_ids = [row.timer_id for row in schedules]
    begun = moves.TAKE_OVER.fetch(ids=timer_ids, soon=to_us(now + SOON), **leased)
    planned = [_plan(row, horizon) for row in schedules if row.next_planned_at <= horizon]
    if planned:
        moved = {sql.as_hex(row.timer_id) for row in _MOVE_ON.fetch(rows=[move for move, _ in planned])}
        new = [execution for (timer_id, *_), executions in planned if timer_id in moved for execution in executions]
        begun += inserts.BEGUN_AHEAD.fetch(rows=new, now=to_us(now), **leased)
    known = read(row.definition_id for row in begun)
    return [StartedAttempt.of_row(row, known[row.definition_id]) for row in begun]


def _plan(row: HeldSchedule, horizon: int) -> tuple[tuple[Any, ...], list[tuple[Any, ...]]]:
    """Return how a schedule moves on up to the horizon, and the executions which that begins."""
    timer_id, planned, end = sql.as_hex(row.timer_id), row.next_planned_at, row.end_at
    until = horizon if end is None else min(horizon, end)
    instants = range(planned, until + 1, row.interval_us)
    last, following = instants[-1], instants[-1] + row.interval_us
    move = (timer_id, len(instants), last, following if end is None or following <= end else None, planned)
    moment = f"{planned // 1000:012x}7"
    return move, [(_identifier(moment), timer_id, row.definition_id, at) for at in instants]


def _identifier(moment: str) -> str:
    """Return an identifier of version 7: it begins with a moment, so that neighbours in time are neighbours."""
    chance = secrets.token_hex(9)
    return f"{moment}{chance[:3]}8{chance[3:18]}"


def withdraw(begun: Iterable[StartedAttempt], *, status: str, owner: str, now: datetime) -> None:
    """Record that what was begun ahead of a timer does not run, as the timer is paused, deleted or ended by now."""
    reason = SkipReason.PAUSED if status == TimerStatus.PAUSED else SkipReason.ENDED
    outcome = Outcome.skipped("The timer was stopped before.", reason=reason)
    complete.finish([AttemptResult(attempt, outcome, now, now) for attempt in begun], owner=owner, now=now)
