"""Examples: what happens when a function fails."""

from __future__ import annotations

import time
from datetime import timedelta
from itertools import pairwise
from typing import Any

import pytest

from tests.codetimers.conftest import Stage, module_of
from timers import timer
from timers.lifecycle import TimerStatus
from timers.models import Attempt, Event, Notice, Timer
from timers.services.timers import commands as timers
from timersite import env

pytestmark = pytest.mark.django_db


def test_an_exception_fails_that_run_and_never_the_schedule(stage: Stage) -> None:
    outcomes = iter([ValueError("no connection"), None, None])

    @timer(interval=30)
    def risky() -> None:
        if (error := next(outcomes)) is not None:
            raise error

    stage.install(module_of(risky))
    stage.pass_time(90, step=30)

    failed, *rest = stage.executions("shop.jobs.risky")
    assert (failed.status, failed.attempt, failed.error_message) == ("failed", 1, "ValueError: no connection")
    assert [each.status for each in rest] == ["completed", "completed"]
    traceback = stage.details(failed)["traceback"]
    assert "raise error" in traceback
    assert "carry_out" not in traceback


def test_a_function_is_tried_again_as_declared(stage: Stage) -> None:
    @timer(interval=60, retries=3, backoff=2)
    def flaky() -> None:
        raise ConnectionError("still down")

    (made,) = stage.install(module_of(flaky))
    stage.pass_time(60)
    for _ in range(60):
        stage.pass_time(0.5)

    (execution,) = stage.executions("shop.jobs.flaky")
    assert (execution.status, execution.attempt) == ("failed", 4)
    started = list(Attempt.objects.order_by("number").values_list("started_at", flat=True))
    waits = [(later - earlier).total_seconds() for earlier, later in pairwise(started)]
    assert all(base / 2 <= wait <= base + 0.5 for base, wait in zip((2, 4, 8), waits, strict=True))
    assert made.definition.policies["max_attempts"] == 4


def test_a_function_may_retry_inside_itself(stage: Stage) -> None:
    tries: list[int] = []

    def operation() -> None:
        tries.append(len(tries))
        if len(tries) < 3:
            raise ConnectionError

    @timer(interval=60)
    def with_its_own_retries() -> int:
        for attempt in range(3):
            try:
                operation()
            except ConnectionError:
                time.sleep(0.001 * 2**attempt)
            else:
                break
        return len(tries)

    stage.install(module_of(with_its_own_retries))
    stage.pass_time(60)

    (execution,) = stage.executions("shop.jobs.with_its_own_retries")
    assert (execution.status, execution.attempt, execution.result) == ("completed", 1, {"value": 3})


@pytest.fixture
def works() -> dict[str, bool]:
    return {"now": False}


@pytest.fixture
def guarded(stage: Stage, admin: Any, settings: Any, works: dict[str, bool]) -> Stage:
    settings.TIMERS_SMTP = env.Smtp if False else settings.TIMERS_SMTP

    @timer(interval=60, breaker=3, breaker_cooldown=600, overlap="allow", notify=["https://hooks.example.org/alerts"])
    def sync_orders() -> None:
        if not works["now"]:
            raise ConnectionError("shop is down")

    stage.install(module_of(sync_orders))
    return stage


def test_a_breaker_opens_after_so_many_failures_and_alerts_once(guarded: Stage) -> None:
    guarded.pass_time(600, step=60)

    timer = guarded.timer("shop.jobs.sync_orders")
    assert guarded.statuses("shop.jobs.sync_orders") == ["failed"] * 3
    assert (timer.status, timer.status_reason) == (TimerStatus.PAUSED, "It failed 3 times in a row.")
    told = Notice.objects.order_by("created_at").values_list("type", flat=True)
    assert list(told) == ["timer.failed", "timer.paused"]
    assert Event.objects.filter(verb="paused", timer_id=timer.pk).count() == 1


def let_through(stage: Stage, seconds: float) -> Timer:
    """Let the pause end, and the next occurrence run: it falls on that instant."""
    stage.now += timedelta(seconds=seconds)
    timers.resume_snoozed(until=stage.now, now=stage.now)
    stage.run_due()
    return stage.timer("shop.jobs.sync_orders")


def test_after_its_pause_one_run_is_let_through_and_a_failure_doubles_the_pause(guarded: Stage) -> None:
    guarded.pass_time(180, step=60)
    opened_at = guarded.now

    timer = let_through(guarded, 600)

    assert guarded.statuses("shop.jobs.sync_orders") == ["failed"] * 3 + ["skipped", "failed"]
    assert timer.status == TimerStatus.PAUSED
    assert timer.paused_until == opened_at + timedelta(seconds=600 + 1200)
    assert Notice.objects.filter(type="timer.paused").count() == 1


def test_a_success_of_the_run_that_was_let_through_closes_the_breaker(guarded: Stage, works: dict[str, bool]) -> None:
    guarded.pass_time(180, step=60)
    works["now"] = True

    timer = let_through(guarded, 600)

    assert (timer.status, timer.schedule.breaker_openings, timer.schedule.overlap) == ("active", 0, "allow")
    assert timer.schedule.consecutive_failures == 0
    assert Notice.objects.filter(type="timer.works_again").count() == 1


def test_the_run_that_is_let_through_runs_alone(guarded: Stage) -> None:
    guarded.pass_time(180, step=60)
    guarded.now += timedelta(seconds=600)

    timers.resume_snoozed(until=guarded.now, now=guarded.now)

    schedule = guarded.timer("shop.jobs.sync_orders").schedule
    assert (schedule.overlap, schedule.breaker_openings, schedule.consecutive_failures) == ("skip", 1, 3)


def test_whoever_resumes_by_hand_closes_the_breaker(guarded: Stage, admin: Any) -> None:
    guarded.pass_time(180, step=60)

    resumed = timers.resume(guarded.timer("shop.jobs.sync_orders"), by=admin, now=guarded.now)

    assert (resumed.schedule.breaker_openings, resumed.schedule.consecutive_failures) == (0, 0)
    assert resumed.schedule.overlap == "allow"


def test_a_breaker_that_names_nobody_tells_the_owner(stage: Stage, admin: Any) -> None:
    @timer(interval=60, breaker=2)
    def fragile() -> None: ...

    (made,) = stage.install(module_of(fragile))

    policies = made.definition.policies
    assert (policies["notify"], policies["breaker_cooldown_seconds"]) == (["email"], 3600)
