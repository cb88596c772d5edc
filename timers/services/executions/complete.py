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
from timers.models import Execution, Timer
from timers.models import sql as rows
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

_COLUMNS = {
    "key": "uuid",
    "attempt": "integer",
    "ending": "text",
    "finished_at": "bigint",
    "lease_until": "bigint",
    "result": "jsonb",
    "error_message": "text",
    "failure_reason": "text",
    "transfer_id": "uuid",
    "skip_reason": "text",
    "started_at": "bigint",
}

# Whoever asked for a cancel while the attempt ended by itself gets no further attempt.
_FINISH = """
update timers_execution as e
set status = case when e.cancel_requested and v.ending = 'retrying' then 'cancelled' else v.ending end,
  finished_at = case when e.cancel_requested and v.ending = 'retrying' then %s else v.finished_at end,
  lease_until = case when e.cancel_requested and v.ending = 'retrying' then null else v.lease_until end,
  lease_owner = null, result = v.result, error_message = v.error_message, failure_reason = v.failure_reason,
  transfer_id = coalesce(v.transfer_id, e.transfer_id), skip_reason = v.skip_reason,
  attempt = case when v.ending = 'skipped' then 0 else e.attempt end,
  started_at = case when v.ending = 'skipped' then null else coalesce(e.started_at, v.started_at) end
from {table}
where e.id = v.key and e.attempt = v.attempt and e.status = 'running' {more}
returning id, status, cancel_requested"""

_ATTEMPTS = """
insert into timers_attempt
  (execution_id, number, started_at, finished_at, outcome, error_message, failure_reason, worker, details)
select v.id, v.number, v.started_at, v.finished_at, v.outcome, v.error_message, v.failure_reason, v.worker, v.details
from {table} where true
on conflict (execution_id, number) do update set finished_at = excluded.finished_at, outcome = excluded.outcome,
  error_message = excluded.error_message, failure_reason = excluded.failure_reason, details = excluded.details"""

_ATTEMPT_COLUMNS = {
    "id": "uuid",
    "number": "integer",
    "started_at": "bigint",
    "finished_at": "bigint",
    "outcome": "text",
    "error_message": "text",
    "failure_reason": "text",
    "worker": "text",
    "details": "jsonb",
}


@dataclass(frozen=True, slots=True)
class _RecordedResult:
    """What one attempt leaves in its execution's row."""

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
    with rows.turn():
        if unknown := [each for each in batch if each.outcome.ending is OutcomeKind.NOT_HERE]:
            requeue.reroute(unknown, owner=owner, now=now)
        endings = [_ending(each, now=now) for each in batch if each.outcome.ending is not OutcomeKind.NOT_HERE]
        if not endings:
            return set()
        statuses = _write(endings, owner=owner, now=now)
        ours = [each for each in endings if each.finished.begun.execution_id in statuses]
        if not ours:
            return set()
        skipped = [each.finished for each in ours if each.status is ExecutionStatus.SKIPPED]
        ran = [each.finished for each in ours if each.status is not ExecutionStatus.SKIPPED]
        write_attempts(ran, worker=owner)
        over = [each for each in ran if statuses[each.begun.execution_id] != "retrying"]
        if skipped:
            counters.lock([each.begun.timer_id for each in [*over, *skipped]])
        _update_timers([each for each in over if each.outcome.ending is not OutcomeKind.WAITING], statuses, now=now)
        _refund_skipped(skipped, now=now)
        if len(over) < len(ran):
            queue.wake_dispatchers()
    return set(statuses)


def finish_elsewhere(execution_id: UUID, *, attempt: int, outcome: Outcome, now: datetime) -> bool:
    """End the execution that waits for work that went on elsewhere; return whether that attempt still counted."""
    return execution_id in finish_all_elsewhere([(execution_id, attempt, outcome)], now=now)


def finish_all_elsewhere(ended: Sequence[tuple[UUID, int, Outcome]], *, now: datetime) -> set[UUID]:
    """End several such executions, each with its attempt; return those whose attempt still counted."""
    wanted = {execution_id: (attempt, outcome) for execution_id, attempt, outcome in ended}
    running = Execution.objects.filter(pk__in=list(wanted), status=ExecutionStatus.RUNNING) if wanted else []
    counting = [each for each in running if each.attempt == wanted[each.pk][0]]
    known = read(each.definition_id for each in counting)
    batch = [_elsewhere(each, wanted[each.pk][1], known[each.definition_id], now=now) for each in counting]
    return finish(batch, owner=None, now=now)


def _elsewhere(
    execution: Execution, outcome: Outcome, instructions: CachedDefinition, *, now: datetime
) -> AttemptResult:
    if execution.cancel_requested and outcome.ending is not OutcomeKind.COMPLETED:
        outcome = Outcome.cancelled(outcome.error_message or "Cancelled.")
    return AttemptResult(StartedAttempt.of(execution, instructions), outcome, execution.started_at or now, now)


def _ending(each: AttemptResult, *, now: datetime) -> _RecordedResult:
    ending = each.outcome.ending
    if ending is OutcomeKind.WAITING:
        return _RecordedResult(each, ExecutionStatus.RUNNING)
    if ending is OutcomeKind.FAILED and (at := _retry_at(each, now=now)) is not None:
        return _RecordedResult(each, ExecutionStatus.RETRYING, at)
    return _RecordedResult(each, ExecutionStatus(ending.value))


def _retry_at(each: AttemptResult, *, now: datetime) -> datetime | None:
    """Return when the execution is tried again, None when it is not. Lost attempts do not count."""
    what, tries = each.begun.instructions, each.begun.attempt - each.begun.lost_attempts
    if not each.outcome.retryable or tries >= what.max_attempts:
        return None
    if each.outcome.retry_after is not None:
        delay = min(max(0.0, each.outcome.retry_after), MAX_RETRY_AFTER_SECONDS)
    else:
        delay = backoff.delay(tries, base=what.backoff_seconds, random=random.random())
    at = now + timedelta(seconds=delay)
    return at if _has_time_until(at, each.begun, what) else None


def _has_time_until(at: datetime, begun: StartedAttempt, what: CachedDefinition) -> bool:
    """Return whether a retry may start then: not when deleted, nor when the next occurrence would be skipped for it."""
    timer = Timer.objects.values_list("status", "schedule__next_planned_at").filter(pk=begun.timer_id).first()
    if timer is None or timer[0] == TimerStatus.DELETED:
        return False
    if what.overlap is not OverlapPolicy.SKIP or timer[0] != TimerStatus.ACTIVE:
        return True
    claimed = Execution.objects.unfinished().filter(
        timer_id=begun.timer_id, status=ExecutionStatus.PENDING, serial=0, scheduled_for__gt=begun.scheduled_for
    )
    following = [*claimed.values_list("scheduled_for", flat=True)[:100], *([timer[1]] if timer[1] else [])]
    return all(at < planned for planned in following)


def _write(endings: Iterable[_RecordedResult], *, owner: str | None, now: datetime) -> dict[UUID, str]:
    values = [
        (
            each.finished.begun.execution_id.hex,
            each.finished.begun.attempt,
            each.status.value,
            to_us(each.finished.finished_at) if each.is_over else None,
            None if each.lease_until is None else to_us(each.lease_until),
            _json(each.finished.outcome.result),
            _text(each.finished.outcome.error_message),
            None if each.status is ExecutionStatus.SKIPPED else each.finished.outcome.failure_reason,
            each.finished.outcome.transfer_id and each.finished.outcome.transfer_id.hex,
            each.finished.outcome.failure_reason if each.status is ExecutionStatus.SKIPPED else None,
            to_us(each.finished.started_at),
        )
        for each in endings
    ]
    more, parameters = _fences([value[0] for value in values], owner)
    sql = _FINISH.format(table=rows.table("v", **_COLUMNS), more=more)
    found = rows.fetch(sql, [to_us(now), *rows.rows(values), *parameters])
    delegated.stop([rows.as_uuid(row[0]) for row in found if row[1] == "running" and row[2]], now=now)
    return {rows.as_uuid(row[0]): row[1] for row in found}


def _fences(keys: Sequence[str], owner: str | None) -> tuple[str, list[Any]]:
    """Return further conditions of the rows to change, and their parameters."""
    more, parameters = "", []
    if rows.on_postgresql():  # the keys once more, or it reads the whole table while that is small
        more, parameters = f"and {rows.among('e.id')}", [rows.listed(keys)]
    if owner is not None:
        more, parameters = f"{more} and e.lease_owner = %s", [*parameters, owner]
    return more, parameters


def write_attempts(ended: Iterable[AttemptResult], *, worker: str | None, outcome: str | None = None) -> None:
    """Write the rows of these attempts; `outcome` is another word than that of their own ending."""
    ended = list(ended)
    if not ended:
        return
    values = [
        (
            each.begun.execution_id.hex,
            each.begun.attempt,
            to_us(each.started_at),
            to_us(each.finished_at),
            outcome or each.outcome.ending.value,
            _text(each.outcome.error_message),
            each.outcome.failure_reason,
            worker,
            _json(each.outcome.details),
        )
        for each in ended
    ]
    rows.change(_ATTEMPTS.format(table=rows.table("v", **_ATTEMPT_COLUMNS)), rows.rows(values))


def _update_timers(over: Sequence[AttemptResult], statuses: dict[UUID, str], *, now: datetime) -> None:
    """Let the timers know: counters, breaker, the end, and whoever waits behind what has ended."""
    if not over:
        return
    standing = counters.count(
        [
            counters.EndedRun(
                timer_id=each.begun.timer_id,
                status=statuses[each.begun.execution_id],
                started_at=each.started_at,
                in_series=_counts(each),
                watched=bool(each.begun.instructions.notify),
            )
            for each in over
        ]
    )
    if failed := [each for each in over if statuses[each.begun.execution_id] == ExecutionStatus.FAILED]:
        transaction.on_commit(partial(_log_failures, failed))
    paused = circuit_breaker.judge(over, standing, counts=_counts, now=now)
    watched = {each.begun.timer_id for each in over if each.begun.instructions.notify}
    _announce([each for each in over if each.begun.timer_id in watched], statuses, standing, paused, now=now)
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
    """Give the runs of these back that were left out at their start, and let go on what waits behind them."""
    if not skipped:
        return
    run_budget.refund([each.begun.timer_id for each in skipped if each.begun.serial == 0], now=now)
    queueing = {each.begun.timer_id for each in skipped if each.begun.instructions.overlap in overlap_queue.QUEUEING}
    overlap_queue.wake_next(sorted(queueing), now=now)


def _counts(each: AttemptResult) -> bool:
    """Return whether it counts for failures in a row."""
    return each.begun.trigger in PLANNED_TRIGGERS and each.outcome.failure_reason != LOST


def _announce(
    watched: Sequence[AttemptResult],
    statuses: dict[UUID, str],
    standing: dict[UUID, counters.Standing],
    paused: dict[UUID, str],
    *,
    now: datetime,
) -> None:
    """Tell of these ends whom the policies of their timers name."""
    ended = [
        EndedExecution(
            begun=each.begun,
            outcome=each.outcome,
            status=statuses[each.begun.execution_id],
            in_series=_counts(each),
        )
        for each in watched
    ]
    failures = {each.begun.timer_id: standing[each.begun.timer_id].failures_before for each in watched}
    executions_ended.send(None, ended=ended, failures=failures, paused=paused, now=now)


def _json(value: Any) -> str | None:
    return None if value is None else _NUL.sub(r"\1", json.dumps(value, default=str))


def _text(value: str | None) -> str | None:
    return None if value is None else value.replace("\x00", "")[:MAX_MESSAGE_LENGTH]
