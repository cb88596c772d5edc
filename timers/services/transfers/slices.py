"""Slices of transfers: their ownership, their leases, and what follows them.

A slice owns its transfer until another worker takes the next slice, which is not allowed before `busy_until`. Every
write checks number and owner, so that a worker that lost its slice changes nothing any more.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import transaction

from timers.clock import to_us
from timers.lifecycle import UNFINISHED_TRANSFER, TransferStatus
from timers.messaging import queue
from timers.models import Collection, Transfer, TransferEvent, sql
from timers.services.transfers import commands as transfers

LEASE = timedelta(seconds=15)


class SliceLost(Exception):
    """The transfer was taken over or ended by another worker: stop, and write nothing."""


@dataclass(frozen=True)
class Slice:
    """A slice of this worker, and the transfer as it was when the slice was taken."""

    transfer_id: UUID
    number: int
    owner: str
    kind: str
    source: Collection
    destination: Collection | None
    options: Mapping[str, Any]
    phase: str
    deadline_at: datetime | None
    failures: int
    cancel_requested: bool
    cursor: int
    bytes_transferred: int
    files_transferred: int
    samples: Sequence[Sequence[int]]
    taken_over: bool
    """True when the previous slice did not end properly: its worker died and left partial files behind."""


def take(transfer_id: UUID | str, *, owner: str, now: datetime) -> Slice | None:
    """Begin the next slice of a transfer.

    Return None when it is not due, another worker runs it, or the transfer has ended.
    """
    with transaction.atomic():
        transfer = Transfer.objects.select_for_update().unfinished().filter(pk=transfer_id).first()
        if transfer is None or _is_busy(transfer, now) or (transfer.run_at is not None and transfer.run_at > now):
            return None
        taken_over = transfer.lease_owner is not None
        _begin(transfer, owner=owner, now=now)
    return Slice(
        transfer_id=transfer.pk,
        number=transfer.slice,
        owner=owner,
        kind=transfer.kind,
        source=transfer.source,
        destination=transfer.destination,
        options=transfer.options,
        phase=transfer.phase,
        deadline_at=transfer.deadline_at,
        failures=transfer.failures,
        cancel_requested=transfer.cancel_requested,
        cursor=transfer.cursor,
        bytes_transferred=transfer.bytes_transferred,
        files_transferred=transfer.files_transferred,
        samples=transfer.samples,
        taken_over=taken_over,
    )


def renew(transfer_slice: Slice, *, now: datetime) -> bool:
    """Renew the lease; return whether the transfer is to be cancelled. Raises SliceLost."""
    rows = sql.fetch(
        f"update timers_transfer set lease_until = %s, busy_until = %s where {_OWNED_SQL} returning cancel_requested",
        [to_us(now + LEASE), to_us(now + LEASE), *_owner_values(transfer_slice)],
    )
    if not rows:
        raise SliceLost
    return bool(rows[0][0])


def is_cancel_requested(transfer_slice: Slice) -> bool:
    """Return whether the transfer is to be cancelled, without a change. Raises SliceLost."""
    rows = sql.fetch(f"select cancel_requested from timers_transfer where {_OWNED_SQL}", _owner_values(transfer_slice))
    if not rows:
        raise SliceLost
    return bool(rows[0][0])


def enter(transfer_slice: Slice, phase: str, *, now: datetime) -> None:
    """Enter the next phase."""
    with transaction.atomic():
        write(transfer_slice, phase=phase, cursor=0)
        TransferEvent.objects.create(
            transfer_id=transfer_slice.transfer_id, at=now, code="progress", phase=phase, text=_PHASE_TEXTS[phase]
        )


def release(transfer_slice: Slice, *, now: datetime) -> None:
    """End the slice and wake the next one at once."""
    with transaction.atomic():
        until = now + transfers.MESSAGE_LEASE
        write(transfer_slice, run_at=now, lease_until=until, lease_owner=None, busy_until=None, failures=0)
        queue.enqueue(queue.RUN_SLICE, str(transfer_slice.transfer_id))


def wait(transfer_slice: Slice, *, until: datetime, failures: int = 0) -> None:
    """End the slice; the next one starts at the instant `until`."""
    write(transfer_slice, run_at=until, lease_until=until, lease_owner=None, busy_until=None, failures=failures)


def end(
    transfer_slice: Slice,
    status: TransferStatus,
    *,
    now: datetime,
    message: str | None = None,
    reason: str | None = None,
    retryable: bool = False,
) -> None:
    """End the transfer. Raises SliceLost."""
    with transaction.atomic():
        transfer = Transfer.objects.select_for_update().filter(**_owner_fields(transfer_slice)).first()
        if transfer is None:
            raise SliceLost
        transfers.finish(transfer, status, now=now, message=message, reason=reason, retryable=retryable)


def write(transfer_slice: Slice, **changes: Any) -> None:
    """Change the transfer if this slice still owns it; raises SliceLost.

    Without changes only the ownership is checked.
    """
    owned = Transfer.objects.filter(**_owner_fields(transfer_slice))
    if not (owned.update(**changes) if changes else owned.exists()):
        raise SliceLost


def _is_busy(transfer: Transfer, now: datetime) -> bool:
    return transfer.busy_until is not None and transfer.busy_until > now


def _begin(transfer: Transfer, *, owner: str, now: datetime) -> None:
    if transfer.status == TransferStatus.PENDING:
        Transfer.objects.move(transfer.pk, TransferStatus.PENDING, TransferStatus.ACTIVE, started_at=now)
        TransferEvent.objects.create(transfer=transfer, at=now, code="started", phase=transfer.phase, text="Started.")
    transfer.slice += 1
    Transfer.objects.filter(pk=transfer.pk).update(
        slice=transfer.slice, lease_owner=owner, lease_until=now + LEASE, busy_until=now + LEASE
    )


_OWNED_SQL = "id = %s and slice = %s and lease_owner = %s and status in ('pending', 'active')"

_PHASE_TEXTS = {
    "scan": "Listing the source and the destination.",
    "compare": "Comparing files by their content.",
    "copy": "Copying.",
    "verify": "Checking that every copied file is at the destination.",
    "delete": "Deleting.",
}


def _owner_values(transfer_slice: Slice) -> list[Any]:
    return [
        transfer_slice.transfer_id if sql.on_postgresql() else transfer_slice.transfer_id.hex,
        transfer_slice.number,
        transfer_slice.owner,
    ]


def _owner_fields(transfer_slice: Slice) -> dict[str, Any]:
    return {
        "pk": transfer_slice.transfer_id,
        "slice": transfer_slice.number,
        "lease_owner": transfer_slice.owner,
        "status__in": UNFINISHED_TRANSFER,
    }
