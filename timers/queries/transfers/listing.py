"""Transfers, collections, tokens and keys as the pages show them."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from timers.copying import rates
from timers.lifecycle import UNFINISHED_TRANSFER, TransferStatus
from timers.models import ClientKey, Collection, Timer, Token, Transfer
from timers.queries.paging import Page, newest_first, page

PAGE_SIZE = 50
ORDER = newest_first("requested_at")


@dataclass(frozen=True)
class TransferRow:
    """One transfer in a list, with what is derived from its counters."""

    transfer: Transfer
    done: int
    """Bytes that need no more work."""
    total: int
    per_second: int
    left: timedelta | None
    took: timedelta | None
    timer_name: str = ""
    """Of the timer that asked for it; empty without one."""

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
        """What it is called: by its label, else as its timer, else by its way."""
        return self.transfer.label or self.timer_name or self.way

    @property
    def way(self) -> str:
        """From where to where, by the names of the collections."""
        transfer = self.transfer
        if transfer.destination is None:
            return f"delete in {transfer.source.display_name}"
        return f"{transfer.source.display_name} → {transfer.destination.display_name}"

    @property
    def waits(self) -> bool:
        """Whether a store that failed as a whole keeps it waiting."""
        return self.unfinished and self.transfer.failures > 0 and self.transfer.run_at is not None

    @property
    def state(self) -> str:
        """The state in the words of the list: what is active reads "running"."""
        return "running" if self.transfer.status == TransferStatus.ACTIVE else self.transfer.status

    @property
    def percent(self) -> int | None:
        """How much is done; None while nobody knows how much there is to do."""
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
        """How many files need no more work; in the end those that failed count as not done."""
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
    """Return what the timers are called that asked for these transfers."""
    asking = {transfer.timer_id for transfer in transfers if transfer.timer_id is not None}
    return dict(Timer.objects.filter(pk__in=asking).values_list("pk", "name")) if asking else {}


def find_transfer(user: Any, transfer_id: uuid.UUID) -> Transfer | None:
    """Return the transfer, or None when the user may not know of it."""
    return (
        Transfer.objects.visible_to(user)
        .filter(pk=transfer_id)
        .select_related("source", "destination", "owner")
        .first()
    )


def transfer_row(transfer: Transfer, *, now: datetime, timer_name: str = "") -> TransferRow:
    """Return a transfer with what is derived from its counters."""
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
    """Return the speed of the last seconds while it goes on; the mean once it ended, or as long as little is known."""
    if transfer.started_at is None:
        return 0
    recent = rates.recent(transfer.samples, now=now) if transfer.status in UNFINISHED_TRANSFER else None
    if recent is not None:
        return round(recent)
    seconds = ((transfer.finished_at or now) - transfer.started_at).total_seconds()
    return round(transfer.bytes_transferred / seconds) if seconds > 0 else 0


def time_left(transfer: Transfer, *, now: datetime) -> timedelta | None:
    """Return how long copying will take at the speed of the last seconds; None when nobody can tell."""
    if transfer.status != TransferStatus.ACTIVE or transfer.phase != "copy":
        return None
    speed = bytes_per_second(transfer, now=now)
    left = max(0, transfer.bytes_total - transfer.bytes_transferred)
    return timedelta(seconds=left / speed) if speed else None


def collections(user: Any) -> list[Collection]:
    """Return the collections that the user may see, by name."""
    return list(Collection.objects.visible_to(user).select_related("owner").order_by("display_name", "pk")[:500])


def tokens(user: Any) -> list[Token]:
    """Return the tokens that the user made by hand, newest first."""
    return list(Token.objects.filter(owner=user, kind="personal").order_by("-created_at")[:200])


def client_keys(user: Any) -> list[ClientKey]:
    """Return the user's client keys, newest first."""
    return list(ClientKey.objects.filter(owner=user).order_by("-created_at")[:200])
