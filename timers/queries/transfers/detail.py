"""Read models of a transfer's page: progress, files, events, and the deletions of a dry run."""

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
    WAITING,
    WARNING,
    FileEntry,
    FileFilters,
    FileTotals,
    file_totals,
    page,
    page_by_urgency,
    read_place,
)
from timers.queries.transfers.listing import PAGE_SIZE, TransferRow, timer_names, transfer_row
from timers.queries.transfers.plan import PlanLine, option_lines
from timers.queries.transfers.rate_curve import RateCurve, build_curve

MAX_ITEMS = 50
MAX_EVENTS = 50
PHASES = ("scan", "compare", "copy", "verify", "delete")
ACTIVE, ALL = "active", "all"
FILES: dict[str, FileFilters] = {
    ALL: FileFilters(),
    "faults": FileFilters(faults=True),
    "pending": FileFilters(states=("pending", WAITING)),
    "done": FileFilters(states=("done",)),
    "skipped": FileFilters(states=("skipped",)),
    WARNING: FileFilters(states=(WARNING,)),
    **{verdict: FileFilters(verdicts=(verdict,)) for verdict in VERDICTS},
}
"""Filters of the table of files, by the value in the URL."""


@dataclass(frozen=True)
class Phase:
    """One phase of a transfer with its state: done, current, stopped (it ended or is paused there) or later."""

    name: str
    state: str


@dataclass(frozen=True)
class FileTab:
    """One tab of the table of files, with its number of files."""

    value: str
    word: str
    count: int


@dataclass(frozen=True)
class TransferOverview:
    """One transfer with its items, a page of its files, and its events."""

    row: TransferRow
    phases: list[Phase]
    items: list[TransferItem]
    items_more: bool
    summary: FileTotals
    chosen: str
    tabs: list[FileTab]
    files: Page[FileEntry]
    events: list[TransferEvent]
    curve: RateCurve | None
    trouble: TransferEvent | None
    """The newest fault, while the transfer waits because of it."""

    by_urgency: bool
    """True if the files are ordered by verdict instead of the order in which they were found."""

    @property
    def percent(self) -> int | None:
        """Percentage done: of the entries for a deletion, else of the bytes."""
        transfer = self.row.transfer
        if not self.row.deletes or not self.row.unfinished or not transfer.files:
            return self.row.percent
        return None if transfer.phase == "scan" else min(99, transfer.files_transferred * 100 // transfer.files)

    @property
    def plan(self) -> list[PlanLine]:
        """The options in words."""
        return option_lines(self.row.transfer.options)

    @property
    def retries(self) -> bool:
        """True when files failed that a new transfer can be made of."""
        return not self.row.unfinished and not self.row.dry_run and self.summary.states["failed"] > 0

    @property
    def compared_by(self) -> str:
        """The sync level in one word; empty when everything is copied."""
        level = self.row.transfer.options.get("sync_level")
        return "" if level is None else SyncLevel(level).word


@dataclass(frozen=True)
class DeletionReview:
    """Approval of a dry run's deletions: how many files it would delete, and whether that is allowed."""

    deletions: int
    present: int
    allowed: bool
    refused: str
    """Reason why the transfer would delete nothing, whatever number is allowed; empty if there is none."""
    folder: str
    in_folder: int

    @property
    def share(self) -> int:
        """The deletions in per cent of the files present."""
        return self.deletions * 100 // self.present if self.present else 0


def transfer_overview(
    transfer: Transfer, *, now: datetime, files: str = "", after: str = "", faults: bool = False
) -> TransferOverview:
    """Return the read model of a transfer, from six to eight queries. `files` is a key of FILES or "active"."""
    row = transfer_row(transfer, now=now, timer_name=timer_names([transfer]).get(transfer.timer_id, ""))
    counted = file_totals(transfer.pk)
    chosen = files if files in FILES or (files == ACTIVE and row.unfinished) else _default_tab(row)
    by_urgency = chosen == ALL and _is_judged(row, counted)
    items = list(TransferItem.objects.filter(transfer=transfer).order_by("number")[: MAX_ITEMS + 1])
    events = TransferEvent.objects.filter(transfer=transfer)
    return TransferOverview(
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
        curve=None if row.dry_run else build_curve(transfer.samples),
        trouble=events.filter(is_fault=True).order_by("-id").first() if row.waits else None,
    )


def _is_judged(row: TransferRow, counted: FileTotals) -> bool:
    """Return whether the transfer is a dry run in which every file has a verdict."""
    return row.dry_run and sum(totals.entries for totals in counted.verdicts.values()) == counted.entries


def _default_tab(row: TransferRow) -> str:
    return ACTIVE if row.unfinished and not row.dry_run else ALL


def _files(transfer: Transfer, chosen: str, after: str) -> Page[FileEntry]:
    if chosen == ACTIVE:
        return Page([])
    return page(transfer.pk, filters=FILES[chosen], limit=PAGE_SIZE, after=read_place(after) if after else None)


def _state_tabs(row: TransferRow, counted: FileTotals) -> list[FileTab]:
    active = [FileTab(ACTIVE, "Active", len(row.transfer.current))] if row.unfinished else []
    warnings, to_do = counted.states[WARNING], counted.states["pending"] + counted.states[WAITING]
    return [
        *active,
        FileTab("faults", "Faults", counted.faulty),
        *([FileTab(WARNING, "Warnings", warnings)] if warnings else []),
        FileTab("pending", "To do" if row.unfinished else "Not done", to_do),
        FileTab("done", "Done", counted.states["done"]),
        FileTab("skipped", "Unchanged", counted.states["skipped"]),
        FileTab(ALL, "All", counted.entries),
    ]


def _verdict_tabs(counted: FileTotals) -> list[FileTab]:
    tabs = [FileTab(name, name.capitalize(), amount.entries) for name, amount in counted.verdicts.items()]
    if warnings := counted.states[WARNING]:
        tabs.append(FileTab(WARNING, "Warnings", warnings))
    return [FileTab(ALL, "All", counted.entries), *tabs]


def deletion_review(transfer: Transfer, counted: FileTotals) -> DeletionReview:
    """Return the deletions of a finished dry run, from at most three queries."""
    number = counted.deletions
    allowed = may_delete(number, total=counted.present, limit=transfer.options.get("max_delete"))
    folder, in_folder = _most_deleted(transfer) if number else ("", 0)
    return DeletionReview(number, counted.present, allowed, _refusal(transfer, allowed), folder, in_folder)


def _refusal(transfer: Transfer, allowed: bool) -> str:
    """Return why nothing would be deleted. Too many deletions are a reason only while they are not allowed."""
    codes = ["source_empty", "delete_skipped", *(["delete_refused"] if allowed else [])]
    newest = TransferEvent.objects.filter(transfer=transfer, code__in=codes).order_by("-id").first()
    return newest.text if newest else ""


def _most_deleted(transfer: Transfer) -> tuple[str, int]:
    """Return the folder with the most deletions, and their number."""
    deletions = TransferFile.objects.filter(transfer=transfer, step="delete", parent__isnull=False)
    most = deletions.values_list("parent").order_by().annotate(number=Sum("count")).order_by("-number").first()
    folder = TransferFile.objects.filter(pk=most[0]).first() if most else None
    return (folder.destination_path, most[1]) if folder and most else ("", 0)


def _phases(row: TransferRow) -> list[Phase]:
    names = _phase_names(row)
    if row.transfer.status == TransferStatus.SUCCEEDED:
        return [Phase(name, "done") for name in names]
    reached = row.transfer.phase if row.transfer.phase in names else names[0]
    current = names.index(reached)
    return [
        *(Phase(name, "done") for name in names[:current]),
        Phase(reached, "current" if row.unfinished and not row.paused else "stopped"),
        *(Phase(name, "later") for name in names[current + 1 :]),
    ]


def _phase_names(row: TransferRow) -> list[str]:
    if row.deletes:
        return ["scan", "delete"]
    if row.dry_run:
        return ["scan", "compare"]
    option_of = {"verify": "verify_checksum", "delete": "delete_destination_extra"}
    left_out = {phase for phase, option in option_of.items() if not row.transfer.options.get(option)}
    return [name for name in PHASES if name not in left_out]
