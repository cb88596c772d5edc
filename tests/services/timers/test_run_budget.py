"""Counted runs that go back to their schedules."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest

from tests.engine.steps import begin_due, claim_at, seconds
from tests.factories import make_webhook_timer
from timers.models import Schedule, Timer
from timers.services.timers import run_budget

pytestmark = pytest.mark.django_db

MINUTELY = {"type": "recurring", "interval_seconds": 60}


def make(owner: Any, *, runs: int) -> Timer:
    schedule = {**MINUTELY, "end": {"condition": "iterations", "n": runs}}
    return make_webhook_timer(owner, schedule=schedule, policies={"overlap": "skip"})


def test_a_left_out_run_is_refunded_to_a_schedule_that_counts(owner: Any, now: datetime) -> None:
    timer = make(owner, runs=2)
    claim_at(now)
    begin_due(now)
    claim_at(now + seconds(60))
    assert Schedule.objects.get(pk=timer.pk).next_run_at is None

    begin_due(now + seconds(60))

    row = Schedule.objects.get(pk=timer.pk)
    assert (row.fired_count, row.next_run_at) == (1, now + seconds(120))
    assert Timer.objects.get(pk=timer.pk).status == "active"


def test_a_refund_per_execution_never_goes_below_nothing(owner: Any, now: datetime) -> None:
    timer = make(owner, runs=5)
    claim_at(now)

    run_budget.refund([timer.pk, timer.pk], now=now)

    row = Schedule.objects.get(pk=timer.pk)
    assert (row.fired_count, row.next_run_at) == (0, now + seconds(60))


def test_a_paused_schedule_that_is_refunded_has_a_plan_and_no_next_run(owner: Any, now: datetime) -> None:
    timer = make(owner, runs=1)
    claim_at(now)
    Timer.objects.filter(pk=timer.pk).update(status="paused")

    run_budget.refund([timer.pk], now=now)

    row = Schedule.objects.get(pk=timer.pk)
    assert (row.next_planned_at, row.next_run_at) == (now + seconds(60), None)


def test_a_schedule_that_is_over_ends_its_timer(owner: Any, now: datetime) -> None:
    timer = make_webhook_timer(owner, schedule={"type": "once", "datetime": now.isoformat()})
    claim_at(now)
    timer.executions.all().delete()

    run_budget.refund([timer.pk], now=now)

    timer.refresh_from_db()
    assert timer.status == "ended"
