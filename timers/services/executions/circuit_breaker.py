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

    Returns the reasons to notify of, by the execution whose end paused its timer: nobody is notified when a breaker
    opens once more. `counts` says whether an end counts for failures in a row.
    """
    reasons = {}
    for result in over:
        row = standing[result.begun.timer_id]
        if row.breaker_openings and counts(result) and result.outcome.ending is OutcomeKind.COMPLETED:
            timers.close_breaker(result.begun.timer_id)
        reason = _reason(result, row, counts(result))
        if reason is not None and _pause(result, row, reason, now=now) and not row.breaker_openings:
            reasons[result.begun.execution_id] = reason
    return reasons


def _reason(result: AttemptResult, row: Standing, in_series: bool) -> str | None:
    if result.outcome.pause_timer is not None:
        return result.outcome.pause_timer
    max_failures, failures = result.begun.instructions.pause_after_failures, row.consecutive_failures
    if result.outcome.ending is not OutcomeKind.FAILED or not max_failures:
        return None
    is_tried = in_series and row.breaker_openings > 0
    return f"It failed {failures} times in a row." if is_tried or failures >= max_failures else None


def _pause(result: AttemptResult, row: Standing, reason: str, *, now: datetime) -> bool:
    cooldown = result.begun.instructions.breaker_cooldown_seconds
    if cooldown is None or result.outcome.pause_timer is not None:
        return timers.pause_by_service(result.begun.timer_id, reason=reason, now=now)
    seconds = min(MAX_COOLDOWN_SECONDS, cooldown * 2.0 ** min(row.breaker_openings, 32))
    return timers.open_breaker(result.begun.timer_id, reason=reason, seconds=seconds, now=now)
