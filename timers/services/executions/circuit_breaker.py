"""Pauses timers whose failures or whose target ask for it, and lets them run again to try (docs/policies.md)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from uuid import UUID

from timers.actions.base import OutcomeKind
from timers.services.attempt_values import AttemptResult
from timers.services.executions.counters import Standing
from timers.services.timers import commands as timers

MAX_COOLDOWN_SECONDS = 86_400.0


def judge(
    over: Iterable[AttemptResult],
    standing: Mapping[UUID, Standing],
    *,
    counts: Callable[[AttemptResult], bool],
    now: datetime,
) -> dict[UUID, str]:
    """Open and close the breakers of the timers of these ends, in the caller's transaction.

    Returns the reasons to tell, by the execution whose end paused its timer: a breaker that opens once more tells
    nobody again. `counts` says whether an end counts for failures in a row.
    """
    told = {}
    for each in over:
        row = standing[each.begun.timer_id]
        if row.breaker_openings and counts(each) and each.outcome.ending is OutcomeKind.COMPLETED:
            timers.close_breaker(each.begun.timer_id)
        reason = _reason(each, row, counts(each))
        if reason is not None and _pause(each, row, reason, now=now) and not row.breaker_openings:
            told[each.begun.execution_id] = reason
    return told


def _reason(each: AttemptResult, row: Standing, in_series: bool) -> str | None:
    if each.outcome.pause_timer is not None:
        return each.outcome.pause_timer
    most, failures = each.begun.instructions.pause_after_failures, row.consecutive_failures
    if each.outcome.ending is not OutcomeKind.FAILED or not most:
        return None
    is_tried = in_series and row.breaker_openings > 0
    return f"It failed {failures} times in a row." if is_tried or failures >= most else None


def _pause(each: AttemptResult, row: Standing, reason: str, *, now: datetime) -> bool:
    cooldown = each.begun.instructions.breaker_cooldown_seconds
    if cooldown is None or each.outcome.pause_timer is not None:
        return timers.pause_by_service(each.begun.timer_id, reason=reason, now=now)
    seconds = min(MAX_COOLDOWN_SECONDS, cooldown * 2.0 ** min(row.breaker_openings, 32))
    return timers.open_breaker(each.begun.timer_id, reason=reason, seconds=seconds, now=now)
