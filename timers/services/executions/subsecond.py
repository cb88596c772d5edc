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
from typing import Any
from uuid import UUID

from timers.actions.base import Outcome
from timers.clock import from_us, to_us
from timers.lifecycle import SkipReason, TimerStatus
from timers.models import sql as rows
from timers.services.attempt_values import UNFINISHED_SQL, AttemptResult, StartedAttempt
from timers.services.executions import complete
from timers.services.executions.begin import LEASE
from timers.services.timers.definition_cache import read
from timers.services.timers.pause_all import IS_PAUSED_SQL

SILENT = timedelta(seconds=2)
"""Who holds a timer and has not written for so long what it began ahead does not hold it any more."""

SOON = timedelta(milliseconds=10)
"""What is due that soon is left to whoever has it already."""

_HELD = f"""
select s.timer_id, s.definition_id, s.next_planned_at, s.interval_us, s.end_at,
  case when t.status = 'active' and {IS_PAUSED_SQL} then 'paused' else t.status end,
  s.kind = 'recurring' and s.interval_us < 1000000 and s.jitter_us = 0 and not s.has_window and s.max_runs is null
    and s.planning_failures = 0 and s.overlap = 'skip' and s.breaker_openings = 0 and s.next_run_at is not null
    and s.next_run_at = s.next_planned_at and s.next_planned_at > %%s
    and not exists (
      select 1 from timers_execution o
      where o.timer_id = s.timer_id and o.{UNFINISHED_SQL} and o.status <> 'pending'
        and (o.lease_owner is null or o.lease_owner <> %%s)
        and (o.started_at is not null or o.scheduled_for > %%s))
from timers_schedule s join timers_timer t on t.id = s.timer_id
where %s order by s.timer_id"""

_MOVE = """
update timers_schedule as s set fired_count = s.fired_count + v.n, watermark_at = v.last_at,
  next_planned_at = v.following, next_run_at = v.following
from {table}
where s.timer_id = v.id and s.next_planned_at = v.read_at
returning timer_id"""

_MOVE_COLUMNS = {"id": "uuid", "n": "bigint", "last_at": "bigint", "following": "bigint", "read_at": "bigint"}

_TAKE_OVER = f"""
update timers_execution set status = 'running', attempt = attempt + 1, lease_until = %%s, lease_owner = %%s
where status = 'pending' and id in (
  select id from timers_execution
  where %s and {UNFINISHED_SQL} and status = 'pending' and serial = 0 and started_at is null and attempt = 0
    and scheduled_for > %%s{{locked}})
returning id, timer_id, definition_id, scheduled_for, attempt, lost_attempts"""

_INSERT = """
insert into timers_execution (id, timer_id, definition_id, trigger, serial, status, scheduled_for, run_at, created_at,
  lease_until, lease_owner, attempt, lost_attempts, cancel_requested, occurrences)
select v.id, v.timer_id, v.definition_id, 'schedule', 0, 'running', v.at, v.at, %s, %s, %s, 1, 0, {false}, 1
from {table} where true
on conflict do nothing returning id, timer_id, definition_id, scheduled_for, attempt, lost_attempts"""

_INSERT_COLUMNS = {"id": "uuid", "timer_id": "uuid", "definition_id": "bigint", "at": "bigint"}


@dataclass(frozen=True, slots=True)
class BatchStep:
    """What one step began, and why timers are held no longer (by the status that they have now)."""

    begun: list[StartedAttempt]
    let_go: dict[UUID, str]


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

    `at_work` are executions that have started and go on, and when they did. A timer is let go when it is paused (by
    itself or with all others), changed, or carried out by somebody else: what is begun of it stays begun.
    """
    with rows.turn():
        complete.finish(finished, owner=owner, now=now)
        for execution_id, started_at in at_work:
            rows.change(
                "update timers_execution set started_at = %s where id = %s and started_at is null and lease_owner = %s",
                [to_us(started_at), execution_id.hex, owner],
            )
        if not held:
            return BatchStep([], {})
        soon = now + SOON
        sql = _HELD % rows.among("s.timer_id") + rows.locked("no key update of s skip locked")
        found = rows.fetch(sql, [to_us(soon), owner, to_us(now - SILENT), rows.listed([each.hex for each in held])])
        ours = [
            row for row in found if row[5] == TimerStatus.ACTIVE and row[6] and held[rows.as_uuid(row[0])] == row[1]
        ]
        begun = _begin(ours, owner=owner, now=now, soon=soon, horizon=horizon)
        keeps = {rows.as_uuid(row[0]) for row in ours}
        gone = {rows.as_uuid(row[0]): row[5] for row in found if rows.as_uuid(row[0]) not in keeps}
    return BatchStep(begun, gone)


def _begin(
    schedules: Sequence[Sequence[Any]], *, owner: str, now: datetime, soon: datetime, horizon: datetime
) -> list[StartedAttempt]:
    """Take over what the dispatcher has claimed of these already, and claim the rest."""
    if not schedules:
        return []
    lease = to_us(now + LEASE)
    keys = [rows.as_hex(row[0]) for row in schedules]
    take_over = (_TAKE_OVER % rows.among("timer_id")).format(locked=rows.locked("update skip locked"))
    begun = rows.fetch(take_over, [lease, owner, rows.listed(keys), to_us(soon)])
    moves = [_move(row, to_us(horizon)) for row in schedules if row[2] <= to_us(horizon)]
    if moves:
        moved = {rows.as_hex(row[0]) for row in rows.fetch(_moving(), rows.rows([move[0] for move in moves]))}
        lines = [line for values, lines in moves if values[0] in moved for line in lines]
        false = "false" if rows.on_postgresql() else "0"
        sql = _INSERT.format(table=rows.table("v", **_INSERT_COLUMNS), false=false)
        begun += rows.fetch(sql, [to_us(now), lease, owner, *rows.rows(lines)])
    known = read(row[2] for row in begun)
    return [
        StartedAttempt(
            rows.as_uuid(row[0]), rows.as_uuid(row[1]), "schedule", from_us(row[3]), row[4], row[5], known[row[2]]
        )
        for row in begun
    ]


def _moving() -> str:
    return _MOVE.format(table=rows.table("v", **_MOVE_COLUMNS))


def _move(row: Sequence[Any], horizon: int) -> tuple[tuple[Any, ...], list[tuple[Any, ...]]]:
    """Return how a schedule moves on up to the horizon, and the rows of what that begins."""
    timer_id, definition_id, planned, interval, end = rows.as_hex(row[0]), *row[1:5]
    until = horizon if end is None else min(horizon, end)
    instants = range(planned, until + 1, interval)
    last, following = instants[-1], instants[-1] + interval
    values = (timer_id, len(instants), last, following if end is None or following <= end else None, planned)
    moment = f"{planned // 1000:012x}7"
    return values, [(_identifier(moment), timer_id, definition_id, at) for at in instants]


def _identifier(moment: str) -> str:
    """Return an identifier of version 7: it begins with a moment, so that neighbours in time are neighbours."""
    chance = secrets.token_hex(9)
    return f"{moment}{chance[:3]}8{chance[3:18]}"


def withdraw(begun: Iterable[StartedAttempt], *, status: str, owner: str, now: datetime) -> None:
    """Record that what was begun ahead of a timer does not run, as the timer is paused, deleted or ended by now."""
    reason = SkipReason.PAUSED if status == TimerStatus.PAUSED else SkipReason.ENDED
    outcome = Outcome.skipped("The timer was stopped before.", reason=reason)
    complete.finish([AttemptResult(each, outcome, now, now) for each in begun], owner=owner, now=now)
