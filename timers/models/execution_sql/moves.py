"""Every hand-written statement that moves executions from one state to another, but for those of a start.

A move that `lifecycle.py` does not know is refused when its module is imported.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, NamedTuple
from uuid import UUID

from timers.lifecycle import EXECUTION_MOVES, ExecutionStatus, check_move
from timers.models.execution_sql.inserts import RoutedExecution, StartedExecution, fields_of
from timers.models.statement import Row, Statement, TimerId

UNFINISHED = "status in ('pending', 'running', 'retrying')"
"""Word for word the condition of the index `execution_unfinished`, which SQLite else does not use."""


class ExecutionMove(Statement[Row]):
    """An UPDATE that changes the state of executions, and only of those that still are in its source state.

    `pairs` maps each source state to its targets. `changes` are the other assignments; `status` is the expression of
    the new state where there are several targets.
    """

    def __init__(
        self,
        pairs: Mapping[ExecutionStatus, Collection[ExecutionStatus]],
        changes: str,
        *,
        where: str,
        status: str = "",
        source: str = "",
        returns: type[Row] | None = None,
    ) -> None:
        for state, targets in pairs.items():
            for target in targets:
                check_move(EXECUTION_MOVES, state, target)
        self.pairs = pairs
        if not status:
            ((target,),) = {frozenset(targets) for targets in pairs.values()}
            status = f"'{target}'"
        states = ", ".join(f"'{state}'" for state in pairs)
        condition = f"= {states}" if len(pairs) == 1 else f"in ({states})"
        sql = f"""
update timers_execution as e set status = {status}, {changes}
{source}
where {where} and e.status {condition}"""
        if returns is not None:
            sql += f"\nreturning {fields_of(returns)}"
        super().__init__(sql, returns=returns)


class LeftOutExecution(NamedTuple):
    """The timer of an execution that was left out, and its serial: 0 for an occurrence of the schedule."""

    timer_id: UUID | str
    serial: int


class FinishedExecution(NamedTuple):
    """An execution whose attempt has ended, as it stands now."""

    id: UUID | str
    status: str
    cancel_requested: bool


PENDING, RUNNING, RETRYING = ExecutionStatus.PENDING, ExecutionStatus.RUNNING, ExecutionStatus.RETRYING
COMPLETED, FAILED = ExecutionStatus.COMPLETED, ExecutionStatus.FAILED
CANCELLED, SKIPPED = ExecutionStatus.CANCELLED, ExecutionStatus.SKIPPED

# Out of pending

TAKE_OVER = ExecutionMove(
    {PENDING: {RUNNING}},
    "attempt = attempt + 1, lease_until = %(lease_until)s, lease_owner = %(owner)s",
    where=f"""e.id in (
  select id from timers_execution
  where {{ids[timer_id]}} and {UNFINISHED} and status = 'pending' and serial = 0 and started_at is null and attempt = 0
    and scheduled_for > %(soon)s{{locked[update skip locked]}})""",
    returns=StartedExecution,
)
"""Begins ahead what a dispatcher has claimed of sub-second timers."""

_SKIPS = "skip_reason = %(reason)s, finished_at = %(now)s, lease_until = null"

SKIP = ExecutionMove({PENDING: {SKIPPED}}, _SKIPS, where="{ids[e.id]}", returns=LeftOutExecution)

SKIP_EARLIER = ExecutionMove(
    {PENDING: {SKIPPED}},
    _SKIPS,
    where=f"""e.timer_id = %(timer_id)s and e.id <> %(id)s and e.{UNFINISHED}
  and e.serial = 0 and e.started_at is null and e.scheduled_for < %(scheduled_for)s""",
    returns=TimerId,
)
"""Leaves out the occurrences before one that takes their place."""

_NOT_DUE = f"e.{UNFINISHED} and e.serial = 0 and e.started_at is null and e.run_at > %(now)s"

SKIP_NOT_DUE = ExecutionMove({PENDING: {SKIPPED}}, _SKIPS, where=_NOT_DUE, returns=TimerId)
"""Leaves out all occurrences that were claimed ahead and are not due yet."""

SKIP_NOT_DUE_OF_OWNER = ExecutionMove(
    {PENDING: {SKIPPED}},
    _SKIPS,
    where=f"{_NOT_DUE} and e.timer_id in (select id from timers_timer where owner_id = %(owner_id)s)",
    returns=TimerId,
)

_CANCEL = """finished_at = %(now)s, lease_until = null, failure_reason = 'cancelled',
  error_message = 'Cancelled before it began, or before its next attempt.'"""

CANCEL_WAITING = ExecutionMove[Any](
    {PENDING: {CANCELLED}, RETRYING: {CANCELLED}},
    _CANCEL,
    where=f"e.timer_id = %(timer_id)s and e.{UNFINISHED}",
)
"""Cancels what of a timer waits to begin or to be tried again."""

CANCEL_WAITING_ONE = ExecutionMove[Any]({PENDING: {CANCELLED}, RETRYING: {CANCELLED}}, _CANCEL, where="e.id = %(id)s")

WAITING_FOR_CLUSTERS = Statement(
    f"""
select {fields_of(RoutedExecution)} from timers_execution where {UNFINISHED} and cluster is not null and serial > 0
  and trigger in ('schedule', 'catch_up') and status <> 'running'""",
    returns=RoutedExecution,
)

END_ORPHANS = ExecutionMove(
    {PENDING: {SKIPPED, FAILED}, RETRYING: {FAILED}},
    """skip_reason = case when e.started_at is null then 'cluster_gone' end,
  failure_reason = case when e.started_at is null then null else 'lost' end,
  error_message = 'Its cluster is gone.', finished_at = %(now)s, lease_until = null""",
    status="case when e.started_at is null then 'skipped' else 'failed' end",
    where="{ids[e.id]}",
    returns=TimerId,
)
"""Ends what is for a cluster that is gone; what is to be tried again has always started."""

# Out of retrying

CANCEL_RETRYING = ExecutionMove[Any](
    {RETRYING: {CANCELLED}},
    """finished_at = %(now)s, lease_until = null, error_message = 'A later occurrence took its place.',
  failure_reason = 'replaced'""",
    where=f"e.timer_id = %(timer_id)s and e.id <> %(id)s and e.{UNFINISHED}",
)

RELEASE_RETRIES = ExecutionMove(
    {RETRYING: {PENDING}},
    "lease_until = %(lease_until)s",
    where=f"""e.id in (
  select id from timers_execution where {UNFINISHED} and status = 'retrying' and lease_until <= %(now)s
  order by lease_until limit %(limit)s{{locked[update skip locked]}})""",
    returns=RoutedExecution,
)

# Out of running

REPEAT_LOST = ExecutionMove[Any]({RUNNING: {PENDING}}, "lease_owner = null", where="{ids[e.id]}")
"""Lets others carry out what the workers of have died."""

REQUEUE = ExecutionMove[Any](
    {RUNNING: {PENDING}},
    "attempt = attempt - 1, lease_owner = null",
    where="{ids[e.id]} and e.lease_owner = %(owner)s",
)
"""Lets others carry out what a worker that stops has begun: its attempt does not count."""

REROUTE = ExecutionMove(
    {RUNNING: {PENDING}},
    """attempt = attempt - 1, lease_owner = null, lease_until = %(lease_until)s, error_message = %(message)s,
  started_at = case when attempt <= 1 then null else started_at end, cluster = null""",
    where="e.id = %(id)s and e.attempt = %(attempt)s and e.lease_owner = %(owner)s",
    returns=RoutedExecution,
)
"""Lets a cluster that knows its function carry out an execution: the attempt of one that does not counts nothing."""

SKIP_UNKNOWN = ExecutionMove[Any](
    {RUNNING: {SKIPPED}},
    """skip_reason = 'unknown_function', attempt = 0, started_at = null, finished_at = %(now)s, lease_until = null,
  lease_owner = null, error_message = %(message)s""",
    where="e.id = %(id)s and e.attempt = %(attempt)s",
)
"""Leaves out what is for a cluster that does not know its function."""

# Whoever asked for a cancel while the attempt ended by itself gets no further attempt. Work that goes on elsewhere
# stays running.
_IS_REFUSED = "e.cancel_requested and v.ending = 'retrying'"


def _finish(where: str) -> ExecutionMove[FinishedExecution]:
    return ExecutionMove(
        {RUNNING: {COMPLETED, FAILED, CANCELLED, RETRYING, SKIPPED}},
        f"""finished_at = case when {_IS_REFUSED} then %(now)s else v.finished_at end,
  lease_until = case when {_IS_REFUSED} then null else v.lease_until end,
  lease_owner = null, result = v.result, error_message = v.error_message, failure_reason = v.failure_reason,
  transfer_id = coalesce(v.transfer_id, e.transfer_id), skip_reason = v.skip_reason,
  attempt = case when v.ending = 'skipped' then 0 else e.attempt end,
  started_at = case when v.ending = 'skipped' then null else coalesce(e.started_at, v.started_at) end""",
        status=f"case when {_IS_REFUSED} then 'cancelled' else v.ending end",
        source="""from {rows[key uuid, attempt integer, ending text, finished_at bigint, lease_until bigint,
  result jsonb, error_message text, failure_reason text, transfer_id uuid, skip_reason text, started_at bigint]}""",
        where=f"e.id = v.key and e.attempt = v.attempt and {{narrow[e.id]}}{where}",
        returns=FinishedExecution,
    )


FINISH = _finish(" and e.lease_owner = %(owner)s")
FINISH_ELSEWHERE = _finish("")
"""Ends attempts whose work went on elsewhere: nobody holds their leases."""
