"""One transfer as its page shows it: how far it is, its files, its events; and what a dry run would delete."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.db.models import Sum

from timers.copying.plan import SyncLevel, may_delete
from timers.lifecycle import TransferStatus
from timers.models import Transfer, TransferEvent, TransferFile, TransferItem
from timers.queries.paging import Page
from timers.queries.transfers.files import (
    VERDICTS,
    FileEntry,
    FileFilters,
    Summary,
    page,
    page_by_urgency,
    read_place,
    summary,
)
from timers.queries.transfers.listing import PAGE_SIZE, TransferRow, timer_names, transfer_row
from timers.queries.transfers.rate_curve import Curve, curve

MAX_ITEMS = 50
MAX_EVENTS = 50
PHASES = ("scan", "compare", "copy", "verify", "delete")
ACTIVE, ALL = "active", "all"
FILES: dict[str, FileFilters] = {
    ALL: FileFilters(),
    "faults": FileFilters(faults=True),
    "pending": FileFilters(states=("pending",)),
    "done": FileFilters(states=("done",)),
    "skipped": FileFilters(states=("skipped",)),
    **{verdict: FileFilters(verdicts=(verdict,)) for verdict in VERDICTS},
}
"""What the tables of files can be narrowed to, by the word in the address."""


@dataclass(frozen=True)
class Phase:
    """One phase of a transfer and how far it is: done, current or later."""

    name: str
    state: str


@dataclass(frozen=True)
class Tab:
    """One choice of the table of files, and how many it shows."""

    value: str
    word: str
    count: int


@dataclass(frozen=True)
class TransferDetail:
    """One transfer with its items, a page of its files, and its events."""

    row: TransferRow
    phases: list[Phase]
    items: list[TransferItem]
    items_more: bool
    summary: Summary
    chosen: str
    tabs: list[Tab]
    files: Page[FileEntry]
    events: list[TransferEvent]
    curve: Curve | None
    trouble: TransferEvent | None
    """The newest fault, as long as it keeps the transfer waiting."""

    by_urgency: bool
    """Whether the files are shown by what they mean, not in the order they were found."""

    @property
    def percent(self) -> int | None:
        """How much is done: of a deletion's entries, else of the bytes."""
        transfer = self.row.transfer
        if not self.row.deletes or not self.row.unfinished or not transfer.files:
            return self.row.percent
        return None if transfer.phase == "scan" else min(99, transfer.files_transferred * 100 // transfer.files)

    @property
    def compared_by(self) -> str:
        """How existing files were compared, in one word; empty when everything is copied."""
        level = self.row.transfer.options.get("sync_level")
        return "" if level is None else SyncLevel(level).word


@dataclass(frozen=True)
class Gate:
    """What stands between a dry run and the transfer: how much would be deleted, and whether that is allowed."""

    deletions: int
    present: int
    allowed: bool
    refused: str
    """Why the transfer itself would delete nothing, whatever number is allowed; empty when it would."""
    folder: str
    in_folder: int

    @property
    def share(self) -> int:
        """The deletions in per cent of what is there."""
        return self.deletions * 100 // self.present if self.present else 0


def transfer_detail(
    transfer: Transfer, *, now: datetime, files: str = "", after: str = "", faults: bool = False
) -> TransferDetail:
    """Return what the page of one transfer shows, from six to eight queries; `files` is one of FILES or "active"."""
    row = transfer_row(transfer, now=now, timer_name=timer_names([transfer]).get(transfer.timer_id, ""))
    counted = summary(transfer.pk)
    chosen = files if files in FILES or (files == ACTIVE and row.unfinished) else _usual(row)
    by_urgency = chosen == ALL and _is_judged(row, counted)
    items = list(TransferItem.objects.filter(transfer=transfer).order_by("number")[: MAX_ITEMS + 1])
    events = TransferEvent.objects.filter(transfer=transfer)
    return TransferDetail(
        row=row,
        phases=_phases(row),
        items=items[:MAX_ITEMS],
        items_more=len(items) > MAX_ITEMS,
        summary=counted,
        chosen=chosen,
        tabs=_verdict_tabs(counted) if row.dry_run else _state_tabs(row, counted),
        files=page_by_urgency(transfer.pk, counted=counted, limit=PAGE_SIZE, marker=after)
        if by_urgency
        else _files(transfer, chosen, after),
        by_urgency=by_urgency,
        events=list((events.filter(is_fault=True) if faults else events).order_by("-id")[:MAX_EVENTS]),
        curve=None if row.dry_run else curve(transfer.samples),
        trouble=events.filter(is_fault=True).order_by("-id").first() if row.waits else None,
    )


def _is_judged(row: TransferRow, counted: Summary) -> bool:
    """Return whether it is a dry run that has found out about every file."""
    return row.dry_run and sum(each.entries for each in counted.verdicts.values()) == counted.entries


def _usual(row: TransferRow) -> str:
    return ACTIVE if row.unfinished and not row.dry_run else ALL


def _files(transfer: Transfer, chosen: str, after: str) -> Page[FileEntry]:
    if chosen == ACTIVE:
        return Page([])
    return page(transfer.pk, filters=FILES[chosen], limit=PAGE_SIZE, after=read_place(after) if after else None)


def _state_tabs(row: TransferRow, counted: Summary) -> list[Tab]:
    active = [Tab(ACTIVE, "Active", len(row.transfer.current))] if row.unfinished else []
    return [
        *active,
        Tab("faults", "Faults", counted.faulty),
        Tab("pending", "To do" if row.unfinished else "Not done", counted.states["pending"]),
        Tab("done", "Done", counted.states["done"]),
        Tab("skipped", "Unchanged", counted.states["skipped"]),
        Tab(ALL, "All", counted.entries),
    ]


def _verdict_tabs(counted: Summary) -> list[Tab]:
    tabs = [Tab(name, name.capitalize(), amount.entries) for name, amount in counted.verdicts.items()]
    return [Tab(ALL, "All", counted.entries), *tabs]


def gate(transfer: Transfer, counted: Summary) -> Gate:
    """Return what a finished dry run says about deleting, from three queries at most."""
    number = counted.deletions
    allowed = may_delete(number, of=counted.present, most=transfer.options.get("max_delete"))
    folder, in_folder = _most_deleted(transfer) if number else ("", 0)
    return Gate(number, counted.present, allowed, _refusal(transfer, allowed), folder, in_folder)


def _refusal(transfer: Transfer, allowed: bool) -> str:
    """Return why nothing would be deleted; that there are too many is no reason any more once they are allowed."""
    codes = ["source_empty", "delete_skipped", *(["delete_refused"] if allowed else [])]
    newest = TransferEvent.objects.filter(transfer=transfer, code__in=codes).order_by("-id").first()
    return newest.text if newest else ""


def _most_deleted(transfer: Transfer) -> tuple[str, int]:
    """Return the folder that would lose most, and how much."""
    deletions = TransferFile.objects.filter(transfer=transfer, step="delete", parent__isnull=False)
    most = deletions.values_list("parent").order_by().annotate(number=Sum("count")).order_by("-number").first()
    folder = TransferFile.objects.filter(pk=most[0]).first() if most else None
    return (folder.destination_path, most[1]) if folder and most else ("", 0)


def _phases(row: TransferRow) -> list[Phase]:
    names = _names_of_phases(row)
    if row.transfer.status == TransferStatus.SUCCEEDED:
        return [Phase(name, "done") for name in names]
    reached = row.transfer.phase if row.transfer.phase in names else names[0]
    current = names.index(reached)
    return [
        Phase(
            name, "done" if i < current else ("current" if row.unfinished else "stopped") if i == current else "later"
        )
        for i, name in enumerate(names)
    ]


def _names_of_phases(row: TransferRow) -> list[str]:
    if row.deletes:
        return ["scan", "delete"]
    if row.dry_run:
        return ["scan", "compare"]
    asked = {"verify": "verify_checksum", "delete": "delete_destination_extra"}
    return [name for name in PHASES if name not in asked or row.transfer.options.get(asked[name])]
