"""Occurrences that wait until the running one of their timer has ended."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest
from django_q.models import OrmQ

from tests.engine.steps import OK, begin_due, claim_at, end, seconds, statuses
from tests.factories import make_webhook_timer
from timers.models import Execution, Timer
from timers.services.executions import overlap_queue

pytestmark = pytest.mark.django_db

MINUTELY = {"type": "recurring", "interval_seconds": 60}


def make(owner: Any, overlap: str, **fields: Any) -> Timer:
    return make_webhook_timer(owner, **{"schedule": MINUTELY, "policies": {"overlap": overlap}, **fields})


def test_queue_one_lets_one_wait_and_leaves_out_the_rest(owner: Any, now: datetime) -> None:
    timer = make(owner, "queue_one")
    for minute in range(3):
        claim_at(now + seconds(60 * minute))
        begin_due(now + seconds(60 * minute))

    assert statuses(timer) == ["running", "pending", "skipped"]
    assert Execution.objects.get(status="pending").lease_until is None


def test_queue_all_begins_in_planned_order_as_each_one_ends(owner: Any, now: datetime) -> None:
    timer = make(owner, "queue_all")
    order = []
    running: list[Any] = []
    for minute in range(4):
        claim_at(now + seconds(60 * minute))
        running += begin_due(now + seconds(60 * minute))
    later = now + seconds(200)
    assert statuses(timer) == ["running", "pending", "pending", "pending"]

    while running:
        order.append(running[0].scheduled_for)
        OrmQ.objects.all().delete()
        end(running, OK, later)
        running = begin_due(later)

    assert order == [now + seconds(60 * minute) for minute in range(4)]
    assert statuses(timer) == ["completed"] * 4


def test_the_end_of_one_sends_a_message_for_the_next_that_waits(owner: Any, now: datetime) -> None:
    make(owner, "queue_all")
    claim_at(now)
    begun = begin_due(now)
    claim_at(now + seconds(60))
    begin_due(now + seconds(60))
    OrmQ.objects.all().delete()

    end(begun, OK, now + seconds(61))

    assert OrmQ.objects.count() == 1
    assert Execution.objects.get(status="pending").lease_until is not None


def test_a_later_one_does_not_overtake_those_that_wait(owner: Any, now: datetime) -> None:
    timer = make(owner, "queue_all")
    claim_at(now)
    begun = begin_due(now)
    for minute in (1, 2):
        claim_at(now + seconds(60 * minute))
        begin_due(now + seconds(60 * minute))
    end(begun, OK, now + seconds(121))
    last = Execution.objects.order_by("-scheduled_for").first()

    assert begin_due(now + seconds(121), only=[last]) == []
    assert statuses(timer) == ["completed", "pending", "pending"]


def test_at_most_a_hundred_wait(owner: Any, now: datetime) -> None:
    timer = make(owner, "queue_all", schedule={"type": "recurring", "interval_seconds": 0.1})
    for step in range(11):
        claim_at(now + seconds(step), ahead=0.95)
        begin_due(now + seconds(step + 1))

    found = statuses(timer)
    assert (found.count("running"), found.count("pending")) == (1, 100)
    assert found.count("skipped") == len(found) - 101 > 0


def test_only_the_first_that_waits_is_woken(owner: Any, now: datetime) -> None:
    timer = make(owner, "queue_all")
    for minute in range(3):
        claim_at(now + seconds(60 * minute))
        begin_due(now + seconds(60 * minute))
    waiting = list(Execution.objects.filter(status="pending").order_by("scheduled_for"))

    assert overlap_queue.wake_next([timer.pk], now=now + seconds(121)) == 1

    leases = [Execution.objects.get(pk=execution.pk).lease_until for execution in waiting]
    assert leases == [now + seconds(126), None]


def test_what_is_not_pending_is_not_woken(owner: Any, now: datetime) -> None:
    make(owner, "queue_all")
    claim_at(now)
    begun = begin_due(now)

    assert overlap_queue.wake([attempt.execution_id.hex for attempt in begun], now=now) == 0
