"""Transfers, collections, tokens and keys as the pages show them."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from timers import clock
from timers.lifecycle import UNFINISHED_TRANSFER, TransferStatus
from timers.models import ClientKey, Collection, Token, Transfer, TransferEvent, TransferFile, TransferItem
from timers.queries.paging import Page, after, read_marker, write_marker

PAGE_SIZE = 50
MOST_FILES = 50
PHASES = ("scan", "compare", "copy", "verify", "delete")
FILE_STATES = ("pending", "done", "skipped", "failed")


@dataclass(frozen=True)
class TransferRow:
    """One transfer in a list, with what is derived from its counters."""

    transfer: Transfer
    done: int
    """Bytes that need no more work."""
    total: int
    per_second: float | None
    left: timedelta | None
    took: timedelta | None

    @property
    def unfinished(self) -> bool:
        return self.transfer.status in UNFINISHED_TRANSFER

    @property
    def state(self) -> str:
        """The state in the words of the list: what is active reads "running"."""
        return "running" if self.transfer.status == TransferStatus.ACTIVE else self.transfer.status

    @property
    def percent(self) -> int:
        if self.transfer.status == TransferStatus.SUCCEEDED:
            return 100
        return 0 if not self.total else min(99, self.done * 100 // self.total)


@dataclass(frozen=True)
class Phase:
    """One phase of a transfer and how far it is: done, current or later."""

    name: str
    state: str


@dataclass(frozen=True)
class TransferDetail:
    """One transfer with its items, some of its files, and its events."""

    row: TransferRow
    phases: list[Phase]
    items: list[TransferItem]
    files: list[TransferFile]
    events: list[TransferEvent]
    level: str


def transfers_page(user: Any, *, now: datetime, status: str = "", marker: str | None = None) -> Page[TransferRow]:
    """Return a page of transfers, newest first, from one query."""
    found = Transfer.objects.visible_to(user).select_related("source", "destination")
    if status == "unfinished":
        found = found.unfinished()
    elif status in set(TransferStatus):
        found = found.filter(status=status)
    place = read_marker(marker, 2)
    if place is not None:
        try:
            values = [clock.from_us(int(place[0])), uuid.UUID(str(place[1]))]
            found = found.filter(after(["-requested_at", "-pk"], values))
        except (ValueError, OverflowError):
            pass
    rows = list(found.order_by("-requested_at", "-pk")[: PAGE_SIZE + 1])
    more = len(rows) > PAGE_SIZE
    rows = rows[:PAGE_SIZE]
    marker = write_marker(clock.to_us(rows[-1].requested_at), rows[-1].pk) if more else None
    return Page([transfer_row(each, now=now) for each in rows], marker)


def find_transfer(user: Any, transfer_id: uuid.UUID) -> Transfer | None:
    """Return the transfer, or None when the user may not know of it."""
    return (
        Transfer.objects.visible_to(user)
        .filter(pk=transfer_id)
        .select_related("source", "destination", "owner")
        .first()
    )


def transfer_detail(transfer: Transfer, *, now: datetime, state: str = "") -> TransferDetail:
    """Return what the page of one transfer shows, from three queries."""
    files = TransferFile.objects.filter(transfer=transfer)
    if state in FILE_STATES:
        files = files.filter(state=state)
    elif state == "faults":
        files = files.filter(faults__gt=0)
    shown = list(files.order_by("id")[:MOST_FILES])
    return TransferDetail(
        row=transfer_row(transfer, now=now),
        phases=_phases(transfer),
        items=list(TransferItem.objects.filter(transfer=transfer).order_by("number")[:50]),
        files=shown,
        events=list(TransferEvent.objects.filter(transfer=transfer).order_by("-id")[:50]),
        level=", ".join(sorted({file.level for file in shown if file.level})),
    )


def transfer_row(transfer: Transfer, *, now: datetime) -> TransferRow:
    """Return a transfer with what is derived from its counters."""
    done = min(transfer.bytes_transferred, transfer.bytes_total)
    began = transfer.started_at
    took = (transfer.finished_at or now) - began if began else None
    seconds = took.total_seconds() if took else 0
    rate = transfer.bytes_transferred / seconds if seconds > 0 and transfer.bytes_transferred else None
    active = transfer.status == TransferStatus.ACTIVE
    left = timedelta(seconds=(transfer.bytes_total - done) / rate) if rate and active else None
    return TransferRow(transfer, done, transfer.bytes_total, rate, left, took)


def _phases(transfer: Transfer) -> list[Phase]:
    names = [name for name in PHASES if name != "delete" or transfer.options.get("delete_destination_extra")]
    if transfer.status == TransferStatus.SUCCEEDED:
        return [Phase(name, "done") for name in names]
    current = names.index(transfer.phase) if transfer.phase in names else 0
    active = transfer.status in UNFINISHED_TRANSFER
    return [
        Phase(name, "done" if i < current else ("current" if active else "stopped") if i == current else "later")
        for i, name in enumerate(names)
    ]


def collections(user: Any) -> list[Collection]:
    """Return the collections that the user may see, by name."""
    return list(Collection.objects.visible_to(user).select_related("owner").order_by("display_name", "pk")[:500])


def tokens(user: Any) -> list[Token]:
    """Return the user's tokens, newest first."""
    return list(Token.objects.filter(owner=user).order_by("-created_at")[:200])


def client_keys(user: Any) -> list[ClientKey]:
    """Return the user's client keys, newest first."""
    return list(ClientKey.objects.filter(owner=user).order_by("-created_at")[:200])
