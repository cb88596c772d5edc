"""Pausing and resuming transfers by hand: at once between two slices, else as soon as the running slice notices."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.db import transaction

from timers.errors import Conflict
from timers.lifecycle import RUNNABLE_TRANSFER, TransferStatus
from timers.messaging import queue
from timers.models import Transfer, TransferEvent
from timers.models.leases import TRANSFERS

_SLICE_TIMES = ("run_at", "lease_until", "busy_until")


def pause(transfer: Transfer, *, by: Any, now: datetime) -> Transfer:
    """Pause a transfer and return it; a running slice ends within a second and keeps its partial files.

    Raises Conflict when the transfer has finished, is being cancelled, or is paused already.
    """
    with transaction.atomic():
        transfer = Transfer.objects.select_for_update().get(pk=transfer.pk)
        if transfer.status == TransferStatus.PAUSED or transfer.pause_requested:
            raise Conflict("The transfer is paused already.")
        if transfer.status not in RUNNABLE_TRANSFER:
            raise Conflict("The transfer has finished, so it cannot be paused.")
        if transfer.cancel_requested:
            raise Conflict("The transfer is being cancelled, so it cannot be paused.")
        if transfer.lease_owner is None:
            enter(transfer, now=now, text=f"Paused by {by.get_username()}.")
        else:
            Transfer.objects.filter(pk=transfer.pk).update(pause_requested=True)
            _record(transfer, "pausing", now=now, text=f"{by.get_username()} asked to pause.")
    transfer.refresh_from_db()
    return transfer


def resume(transfer: Transfer, *, by: Any, now: datetime) -> Transfer:
    """Let a paused transfer go on where it stopped and return it; its deadline moves by the time of the pause.

    Raises Conflict when the transfer is not paused.
    """
    with transaction.atomic():
        transfer = Transfer.objects.select_for_update().get(pk=transfer.pk)
        if transfer.status == TransferStatus.PAUSED:
            leave(transfer, now=now)
        elif transfer.status in RUNNABLE_TRANSFER and transfer.pause_requested:
            Transfer.objects.filter(pk=transfer.pk).update(pause_requested=False)
        else:
            raise Conflict("The transfer is not paused.")
        _record(transfer, "resumed", now=now, text=f"Resumed by {by.get_username()}.")
    transfer.refresh_from_db()
    return transfer


def enter(transfer: Transfer, *, now: datetime, text: str = "Paused.", abandoned: bool = False) -> None:
    """Make a transfer paused that no slice works on; call it inside a transaction that has locked its row.

    With `abandoned` its last slice did not end properly: the owner stays, so that the next slice removes what it left.
    """
    stopped: dict[str, Any] = {**dict.fromkeys(_SLICE_TIMES), "pause_requested": False, "current": []}
    owner = transfer.lease_owner if abandoned else None
    if Transfer.objects.move(
        transfer.pk, transfer.status, TransferStatus.PAUSED, paused_at=now, lease_owner=owner, **stopped
    ):
        _record(transfer, "paused", now=now, text=text)


def leave(transfer: Transfer, *, now: datetime) -> None:
    """Give a paused transfer the state that it had, and wake its next slice; its row is locked by the caller."""
    status = TransferStatus.PENDING if transfer.started_at is None else TransferStatus.ACTIVE
    deadline = transfer.deadline_at
    if deadline is not None and transfer.paused_at is not None:
        deadline += now - transfer.paused_at
    Transfer.objects.move(
        transfer.pk,
        TransferStatus.PAUSED,
        status,
        paused_at=None,
        deadline_at=deadline,
        run_at=now,
        lease_until=now + TRANSFERS.message_lease,
    )
    queue.enqueue(queue.RUN_SLICE, str(transfer.pk))


def _record(transfer: Transfer, code: str, *, now: datetime, text: str) -> None:
    TransferEvent.objects.create(transfer=transfer, at=now, code=code, phase=transfer.phase, text=text)
