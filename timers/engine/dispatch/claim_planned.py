"""The slow way of a claim: calendar rules, single instants, jitter, what was missed, and what was set aside."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

from timers.clock import from_us, to_us
from timers.lifecycle import ExecutionStatus
from timers.models import Timer, sql
from timers.models.execution_sql import inserts
from timers.models.execution_sql.inserts import NewPlannedExecution
from timers.models.leases import EXECUTIONS
from timers.models.statement import Statement, TimerId
from timers.scheduling.catchup import SkippedRun
from timers.services import events, occurrences
from timers.services.timers import completion, pause_all
from timers.services.timers.schedules import DueSchedule, Fire, Move, plan_due

log = logging.getLogger(__name__)

Message = tuple[str, int, int]
"""An execution as a message names it: id as hex, instant to start at in microseconds, definition."""

MAX_SET_ASIDE = timedelta(hours=1)
INITIAL_SET_ASIDE = timedelta(seconds=5)


_DUE = """
select s.timer_id, s.definition_id, d.schedule, s.kind, s.next_planned_at, s.max_runs, s.fired_count, s.catch_up,
  s.catch_up_window_us, s.jitter_us, s.catch_up_limit, {paused}, s.planning_failures
from timers_schedule s left join timers_definition d on d.id = s.definition_id
where s.next_run_at <= %(until)s and not ({regular})
order by s.next_run_at limit %(batch)s"""

OWNER_PAUSED = f"exists (select 1 from timers_timer t where t.id = s.timer_id and {pause_all.IS_PAUSED_SQL})"


_MOVE = Statement(
    """
update timers_schedule as s set next_planned_at = v.planned, next_run_at = v.run_at,
  watermark_at = coalesce(v.watermark, s.watermark_at), fired_count = s.fired_count + v.fired, planning_failures = 0
from {rows[id uuid, planned bigint, run_at bigint, watermark bigint, fired bigint, read_at bigint]}
where s.timer_id = v.id and s.next_planned_at = v.read_at
returning timer_id""",
    returns=TimerId,
)


@dataclass(slots=True)
class PlannedClaims:
    """Results of the slow way: messages to send; how many occurrences were left out, timers set aside, rows read."""

    messages: list[Message] = field(default_factory=list)
    skipped: int = 0
    failed: int = 0
    read: int = 0


def claim_planned(
    *,
    now: datetime,
    horizon: datetime,
    until: datetime,
    batch: int,
    regular: tuple[str, dict[str, Any]],
    paused: bool,
) -> PlannedClaims:
    """Claim the schedules due at `until` that `regular` leaves, inside the caller's transaction.

    With `paused` each is checked for an owner who has paused everything.
    """
    condition, values = regular
    text = _DUE.format(regular=condition, paused=OWNER_PAUSED if paused else "1 = 0")
    text += sql.locked("no key update of s skip locked")
    last_us = to_us(until) if until == horizon else to_us(until) - 1
    rows = sql.fetch(text, values | {"batch": batch, "until": last_us})
    planned = PlannedClaims(read=len(rows))
    if not rows:
        return planned
    due = [_due(DueSchedule(*row)) for row in rows]
    failures = {schedule.timer_id: schedule.planning_failures for schedule in due}
    moves = plan_due(due, now=now, horizon=horizon)
    _carry_out([move for move in moves if move.error is None], planned, now=now)
    for move in moves:
        if move.error is not None:
            _set_aside(move, failures[move.timer_id], now=now)
            planned.failed += 1
    return planned


def _due(row: DueSchedule) -> DueSchedule:
    """Return a row with its values as the services know them."""
    document: Any = row.document
    return row._replace(
        timer_id=sql.as_uuid(row.timer_id),
        document=json.loads(document) if isinstance(document, str) else document,
        next_planned_at=from_us(row.next_planned_at),  # type: ignore[arg-type]
    )


def _carry_out(moves: Sequence[Move], planned: PlannedClaims, *, now: datetime) -> None:
    if not moves:
        return
    moved = _move(moves)
    ours = [move for move in moves if move.timer_id.hex in moved]
    new = [execution for move in ours for execution in _executions(move, planned, now=now)]
    for row in inserts.PLANNED.fetch(rows=new) if new else ():
        if row.status == ExecutionStatus.PENDING:
            planned.messages.append((sql.as_hex(row.id), row.run_at, row.definition_id))
    over = [move.timer_id for move in ours if move.next_run_at is None and not move.fire]
    if over:
        completion.end_finished(over, now=now)


def _move(moves: Iterable[Move]) -> set[str]:
    """Move the schedules on from the values that were read; return those that nobody else had moved."""
    values = [
        (
            move.timer_id.hex,
            _us(move.next_planned_at),
            _us(move.next_run_at),
            _us(move.watermark_at),
            len(move.fire),
            to_us(move.read_planned_at),
        )
        for move in moves
    ]
    return {sql.as_hex(row.timer_id) for row in _MOVE.fetch(rows=values)}


def _executions(move: Move, planned: PlannedClaims, *, now: datetime) -> list[NewPlannedExecution]:
    """Return the executions that a move makes: one per occurrence that runs, one per run of those left out."""
    executions = [_fired(move, fire, now) for fire in move.fire]
    for run in move.skipped:
        planned.skipped += run.count
        if not _extend_newest(move, run):
            executions.append(occurrences.skipped(move.timer_id, move.definition_id, run, now=now))
    return executions


def _fired(move: Move, fire: Fire, now: datetime) -> NewPlannedExecution:
    return NewPlannedExecution(
        id=uuid4().hex,
        timer_id=move.timer_id.hex,
        definition_id=move.definition_id,
        trigger=fire.trigger,
        status=ExecutionStatus.PENDING,
        scheduled_for=to_us(fire.planned),
        run_at=to_us(fire.run_at),
        created_at=to_us(now),
        lease_until=to_us(max(fire.run_at, now) + EXECUTIONS.message_lease),
    )


def _extend_newest(move: Move, run: SkippedRun) -> bool:
    return bool(
        inserts.EXTEND_SKIPPED.change(
            count=run.count,
            first=to_us(run.first),
            last=to_us(run.last),
            timer_id=move.timer_id.hex,
            reason=run.reason,
        )
    )


def _set_aside(move: Move, failures: int, *, now: datetime) -> None:
    """Let a schedule rest whose planning raises, so that its neighbours go on; it is tried again later."""
    rest = min(MAX_SET_ASIDE, INITIAL_SET_ASIDE * 2 ** min(failures, 12))
    changed = sql.change(
        "update timers_schedule set planning_failures = planning_failures + 1, next_run_at = %s "
        "where timer_id = %s and next_planned_at = %s",
        [to_us(now + rest), move.timer_id.hex, to_us(move.read_planned_at)],
    )
    if not changed:
        return
    about = {"event": "planning.failed", "timer_id": str(move.timer_id)}
    log.error("A timer could not be planned: %s", move.error, extra=about)
    owner = Timer.objects.select_related("owner").get(pk=move.timer_id).owner
    events.record("planning_failed", now=now, owner=owner, timer_id=move.timer_id, text=move.error or "")


def _us(instant: datetime | None) -> int | None:
    return None if instant is None else to_us(instant)
