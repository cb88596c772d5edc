"""Start of executions: which of them may start, and the statements that start them.

Two workers must not ask the overlap policy of one timer at once. A lock by number (the first half of the timer's
identifier) writes nothing, unlike one on its row; all take them in one order.
"""

from __future__ import annotations

from typing import Any, NamedTuple
from uuid import UUID

from timers.lifecycle import PLANNED_TRIGGERS, ExecutionStatus
from timers.models.execution_sql.inserts import StartedExecution
from timers.models.execution_sql.moves import UNFINISHED, ExecutionMove
from timers.models.statement import Statement, TimerId

LOCK = Statement[Any]("select pg_advisory_xact_lock(number) from unnest(%(numbers)s::bigint[]) as number")

LOCKED_TIMERS = Statement(
    """
select distinct e.timer_id from timers_execution e join timers_schedule s on s.timer_id = e.timer_id
where {ids[e.id]} and s.overlap <> 'allow'""",
    returns=TimerId,
)


HERE = "(o.cluster is null or o.cluster = %(cluster)s)"
"""The condition that execution `o` may hold up others here: those of other clusters hold up nothing."""

_STARTS = """attempt = attempt + 1, started_at = coalesce(started_at, %(now)s), lease_until = %(lease_until)s,
  lease_owner = %(owner)s"""

START = ExecutionMove(
    {ExecutionStatus.PENDING: {ExecutionStatus.RUNNING}}, _STARTS, where="{ids[e.id]}", returns=StartedExecution
)

# What was begun ahead (services/executions/subsecond.py) has no start until it has really begun, and holds up nobody.
START_FREE = ExecutionMove(
    {ExecutionStatus.PENDING: {ExecutionStatus.RUNNING}},
    _STARTS,
    where=f"""{{ids[e.id]}} and ((e.serial > 0 and e.cluster is null) or e.started_at is not null or (
  exists (select 1 from timers_timer t where t.id = e.timer_id and t.status = 'active') and (
    exists (select 1 from timers_schedule s where s.timer_id = e.timer_id and s.overlap = 'allow')
    or not exists (
      select 1 from timers_execution o
      where o.timer_id = e.timer_id and o.{UNFINISHED} and o.id <> e.id and {HERE} and (
        o.started_at is not null
        or (o.status = 'pending' and o.serial = 0 and o.scheduled_for < e.scheduled_for))))))""",
    returns=StartedExecution,
)
"""Starts what may start whatever its neighbours do, or has none: nearly all. The rest is judged one by one."""


class Candidate(NamedTuple):
    """A pending execution whose instant has come, with what its overlap policy needs to know."""

    id: UUID | str
    timer_id: UUID | str
    trigger: str
    serial: int
    started_at: int | None
    scheduled_for: int
    timer_status: str
    overlap: str
    running: int
    waiting: int

    @property
    def may_be_left_out(self) -> bool:
        """Return whether pause and overlap are asked: for occurrences of the schedule that never began."""
        return self.started_at is None and self.trigger in PLANNED_TRIGGERS


CANDIDATES = Statement(
    f"""
select e.id, e.timer_id, e.trigger, e.serial, e.started_at, e.scheduled_for, t.status, s.overlap,
  case when s.overlap = 'allow' then 0 else (
    select count(*) from timers_execution o
    where o.timer_id = e.timer_id and o.{UNFINISHED} and o.started_at is not null and o.id <> e.id
      and {HERE}) end,
  case when s.overlap = 'allow' then 0 else (
    select count(*) from timers_execution o
    where o.timer_id = e.timer_id and o.{UNFINISHED}
      and o.status = 'pending' and o.started_at is null and o.serial = 0 and o.scheduled_for < e.scheduled_for) end
from timers_execution e
join timers_schedule s on s.timer_id = e.timer_id
join timers_timer t on t.id = e.timer_id
where {{ids[e.id]}} and e.status = 'pending'
order by e.timer_id, e.scheduled_for, e.serial""",
    returns=Candidate,
)


class StopRequest(NamedTuple):
    """An execution that was asked to stop; it has no lease while its work goes on elsewhere."""

    id: UUID | str
    lease_until: int | None


ASK_TO_STOP = Statement(
    f"""
update timers_execution set cancel_requested = true
where timer_id = %(timer_id)s and id <> %(id)s and {UNFINISHED} and status = 'running'
returning id, lease_until""",
    returns=StopRequest,
)

NOTE_START = Statement[Any](
    """
update timers_execution set started_at = %(started_at)s
where id = %(id)s and started_at is null and lease_owner = %(owner)s"""
)
"""Notes when an execution that was begun ahead of its instant really started."""

ASSIGN_CLUSTER = Statement[Any]("update timers_execution set cluster = %(cluster)s where {ids[id]}")

ASSIGN_WORKFLOWS = Statement[Any](
    "update timers_execution as e set workflow_id = v.run from {rows[key uuid, run uuid]} where e.id = v.key",
)
