"""Read models of the lists of transfers, collections, tokens and keys."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from timers.copying import rates
from timers.lifecycle import RUNNABLE_TRANSFER, UNFINISHED_TRANSFER, TransferStatus
from timers.models import ClientKey, Collection, Timer, Token, Transfer
from timers.queries.paging import Page, newest_first, page

PAGE_SIZE = 50
ORDER = newest_first("requested_at")


@dataclass(frozen=True)
class TransferRow:
    """One transfer in a list, with values derived from its counters."""

    transfer: Transfer
    done: int
    """Bytes that need no more work."""
    total: int
    per_second: int
    left: timedelta | None
    took: timedelta | None
    timer_name: str = ""
    """Name of the timer that started the transfer; empty without one."""

    @property
    def unfinished(self) -> bool:
        return self.transfer.status in UNFINISHED_TRANSFER

    @property
    def deletes(self) -> bool:
        return self.transfer.kind == "delete"

    @property
    def dry_run(self) -> bool:
        return bool(self.transfer.options.get("dry_run"))

    @property
    def kind(self) -> str:
        return "dry run" if self.dry_run else self.transfer.kind

    @property
    def name(self) -> str:
        """The name to show: the label, else the timer's name, else the collections."""
        return self.transfer.label or self.timer_name or self.way

    @property
    def way(self) -> str:
        """The names of source and destination collection."""
        transfer = self.transfer
        if transfer.destination is None:
            return f"delete in {transfer.source.display_name}"
        return f"{transfer.source.display_name} → {transfer.destination.display_name}"

    @property
    def waits(self) -> bool:
        """True while the transfer waits because a whole storage failed."""
        return self.unfinished and self.transfer.failures > 0 and self.transfer.run_at is not None

    @property
    def paused(self) -> bool:
        return self.transfer.status == TransferStatus.PAUSED

    @property
    def pausing(self) -> bool:
        """True from the request to pause until the running slice has noticed it."""
        return self.transfer.status in RUNNABLE_TRANSFER and self.transfer.pause_requested

    @property
    def state(self) -> str:
        """The state as lists show it: an active transfer is "running"."""
        return "running" if self.transfer.status == TransferStatus.ACTIVE else self.transfer.status

    @property
    def percent(self) -> int | None:
        """Percentage done; None while the total is unknown."""
        if self.transfer.status == TransferStatus.SUCCEEDED:
            return 100
        if self.transfer.phase in ("scan", "compare") and self.unfinished:
            return None
        if self.total:
            return min(99, self.done * 100 // self.total)
        if self.transfer.files:
            return min(99, self._files_over * 100 // self.transfer.files)
        return None if self.unfinished else 0

    @property
    def _files_over(self) -> int:
        """The number of files that need no more work. Once the transfer has ended, failed ones are not included."""
        failed = self.transfer.files_failed if self.unfinished else 0
        return self.transfer.files_transferred + self.transfer.files_skipped + failed


def transfers_page(user: Any, *, now: datetime, status: str = "", marker: str | None = None) -> Page[TransferRow]:
    """Return a page of transfers, newest first, from two queries."""
    transfers = Transfer.objects.visible_to(user).select_related("source", "destination")
    if status == "unfinished":
        transfers = transfers.unfinished()
    elif status in set(TransferStatus):
        transfers = transfers.filter(status=status)
    listed = page(transfers, order=ORDER, limit=PAGE_SIZE, marker=marker)
    names = timer_names(listed.rows)
    return listed.map(lambda transfer: transfer_row(transfer, now=now, timer_name=names.get(transfer.timer_id, "")))


def timer_names(transfers: Iterable[Transfer]) -> dict[uuid.UUID | None, str]:
    """Return the names of the timers that started these transfers, by timer id."""
    timer_ids = {transfer.timer_id for transfer in transfers if transfer.timer_id is not None}
    return dict(Timer.objects.filter(pk__in=timer_ids).values_list("pk", "name")) if timer_ids else {}


def find_transfer(user: Any, transfer_id: uuid.UUID) -> Transfer | None:
    """Return the transfer, None if it does not exist or is not visible to the user."""
    return (
        Transfer.objects.visible_to(user)
        .filter(pk=transfer_id)
        .select_related("source", "destination", "owner")
        .first()
    )


def transfer_row(transfer: Transfer, *, now: datetime, timer_name: str = "") -> TransferRow:
    """Return the row of a transfer, with values derived from its counters."""
    return TransferRow(
        transfer=transfer,
        done=min(transfer.bytes_transferred, transfer.bytes_total),
        total=transfer.bytes_total,
        per_second=bytes_per_second(transfer, now=now),
        left=time_left(transfer, now=now),
        took=(transfer.finished_at or now) - transfer.started_at if transfer.started_at else None,
        timer_name=timer_name,
    )


def bytes_per_second(transfer: Transfer, *, now: datetime) -> int:
    """Return the speed in bytes per second: of the last seconds if they are known, else the mean of the transfer.

    A paused transfer has none.
    """
    if transfer.started_at is None or transfer.status == TransferStatus.PAUSED:
        return 0
    recent = rates.recent_speed(transfer.samples, now=now) if transfer.status in UNFINISHED_TRANSFER else None
    if recent is not None:
        return round(recent)
    seconds = ((transfer.finished_at or now) - transfer.started_at).total_seconds()
    return round(transfer.bytes_transferred / seconds) if seconds > 0 else 0


def time_left(transfer: Transfer, *, now: datetime) -> timedelta | None:
    """Return the remaining time of copying at the current speed, None when it is unknown."""
    if transfer.status != TransferStatus.ACTIVE or transfer.phase != "copy":
        return None
    speed = bytes_per_second(transfer, now=now)
    left = max(0, transfer.bytes_total - transfer.bytes_transferred)
    return timedelta(seconds=left / speed) if speed else None


def collections(user: Any) -> list[Collection]:
    """Return the collections visible to the user, by name, at most 500."""
    return list(Collection.objects.visible_to(user).select_related("owner").order_by("display_name", "pk")[:500])


def tokens(user: Any) -> list[Token]:
    """Return the personal tokens of the user, newest first, at most 200."""
    return list(Token.objects.filter(owner=user, kind="personal").order_by("-created_at")[:200])


def client_keys(user: Any) -> list[ClientKey]:
    """Return the client keys of the user, newest first, at most 200."""
    return list(ClientKey.objects.filter(owner=user).order_by("-created_at")[:200])
