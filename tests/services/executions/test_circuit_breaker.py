"""Timers are paused whose failures or whose target ask for it, and let through to try again."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest

from tests.engine.steps import HOPELESS, OK, begin_due, claim_at, end, run_due, seconds
from tests.factories import make_webhook_timer
from timers.actions.base import Outcome
from timers.models import Schedule, Timer
from timers.services.attempt_values import StartedAttempt
from timers.services.timers import commands as timers

pytestmark = pytest.mark.django_db

BREAKER = {"pause_after_failures": 2, "max_attempts": 1, "breaker_cooldown_seconds": 600}


def begun(owner: Any, now: datetime, **fields: Any) -> list[StartedAttempt]:
    make_webhook_timer(owner, **fields)
    claim_at(now)
    return begin_due(now)


def opened(owner: Any, now: datetime) -> Timer:
    """Return a timer whose breaker has opened an hour from now."""
    timer = make_webhook_timer(owner, policies=BREAKER)
    for hour in range(2):
        run_due(now + seconds(3600 * hour), HOPELESS)
    timer.refresh_from_db()
    return timer


def test_too_many_failures_in_a_row_pause_the_timer(owner: Any, now: datetime) -> None:
    timer = make_webhook_timer(owner, policies={"pause_after_failures": 2, "max_attempts": 1})
    run_due(now, HOPELESS)
    assert Timer.objects.get().status == "active"

    run_due(now + seconds(3600), HOPELESS)

    timer.refresh_from_db()
    assert timer.status == "paused"
    assert "2 times" in timer.status_reason


def test_an_outcome_may_pause_the_timer(owner: Any, now: datetime) -> None:
    ours = begun(owner, now)

    end(ours, Outcome.failed("Gone.", reason="http_410", pause_timer="The target is gone for good."), now)

    assert Timer.objects.get().status_reason == "The target is gone for good."


def test_a_breaker_opens_for_its_cooldown(owner: Any, now: datetime) -> None:
    timer = opened(owner, now)

    assert (timer.status, timer.paused_until) == ("paused", now + seconds(3600 + 600))
    assert Schedule.objects.get(pk=timer.pk).breaker_openings == 1


@pytest.mark.parametrize(("outcome", "status", "openings"), [(OK, "active", 0), (HOPELESS, "paused", 2)])
def test_the_run_that_is_let_through_decides(
    owner: Any, now: datetime, outcome: Outcome, status: str, openings: int
) -> None:
    timer = opened(owner, now)
    after = now + seconds(7200)
    timers.resume_snoozed(until=after, now=after)

    run_due(after, outcome)

    timer.refresh_from_db()
    assert (timer.status, Schedule.objects.get(pk=timer.pk).breaker_openings) == (status, openings)
    if status == "paused":
        assert timer.paused_until == after + seconds(1200)
