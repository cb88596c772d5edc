"""Executions that a worker leaves to others: it stops, or it does not know the function."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest
from django_q.models import OrmQ

from tests.engine.steps import begin_due, claim_at, end, seconds
from tests.factories import make_code_timer, make_webhook_timer
from timers.actions.base import Outcome
from timers.models import Execution
from timers.services.attempt_values import StartedAttempt
from timers.services.executions import cluster_routing, requeue

pytestmark = pytest.mark.django_db

UNKNOWN = Outcome.not_here("Waits for a worker that knows it.")


def begun(owner: Any, now: datetime, **fields: Any) -> list[StartedAttempt]:
    make_webhook_timer(owner, **fields)
    claim_at(now)
    ours = begin_due(now)
    OrmQ.objects.all().delete()
    return ours


def test_a_worker_that_stops_requeues_what_it_began(owner: Any, now: datetime) -> None:
    ours = begun(owner, now)

    assert requeue.requeue([ours[0].execution_id], owner="w1", now=now) == 1

    execution = Execution.objects.get()
    assert (execution.status, execution.attempt, execution.lost_attempts, execution.lease_owner) == (
        "pending",
        0,
        0,
        None,
    )
    assert OrmQ.objects.count() == 1
    assert [attempt.attempt for attempt in begin_due(now, owner="w2")] == [1]


def test_a_worker_cannot_requeue_what_is_not_its_own(owner: Any, now: datetime) -> None:
    ours = begun(owner, now)

    assert requeue.requeue([ours[0].execution_id], owner="w2", now=now) == 0
    assert Execution.objects.get().status == "running"


def test_what_was_requeued_after_it_began_is_not_left_out(owner: Any, now: datetime) -> None:
    ours = begun(owner, now, schedule={"type": "recurring", "interval_seconds": 60})
    requeue.requeue([ours[0].execution_id], owner="w1", now=now)
    claim_at(now + seconds(60))

    begin_due(now + seconds(60), owner="w2")

    assert list(Execution.objects.order_by("scheduled_for").values_list("status", flat=True)) == ["running", "skipped"]


def test_an_unknown_function_rests_while_no_cluster_knows_it(owner: Any, now: datetime) -> None:
    make_code_timer(owner)
    claim_at(now)
    ours = begin_due(now)
    OrmQ.objects.all().delete()

    end(ours, UNKNOWN, now)

    execution = Execution.objects.get()
    assert (execution.status, execution.attempt, execution.started_at) == ("pending", 0, None)
    assert execution.lease_until == now + requeue.REROUTE_DELAY
    assert OrmQ.objects.count() == 0


def test_an_unknown_function_goes_to_a_cluster_that_knows_it(owner: Any, now: datetime) -> None:
    make_code_timer(owner)
    cluster_routing.beat("knows:1", functions=["timers.last_hour"], now=now)
    claim_at(now)
    ours = begin_due(now)
    OrmQ.objects.all().delete()

    end(ours, UNKNOWN, now)

    assert OrmQ.objects.get().key.endswith("@knows:1")
    assert Execution.objects.get().lease_until == now + seconds(5)
