"""Leases: kept by who works, taken back from who does not."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import uuid4

import pytest
from django_q.models import OrmQ
from django_q.signing import SignedPackage

from tests.engine.steps import BROKEN, OK, begin_due, claim_at, end, seconds, statuses
from tests.factories import make_collection, make_webhook_timer
from timers.messaging import queue
from timers.models import Attempt, Execution, Schedule, Transfer
from timers.services.attempt_values import StartedAttempt
from timers.services.executions import commands as executions
from timers.services.executions import leases

pytestmark = pytest.mark.django_db


def begun(owner: Any, now: datetime, **fields: Any) -> list[StartedAttempt]:
    make_webhook_timer(owner, **fields)
    claim_at(now)
    ours = begin_due(now)
    OrmQ.objects.all().delete()
    return ours


def pairs(ours: list[StartedAttempt]) -> list[tuple[Any, int]]:
    return [(each.execution_id, each.attempt) for each in ours]


def test_a_heartbeat_extends_the_lease(owner: Any, now: datetime) -> None:
    ours = begun(owner, now)

    heartbeat = leases.renew(pairs(ours), owner="w1", now=now + seconds(5))

    assert (heartbeat.lost, heartbeat.cancelled) == (frozenset(), frozenset())
    assert Execution.objects.get().lease_until == now + seconds(20)


@pytest.mark.parametrize("ask", ["renew", "check"])
def test_a_worker_learns_of_a_cancel(owner: Any, now: datetime, ask: str) -> None:
    ours = begun(owner, now)
    executions.cancel(Execution.objects.get(), by=owner, now=now)

    more = {"now": now} if ask == "renew" else {}
    heartbeat = getattr(leases, ask)(pairs(ours), owner="w1", **more)

    assert heartbeat.cancelled == {ours[0].execution_id}


@pytest.mark.parametrize("ask", ["renew", "check"])
def test_a_worker_learns_that_it_lost_a_lease(owner: Any, now: datetime, ask: str) -> None:
    ours = begun(owner, now)
    Execution.objects.update(lease_owner="w2", attempt=2)

    more = {"now": now} if ask == "renew" else {}
    heartbeat = getattr(leases, ask)(pairs(ours), owner="w1", **more)

    assert heartbeat.lost == {ours[0].execution_id}


def test_a_message_that_got_lost_is_sent_again(owner: Any, now: datetime) -> None:
    make_webhook_timer(owner)
    claim_at(now)
    OrmQ.objects.all().delete()

    assert leases.reap(now=now + seconds(4)).repeated == 0
    assert leases.reap(now=now + seconds(6)).repeated == 1
    assert leases.reap(now=now + seconds(6)).repeated == 0
    assert OrmQ.objects.count() == 1


def test_a_long_queue_is_not_made_longer(owner: Any, now: datetime) -> None:
    make_webhook_timer(owner)
    claim_at(now)
    queue.send(["waiting"] * 1000)

    assert leases.reap(now=now + seconds(60)).repeated == 0
    assert leases.reap(now=now + seconds(600)).repeated == 1


def test_a_lost_attempt_is_repeated_at_once_and_not_counted(owner: Any, now: datetime) -> None:
    begun(owner, now, policies={"max_attempts": 2, "backoff_seconds": 1})

    assert leases.reap(now=now + seconds(14)).lost == 0
    assert leases.reap(now=now + seconds(16)).lost == 1

    execution = Execution.objects.get()
    assert (execution.status, execution.lost_attempts, execution.lease_owner) == ("pending", 1, None)
    assert Attempt.objects.get().outcome == "lost"
    assert OrmQ.objects.count() == 1
    end(begin_due(now + seconds(16), owner="w2"), BROKEN, now + seconds(17), owner="w2")
    assert Execution.objects.get().status == "retrying"


def test_the_late_result_of_a_lost_attempt_changes_nothing(owner: Any, now: datetime) -> None:
    ours = begun(owner, now)
    leases.reap(now=now + seconds(16))
    begin_due(now + seconds(16), owner="w2")

    assert end(ours, OK, now + seconds(17)) == set()
    assert Execution.objects.get().status == "running"


def test_after_five_losses_it_has_failed(owner: Any, now: datetime) -> None:
    begun(owner, now)
    for loss in range(1, 6):
        leases.reap(now=now + seconds(20 * loss))
        begin_due(now + seconds(20 * loss))

    execution = Execution.objects.get()
    assert (execution.status, execution.failure_reason, execution.lost_attempts) == ("failed", "lost", 5)
    assert list(Attempt.objects.order_by("number").values_list("number", flat=True)) == [1, 2, 3, 4, 5]
    row = Schedule.objects.get()
    assert (row.failure_count, row.consecutive_failures) == (1, 0)


def test_a_lost_attempt_that_was_cancelled_is_not_repeated(owner: Any, now: datetime) -> None:
    begun(owner, now)
    executions.cancel(Execution.objects.get(), by=owner, now=now)

    leases.reap(now=now + seconds(16))

    assert Execution.objects.get().status == "cancelled"


def test_what_waits_elsewhere_is_not_lost(owner: Any, now: datetime) -> None:
    begun(owner, now)
    Execution.objects.update(lease_until=None)

    assert leases.reap(now=now + seconds(3600)).lost == 0


def test_one_that_waits_behind_nothing_is_woken(owner: Any, now: datetime) -> None:
    timer = make_webhook_timer(
        owner, policies={"overlap": "queue_all"}, schedule={"type": "recurring", "interval_seconds": 60}
    )
    claim_at(now)
    begin_due(now)
    claim_at(now + seconds(60))
    begin_due(now + seconds(60))
    assert leases.reap(now=now + seconds(1)).woken == 0
    Execution.objects.filter(status="running").update(status="cancelled", lease_until=None)

    assert leases.reap(now=now + seconds(61)).woken == 1
    assert len(begin_due(now + seconds(61))) == 1
    assert statuses(timer) == ["cancelled", "running"]


def test_a_retry_is_released_when_it_is_due(owner: Any, now: datetime) -> None:
    end(begun(owner, now, policies={"backoff_seconds": 10}), BROKEN, now)
    due = Execution.objects.get().lease_until

    assert leases.release_retries(now=due - seconds(0.001)) == (0, due)
    assert leases.release_retries(now=due) == (1, None)
    assert leases.release_retries(now=due) == (0, None)
    assert Execution.objects.get().status == "pending"
    assert OrmQ.objects.count() == 1


def test_a_transfer_whose_slice_nobody_began_gets_a_message(owner: Any, now: datetime, tmp_path: Any) -> None:
    collection = make_collection(owner, tmp_path)
    transfer = Transfer.objects.create(
        id=uuid4(), owner=owner, source=collection, destination=collection, requested_at=now, lease_until=now
    )

    assert leases.reap(now=now).slices == 1
    assert leases.reap(now=now).slices == 0
    message = SignedPackage.loads(OrmQ.objects.get().payload)
    assert (message["func"], message["args"]) == (queue.RUN_SLICE, (str(transfer.pk),))
