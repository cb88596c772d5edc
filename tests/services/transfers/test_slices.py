"""Slices: one at a time, fenced by number, woken again when lost."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from django_q.models import OrmQ

from timers.lifecycle import TransferStatus
from timers.models import Collection, Transfer, TransferFile
from timers.services.executions import leases
from timers.services.transfers import commands as transfers
from timers.services.transfers import progress, slices
from timers.services.transfers.progress import Changes, NewFile
from timers.services.transfers.slices import SliceLost

pytestmark = pytest.mark.django_db

LATER = timedelta(seconds=16)


@pytest.fixture
def transfer(places: tuple[Collection, Collection], owner: Any, now: datetime) -> Transfer:
    source, destination = places
    body = {
        "source_endpoint": str(source.pk),
        "destination_endpoint": str(destination.pk),
        "DATA": [{"source_path": "/f", "destination_path": "/g"}],
    }
    return transfers.submit(owner=owner, body=body, now=now)


def take(transfer: Transfer, now: datetime, *, owner: str = "one") -> Any:
    return slices.take(transfer.pk, owner=owner, now=now)


def test_a_slice_is_taken_by_one_worker_only(transfer: Transfer, now: datetime) -> None:
    held = take(transfer, now)

    assert (held.number, held.taken_over) == (1, False)
    assert take(transfer, now, owner="two") is None
    transfer.refresh_from_db()
    assert (transfer.status, transfer.started_at) == (TransferStatus.ACTIVE, now)


def test_a_lost_slice_is_taken_over_after_its_lease_and_can_write_no_more(transfer: Transfer, now: datetime) -> None:
    lost = take(transfer, now)

    assert take(transfer, now + timedelta(seconds=14), owner="two") is None
    held = take(transfer, now + LATER, owner="two")

    assert (held.number, held.taken_over) == (2, True)
    for write in (
        lambda: slices.renew(lost, now=now),
        lambda: slices.standing_request(lost),
        lambda: slices.release(lost, now=now),
        lambda: slices.end(lost, TransferStatus.SUCCEEDED, now=now),
        lambda: progress.record(lost, Changes(new=[NewFile(0, None, "copy", "/f", "/g")]), now=now),
    ):
        with pytest.raises(SliceLost):
            write()
    assert not TransferFile.objects.exists()
    assert slices.renew(held, now=now + LATER) is None


def test_a_renewed_slice_is_not_taken_over(transfer: Transfer, now: datetime) -> None:
    held = take(transfer, now)
    slices.renew(held, now=now + timedelta(seconds=10))

    assert take(transfer, now + LATER, owner="two") is None


def test_the_reaper_wakes_a_lost_slice_and_the_next_one_may_begin(transfer: Transfer, now: datetime) -> None:
    take(transfer, now)
    OrmQ.objects.all().delete()

    assert leases.reap(now=now + LATER).slices == 1

    assert OrmQ.objects.count() == 1
    assert take(transfer, now + LATER, owner="two").taken_over


def test_releasing_wakes_the_next_slice(transfer: Transfer, now: datetime) -> None:
    held = take(transfer, now)
    before = OrmQ.objects.count()

    slices.release(held, now=now)

    assert OrmQ.objects.count() == before + 1
    following = take(transfer, now)
    assert (following.number, following.taken_over) == (2, False)


def test_waiting_is_over_at_its_instant_and_not_before(transfer: Transfer, now: datetime) -> None:
    held = take(transfer, now)
    until = now + timedelta(minutes=1)

    slices.wait(held, until=until, failures=2)

    assert take(transfer, until - timedelta(seconds=1)) is None
    assert leases.reap(now=until - timedelta(seconds=1)).slices == 0
    assert leases.reap(now=until).slices == 1
    assert take(transfer, until).failures == 2


def test_a_finished_transfer_has_no_slices(transfer: Transfer, now: datetime) -> None:
    held = take(transfer, now)
    slices.end(held, TransferStatus.SUCCEEDED, now=now)

    assert take(transfer, now + LATER) is None
    assert leases.reap(now=now + LATER).slices == 0


def test_rows_of_a_folder_that_was_not_listed_to_its_end_are_forgotten(transfer: Transfer, now: datetime) -> None:
    held = take(transfer, now)
    folder = NewFile(0, None, "mkdir", "/", "/", unlisted=True)
    progress.record(held, Changes(new=[folder]), now=now)
    top = TransferFile.objects.get()
    half = Changes(new=[NewFile(0, top.pk, "copy", "/f", "/f", 5), NewFile(0, top.pk, "copy", "/g", "/g", 7)])
    half.counts.update({"files": 2, "bytes_total": 12})
    progress.record(held, half, now=now)

    progress.delete_half_listed(held)

    transfer.refresh_from_db()
    assert list(TransferFile.objects.all()) == [top]
    assert (transfer.files, transfer.bytes_total) == (0, 0)
