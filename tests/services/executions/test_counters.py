"""Runs are counted as they end."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest

from tests.engine.steps import HOPELESS, OK, begin_due, end, run_due, seconds
from tests.factories import make_webhook_timer
from timers.lifecycle import ExecutionStatus
from timers.models import Schedule
from timers.services.executions import counters
from timers.services.timers import commands as timers

pytestmark = pytest.mark.django_db


def test_counters_follow_the_ends_of_runs(owner: Any, now: datetime) -> None:
    timer = make_webhook_timer(owner, policies={"max_attempts": 1})
    for hour, outcome in enumerate([OK, HOPELESS, HOPELESS]):
        run_due(now + seconds(3600 * hour), outcome)

    row = Schedule.objects.get(pk=timer.pk)
    assert (row.run_count, row.failure_count, row.consecutive_failures) == (3, 2, 2)
    assert row.last_run_at == now + seconds(7200)
    run_due(now + seconds(3600 * 3), OK)
    assert Schedule.objects.get(pk=timer.pk).consecutive_failures == 0


def test_manual_runs_say_nothing_about_failures_in_a_row(owner: Any, now: datetime) -> None:
    timer = make_webhook_timer(owner)
    timers.run_now(timer, by=owner, now=now)
    end(begin_due(now), HOPELESS, now)

    row = Schedule.objects.get(pk=timer.pk)
    assert (row.failure_count, row.consecutive_failures) == (1, 0)


def test_runs_count_in_the_order_in_which_they_ended(owner: Any, now: datetime) -> None:
    timer = make_webhook_timer(owner)
    Schedule.objects.filter(pk=timer.pk).update(consecutive_failures=3)
    ended = [
        counters.EndedRun(timer_id=timer.pk, status=status, started_at=now, watched=True)
        for status in (ExecutionStatus.COMPLETED, ExecutionStatus.FAILED, ExecutionStatus.CANCELLED)
    ]

    standing = counters.count(ended)

    assert (standing[timer.pk].consecutive_failures, standing[timer.pk].failures_before) == (1, 3)
    row = Schedule.objects.get(pk=timer.pk)
    assert (row.run_count, row.failure_count, row.cancelled_count, row.last_run_at) == (3, 1, 1, now)
