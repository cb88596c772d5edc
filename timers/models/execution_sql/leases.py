"""Statements about the leases of unfinished executions; none of them changes a state."""

from __future__ import annotations

from typing import Any, NamedTuple
from uuid import UUID

from timers.models.execution_sql.inserts import RoutedExecution, fields_of
from timers.models.execution_sql.moves import UNFINISHED
from timers.models.statement import RowId, Statement, TimerId

_ROUTED = fields_of(RoutedExecution)


class RenewedLease(NamedTuple):
    """An execution whose lease was extended."""

    id: UUID | str
    cancel_requested: bool


RENEW = Statement(
    """
update timers_execution as e set lease_until = %(lease_until)s
from {rows[key uuid, number integer]}
where e.id = v.key and e.attempt = v.number and e.lease_owner = %(owner)s and e.status = 'running'
returning id, cancel_requested""",
    returns=RenewedLease,
)


class ChangedLease(NamedTuple):
    """An execution that is to be cancelled, or that another worker may hold."""

    id: UUID | str
    attempt: int
    lease_owner: str | None
    status: str


CHANGED = Statement(
    """
select id, attempt, lease_owner, status from timers_execution
where {ids[id]} and (cancel_requested or lease_owner is null or lease_owner <> %(owner)s)""",
    returns=ChangedLease,
)

WAKE = Statement(
    f"""
update timers_execution set lease_until = %(lease_until)s where {{ids[id]}} and status = 'pending'
returning {_ROUTED}""",
    returns=RoutedExecution,
)

WAKE_WAITING = Statement(
    f"""
update timers_execution set lease_until = %(lease_until)s
where {{ids[id]}} and status = 'pending' and lease_until is not null
returning {_ROUTED}""",
    returns=RoutedExecution,
)
"""Wakes those that do not wait behind another one."""

LAY_DOWN = Statement[Any](
    "update timers_execution set lease_until = %(lease_until)s where {ids[id]} and status = 'pending'"
)
"""Lets pending ones lie until an instant, or until the running one before them ends."""

REPEAT = Statement(
    f"""
update timers_execution set lease_until = %(lease_until)s where id in (
  select id from timers_execution where {UNFINISHED} and status = 'pending' and lease_until <= %(before)s
  order by lease_until limit %(limit)s{{locked[update skip locked]}})
and status = 'pending' returning {_ROUTED}""",
    returns=RoutedExecution,
)
"""Extends the leases of pending ones that nobody has begun in time, for their messages to be repeated."""


FIRST_WAITING = Statement(
    f"""
select id from timers_execution
where timer_id = %(timer_id)s and {UNFINISHED} and status = 'pending' and serial = 0 and started_at is null
  and run_at <= %(now)s
order by scheduled_for limit 1""",
    returns=RowId,
)

FORGOTTEN = Statement(
    f"""
select distinct e.timer_id from timers_execution e where e.{UNFINISHED} and e.status = 'pending'
  and e.lease_until is null and not exists (
    select 1 from timers_execution o where o.timer_id = e.timer_id
    and o.{UNFINISHED} and o.id <> e.id and (o.status <> 'pending' or o.lease_until is not null))
limit %(limit)s""",
    returns=TimerId,
)
"""Finds timers with occurrences that wait behind a running one which is not there any more."""


class NextRetry(NamedTuple):
    """When the next retry is due."""

    lease_until: int | None


NEXT_RETRY = Statement(
    f"select min(lease_until) from timers_execution where {UNFINISHED} and status = 'retrying'", returns=NextRetry
)

COUNT_LOSS = Statement[Any]("update timers_execution set lost_attempts = lost_attempts + 1 where {ids[id]}")
