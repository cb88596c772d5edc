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
from timers.models import Timer
from timers.models import sql as rows
from timers.models.leases import EXECUTION_MESSAGE_LEASE
from timers.scheduling.catchup import SkippedRun
from timers.services import events
from timers.services.timers import completion, pause_all
from timers.services.timers.schedules import DueSchedule, Fire, Move, plan_due

log = logging.getLogger(__name__)

MAX_SET_ASIDE = timedelta(hours=1)
INITIAL_SET_ASIDE = timedelta(seconds=5)

_DUE = """
select s.timer_id, s.definition_id, d.schedule, s.kind, s.next_planned_at, s.max_runs, s.fired_count, s.catch_up,
  s.catch_up_window_us, s.jitter_us, s.catch_up_limit, {paused}, s.planning_failures
from timers_schedule s left join timers_definition d on d.id = s.definition_id
where s.next_run_at <= %(until)s and not ({regular})
order by s.next_run_at limit %(batch)s"""

OWNER_PAUSED = f"exists (select 1 from timers_timer t where t.id = s.timer_id and {pause_all.IS_PAUSED_SQL})"

_MOVE = """
update timers_schedule as s set next_planned_at = v.planned, next_run_at = v.run_at,
  watermark_at = coalesce(v.watermark, s.watermark_at), fired_count = s.fired_count + v.fired, planning_failures = 0
from {table}
where s.timer_id = v.id and s.next_planned_at = v.read_at
returning timer_id"""

_INSERT = """
insert into timers_execution (id, timer_id, definition_id, trigger, serial, status, scheduled_for, run_at, created_at,
  lease_until, attempt, lost_attempts, cancel_requested, skip_reason, occurrences, scheduled_until, finished_at)
select v.id, v.timer_id, v.definition_id, v.cause, 0, v.status, v.scheduled_for, v.run_at, v.created_at, v.lease_until,
  0, 0, {false}, v.skip_reason, v.occurrences, v.scheduled_until, v.finished_at
from {table} where true
on conflict do nothing returning id, run_at, definition_id, status"""

_INSERT_COLUMNS = {
    "id": "uuid",
    "timer_id": "uuid",
    "definition_id": "bigint",
    "cause": "text",
    "status": "text",
    "scheduled_for": "bigint",
    "run_at": "bigint",
    "created_at": "bigint",
    "lease_until": "bigint",
    "skip_reason": "text",
    "occurrences": "bigint",
    "scheduled_until": "bigint",
    "finished_at": "bigint",
}

# The newest row of a timer, when it is one of left out occurrences with the same reason, takes in its neighbours.
_EXTEND = """
update timers_execution set occurrences = occurrences + %s, scheduled_until = %s
where timer_id = %s and serial = 0 and status = 'skipped' and skip_reason = %s and scheduled_for = (
  select max(scheduled_for) from timers_execution where timer_id = %s and serial = 0 and scheduled_for < %s)"""


@dataclass(slots=True)
class PlannedClaims:
    """What the slow way did: messages to send, occurrences left out, timers set aside, rows read."""

    items: list[tuple[str, int, int]] = field(default_factory=list)
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

    With `paused` it is asked of each whether its owner has paused everything.
    """
    condition, values = regular
    sql = _DUE.format(regular=condition, paused=OWNER_PAUSED if paused else "1 = 0")
    sql += rows.locked("no key update of s skip locked")
    found = rows.fetch(sql, values | {"batch": batch, "until": to_us(until) if until == horizon else to_us(until) - 1})
    if not found:
        return PlannedClaims()
    failures = {rows.as_uuid(row[0]): row[12] for row in found}
    moves = plan_due([_due(row) for row in found], now=now, horizon=horizon)
    planned = PlannedClaims(read=len(found))
    _carry_out([each for each in moves if each.error is None], planned, now=now)
    for each in moves:
        if each.error is not None:
            _set_aside(each, failures[each.timer_id], now=now)
            planned.failed += 1
    return planned


def _due(row: Sequence[Any]) -> DueSchedule:
    document = json.loads(row[2]) if isinstance(row[2], str) else row[2]
    return DueSchedule(rows.as_uuid(row[0]), row[1], document, row[3], from_us(row[4]), *row[5:12])


def _carry_out(moves: Sequence[Move], planned: PlannedClaims, *, now: datetime) -> None:
    if not moves:
        return
    moved = _move(moves)
    ours = [each for each in moves if each.timer_id.hex in moved]
    lines = [line for each in ours for line in _lines(each, planned, now=now)]
    if lines:
        table = rows.table("v", **_INSERT_COLUMNS)
        false = "false" if rows.on_postgresql() else "0"
        for row in rows.fetch(_INSERT.format(table=table, false=false), rows.rows(lines)):
            if row[3] == "pending":
                planned.items.append((rows.as_hex(row[0]), row[1], row[2]))
    over = [each.timer_id for each in ours if each.next_run_at is None and not each.fire]
    if over:
        completion.end_finished(over, now=now)


def _move(moves: Iterable[Move]) -> set[str]:
    """Move the schedules on from the values that were read; return those that nobody else had moved."""
    columns = {
        "id": "uuid",
        "planned": "bigint",
        "run_at": "bigint",
        "watermark": "bigint",
        "fired": "bigint",
        "read_at": "bigint",
    }
    values = [
        (
            each.timer_id.hex,
            _us(each.next_planned_at),
            _us(each.next_run_at),
            _us(each.watermark_at),
            len(each.fire),
            to_us(each.read_planned_at),
        )
        for each in moves
    ]
    found = rows.fetch(_MOVE.format(table=rows.table("v", **columns)), rows.rows(values))
    return {rows.as_hex(row[0]) for row in found}


def _lines(move: Move, planned: PlannedClaims, *, now: datetime) -> list[tuple[Any, ...]]:
    """Return the rows of executions that a move makes: one per occurrence that runs, one per run of those left out."""
    lines = [_fire_line(move, each, now) for each in move.fire]
    for run in move.skipped:
        planned.skipped += run.count
        if not _extend_newest(move, run):
            lines.append(_skipped_line(move, run, now))
    return lines


def _fire_line(move: Move, fire: Fire, now: datetime) -> tuple[Any, ...]:
    run_at = to_us(fire.run_at)
    lease = max(run_at, to_us(now)) + EXECUTION_MESSAGE_LEASE // timedelta(microseconds=1)
    head = (uuid4().hex, move.timer_id.hex, move.definition_id, fire.trigger.value, "pending", to_us(fire.planned))
    return (*head, run_at, to_us(now), lease, None, 1, None, None)


def _skipped_line(move: Move, run: SkippedRun, now: datetime) -> tuple[Any, ...]:
    head = (uuid4().hex, move.timer_id.hex, move.definition_id, "schedule", "skipped", to_us(run.first))
    until = to_us(run.last) if run.count > 1 else None
    return (*head, to_us(run.first), to_us(now), None, run.reason.value, run.count, until, to_us(now))


def _extend_newest(move: Move, run: SkippedRun) -> bool:
    timer_id = move.timer_id.hex
    first, last = to_us(run.first), to_us(run.last)
    return rows.change(_EXTEND, [run.count, last, timer_id, run.reason.value, timer_id, first]) == 1


def _set_aside(move: Move, failures: int, *, now: datetime) -> None:
    """Let a schedule rest whose planning raises, so that its neighbours go on; it is tried again later."""
    rest = min(MAX_SET_ASIDE, INITIAL_SET_ASIDE * 2 ** min(failures, 12))
    changed = rows.change(
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
