"""What a slice reads and writes of its transfer's items and files: in batches, each in one transaction."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple

from django.db import transaction
from django.db.models import Exists, F, Min, OuterRef, Q

from timers.clock import to_us
from timers.models import TransferEvent, TransferFile, TransferItem, transfer_files
from timers.models.transfer_files import DoneFile, NewFile
from timers.services import transfer_slices
from timers.services.transfer_slices import LEASE, Slice

__all__ = ["Changes", "DoneFile", "Fault", "Kept", "NewFile", "Todo", "record"]


class Todo(NamedTuple):
    """A row that waits for its turn."""

    id: int
    item: int
    source_path: str
    destination_path: str
    size: int
    modified_at: datetime | None
    bytes_done: int
    part: str | None
    faults: int
    level: str | None
    state: str


class Fault(NamedTuple):
    """What went wrong with one path; `source` tells which side it was on."""

    code: str
    path: str
    text: str


class Kept(NamedTuple):
    """A file that is to be gone on with: how far it came, and of which version of the source."""

    id: int
    part: str | None
    bytes_done: int
    size: int
    modified_at: datetime | None


@dataclass
class Changes:
    """What a slice found out and did since it last wrote it down."""

    counts: Counter[str] = field(default_factory=Counter)
    new: list[NewFile] = field(default_factory=list)
    expanded: list[int] = field(default_factory=list)
    listed: list[int] = field(default_factory=list)
    made: list[int] = field(default_factory=list)
    done: list[DoneFile] = field(default_factory=list)
    kept: list[Kept] = field(default_factory=list)
    same: list[tuple[int, str | None]] = field(default_factory=list)
    different: list[int] = field(default_factory=list)
    left: list[int] = field(default_factory=list)
    failed: list[tuple[int, Fault]] = field(default_factory=list)
    postponed: list[tuple[int, datetime, Fault]] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    """Faults and warnings for the history, besides what happened to the rows."""

    def __len__(self) -> int:
        """How many rows they concern."""
        lists = (self.new, self.expanded, self.listed, self.made, self.done, self.kept, self.same, self.different)
        return sum(len(each) for each in (*lists, self.left, self.failed, self.postponed))


def record(held: Slice, changes: Changes, *, now: datetime) -> None:
    """Write everything down, if the slice still owns its transfer; raises SliceLost otherwise."""
    counts: dict[str, Any] = {name: F(name) + number for name, number in changes.counts.items() if number}
    with transaction.atomic():
        transfer_slices.write(held, lease_until=now + LEASE, busy_until=now + LEASE, **counts)
        _record_plan(held, changes)
        _record_files(held, changes, now)
        _record_faults(held, changes, now)


def _record_plan(held: Slice, changes: Changes) -> None:
    transfer_files.insert(held.transfer_id, changes.new)
    if changes.expanded:
        TransferItem.objects.filter(pk__in=changes.expanded).update(expanded=True)
    if changes.listed:
        TransferFile.objects.filter(pk__in=changes.listed).update(unlisted=False)


def _record_files(held: Slice, changes: Changes, now: datetime) -> None:
    files = TransferFile.objects
    transfer_files.mark_done(changes.done, finished_us=to_us(now))
    if changes.made:
        files.filter(pk__in=changes.made).update(state="done", finished_at=now, retry_at=None)
    if changes.left:
        files.filter(pk__in=changes.left).update(state="skipped", finished_at=now)
    for each in changes.kept:
        part = {"part": each.part, "bytes_done": each.bytes_done, "size": each.size, "modified_at": each.modified_at}
        files.filter(pk=each.id).update(**part)
    for id, checksum in changes.same:
        files.filter(pk=id).update(state="skipped", step="copy", checksum=checksum, finished_at=now, bytes_done=0)
    if changes.different:
        files.filter(pk__in=changes.different).update(step="copy", bytes_done=0)


def _record_faults(held: Slice, changes: Changes, now: datetime) -> None:
    for id, fault in changes.failed:
        why = {"error_message": fault.text, "failure_reason": fault.code}
        TransferFile.objects.filter(pk=id).update(state="failed", part=None, finished_at=now, **why)
    for id, at, fault in changes.postponed:
        why = {"error_message": fault.text, "failure_reason": fault.code}
        TransferFile.objects.filter(pk=id).update(retry_at=at, faults=F("faults") + 1, **why)
    everything = [*changes.faults, *(each[-1] for each in changes.failed), *(each[-1] for each in changes.postponed)]
    TransferEvent.objects.bulk_create(
        TransferEvent(
            transfer_id=held.transfer_id,
            at=now,
            code=each.code,
            is_fault=True,
            phase=held.phase,
            path=each.path,
            text=each.text,
        )
        for each in everything
    )


# What is to be done next


def items_to_expand(held: Slice, most: int) -> list[TransferItem]:
    """Return the next items that nobody has looked at yet."""
    return list(TransferItem.objects.filter(transfer_id=held.transfer_id, expanded=False).order_by("number")[:most])


def folders_to_list(held: Slice, most: int, *, step: str | None = None) -> list[tuple[str, Todo]]:
    """Return (step, folder) of the next folders whose content is not known."""
    found = TransferFile.objects.filter(transfer_id=held.transfer_id, unlisted=True).order_by("id")
    return [(row[0], Todo(*row[1:])) for row in found.values_list("step", *Todo._fields)[:most]]


def forget_half_listed(held: Slice) -> None:
    """Remove what a slice that came to no end had written down of folders whose listing it did not finish."""
    unlisted = TransferFile.objects.filter(pk=OuterRef("parent"), unlisted=True)
    half = TransferFile.objects.filter(Exists(unlisted), transfer_id=held.transfer_id, parent__isnull=False)
    with transaction.atomic():
        transfer_slices.write(held, **_uncounted(half))
        half.delete()


def _uncounted(half: Any) -> dict[str, Any]:
    lost: Counter[str] = Counter()
    for step, state, size in half.values_list("step", "state", "size").iterator():
        lost.update(counts_of(step, state, size))
    return {name: F(name) - number for name, number in lost.items() if number}


def counts_of(step: str, state: str, size: int) -> dict[str, int]:
    """Return what a new row adds to the transfer's counters."""
    if step == "mkdir":
        return {"directories": 1}
    if step == "delete":
        return {}
    if state == "skipped":
        return {"files": 1, "files_skipped": 1}
    if state == "failed":
        return {"files": 1, "files_failed": 1}
    return {"files": 1, "bytes_total": size}


def to_do(held: Slice, step: str, most: int, *, now: datetime, last_first: bool = False) -> list[Todo]:
    """Return the next rows of a step that may be tried now."""
    pending = TransferFile.objects.filter(transfer_id=held.transfer_id, step=step, state="pending")
    ready = pending.filter(Q(retry_at__isnull=True) | Q(retry_at__lte=now)).order_by("-id" if last_first else "id")
    return [Todo(*row) for row in ready.values_list(*Todo._fields)[:most]]


def next_retry(held: Slice, steps: Iterable[str]) -> datetime | None:
    """Return when the first of the rows that had a fault may be tried again; None when no row waits."""
    waiting = TransferFile.objects.filter(transfer_id=held.transfer_id, step__in=list(steps), state="pending")
    return waiting.aggregate(first=Min("retry_at"))["first"]


def last_fault(held: Slice) -> str | None:
    """Return the sentence of the newest fault."""
    newest = TransferEvent.objects.filter(transfer_id=held.transfer_id, is_fault=True).order_by("-id").first()
    return newest.text if newest else None


def checksums_wanted(held: Slice, numbers: Sequence[int]) -> dict[int, tuple[str, str]]:
    """Return item number -> (digest, algorithm) for those of these items that came with a checksum."""
    wanted = TransferItem.objects.filter(
        transfer_id=held.transfer_id, number__in=numbers, external_checksum__isnull=False
    )
    given = wanted.values_list("number", "external_checksum", "checksum_algorithm")
    return {number: (digest, name) for number, digest, name in given if digest and name}


def parts_kept(held: Slice) -> list[tuple[str, str]]:
    """Return (destination path, part) of the files that were begun and are to be gone on with."""
    begun = TransferFile.objects.filter(transfer_id=held.transfer_id, step="copy", state="pending", part__isnull=False)
    return [(path, part) for path, part in begun.values_list("destination_path", "part") if part]


def destinations(held: Slice) -> list[str]:
    """Return where the items go, as written."""
    return list(TransferItem.objects.filter(transfer_id=held.transfer_id).values_list("destination_path", flat=True))


class Deletions(NamedTuple):
    """How much is to be deleted, of how much; and the first item whose source holds nothing."""

    planned: int
    present: int
    empty_source: str | None


def deletions(held: Slice) -> Deletions:
    """Return what the guards of deletion want to know."""
    mine = TransferFile.objects.filter(transfer_id=held.transfer_id)
    gone = mine.filter(step="delete", state="pending")
    kept = mine.filter(step="copy", state__in=("done", "skipped")).count()
    held_items = set(mine.filter(parent__isnull=False).exclude(step="delete").values_list("item", flat=True).distinct())
    empty = [number for number in gone.values_list("item", flat=True).distinct() if number not in held_items]
    path = None
    if empty:
        path = TransferItem.objects.get(transfer_id=held.transfer_id, number=min(empty)).source_path
    return Deletions(gone.count(), gone.count() + kept, path)


def skipped_any_source(held: Slice) -> bool:
    """Return whether something of the source could not be listed or read and was left out."""
    return TransferFile.objects.filter(transfer_id=held.transfer_id, state="failed").exists()
