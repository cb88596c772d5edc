"""Leases of unfinished executions: extended while they are worked on, taken back when nobody does.

Everything here may be done by several processes at once: each statement changes only what still stands as it was read.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from timers.actions.base import Outcome
from timers.clock import from_us, to_us
from timers.lifecycle import ExecutionStatus
from timers.messaging import queue
from timers.models import Execution, Transfer, sql
from timers.models.execution_sql import leases, moves
from timers.models.leases import EXECUTIONS, MAX_LOST_ATTEMPTS, TRANSFERS, VERY_LATE
from timers.services.attempt_values import LOST, AttemptResult, StartedAttempt
from timers.services.executions import cluster_routing, complete, overlap_queue
from timers.services.timers.definition_cache import CachedDefinition, read

MAX_IDS = 20
"""Lost executions that are named in the log."""


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """The attempts of a worker that are no longer its own, and those that it has to stop."""

    lost: frozenset[UUID]
    cancelled: frozenset[UUID]


@dataclass(frozen=True, slots=True)
class Reaped:
    """Numbers of what one pass took back."""

    repeated: int = 0
    lost: int = 0
    lost_ids: tuple[UUID, ...] = ()
    woken: int = 0
    slices: int = 0


def renew(running: Sequence[tuple[UUID, int]], *, owner: str, now: datetime) -> Heartbeat:
    """Extend the leases of running attempts (execution, attempt); return which were lost and which to stop."""
    if not running:
        return Heartbeat(frozenset(), frozenset())
    renewed = leases.RENEW.fetch(
        lease_until=to_us(now + EXECUTIONS.lease),
        rows=[(execution_id.hex, attempt) for execution_id, attempt in running],
        owner=owner,
    )
    ours = {sql.as_uuid(row.id): row.cancel_requested for row in renewed}
    lost = frozenset(execution_id for execution_id, _ in running if execution_id not in ours)
    return Heartbeat(lost, frozenset(execution_id for execution_id, cancelled in ours.items() if cancelled))


def check(running: Sequence[tuple[UUID, int]], *, owner: str) -> Heartbeat:
    """Return the same without extending anything: cheap enough to ask every second."""
    attempts = dict(running)
    lost: set[UUID] = set()
    cancelled: set[UUID] = set()
    changed = leases.CHANGED.fetch(ids=[key.hex for key in attempts], owner=owner) if attempts else []
    for row in changed:
        execution_id = sql.as_uuid(row.id)
        is_ours = row.lease_owner == owner and row.status == ExecutionStatus.RUNNING
        if is_ours and row.attempt == attempts[execution_id]:
            cancelled.add(execution_id)
        else:
            lost.add(execution_id)
    return Heartbeat(frozenset(lost), frozenset(cancelled))


def release_retries(*, now: datetime) -> tuple[int, datetime | None]:
    """Send messages for the retries that are due; return how many, and when the next one is."""
    with sql.turn():
        released = moves.RELEASE_RETRIES.fetch(
            lease_until=to_us(now + EXECUTIONS.message_lease), now=to_us(now), limit=EXECUTIONS.batch
        )
        if released:
            cluster_routing.resend(released, now=now)
    (following,) = leases.NEXT_RETRY.fetch()
    return len(released), None if following.lease_until is None else from_us(following.lease_until)


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
        repeated = leases.REPEAT.fetch(
            lease_until=to_us(now + EXECUTIONS.repeat_after), before=to_us(before), limit=EXECUTIONS.batch
        )
        if repeated:
            cluster_routing.resend(repeated, now=now)
    return len(repeated)


def _take_back_lost(now: datetime) -> list[UUID]:
    """Make lost attempts of running executions whose lease ran out, and have those repeated at once."""
    with sql.turn():
        running = Execution.objects.unfinished().filter(status=ExecutionStatus.RUNNING)
        lost = list(running.overdue(now=now)[: EXECUTIONS.batch])
        if not lost:
            return []
        leases.COUNT_LOSS.change(ids=[execution.pk.hex for execution in lost])
        known = read(execution.definition_id for execution in lost)
        repeated: list[Execution] = []
        over: list[Execution] = []
        for execution in lost:
            execution.lost_attempts += 1
            is_repeated = _is_repeated(execution, known[execution.definition_id])
            (repeated if is_repeated else over).append(execution)
        _repeat_lost(repeated, now)
        complete.finish([_lost_attempt(execution, now) for execution in over], owner=None, now=now)
    return [execution.pk for execution in lost]


def _is_repeated(lost: Execution, definition: CachedDefinition) -> bool:
    return lost.lost_attempts < MAX_LOST_ATTEMPTS and not lost.cancel_requested and not definition.at_most_once


def _repeat_lost(lost: Iterable[Execution], now: datetime) -> None:
    """Record the lost attempts of these executions, and wake others for them."""
    ids = [execution.pk.hex for execution in lost]
    if ids:
        complete.write_attempts([_lost_attempt(execution, now) for execution in lost], worker=None, outcome=LOST)
        moves.REPEAT_LOST.change(ids=ids)
        overlap_queue.wake(ids, now=now)


def _lost_attempt(execution: Execution, now: datetime) -> AttemptResult:
    instructions = read([execution.definition_id])[execution.definition_id]
    outcome = Outcome.failed(f"The worker {execution.lease_owner} did not report any more.", reason=LOST)
    if execution.cancel_requested:
        outcome = Outcome.cancelled()
    return AttemptResult(StartedAttempt.of(execution, instructions), outcome, execution.started_at or now, now)


def _wake_forgotten(now: datetime) -> int:
    """Wake occurrences that wait behind a running one which is not there any more."""
    forgotten = leases.FORGOTTEN.fetch(limit=EXECUTIONS.batch)
    if not forgotten:
        return 0
    with sql.turn():
        return overlap_queue.wake_next([sql.as_uuid(row.timer_id) for row in forgotten], now=now)


def _repeat_slices(now: datetime) -> int:
    """Send messages again for transfers whose next slice nobody has begun in time."""
    with sql.turn():
        due = Transfer.objects.unfinished().repeat_overdue(TRANSFERS, now=now)
        queue.send([queue.package(queue.RUN_SLICE, str(transfer_id)) for transfer_id in due])
    return len(due)
