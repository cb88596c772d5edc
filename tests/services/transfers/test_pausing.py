"""Pausing and resuming transfers: between slices, while one runs, and when its worker died."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from django_q.models import OrmQ

from tests.factories import make_webhook_timer
from timers.errors import Conflict
from timers.lifecycle import ExecutionStatus, TransferStatus
from timers.models import Collection, Execution, Transfer, TransferFile
from timers.services.executions import leases
from timers.services.transfers import commands as transfers
from timers.services.transfers import pausing, slices
from timers.services.transfers.slices import SliceLost, SliceRequest

pytestmark = pytest.mark.django_db

HOUR = timedelta(hours=1)
LATER = timedelta(seconds=16)


@pytest.fixture
def submit(places: tuple[Collection, Collection], owner: Any, now: datetime) -> Any:
    source, destination = places
    body = {
        "source_endpoint": str(source.pk),
        "destination_endpoint": str(destination.pk),
        "DATA": [{"source_path": "/f", "destination_path": "/g"}],
    }
    return lambda **more: transfers.submit(owner=owner, body=body, now=now, **more)


@pytest.fixture
def transfer(submit: Any) -> Transfer:
    stored: Transfer = submit()
    return stored


def take(transfer: Transfer, now: datetime) -> Any:
    return slices.take(transfer.pk, owner="one", now=now)


def codes(transfer: Transfer) -> list[str]:
    return list(transfer.events.order_by("id").values_list("code", flat=True))


def test_one_that_has_not_begun_is_paused_at_once(transfer: Transfer, owner: Any, now: datetime) -> None:
    paused = pausing.pause(transfer, by=owner, now=now)

    assert (paused.status, paused.paused_at, paused.run_at, paused.lease_until) == ("paused", now, None, None)
    assert take(transfer, now + HOUR) is None
    assert leases.reap(now=now + HOUR).slices == 0
    assert paused.events.get().text == "Paused by owner."


def test_resuming_gives_back_the_state_and_the_time_of_the_pause(transfer: Transfer, owner: Any, now: datetime) -> None:
    deadline = transfer.deadline_at
    pausing.pause(transfer, by=owner, now=now)
    messages = OrmQ.objects.count()

    resumed = pausing.resume(transfer, by=owner, now=now + HOUR)

    assert (resumed.status, resumed.paused_at, resumed.run_at) == (TransferStatus.PENDING, None, now + HOUR)
    assert resumed.deadline_at == deadline + HOUR
    assert OrmQ.objects.count() == messages + 1
    assert codes(transfer) == ["paused", "resumed"]
    assert take(transfer, now + HOUR).number == 1


def test_a_running_slice_is_asked_and_keeps_its_place(transfer: Transfer, owner: Any, now: datetime) -> None:
    held = take(transfer, now)
    assert slices.standing_request(held) is None

    asked = pausing.pause(transfer, by=owner, now=now)

    assert (asked.status, asked.pause_requested) == (TransferStatus.ACTIVE, True)
    assert slices.standing_request(held) is slices.renew(held, now=now) is SliceRequest.PAUSE
    slices.pause(held, now=now + timedelta(seconds=1))
    transfer.refresh_from_db()
    assert (transfer.status, transfer.pause_requested, transfer.lease_owner) == ("paused", False, None)
    with pytest.raises(SliceLost):
        slices.write(held)
    pausing.resume(transfer, by=owner, now=now + HOUR)
    following = take(transfer, now + HOUR)
    assert (following.number, following.taken_over) == (2, False)
    transfer.refresh_from_db()
    assert transfer.status == TransferStatus.ACTIVE


def test_a_pause_that_was_taken_back_in_time_pauses_nothing(transfer: Transfer, owner: Any, now: datetime) -> None:
    held = take(transfer, now)
    pausing.pause(transfer, by=owner, now=now)
    pausing.resume(transfer, by=owner, now=now)
    assert slices.renew(held, now=now) is None

    slices.pause(held, now=now)

    assert take(transfer, now).number == 2


def test_a_cancellation_comes_before_a_pause(transfer: Transfer, owner: Any, now: datetime) -> None:
    held = take(transfer, now)
    pausing.pause(transfer, by=owner, now=now)

    transfers.cancel(transfer, by=owner, now=now)

    assert slices.standing_request(held) is SliceRequest.CANCEL
    with pytest.raises(Conflict, match="paused already"):
        pausing.pause(transfer, by=owner, now=now)


def test_one_whose_worker_died_is_paused_when_that_is_noticed(transfer: Transfer, owner: Any, now: datetime) -> None:
    take(transfer, now)
    pausing.pause(transfer, by=owner, now=now)

    assert take(transfer, now + LATER) is None
    transfer.refresh_from_db()
    assert transfer.status == TransferStatus.PAUSED
    pausing.resume(transfer, by=owner, now=now + HOUR)

    assert take(transfer, now + HOUR).taken_over  # the next slice removes what the dead worker left


def test_pausing_twice_or_a_finished_one_and_resuming_what_is_not_paused_is_refused(
    transfer: Transfer, owner: Any, now: datetime
) -> None:
    with pytest.raises(Conflict, match="not paused"):
        pausing.resume(transfer, by=owner, now=now)
    pausing.pause(transfer, by=owner, now=now)
    with pytest.raises(Conflict, match="paused already"):
        pausing.pause(transfer, by=owner, now=now)
    transfers.cancel(transfer, by=owner, now=now)
    with pytest.raises(Conflict, match="finished"):
        pausing.pause(transfer, by=owner, now=now)
    with pytest.raises(Conflict, match="not paused"):
        pausing.resume(transfer, by=owner, now=now)


def test_a_paused_one_is_cancelled_at_once(transfer: Transfer, owner: Any, now: datetime) -> None:
    pausing.pause(transfer, by=owner, now=now)

    assert transfers.cancel(transfer, by=owner, now=now).status == TransferStatus.CANCELLED


def test_a_paused_one_with_partial_files_is_cancelled_by_a_slice(transfer: Transfer, owner: Any, now: datetime) -> None:
    held = take(transfer, now)
    TransferFile.objects.create(
        transfer=transfer, item=0, step="copy", source_path="/f", destination_path="/g", part=".part", bytes_done=5
    )
    pausing.pause(transfer, by=owner, now=now)
    slices.pause(held, now=now)

    transfers.cancel(transfer, by=owner, now=now)

    transfer.refresh_from_db()
    assert transfer.status == TransferStatus.ACTIVE
    assert take(transfer, now).cancel_requested


def test_the_execution_of_a_paused_one_goes_on_waiting(submit: Any, owner: Any, now: datetime) -> None:
    timer = make_webhook_timer(owner, now=now)
    running = {"status": ExecutionStatus.RUNNING, "started_at": now, "attempt": 1, "run_at": now, "created_at": now}
    execution = Execution.objects.create(timer=timer, definition=timer.definition, scheduled_for=now, **running)
    transfer = submit(execution_id=execution.pk, attempt=1)

    pausing.pause(transfer, by=owner, now=now)
    leases.reap(now=now + HOUR)

    execution.refresh_from_db()
    assert execution.status == ExecutionStatus.RUNNING
    transfers.cancel_for_execution(execution.pk, now=now + HOUR)
    transfer.refresh_from_db()
    execution.refresh_from_db()
    assert (transfer.status, execution.status) == ("cancelled", ExecutionStatus.CANCELLED)
