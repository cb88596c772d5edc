"""Writes how attempts ended, many at a time, where attempt and owner still agree.

An attempt that was given up meanwhile (its lease ran out, it was cancelled) changes nothing: that is the fencing.
"""

from __future__ import annotations

import json
import logging
import random
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any
from uuid import UUID

from django.db import transaction

from timers.actions.base import Outcome, OutcomeKind
from timers.clock import to_us
from timers.lifecycle import PLANNED_TRIGGERS, ExecutionStatus, TimerStatus
from timers.messaging import queue
from timers.models import Execution, Timer, sql
from timers.models.execution_sql import moves
from timers.models.statement import Statement
from timers.scheduling import backoff
from timers.scheduling.overlap import OverlapPolicy
from timers.services.attempt_values import LOST, AttemptResult, EndedExecution, StartedAttempt
from timers.services.executions import circuit_breaker, counters, delegated, overlap_queue, requeue
from timers.services.signals import executions_ended
from timers.services.timers import completion, run_budget
from timers.services.timers.definition_cache import CachedDefinition, read

log = logging.getLogger(__name__)

MAX_RETRY_AFTER_SECONDS = 86_400.0
MAX_MESSAGE_LENGTH = 10_000

_NUL = re.compile(r"(?<!\\)((?:\\\\)*)\\u0000")
"""The one character that PostgreSQL does not take, as JSON writes it."""

_ATTEMPTS = Statement[Any](
    """
insert into timers_attempt
  (execution_id, number, started_at, finished_at, outcome, error_message, failure_reason, worker, details)
select v.id, v.number, v.started_at, v.finished_at, v.outcome, v.error_message, v.failure_reason, v.worker, v.details
from {rows[id uuid, number integer, started_at bigint, finished_at bigint, outcome text,
  error_message text, failure_reason text, worker text, details jsonb]} where true
on conflict (execution_id, number) do update set finished_at = excluded.finished_at, outcome = excluded.outcome,
  error_message = excluded.error_message, failure_reason = excluded.failure_reason, details = excluded.details""",
)


@dataclass(frozen=True, slots=True)
class _RecordedResult:
    """The end of one attempt, as its execution's row records it."""

    finished: AttemptResult
    status: ExecutionStatus
    lease_until: datetime | None = None

    @property
    def is_over(self) -> bool:
        return self.status not in (ExecutionStatus.RUNNING, ExecutionStatus.RETRYING)


def finish(batch: Sequence[AttemptResult], *, owner: str | None, now: datetime) -> set[UUID]:
    """Record how these attempts ended; return the executions that were still ours.

    With `owner` None the lease is not asked for, only the attempt: the work went on elsewhere.
    """
    if not batch:
        return set()
    with sql.turn():
        unknown = [result for result in batch if result.outcome.ending is OutcomeKind.NOT_HERE]
        if unknown:
            requeue.reroute(unknown, owner=owner, now=now)
        endings = [_ending(result, now=now) for result in batch if result.outcome.ending is not OutcomeKind.NOT_HERE]
        if not endings:
            return set()
        statuses = _write(endings, owner=owner, now=now)
        ours = [ending for ending in endings if ending.finished.begun.execution_id in statuses]
        if ours:
            _follow(ours, statuses, owner=owner, now=now)
    return set(statuses)


def _follow(ours: Iterable[_RecordedResult], statuses: dict[UUID, str], *, owner: str | None, now: datetime) -> None:
    """Do what follows from the ends that were recorded: attempts are written, and the timers learn of them."""
    skipped: list[AttemptResult] = []
    ran: list[AttemptResult] = []
    for ending in ours:
        (skipped if ending.status is ExecutionStatus.SKIPPED else ran).append(ending.finished)
    write_attempts(ran, worker=owner)
    over = [result for result in ran if statuses[result.begun.execution_id] != ExecutionStatus.RETRYING]
    if skipped:
        counters.lock(result.begun.timer_id for result in [*over, *skipped])
    _update_timers([result for result in over if result.outcome.ending is not OutcomeKind.WAITING], statuses, now=now)
    _refund_skipped(skipped, now=now)
    if len(over) < len(ran):
        queue.wake_dispatchers()


def finish_elsewhere(execution_id: UUID, *, attempt: int, outcome: Outcome, now: datetime) -> bool:
    """End the execution that waits for work that went on elsewhere; return whether that attempt still counted."""
    return execution_id in finish_all_elsewhere([(execution_id, attempt, outcome)], now=now)


def finish_all_elsewhere(ended: Sequence[tuple[UUID, int, Outcome]], *, now: datetime) -> set[UUID]:
    """End several such executions, each with its attempt; return those whose attempt still counted."""
    if not ended:
        return set()
    outcomes = {(execution_id, attempt): outcome for execution_id, attempt, outcome in ended}
    ids = [execution_id for execution_id, _, _ in ended]
    running = Execution.objects.filter(pk__in=ids, status=ExecutionStatus.RUNNING)
    counting = [execution for execution in running if (execution.pk, execution.attempt) in outcomes]
    known = read(execution.definition_id for execution in counting)
    batch = []
    for execution in counting:
        outcome = outcomes[execution.pk, execution.attempt]
        batch.append(_elsewhere(execution, outcome, known[execution.definition_id], now=now))
    return finish(batch, owner=None, now=now)


def _elsewhere(
    execution: Execution, outcome: Outcome, instructions: CachedDefinition, *, now: datetime
) -> AttemptResult:
    if execution.cancel_requested and outcome.ending is not OutcomeKind.COMPLETED:
        outcome = Outcome.cancelled(outcome.error_message or "Cancelled.")
    return AttemptResult(StartedAttempt.of(execution, instructions), outcome, execution.started_at or now, now)


def _ending(result: AttemptResult, *, now: datetime) -> _RecordedResult:
    ending = result.outcome.ending
    if ending is OutcomeKind.WAITING:
        return _RecordedResult(result, ExecutionStatus.RUNNING)
    retry_at = _retry_at(result, now=now) if ending is OutcomeKind.FAILED else None
    if retry_at is not None:
        return _RecordedResult(result, ExecutionStatus.RETRYING, retry_at)
    return _RecordedResult(result, ExecutionStatus(ending.value))


def _retry_at(result: AttemptResult, *, now: datetime) -> datetime | None:
    """Return when the execution is tried again, None when it is not. Lost attempts do not count."""
    outcome, instructions = result.outcome, result.begun.instructions
    tries = result.begun.attempt - result.begun.lost_attempts
    if not outcome.retryable or tries >= instructions.max_attempts:
        return None
    if outcome.retry_after is not None:
        delay = min(max(0.0, outcome.retry_after), MAX_RETRY_AFTER_SECONDS)
    else:
        delay = backoff.delay(tries, base=instructions.backoff_seconds, random=random.random())
    at = now + timedelta(seconds=delay)
    return at if _has_time_until(at, result.begun, instructions) else None


def _has_time_until(at: datetime, begun: StartedAttempt, instructions: CachedDefinition) -> bool:
    """Return whether a retry may start then: not when deleted, nor when the next occurrence would be skipped for it."""
    timer = Timer.objects.values_list("status", "schedule__next_planned_at").filter(pk=begun.timer_id).first()
    if timer is None:
        return False
    status, next_planned_at = timer
    if status == TimerStatus.DELETED:
        return False
    if instructions.overlap is not OverlapPolicy.SKIP or status != TimerStatus.ACTIVE:
        return True
    claimed = Execution.objects.unfinished().filter(
        timer_id=begun.timer_id, status=ExecutionStatus.PENDING, serial=0, scheduled_for__gt=begun.scheduled_for
    )
    following = list(claimed.values_list("scheduled_for", flat=True)[:100])
    if next_planned_at is not None:
        following.append(next_planned_at)
    return all(at < planned for planned in following)


def _write(endings: Iterable[_RecordedResult], *, owner: str | None, now: datetime) -> dict[UUID, str]:
    """Write these ends where attempt and owner still agree; return the states of the executions that were ours."""
    values = [_values(ending) for ending in endings]
    ids = [execution_id for execution_id, *_ in values]
    if owner is None:
        written = moves.FINISH_ELSEWHERE.fetch(now=to_us(now), rows=values, ids=ids)
    else:
        written = moves.FINISH.fetch(now=to_us(now), rows=values, ids=ids, owner=owner)
    statuses = {sql.as_uuid(row.id): row.status for row in written}
    to_stop = [sql.as_uuid(row.id) for row in written if row.status == ExecutionStatus.RUNNING and row.cancel_requested]
    delegated.stop(to_stop, now=now)
    return statuses


def _values(ending: _RecordedResult) -> tuple[Any, ...]:
    """Return the row that `moves.FINISH` takes."""
    begun, outcome = ending.finished.begun, ending.finished.outcome
    is_skipped = ending.status is ExecutionStatus.SKIPPED
    return (
        begun.execution_id.hex,
        begun.attempt,
        ending.status.value,
        to_us(ending.finished.finished_at) if ending.is_over else None,
        None if ending.lease_until is None else to_us(ending.lease_until),
        _json(outcome.result),
        _text(outcome.error_message),
        None if is_skipped else outcome.failure_reason,
        outcome.transfer_id and outcome.transfer_id.hex,
        outcome.failure_reason if is_skipped else None,
        to_us(ending.finished.started_at),
    )


def write_attempts(results: Sequence[AttemptResult], *, worker: str | None, outcome: str | None = None) -> None:
    """Write the rows of these attempts; `outcome` is another word than that of their own ending."""
    values = [
        (
            result.begun.execution_id.hex,
            result.begun.attempt,
            to_us(result.started_at),
            to_us(result.finished_at),
            outcome or result.outcome.ending.value,
            _text(result.outcome.error_message),
            result.outcome.failure_reason,
            worker,
            _json(result.outcome.details),
        )
        for result in results
    ]
    if values:
        _ATTEMPTS.change(rows=values)


def _update_timers(over: Sequence[AttemptResult], statuses: dict[UUID, str], *, now: datetime) -> None:
    """Let the timers know: counters, breaker, the end, and whoever waits behind what has ended."""
    if not over:
        return
    ended = [
        counters.EndedRun(
            timer_id=result.begun.timer_id,
            status=statuses[result.begun.execution_id],
            started_at=result.started_at,
            in_series=_counts(result),
            watched=bool(result.begun.instructions.notify),
        )
        for result in over
    ]
    standing = counters.count(ended)
    failed = [result for result in over if statuses[result.begun.execution_id] == ExecutionStatus.FAILED]
    if failed:
        transaction.on_commit(partial(_log_failures, failed))
    paused = circuit_breaker.judge(over, standing, counts=_counts, now=now)
    watched = {run.timer_id for run in ended if run.watched}
    _announce([result for result in over if result.begun.timer_id in watched], statuses, standing, paused, now=now)
    finished_schedules = [timer_id for timer_id, row in standing.items() if row.next_run_at is None]
    waking = [timer_id for timer_id, row in standing.items() if row.overlap in overlap_queue.QUEUEING]
    overlap_queue.wake_next(waking, now=now)
    if finished_schedules:
        completion.end_finished(finished_schedules, now=now)


def _log_failures(failed: Iterable[AttemptResult]) -> None:
    """Tell operators of executions that failed for good; what was wrong is with the execution, as it may be private."""
    for each in failed:
        about = {
            "event": "execution.failed",
            "execution_id": str(each.begun.execution_id),
            "timer_id": str(each.begun.timer_id),
            "attempt": each.begun.attempt,
            "reason": each.outcome.failure_reason,
        }
        log.info("An execution failed.", extra=about)


def _refund_skipped(skipped: Sequence[AttemptResult], *, now: datetime) -> None:
    """Refund the runs that were left out at their start, and let go on what waits behind them."""
    if not skipped:
        return
    run_budget.refund([result.begun.timer_id for result in skipped if result.begun.serial == 0], now=now)
    queueing = {
        result.begun.timer_id for result in skipped if result.begun.instructions.overlap in overlap_queue.QUEUEING
    }
    overlap_queue.wake_next(sorted(queueing), now=now)


def _counts(result: AttemptResult) -> bool:
    """Return whether it counts for failures in a row."""
    return result.begun.trigger in PLANNED_TRIGGERS and result.outcome.failure_reason != LOST


def _announce(
    watched: Sequence[AttemptResult],
    statuses: dict[UUID, str],
    standing: dict[UUID, counters.Standing],
    paused: dict[UUID, str],
    *,
    now: datetime,
) -> None:
    """Notify whom the policies of these timers name."""
    ended = [
        EndedExecution(
            begun=result.begun,
            outcome=result.outcome,
            status=statuses[result.begun.execution_id],
            in_series=_counts(result),
        )
        for result in watched
    ]
    timer_ids = {result.begun.timer_id for result in watched}
    failures = {timer_id: standing[timer_id].failures_before for timer_id in timer_ids}
    executions_ended.send(None, ended=ended, failures=failures, paused=paused, now=now)


def _json(value: Any) -> str | None:
    return None if value is None else _NUL.sub(r"\1", json.dumps(value, default=str))


def _text(value: str | None) -> str | None:
    return None if value is None else value.replace("\x00", "")[:MAX_MESSAGE_LENGTH]
