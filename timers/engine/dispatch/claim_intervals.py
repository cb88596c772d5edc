"""Claims what is due: one transaction moves schedules on, writes executions, and sends messages for them.

Interval timers that are neither late, jittered nor set aside take the fast way, one or two hand-written statements for
a whole batch; calendar rules, catch-up and the rest are planned by `scheduling/` (see claim_planned.py).
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import connection

from timers.clock import from_us, to_us
from timers.engine.dispatch import claim_planned
from timers.engine.dispatch.claim_planned import Message
from timers.messaging import queue
from timers.models import sql
from timers.models.execution_sql.inserts import insert
from timers.models.leases import EXECUTIONS
from timers.scheduling.catchup import MISSED_AFTER
from timers.services.timers.pause_all import CLAIMS

BATCH = 500
"""Larger batches gain nothing, and the first timer of a batch waits for the last one."""

# A regular timer: on its grid, on time, not set aside. Its next occurrence is the only one that has come due.
_REGULAR = """
s.next_run_at <= %(horizon)s and s.kind = 'recurring' and s.jitter_us = 0 and s.planning_failures = 0
and not s.has_window
and s.next_planned_at = s.next_run_at and s.next_planned_at > %(missed)s
and s.next_planned_at + s.interval_us > %(now)s and (s.max_runs is null or s.fired_count < s.max_runs)
and (s.end_at is null or s.next_planned_at <= s.end_at)"""

# Timers of paused owners take the slow way, which leaves their occurrences out.
_NOT_PAUSED = f"\nand not {claim_planned.OWNER_PAUSED}"

# How many occurrences lie between the next one and the horizon, the end and the last run, all inclusive.
_COUNT = """
{least}((%(horizon)s - s.next_planned_at) / s.interval_us + 1,
  coalesce((s.end_at - s.next_planned_at) / s.interval_us + 1, 1000000),
  coalesce(s.max_runs - s.fired_count, 1000000))"""

_FOLLOWING = """case when planned + n * step > due.end_at or due.fired_count + n >= due.max_runs then null
  else planned + n * step end"""

# The first ones are taken by the index alone, whatever they are: with all conditions in one place PostgreSQL expects to
# find next to nothing, and sorts the whole table. Identifiers are of version 7: they begin with the moment, so that
# neighbours in time are neighbours in the index; the rest is made by md5 with a random salt, which is cheap.
_POSTGRESQL = """
with first as materialized (
  select * from timers_schedule where next_run_at <= %(horizon)s
  order by next_run_at limit %(batch)s for no key update skip locked),
due as materialized (
  select s.timer_id, s.definition_id, s.next_planned_at as planned, s.interval_us as step, s.end_at,
    s.fired_count, s.max_runs, {count} as n
  from first s where {regular}),
moved as (
  update timers_schedule s set fired_count = due.fired_count + n, watermark_at = planned + (n - 1) * step,
    next_planned_at = {following}, next_run_at = {following}
  from due where s.timer_id = due.timer_id)
""" + insert(
    "from due join generate_series(0, %(most)s) as i on i < n",
    returning="id, run_at, definition_id",
    id="""(%(moment)s || overlay(
  right(md5(timer_id::text || (planned + i * step) || %(salt)s), 19) placing '8' from 4))::uuid""",
    timer_id="timer_id",
    definition_id="definition_id",
    scheduled_for="planned + i * step",
    run_at="planned + i * step",
    created_at="%(now)s",
    lease_until="planned + i * step + %(lease)s",
)

_CHOSEN = """
select s.timer_id from timers_schedule s where {regular} order by s.next_run_at, s.rowid limit %(batch)s"""

_SQLITE_INSERT = """
with recursive i(value) as (select 0 union all select value + 1 from i where value < %(most)s)
""" + insert(
    """from (
  select s.timer_id, s.definition_id, s.next_planned_at + i.value * s.interval_us as at
  from timers_schedule s cross join i on i.value < {count}
  where s.timer_id in ({chosen})) where true""",
    returning="id, run_at, definition_id",
    id="%(moment)s || lower(substr(hex(randomblob(2)), 2) || '8' || substr(hex(randomblob(8)), 2))",
    timer_id="timer_id",
    definition_id="definition_id",
    scheduled_for="at",
    run_at="at",
    created_at="%(now)s",
    lease_until="at + %(lease)s",
)

_SQLITE_MOVE = """
update timers_schedule as s set fired_count = fired_count + v.n, watermark_at = v.planned + (v.n - 1) * v.step,
  next_planned_at = case when v.is_last then null else v.planned + v.n * v.step end,
  next_run_at = case when v.is_last then null else v.planned + v.n * v.step end
from (
  select timer_id, planned, step, n,
    coalesce(planned + n * step > end_at, 0) or coalesce(fired_count + n >= max_runs, 0) as is_last
  from (
    select s.timer_id, s.next_planned_at as planned, s.interval_us as step, s.end_at, s.fired_count, s.max_runs,
      {count} as n
    from timers_schedule s where s.timer_id in ({chosen}))) as v
where s.timer_id = v.timer_id"""

MIN_INTERVAL = timedelta(milliseconds=100)


@dataclass(frozen=True, slots=True)
class _Statements:
    """The statements of the fast way in one dialect: `chosen` finds what takes it, `insert` and `move` carry it out."""

    regular: str
    chosen: str
    insert: str
    move: str


def _statements(dialect: str, regular: str) -> _Statements:
    if dialect == "postgresql":
        count = _COUNT.format(least="least")
        insert = _POSTGRESQL.format(regular=regular, count=count, following=_FOLLOWING)
        return _Statements(regular, chosen="", insert=insert, move="")
    chosen, count = _CHOSEN.format(regular=regular), _COUNT.format(least="min")
    return _Statements(
        regular,
        chosen=chosen,
        insert=_SQLITE_INSERT.format(chosen=chosen, count=count),
        move=_SQLITE_MOVE.format(chosen=chosen, count=count),
    )


_STATEMENTS = {
    (dialect, paused): _statements(dialect, _REGULAR + (_NOT_PAUSED if paused else ""))
    for dialect in ("postgresql", "sqlite")
    for paused in (False, True)
}


@dataclass(frozen=True, slots=True)
class Claimed:
    """Numbers of one batch: executions made, occurrences left out, and whether there may be more that is due."""

    executions: int = 0
    skipped: int = 0
    timers_failed: int = 0
    full: bool = False


def claim(*, now: datetime, horizon: datetime, batch: int = BATCH) -> Claimed:
    """Claim one batch of the timers that are due up to the horizon, all or nothing."""
    with sql.turn():
        paused = _anybody_paused()
        ways = _STATEMENTS[connection.vendor, paused]
        claimed = _claim_regular(ways, now=now, horizon=horizon, batch=batch)
        # in a burst plan only what was due before it, so as not to go through the rest of the burst each time
        is_burst = len(claimed) >= batch
        until = from_us(min(run_at for _, run_at, _ in claimed)) if is_burst else horizon
        planned = claim_planned.claim_planned(
            now=now,
            horizon=horizon,
            until=until,
            batch=batch,
            regular=(ways.regular, _values(now, horizon)),
            paused=paused,
        )
        messages = [*claimed, *planned.messages]
        if messages:
            queue.enqueue_executions(messages)
    return Claimed(
        executions=len(messages),
        skipped=planned.skipped,
        timers_failed=planned.failed,
        full=len(claimed) + planned.read >= batch,
    )


def next_instant() -> datetime | None:
    """Return when the next timer is due: one read of an index."""
    ((instant,),) = sql.fetch("select min(next_run_at) from timers_schedule where next_run_at is not null")
    return None if instant is None else from_us(instant)


def _anybody_paused() -> bool:
    """Return whether there is a pause of all timers of anybody; none that begins is missed until the commit."""
    if sql.on_postgresql():
        sql.fetch("select pg_advisory_xact_lock_shared(%s)", [CLAIMS])
    ((exists,),) = sql.fetch("select exists(select 1 from timers_schedulingpause)")
    return bool(exists)


def _claim_regular(ways: _Statements, *, now: datetime, horizon: datetime, batch: int) -> list[Message]:
    values = _values(now, horizon) | {
        "batch": batch,
        "lease": EXECUTIONS.message_lease // timedelta(microseconds=1),
        "most": (horizon - now) // MIN_INTERVAL + 1,
        "moment": f"{to_us(now) // 1000:012x}7",
    }
    if sql.on_postgresql():
        inserted = sql.fetch(ways.insert, values | {"salt": secrets.token_hex(8)})
        return [(key.hex, run_at, definition_id) for key, run_at, definition_id in inserted]
    if not sql.fetch(ways.chosen, values | {"batch": 1}):
        return []
    messages: list[Any] = sql.fetch(ways.insert, values)
    sql.change(ways.move, values)
    return messages


def _values(now: datetime, horizon: datetime) -> dict[str, Any]:
    return {"now": to_us(now), "horizon": to_us(horizon), "missed": to_us(now - MISSED_AFTER)}
