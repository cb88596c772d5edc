"""Begins attempts: decides whether an execution whose instant has come starts, waits or is left out.

Two workers may hold the same execution, or two of one timer: a lock per timer is held while its overlap policy is
asked, and only the rows that the last statement returns are ours.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import groupby
from operator import attrgetter
from typing import Any
from uuid import UUID

from timers.clock import to_us
from timers.lifecycle import SkipReason, TimerStatus
from timers.models import sql
from timers.models.execution_sql import begin as statements
from timers.models.execution_sql import leases, moves
from timers.models.execution_sql.begin import Candidate
from timers.models.execution_sql.inserts import StartedExecution
from timers.models.execution_sql.moves import ExecutionMove
from timers.models.leases import EXECUTIONS
from timers.scheduling.overlap import Decision, OverlapPolicy, decide
from timers.services.attempt_values import StartedAttempt
from timers.services.executions import cluster_routing, delegated
from timers.services.timers import run_budget
from timers.services.timers.definition_cache import read

STOP_CHECK_DELAY = timedelta(seconds=5)
"""Time after which the reaper wakes an occurrence that waits for the run that it asked to stop."""


@dataclass(frozen=True, slots=True)
class _Verdicts:
    """The decisions on the candidates of a group."""

    start: list[Candidate] = field(default_factory=list)
    wait: list[Candidate] = field(default_factory=list)
    replace: list[Candidate] = field(default_factory=list)
    skip: list[tuple[Candidate, SkipReason]] = field(default_factory=list)


def begin(
    ids: Iterable[UUID | str],
    *,
    owner: str,
    now: datetime,
    definitions: Iterable[int] | None = None,
    cluster: str | None = None,
) -> list[StartedAttempt]:
    """Begin those of the executions that wait for it and may start; return the attempts to carry out now.

    `owner` names the worker that holds the leases, `cluster` the one that it belongs to, where timers run on every
    cluster; `definitions` of all of them, when known, spare a question. `started_at` of an execution is the start of
    its first attempt.
    """
    due = [sql.as_hex(execution_id) for execution_id in ids]
    with sql.turn():
        if sql.on_postgresql():
            statements.LOCK.change(numbers=sorted(_lock_numbers(due, definitions)))
        started = _start(statements.START_FREE, due, owner=owner, now=now, cluster=cluster)
        if len(started) < len(due):
            started += _start_judged(due, owner=owner, cluster=cluster, now=now)
        known = read(row.definition_id for row in started)
        cluster_routing.spread(started, known, cluster=cluster, now=now)
    started.sort(key=attrgetter("scheduled_for"))
    return [StartedAttempt.of_row(row, known[row.definition_id]) for row in started]


def _lock_numbers(due: Sequence[str], definitions: Iterable[int] | None) -> set[int]:
    if definitions is None:
        timer_ids = [sql.as_uuid(row.timer_id) for row in statements.LOCKED_TIMERS.fetch(ids=due)]
    else:
        timer_ids = [
            definition.timer_id
            for definition in read(definitions).values()
            if definition.overlap is not OverlapPolicy.ALLOW or definition.has_breaker
        ]
    return {int.from_bytes(timer_id.bytes[:8], signed=True) for timer_id in timer_ids}


def _start_judged(due: Sequence[str], *, owner: str, cluster: str | None, now: datetime) -> list[StartedExecution]:
    """Ask the overlap policies of those that are still pending; return what starts."""
    verdicts = _judge(statements.CANDIDATES.fetch(cluster=cluster, ids=due))
    started = _start_candidates(verdicts.start, owner=owner, now=now)
    _wait(verdicts.wait, until=None)
    free, replaced = _replace(verdicts.replace, now=now)
    started += _start_candidates(free, owner=owner, now=now)
    left_out = _leave_out(verdicts.skip, now=now)
    # schedules last and all at once: whoever ends attempts locks rows in this order too
    run_budget.refund([*replaced, *left_out], now=now)
    return started


def _judge(candidates: Iterable[Candidate]) -> _Verdicts:
    """Decide on each candidate, a timer's own in planned order, each decision counting for the next one."""
    verdicts = _Verdicts()
    for _, of_timer in groupby(candidates, key=attrgetter("timer_id")):
        begun = left = 0
        for candidate in of_timer:
            decision = _decide(candidate, begun=begun, left=left)
            if isinstance(decision, SkipReason):
                verdicts.skip.append((candidate, decision))
                left += 1
            elif decision is Decision.START:
                verdicts.start.append(candidate)
                begun += 1
                left += candidate.may_be_left_out
            elif decision is Decision.CANCEL_AND_START:
                verdicts.replace.append(candidate)
            else:
                verdicts.wait.append(candidate)
    return verdicts


def _decide(candidate: Candidate, *, begun: int, left: int) -> Decision | SkipReason:
    if not candidate.may_be_left_out:
        return Decision.START
    if candidate.timer_status != TimerStatus.ACTIVE:
        return SkipReason.PAUSED if candidate.timer_status == TimerStatus.PAUSED else SkipReason.ENDED
    running = candidate.running + begun
    if candidate.serial > 0:  # for one of many clusters: it starts unless this one is still at it, and never waits
        is_busy = running > 0 and candidate.overlap == OverlapPolicy.SKIP
        return SkipReason.OVERLAP if is_busy else Decision.START
    waiting = max(0, candidate.waiting - left)
    decision = decide(OverlapPolicy(candidate.overlap), running=running, waiting=waiting)
    return SkipReason.OVERLAP if decision is Decision.SKIP else decision


def _start(
    statement: ExecutionMove[StartedExecution], ids: Sequence[Any], *, owner: str, now: datetime, **parameters: Any
) -> list[StartedExecution]:
    if not ids:
        return []
    lease_until = to_us(now + EXECUTIONS.lease)
    return statement.fetch(now=to_us(now), lease_until=lease_until, owner=owner, ids=ids, **parameters)


def _start_candidates(candidates: Iterable[Candidate], *, owner: str, now: datetime) -> list[StartedExecution]:
    return _start(statements.START, [candidate.id for candidate in candidates], owner=owner, now=now)


def _wait(waiting: Sequence[Candidate], *, until: datetime | None) -> None:
    """Let them lie until the running one ends, which wakes the first of them, or until that instant."""
    if waiting:
        lease_until = None if until is None else to_us(until)
        leases.LAY_DOWN.change(lease_until=lease_until, ids=[candidate.id for candidate in waiting])


def _replace(replacing: Sequence[Candidate], *, now: datetime) -> tuple[list[Candidate], list[UUID]]:
    """Ask what is active before the newest of each timer to stop.

    Returns those that need not wait for that, and the timer of each occurrence that was left out for a newer one.
    """
    free: list[Candidate] = []
    replaced: list[UUID] = []
    newest = {candidate.timer_id: candidate for candidate in replacing}
    for timer_id, candidate in newest.items():
        moves.CANCEL_RETRYING.change(now=to_us(now), timer_id=timer_id, id=candidate.id)
        left_out = moves.SKIP_EARLIER.fetch(
            reason=SkipReason.OVERLAP,
            now=to_us(now),
            timer_id=timer_id,
            id=candidate.id,
            scheduled_for=candidate.scheduled_for,
        )
        replaced += [sql.as_uuid(row.timer_id) for row in left_out]
        if _ask_others_to_stop(candidate, now=now):
            _wait([candidate], until=now + STOP_CHECK_DELAY)
        else:
            free.append(candidate)
    return free, replaced


def _ask_others_to_stop(candidate: Candidate, *, now: datetime) -> bool:
    """Ask what else runs of a candidate's timer to stop; return whether there is anything."""
    requests = statements.ASK_TO_STOP.fetch(timer_id=candidate.timer_id, id=candidate.id)
    delegated.stop([sql.as_uuid(request.id) for request in requests if request.lease_until is None], now=now)
    return bool(requests)


def _leave_out(skipped: Iterable[tuple[Candidate, SkipReason]], *, now: datetime) -> list[UUID]:
    """Record them as skipped; return the timer of each whose run goes back to its schedule."""
    by_reason: dict[SkipReason, list[UUID | str]] = {}
    for candidate, reason in skipped:
        by_reason.setdefault(reason, []).append(candidate.id)
    timer_ids: list[UUID] = []
    for reason, ids in sorted(by_reason.items()):
        left_out = moves.SKIP.fetch(reason=reason, now=to_us(now), ids=ids)
        timer_ids += [sql.as_uuid(row.timer_id) for row in left_out if row.serial == 0]
    return timer_ids
