"""The one protocol of all leased tables: rows are taken, renewed, released and found when they are overdue."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.factories import make_collection
from timers.models import Notice, Transfer
from timers.models.leases import NOTICES, TRANSFERS

pytestmark = pytest.mark.django_db


@pytest.fixture
def transfer(owner: Any, now: datetime, tmp_path: Path) -> Transfer:
    place = make_collection(owner, tmp_path)
    return Transfer.objects.create(owner=owner, source=place, destination=place, requested_at=now, lease_until=now)


def test_a_row_is_taken_by_one(transfer: Transfer, now: datetime) -> None:
    free = Transfer.objects.filter(pk=transfer.pk, lease_owner=None)

    assert free.take("w1", until=now + TRANSFERS.lease, slice=1) == 1
    assert free.take("w2", until=now + TRANSFERS.lease, slice=1) == 0

    transfer.refresh_from_db()
    assert (transfer.lease_owner, transfer.slice) == ("w1", 1)
    assert transfer.lease_until == transfer.busy_until == now + timedelta(seconds=15)


def test_a_holder_renews_and_releases(transfer: Transfer, now: datetime) -> None:
    held = Transfer.objects.filter(pk=transfer.pk)
    held.take("w1", until=now)

    held.renew(until=now + timedelta(seconds=5))
    transfer.refresh_from_db()
    assert (transfer.lease_owner, transfer.lease_until) == ("w1", now + timedelta(seconds=5))

    held.release(until=now, failures=2)
    transfer.refresh_from_db()
    assert (transfer.lease_owner, transfer.lease_until, transfer.busy_until) == (None, now, None)
    assert transfer.failures == 2


def test_what_is_overdue_is_found_once(owner: Any, now: datetime) -> None:
    for number in range(3):
        Notice.objects.create(
            owner=owner,
            channel="email",
            type="test",
            subject="s",
            text="t",
            object_kind="account",
            created_at=now,
            run_at=now,
            lease_until=now + timedelta(seconds=2 - number),
        )

    overdue = Notice.objects.repeat_overdue(NOTICES, now=now + timedelta(seconds=1))

    newest = list(Notice.objects.order_by("lease_until").values_list("pk", flat=True))
    assert len(overdue) == 2
    assert newest[0] not in overdue
    assert Notice.objects.repeat_overdue(NOTICES, now=now + timedelta(seconds=1)) == []
    assert set(Notice.objects.filter(pk__in=overdue).values_list("run_at", flat=True)) == {now}
