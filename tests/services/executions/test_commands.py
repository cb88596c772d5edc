"""Executions as people handle them: cancelled, run once more, and cancelled with their timer."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest

from tests.engine.steps import OK, begin_due, claim_at, end, run_due, seconds, statuses
from tests.factories import make_webhook_timer
from timers.errors import Conflict
from timers.models import Event, Execution, Timer
from timers.services.executions import commands as executions
from timers.services.timers import commands as timers

pytestmark = pytest.mark.django_db

FAST = {"type": "recurring", "interval_seconds": 0.1}


def test_a_rerun_is_a_new_execution(owner: Any, now: datetime) -> None:
    make_webhook_timer(owner)
    run_due(now)
    first = Execution.objects.get()

    again = executions.rerun(first, by=owner, now=now + seconds(1))

    assert again.pk != first.pk
    assert (again.trigger, again.scheduled_for) == ("rerun", now + seconds(1))
    assert Event.objects.filter(verb="reran", object_id=again.pk).exists()


def test_executions_of_a_deleted_timer_cannot_be_repeated(owner: Any, now: datetime) -> None:
    timer = make_webhook_timer(owner)
    run_due(now)
    timers.delete(timer, by=owner, now=now)

    with pytest.raises(Conflict):
        executions.rerun(Execution.objects.get(), by=owner, now=now)


def test_what_waits_is_cancelled_at_once(owner: Any, now: datetime) -> None:
    timer = make_webhook_timer(owner)
    claim_at(now)

    cancelled = executions.cancel(Execution.objects.get(), by=owner, now=now)

    assert (cancelled.status, cancelled.finished_at) == ("cancelled", now)
    assert begin_due(now) == []
    assert statuses(timer) == ["cancelled"]


def test_what_runs_is_asked_to_stop(owner: Any, now: datetime) -> None:
    make_webhook_timer(owner)
    claim_at(now)
    begin_due(now)

    asked = executions.cancel(Execution.objects.get(), by=owner, now=now)

    assert (asked.status, asked.cancel_requested) == ("running", True)


def test_what_has_finished_cannot_be_cancelled(owner: Any, now: datetime) -> None:
    make_webhook_timer(owner)
    run_due(now)

    with pytest.raises(Conflict):
        executions.cancel(Execution.objects.get(), by=owner, now=now)


def test_cancelling_the_last_execution_ends_the_timer(owner: Any, now: datetime) -> None:
    make_webhook_timer(owner, schedule={"type": "once", "datetime": now.isoformat()})
    claim_at(now)

    executions.cancel(Execution.objects.get(), by=owner, now=now)

    assert Timer.objects.get().status == "ended"


def test_deleting_cancels_what_waits_and_lets_run_what_runs(owner: Any, now: datetime) -> None:
    timer = make_webhook_timer(owner, policies={"overlap": "queue_all"}, schedule=FAST)
    claim_at(now)
    ours = begin_due(now)
    claim_at(now + seconds(0.1))
    begin_due(now + seconds(0.1))

    timers.delete(timer, by=owner, now=now + seconds(0.15))
    end(ours, OK, now + seconds(1))

    assert statuses(timer) == ["completed", "cancelled"]
