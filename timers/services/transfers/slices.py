"""Slices of transfers: who carries the next one out, for how long, and what follows it.

A slice owns its transfer until somebody takes the next one, which nobody may before `busy_until`. Every write asks for
number and owner, so that a worker that was given up changes nothing any more.
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
    """The transfer was taken over or ended by somebody else: stop, and write nothing."""


@dataclass(frozen=True)
class Slice:
    """A slice that is ours, and the transfer as it was when it was taken."""

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
    """Whether the slice before never said that it ended: its worker died, and left parts behind."""


def take(transfer_id: UUID | str, *, owner: str, now: datetime) -> Slice | None:
    """Begin the next slice of a transfer; None when it is not its time, somebody is at it, or it has ended."""
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


def renew(held: Slice, *, now: datetime) -> bool:
    """Extend the lease; return whether the transfer is to be cancelled. Raises SliceLost."""
    found = sql.fetch(
        f"update timers_transfer set lease_until = %s, busy_until = %s where {_OURS} returning cancel_requested",
        [to_us(now + LEASE), to_us(now + LEASE), *_ours(held)],
    )
    if not found:
        raise SliceLost
    return bool(found[0][0])


def is_ours(held: Slice) -> bool:
    """Return whether the transfer is to be cancelled, changing nothing. Raises SliceLost."""
    found = sql.fetch(f"select cancel_requested from timers_transfer where {_OURS}", _ours(held))
    if not found:
        raise SliceLost
    return bool(found[0][0])


def enter(held: Slice, phase: str, *, now: datetime) -> None:
    """Go on to the next phase."""
    with transaction.atomic():
        write(held, phase=phase, cursor=0)
        TransferEvent.objects.create(
            transfer_id=held.transfer_id, at=now, code="progress", phase=phase, text=_PHASES[phase]
        )


def release(held: Slice, *, now: datetime) -> None:
    """End the slice and wake the next one at once."""
    with transaction.atomic():
        until = now + transfers.MESSAGE_LEASE
        write(held, run_at=now, lease_until=until, lease_owner=None, busy_until=None, failures=0)
        queue.enqueue(queue.RUN_SLICE, str(held.transfer_id))


def wait(held: Slice, *, until: datetime, failures: int = 0) -> None:
    """End the slice; the reaper wakes the next one at that instant."""
    write(held, run_at=until, lease_until=until, lease_owner=None, busy_until=None, failures=failures)


def end(
    held: Slice,
    status: TransferStatus,
    *,
    now: datetime,
    message: str | None = None,
    reason: str | None = None,
    retryable: bool = False,
) -> None:
    """End the transfer. Raises SliceLost."""
    with transaction.atomic():
        transfer = Transfer.objects.select_for_update().filter(**_ours_as_fields(held)).first()
        if transfer is None:
            raise SliceLost
        transfers.finish(transfer, status, now=now, message=message, reason=reason, retryable=retryable)


def write(held: Slice, **changes: Any) -> None:
    """Change the transfer if this slice still owns it; raises SliceLost. Nothing to change only asks who owns it."""
    ours = Transfer.objects.filter(**_ours_as_fields(held))
    if not (ours.update(**changes) if changes else ours.exists()):
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


_OURS = "id = %s and slice = %s and lease_owner = %s and status in ('pending', 'active')"

_PHASES = {
    "scan": "Listing the source and the destination.",
    "compare": "Comparing files by their content.",
    "copy": "Copying.",
    "verify": "Looking whether everything that was copied is there.",
    "delete": "Deleting.",
}


def _ours(held: Slice) -> list[Any]:
    return [held.transfer_id if sql.on_postgresql() else held.transfer_id.hex, held.number, held.owner]


def _ours_as_fields(held: Slice) -> dict[str, Any]:
    return {
        "pk": held.transfer_id,
        "slice": held.number,
        "lease_owner": held.owner,
        "status__in": UNFINISHED_TRANSFER,
    }
