"""Begins attempts: decides whether an execution whose instant has come starts, waits or is left out.

Two workers may hold the same execution, or two of one timer: a lock per timer is held while its overlap policy is
asked, and only the rows that the last statement returns are ours.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby
from typing import Any
from uuid import UUID

from timers.clock import from_us, to_us
from timers.lifecycle import PLANNED_TRIGGERS, ExecutionStatus, SkipReason, TimerStatus
from timers.models import sql as rows
from timers.scheduling.overlap import Decision, OverlapPolicy, decide
from timers.services.attempt_values import UNFINISHED_SQL, StartedAttempt
from timers.services.executions import cluster_routing, delegated
from timers.services.timers import run_budget
from timers.services.timers.definition_cache import CachedDefinition, read

LEASE = timedelta(seconds=15)
STOP_CHECK_DELAY = timedelta(seconds=5)
"""When the reaper looks at an occurrence that waits for what it asked to stop."""

HERE = "(o.cluster is null or o.cluster = %%s)"
"""What runs for another cluster, of a timer that runs on every one, holds up nothing here."""


CANDIDATES = f"""
select e.id, e.timer_id, e.trigger, e.serial, e.started_at, e.scheduled_for, t.status, s.overlap,
  case when s.overlap = 'allow' then 0 else (
    select count(*) from timers_execution o
    where o.timer_id = e.timer_id and o.{UNFINISHED_SQL} and o.started_at is not null and o.id <> e.id
      and {HERE}) end,
  case when s.overlap = 'allow' then 0 else (
    select count(*) from timers_execution o
    where o.timer_id = e.timer_id and o.{UNFINISHED_SQL}
      and o.status = 'pending' and o.started_at is null and o.serial = 0 and o.scheduled_for < e.scheduled_for) end
from timers_execution e
join timers_schedule s on s.timer_id = e.timer_id
join timers_timer t on t.id = e.timer_id
where %s and e.status = 'pending'
order by e.timer_id, e.scheduled_for, e.serial"""

# Two workers must not ask the same timer's policy at once. A lock by number (the first half of the timer's identifier)
# writes nothing, unlike one on the row. All take them in one order.
LOCK = "select pg_advisory_xact_lock(number) from unnest(%s::bigint[]) as number"

LOCKED_TIMERS = """
select distinct e.timer_id from timers_execution e join timers_schedule s on s.timer_id = e.timer_id
where %s and s.overlap <> 'allow'"""

# What was begun ahead (services/subsecond.py) has no start as long as it has not really begun: it holds up nobody.
# Those that may start whatever their neighbours do, or that have none: nearly all. The rest is judged one by one.
START_FREE = f"""
update timers_execution as e
set status = 'running', attempt = attempt + 1, started_at = coalesce(started_at, %%s), lease_until = %%s,
  lease_owner = %%s
where %s and e.status = 'pending' and ((e.serial > 0 and e.cluster is null) or e.started_at is not null or (
  exists (select 1 from timers_timer t where t.id = e.timer_id and t.status = 'active') and (
    exists (select 1 from timers_schedule s where s.timer_id = e.timer_id and s.overlap = 'allow')
    or not exists (
      select 1 from timers_execution o
      where o.timer_id = e.timer_id and o.{UNFINISHED_SQL} and o.id <> e.id and {HERE} and (
        o.started_at is not null
        or (o.status = 'pending' and o.serial = 0 and o.scheduled_for < e.scheduled_for))))))
returning id, timer_id, definition_id, trigger, attempt, lost_attempts, scheduled_for, serial"""

START = """
update timers_execution as e
set status = 'running', attempt = attempt + 1, started_at = coalesce(started_at, %%s), lease_until = %%s,
  lease_owner = %%s
where %s and status = 'pending'
returning id, timer_id, definition_id, trigger, attempt, lost_attempts, scheduled_for, serial"""


CANCEL_RETRYING = f"""
update timers_execution set status = 'cancelled', finished_at = %s, lease_until = null,
  error_message = 'A later occurrence took its place.', failure_reason = 'replaced'
where timer_id = %s and id <> %s and {UNFINISHED_SQL} and status = 'retrying'"""

LEAVE_OUT_EARLIER = f"""
update timers_execution set status = 'skipped', skip_reason = 'overlap', finished_at = %s, lease_until = null
where timer_id = %s and id <> %s and {UNFINISHED_SQL}
  and status = 'pending' and serial = 0 and started_at is null and scheduled_for < %s
returning timer_id"""

ASK_TO_STOP = f"""
update timers_execution set cancel_requested = %s
where timer_id = %s and id <> %s and {UNFINISHED_SQL} and status = 'running'
returning id, lease_until"""


@dataclass(frozen=True, slots=True)
class _Candidate:
    """A pending execution whose instant has come, with what its overlap policy needs to know."""

    execution_id: str
    timer_id: str
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


class _Verdicts:
    """What becomes of each candidate of a group."""

    def __init__(self) -> None:
        self.start: list[_Candidate] = []
        self.wait: list[_Candidate] = []
        self.replace: list[_Candidate] = []
        self.skip: list[tuple[_Candidate, SkipReason]] = []


def begin(
    ids: Iterable[UUID | str],
    *,
    owner: str,
    now: datetime,
    definitions: Iterable[int] | None = None,
    cluster: str | None = None,
) -> list[StartedAttempt]:
    """Begin those of the executions that wait for it and may start; return what is ours to carry out now.

    `owner` names the worker that holds the leases, `cluster` the one that it belongs to, where timers run on every
    cluster; `definitions` of all of them, when known, spare a question. `started_at` of an execution is the start of
    its first attempt.
    """
    wanted = [rows.as_hex(each) for each in ids]
    with rows.turn():
        if rows.on_postgresql():
            rows.fetch(LOCK, [sorted(_lock_numbers(wanted, definitions))])
        started = _start(START_FREE, wanted, owner=owner, now=now, more=[cluster])
        if len(started) < len(wanted):
            started += _start_judged(wanted, owner=owner, cluster=cluster, now=now)
        known = read(row[2] for row in started)
        cluster_routing.spread(started, known, cluster=cluster, now=now)
    return [_begun(row, known[row[2]]) for row in sorted(started, key=lambda row: row[6])]


def _lock_numbers(wanted: Sequence[str], definitions: Iterable[int] | None) -> set[int]:
    if definitions is None:
        timers = [row[0] for row in rows.fetch(LOCKED_TIMERS % rows.among("e.id"), [rows.listed(wanted)])]
    else:
        known = read(definitions).values()
        timers = [each.timer_id for each in known if each.overlap is not OverlapPolicy.ALLOW or each.has_breaker]
    return {int.from_bytes(each.bytes[:8], signed=True) for each in timers}


def _start_judged(wanted: Sequence[str], *, owner: str, cluster: str | None, now: datetime) -> list[tuple[Any, ...]]:
    """Ask the overlap policies of those that are still pending; return what starts."""
    found = rows.fetch(CANDIDATES % rows.among("e.id"), [cluster, rows.listed(wanted)])
    verdicts = _judge([_Candidate(rows.as_hex(row[0]), rows.as_hex(row[1]), *row[2:]) for row in found])
    started = _start(START, [each.execution_id for each in verdicts.start], owner=owner, now=now)
    _wait(verdicts.wait, until=None)
    free, replaced = _replace(verdicts.replace, now=now)
    started += _start(START, [each.execution_id for each in free], owner=owner, now=now)
    left_out = _leave_out(verdicts.skip, now=now)
    # schedules last and all at once: whoever ends attempts locks rows in this order too
    run_budget.refund([*replaced, *left_out], now=now)
    return started


def _judge(candidates: Sequence[_Candidate]) -> _Verdicts:
    """Decide on each candidate, a timer's own in planned order, each decision counting for the next one."""
    verdicts = _Verdicts()
    for _, group in groupby(candidates, key=lambda each: each.timer_id):
        begun = left = 0
        for each in group:
            decision = _decide(each, begun=begun, left=left)
            if isinstance(decision, SkipReason):
                verdicts.skip.append((each, decision))
                left += 1
            elif decision is Decision.START:
                verdicts.start.append(each)
                begun += 1
                left += each.may_be_left_out
            elif decision is Decision.CANCEL_AND_START:
                verdicts.replace.append(each)
            else:
                verdicts.wait.append(each)
    return verdicts


def _decide(each: _Candidate, *, begun: int, left: int) -> Decision | SkipReason:
    if not each.may_be_left_out:
        return Decision.START
    if each.timer_status != TimerStatus.ACTIVE:
        return SkipReason.PAUSED if each.timer_status == TimerStatus.PAUSED else SkipReason.ENDED
    if each.serial > 0:  # for one of many clusters: it starts unless this one is still at it, and never waits
        is_busy = each.running + begun > 0 and each.overlap == OverlapPolicy.SKIP
        return SkipReason.OVERLAP if is_busy else Decision.START
    decision = decide(OverlapPolicy(each.overlap), running=each.running + begun, waiting=max(0, each.waiting - left))
    return SkipReason.OVERLAP if decision is Decision.SKIP else decision


def _start(
    sql: str, wanted: Sequence[str], *, owner: str, now: datetime, more: Sequence[Any] = ()
) -> list[tuple[Any, ...]]:
    if not wanted:
        return []
    values = [to_us(now), to_us(now + LEASE), owner, rows.listed(wanted), *more]
    return rows.fetch(sql % rows.among("id"), values)


def _begun(row: Sequence[Any], instructions: CachedDefinition) -> StartedAttempt:
    execution_id, timer_id, _, trigger, attempt, lost_attempts, scheduled_for, serial = row
    return StartedAttempt(
        rows.as_uuid(execution_id),
        rows.as_uuid(timer_id),
        trigger,
        from_us(scheduled_for),
        attempt,
        lost_attempts,
        instructions,
        serial,
    )


def _wait(waiting: Sequence[_Candidate], *, until: datetime | None) -> None:
    """Let them lie until the running one ends, which wakes the first of them, or until that instant."""
    if waiting:
        rows.change(
            f"update timers_execution set lease_until = %s where {rows.among('id')} and status = 'pending'",
            [None if until is None else to_us(until), rows.listed([each.execution_id for each in waiting])],
        )


def _replace(replacing: Sequence[_Candidate], *, now: datetime) -> tuple[list[_Candidate], list[UUID]]:
    """Ask what is active before the newest of each timer to stop.

    Returns those that need not wait for that, and the timer of each occurrence that was left out for a newer one.
    """
    free: list[_Candidate] = []
    replaced: list[UUID] = []
    for each in {each.timer_id: each for each in replacing}.values():
        rows.change(CANCEL_RETRYING, [to_us(now), each.timer_id, each.execution_id])
        left_out = rows.fetch(LEAVE_OUT_EARLIER, [to_us(now), each.timer_id, each.execution_id, each.scheduled_for])
        replaced += [rows.as_uuid(row[0]) for row in left_out]
        if ask_to_stop(each.timer_id, but=each.execution_id, now=now):
            _wait([each], until=now + STOP_CHECK_DELAY)
        else:
            free.append(each)
    return free, replaced


def ask_to_stop(timer_id: str, *, but: str, now: datetime) -> int:
    """Ask what runs of a timer to stop, all but one execution; return how many were asked."""
    asked = rows.fetch(ASK_TO_STOP, [True, timer_id, but])
    delegated.stop([rows.as_uuid(row[0]) for row in asked if row[1] is None], now=now)
    return len(asked)


def _leave_out(skipped: Sequence[tuple[_Candidate, SkipReason]], *, now: datetime) -> list[UUID]:
    """Record them as skipped; return the timer of each whose run is to be given back."""
    timer_ids: list[UUID] = []
    for reason, group in groupby(sorted(skipped, key=lambda each: each[1]), key=lambda each: each[1]):
        wanted = rows.listed([each.execution_id for each, _ in group])
        found = rows.fetch(
            "update timers_execution set status = %s, skip_reason = %s, finished_at = %s, lease_until = null "
            f"where {rows.among('id')} and status = 'pending' returning timer_id, serial",
            [ExecutionStatus.SKIPPED, reason, to_us(now), wanted],
        )
        timer_ids += [rows.as_uuid(row[0]) for row in found if row[1] == 0]
    return timer_ids
