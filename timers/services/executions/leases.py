"""Leases of unfinished executions: extended while they are worked on, taken back when nobody does.

Everything here may be done by several processes at once: each statement changes only what still stands as it was read.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from timers.actions.base import Outcome
from timers.clock import from_us, to_us
from timers.lifecycle import ExecutionStatus
from timers.messaging import queue
from timers.models import Execution, Transfer, sql
from timers.models.leases import EXECUTION_MESSAGE_LEASE
from timers.services.attempt_values import LOST, UNFINISHED_SQL, AttemptResult, StartedAttempt
from timers.services.executions import cluster_routing, complete, overlap_queue
from timers.services.executions.begin import LEASE
from timers.services.timers.definition_cache import CachedDefinition, read

MAX_LOST_ATTEMPTS = 5
MAX_IDS = 20
"""How many of the executions that were lost are named."""

REAPED_AT_ONCE = 500
REPEAT_AFTER = timedelta(seconds=20)
"""How long a repeated message may take; longer than the first one, so that a long queue is not made longer."""

VERY_LATE = timedelta(minutes=2)
"""Behind a long queue messages are waiting rather than lost: only those that are so late are repeated."""


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """What a worker learns about the attempts it works on: those that are no longer its own, those to be stopped."""

    lost: frozenset[UUID]
    cancelled: frozenset[UUID]


@dataclass(frozen=True, slots=True)
class Reaped:
    """What one pass took back."""

    repeated: int = 0
    lost: int = 0
    lost_ids: tuple[UUID, ...] = ()
    woken: int = 0
    slices: int = 0


def renew(running: Sequence[tuple[UUID, int]], *, owner: str, now: datetime) -> Heartbeat:
    """Extend the leases of running attempts (execution, attempt); return which were lost and which to stop."""
    if not running:
        return Heartbeat(frozenset(), frozenset())
    found = sql.fetch(
        "update timers_execution as e set lease_until = %s "
        f"from {sql.table('v', key='uuid', number='integer')} "
        "where e.id = v.key and e.attempt = v.number and e.lease_owner = %s and e.status = 'running' "
        "returning id, cancel_requested",
        [to_us(now + LEASE), *sql.rows([(each.hex, attempt) for each, attempt in running]), owner],
    )
    ours = {sql.as_uuid(row[0]): bool(row[1]) for row in found}
    lost = frozenset(each for each, _ in running if each not in ours)
    return Heartbeat(lost, frozenset(each for each, cancelled in ours.items() if cancelled))


def check(running: Sequence[tuple[UUID, int]], *, owner: str) -> Heartbeat:
    """Return the same without extending anything: cheap enough to ask every second."""
    if not running:
        return Heartbeat(frozenset(), frozenset())
    found = sql.fetch(
        "select id, cancel_requested, attempt, lease_owner, status from timers_execution "
        f"where {sql.among('id')} and (cancel_requested or lease_owner is null or lease_owner <> %s)",
        [sql.listed([each.hex for each, _ in running]), owner],
    )
    attempts = dict(running)
    lost: set[UUID] = set()
    cancelled: set[UUID] = set()
    for row in found:
        execution_id = sql.as_uuid(row[0])
        ours = row[2] == attempts[execution_id] and row[3] == owner and row[4] == ExecutionStatus.RUNNING
        (cancelled if ours else lost).add(execution_id)
    return Heartbeat(frozenset(lost), frozenset(cancelled))


def release_retries(*, now: datetime) -> tuple[int, datetime | None]:
    """Send messages for the retries that are due; return how many, and when the next one is."""
    with sql.turn():
        items = sql.fetch(
            "update timers_execution set status = 'pending', lease_until = %s where id in ("
            f"select id from timers_execution where {UNFINISHED_SQL} and status = 'retrying' and lease_until <= %s "
            f"order by lease_until limit {REAPED_AT_ONCE}{sql.locked('update skip locked')}) "
            "and status = 'retrying' returning id, run_at, definition_id, cluster, serial",
            [to_us(now + EXECUTION_MESSAGE_LEASE), to_us(now)],
        )
        if items:
            cluster_routing.resend(items, now=now)
    following = sql.fetch(
        f"select min(lease_until) from timers_execution where {UNFINISHED_SQL} and status = 'retrying'"
    )[0][0]
    return len(items), None if following is None else from_us(following)


def reap(*, now: datetime) -> Reaped:
    """Take back what nobody works on any more, a bounded number at a time; return what that was."""
    cluster_routing.end_orphans(now=now)
    repeated, lost = _repeat_messages(now), _take_back_lost(now)
    return Reaped(
        repeated=repeated,
        lost=len(lost),
        lost_ids=tuple(lost[:MAX_IDS]),
        woken=_wake_forgotten(now),
        slices=_repeat_slices(now),
    )


def _repeat_messages(now: datetime) -> int:
    """Send messages again for pending executions that nobody has begun in time."""
    before = now - VERY_LATE if queue.is_long() else now
    with sql.turn():
        items = sql.fetch(
            "update timers_execution set lease_until = %s where id in ("
            f"select id from timers_execution where {UNFINISHED_SQL} and status = 'pending' and lease_until <= %s "
            f"order by lease_until limit {REAPED_AT_ONCE}{sql.locked('update skip locked')}) "
            "and status = 'pending' returning id, run_at, definition_id, cluster, serial",
            [to_us(now + REPEAT_AFTER), to_us(before)],
        )
        if items:
            cluster_routing.resend(items, now=now)
    return len(items)


def _take_back_lost(now: datetime) -> list[UUID]:
    """Make lost attempts of running executions whose lease ran out, and have those repeated at once."""
    with sql.turn():
        found = (
            Execution.objects.select_for_update(skip_locked=sql.on_postgresql())
            .unfinished()
            .filter(status=ExecutionStatus.RUNNING, lease_until__lte=now)
            .order_by("lease_until")[:REAPED_AT_ONCE]
        )
        lost = list(found)
        if not lost:
            return []
        for each in lost:
            each.lost_attempts += 1
        sql.change(
            f"update timers_execution set lost_attempts = lost_attempts + 1 where {sql.among('id')}",
            [sql.listed([each.pk.hex for each in lost])],
        )
        what = read(each.definition_id for each in lost)
        repeated = [each for each in lost if _is_repeated(each, what[each.definition_id])]
        _record_losses(repeated, now)
        _end_lost([each for each in lost if each not in repeated], now)
    return [each.pk for each in lost]


def _is_repeated(lost: Execution, what: CachedDefinition) -> bool:
    return lost.lost_attempts < MAX_LOST_ATTEMPTS and not lost.cancel_requested and not what.at_most_once


def _record_losses(lost: Sequence[Execution], now: datetime) -> None:
    if not lost:
        return
    ended = [_lost(each, now) for each in lost]
    complete.write_attempts(ended, worker=None, outcome=LOST)
    ids = [each.pk.hex for each in lost]
    sql.change(
        "update timers_execution set status = 'pending', lease_owner = null "
        f"where {sql.among('id')} and status = 'running'",
        [sql.listed(ids)],
    )
    overlap_queue.wake(ids, now=now)


def _end_lost(lost: Sequence[Execution], now: datetime) -> None:
    if lost:
        complete.finish([_lost(each, now) for each in lost], owner=None, now=now)


def _lost(execution: Execution, now: datetime) -> AttemptResult:
    instructions = read([execution.definition_id])[execution.definition_id]
    outcome = Outcome.failed(f"The worker {execution.lease_owner} did not report any more.", reason=LOST)
    if execution.cancel_requested:
        outcome = Outcome.cancelled()
    return AttemptResult(StartedAttempt.of(execution, instructions), outcome, execution.started_at or now, now)


def _wake_forgotten(now: datetime) -> int:
    """Wake occurrences that wait behind a running one which is not there any more."""
    found = sql.fetch(
        f"select distinct e.timer_id from timers_execution e where e.{UNFINISHED_SQL} and e.status = 'pending' "
        "and e.lease_until is null and not exists (select 1 from timers_execution o where o.timer_id = e.timer_id "
        f"and o.{UNFINISHED_SQL} and o.id <> e.id and (o.status <> 'pending' or o.lease_until is not null)) "
        f"limit {REAPED_AT_ONCE}"
    )
    if not found:
        return 0
    with sql.turn():
        return overlap_queue.wake_next([sql.as_uuid(row[0]) for row in found], now=now)


def _repeat_slices(now: datetime) -> int:
    """Send messages again for transfers whose next slice nobody has begun in time."""
    with sql.turn():
        due = list(
            Transfer.objects.select_for_update(skip_locked=sql.on_postgresql())
            .unfinished()
            .filter(lease_until__lte=now)
            .order_by("lease_until")
            .values_list("pk", flat=True)[:REAPED_AT_ONCE]
        )
        Transfer.objects.filter(pk__in=due).update(lease_until=now + REPEAT_AFTER)
        queue.send([queue.package(queue.RUN_SLICE, str(each)) for each in due])
    return len(due)
