"""Slices of transfers: their ownership, their leases, and what follows them.

A slice owns its transfer until another worker takes the next slice, which is not allowed before `busy_until`. Every
write checks number and owner, so that a worker that lost its slice changes nothing any more.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, NamedTuple
from uuid import UUID

from django.db import transaction

from timers.clock import to_us
from timers.lifecycle import RUNNABLE_TRANSFER, TransferStatus
from timers.messaging import queue
from timers.models import Collection, Transfer, TransferEvent
from timers.models.leases import TRANSFERS
from timers.models.statement import Statement
from timers.services.transfers import commands as transfers
from timers.services.transfers import pausing


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
    requested_at: datetime
    deadline_at: datetime | None
    failures: int
    cancel_requested: bool
    cursor: int
    bytes_transferred: int
    files_transferred: int
    samples: Sequence[Sequence[int]]
    taken_over: bool
    """True when the previous slice did not end properly: its worker died and left partial files behind."""


class SliceRequest(StrEnum):
    """What a running slice is asked to stop for; a cancellation comes before a pause."""

    CANCEL = "cancel"
    PAUSE = "pause"


class HeldTransfer(NamedTuple):
    """A transfer whose slice is still ours."""

    cancel_requested: bool
    pause_requested: bool


_OURS = "id = %(id)s and slice = %(slice)s and lease_owner = %(owner)s and status in ('pending', 'active')"

_REQUESTS = ", ".join(HeldTransfer._fields)

_CHECK = Statement(f"select {_REQUESTS} from timers_transfer where {_OURS}", returns=HeldTransfer)

_RENEW = Statement(
    f"""
update timers_transfer set lease_until = %(lease_until)s, busy_until = %(lease_until)s where {_OURS}
returning {_REQUESTS}""",
    returns=HeldTransfer,
)


def take(transfer_id: UUID | str, *, owner: str, now: datetime) -> Slice | None:
    """Begin the next slice of a transfer.

    Return None when it is not due, another worker runs it, or the transfer is paused or has ended.
    """
    with transaction.atomic():
        runnable = Transfer.objects.select_for_update().filter(pk=transfer_id, status__in=RUNNABLE_TRANSFER)
        transfer = runnable.first()
        if transfer is None or _is_busy(transfer, now) or (transfer.run_at is not None and transfer.run_at > now):
            return None
        if transfer.pause_requested and not transfer.cancel_requested:  # the worker that was asked to pause it died
            pausing.enter(transfer, now=now, abandoned=True)
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
        requested_at=transfer.requested_at,
        deadline_at=transfer.deadline_at,
        failures=transfer.failures,
        cancel_requested=transfer.cancel_requested,
        cursor=transfer.cursor,
        bytes_transferred=transfer.bytes_transferred,
        files_transferred=transfer.files_transferred,
        samples=transfer.samples,
        taken_over=taken_over,
    )


def renew(transfer_slice: Slice, *, now: datetime) -> SliceRequest | None:
    """Renew the lease; return what the slice is asked to stop for, None to go on. Raises SliceLost."""
    return _stop_request(_RENEW, transfer_slice, lease_until=to_us(now + TRANSFERS.lease))


def standing_request(transfer_slice: Slice) -> SliceRequest | None:
    """Return what the slice is asked to stop for, None to go on, without a change. Raises SliceLost."""
    return _stop_request(_CHECK, transfer_slice)


def _stop_request(statement: Statement[HeldTransfer], transfer_slice: Slice, **parameters: int) -> SliceRequest | None:
    owned = statement.fetch(
        id=transfer_slice.transfer_id.hex, slice=transfer_slice.number, owner=transfer_slice.owner, **parameters
    )
    if not owned:
        raise SliceLost
    if owned[0].cancel_requested:
        return SliceRequest.CANCEL
    return SliceRequest.PAUSE if owned[0].pause_requested else None


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
        _release(transfer_slice, run_at=now, until=now + TRANSFERS.message_lease)
        queue.enqueue(queue.RUN_SLICE, str(transfer_slice.transfer_id))


def wait(transfer_slice: Slice, *, until: datetime, failures: int = 0) -> None:
    """End the slice; the next one starts at the instant `until`."""
    _release(transfer_slice, run_at=until, until=until, failures=failures)


def pause(transfer_slice: Slice, *, now: datetime, stalled: bool = False) -> None:
    """End the slice, and pause its transfer unless somebody resumed it meanwhile. Raises SliceLost.

    A slice that is `stalled` may leave partial files behind: the next one takes it over and removes them.
    """
    with transaction.atomic():
        transfer = Transfer.objects.select_for_update().filter(**_owner_fields(transfer_slice)).first()
        if transfer is None:
            raise SliceLost
        if transfer.pause_requested:
            pausing.enter(transfer, now=now, abandoned=stalled)
        else:
            release(transfer_slice, now=now)


def _release(transfer_slice: Slice, *, run_at: datetime, until: datetime, failures: int = 0) -> None:
    if not Transfer.objects.filter(**_owner_fields(transfer_slice)).release(
        until=until, run_at=run_at, failures=failures
    ):
        raise SliceLost


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
    Transfer.objects.filter(pk=transfer.pk).take(owner, until=now + TRANSFERS.lease, slice=transfer.slice)


_PHASE_TEXTS = {
    "scan": "Listing the source and the destination.",
    "compare": "Comparing files by their content.",
    "copy": "Copying.",
    "verify": "Checking that every copied file is at the destination.",
    "delete": "Deleting.",
    "settle": "Looking at names that may be the same at the destination, and at what stood in the way.",
    "attributes": "Setting times and modes of folders.",
    "remove": "Removing from the source what was moved.",
}


def _owner_fields(transfer_slice: Slice) -> dict[str, Any]:
    return {
        "pk": transfer_slice.transfer_id,
        "slice": transfer_slice.number,
        "lease_owner": transfer_slice.owner,
        "status__in": RUNNABLE_TRANSFER,
    }
