"""Reads and writes of a slice on its transfer's items and files: in batches, each in one transaction."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple

from django.db import transaction
from django.db.models import Case, Exists, F, Min, OuterRef, Q, QuerySet, Sum, When

from timers.clock import to_us
from timers.models import TransferEvent, TransferFile, TransferItem, transfer_files
from timers.models.transfer_files import ChangedBundle, DoneFile, NewFile
from timers.services.transfers import slices
from timers.services.transfers.slices import Slice

__all__ = ["ChangedBundle", "Changes", "DoneFile", "Fault", "FileRow", "NewFile", "ResumableFile", "record"]


class FileRow(NamedTuple):
    """A row of a transfer's file, or one member of a bundle, by its number in it."""

    id: int
    item: int
    parent: int | None
    source_path: str
    destination_path: str
    size: int
    modified_at: datetime | None
    bytes_done: int
    part: str | None
    faults: int
    level: str | None
    verdict: str | None
    verified: str | None
    state: str
    step: str
    members: str | None
    mode: int | None = None
    there_size: int | None = None
    member: int | None = None

    @property
    def key(self) -> str:
        """Text that is unique among the files of the transfer."""
        return str(self.id) if self.member is None else f"{self.id}m{self.member}"


_COUNTED_AS = {"skipped": "files_skipped", "failed": "files_failed"}
_OWNER_MAY_ALL = 0o700
_ROW_COLUMNS = FileRow._fields[:-1]


class Fault(NamedTuple):
    """A fault of one path: code, path and message."""

    code: str
    path: str
    text: str


class FailedFile(NamedTuple):
    """A file that is given up, with its fault; `tolerated` when the options make that a warning."""

    id: int
    fault: Fault
    tolerated: bool


class ResumableFile(NamedTuple):
    """A file that is to be resumed: the bytes done, and the version of the source."""

    id: int
    part: str | None
    bytes_done: int
    size: int
    modified_at: datetime | None


class ReopenedFile(NamedTuple):
    """A file that was copied and has to be copied again."""

    id: int
    at: datetime
    fault: Fault


@dataclass
class Changes:
    """The findings and results of a slice since they were last written."""

    counts: Counter[str] = field(default_factory=Counter)
    new: list[NewFile] = field(default_factory=list)
    expanded: list[int] = field(default_factory=list)
    listed: list[int] = field(default_factory=list)
    made: list[int] = field(default_factory=list)
    done: list[DoneFile] = field(default_factory=list)
    bundles: list[ChangedBundle] = field(default_factory=list)
    emptied: list[int] = field(default_factory=list)
    """Bundles without members: all of them continue as rows of their own."""
    resumable: list[ResumableFile] = field(default_factory=list)
    same: list[tuple[int, str | None]] = field(default_factory=list)
    different: list[int] = field(default_factory=list)
    left: list[int] = field(default_factory=list)
    failed: list[FailedFile] = field(default_factory=list)
    postponed: list[tuple[int, datetime, Fault]] = field(default_factory=list)
    reopened: list[ReopenedFile] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    """Faults for the history, in addition to the outcome of rows."""
    notes: list[Fault] = field(default_factory=list)
    """Warnings for the history, and what else it tells: none of it makes the transfer fail."""
    progress: dict[str, Any] = field(default_factory=dict)
    """Changes of the transfer's own fields: current, samples, cursor."""

    def __len__(self) -> int:
        """Return the number of rows that the changes concern."""
        lists = (self.new, self.expanded, self.listed, self.made, self.done, self.resumable, self.same, self.different)
        other_lists = (self.bundles, self.emptied, self.left, self.failed, self.postponed, self.reopened)
        return sum(len(rows) for rows in (*lists, *other_lists))


def record(transfer_slice: Slice, changes: Changes, *, now: datetime) -> None:
    """Write all changes, if the slice still owns its transfer; raises SliceLost otherwise."""
    counts: dict[str, Any] = {name: F(name) + number for name, number in changes.counts.items() if number}
    until = now + slices.TRANSFERS.lease
    with transaction.atomic():
        slices.write(transfer_slice, lease_until=until, busy_until=until, **counts, **changes.progress)
        _record_plan(transfer_slice, changes)
        _record_files(changes, now)
        _record_faults(transfer_slice, changes, now)


def _record_plan(transfer_slice: Slice, changes: Changes) -> None:
    transfer_files.insert(transfer_slice.transfer_id, changes.new)
    if changes.expanded:
        TransferItem.objects.filter(pk__in=changes.expanded).update(expanded=True)
    if changes.listed:
        TransferFile.objects.filter(pk__in=changes.listed).update(unlisted=False)


def _record_files(changes: Changes, now: datetime) -> None:
    files = TransferFile.objects
    for file in changes.resumable:
        fields = {"part": file.part, "bytes_done": file.bytes_done, "size": file.size, "modified_at": file.modified_at}
        files.filter(pk=file.id).update(**fields)
    transfer_files.mark_done(changes.done, finished_us=to_us(now))
    transfer_files.change_bundles(changes.bundles)
    if changes.emptied:
        files.filter(pk__in=changes.emptied).delete()
    if changes.made:
        files.filter(pk__in=changes.made).update(state="done", finished_at=now, retry_at=None)
    if changes.left:
        files.filter(pk__in=changes.left).update(state="skipped", finished_at=now)
    for id, checksum in changes.same:
        same = {"state": "skipped", "step": "copy", "verdict": "same", "checksum": checksum, "bytes_done": 0}
        files.filter(pk=id).update(finished_at=now, **same)
    if changes.different:
        files.filter(pk__in=changes.different).update(step="copy", verdict="change", bytes_done=0)


def _record_faults(transfer_slice: Slice, changes: Changes, now: datetime) -> None:
    for id, fault, tolerated in changes.failed:
        failed = {"state": "failed", "tolerated": tolerated, "part": None, "finished_at": now}
        TransferFile.objects.filter(pk=id).update(**failed, **_fault_fields(fault))
    for id, at, fault in changes.postponed:
        TransferFile.objects.filter(pk=id).update(retry_at=at, faults=F("faults") + 1, **_fault_fields(fault))
    for reopened_file in changes.reopened:
        reset = {"state": "pending", "retry_at": reopened_file.at, "part": None, "bytes_done": 0, "finished_at": None}
        TransferFile.objects.filter(pk=reopened_file.id).update(
            faults=F("faults") + 1, **reset, **_fault_fields(reopened_file.fault)
        )
    row_faults = [file.fault for file in changes.failed] + [fault for _, _, fault in changes.postponed]
    row_faults += [reopened_file.fault for reopened_file in changes.reopened]
    TransferEvent.objects.bulk_create(
        TransferEvent(
            transfer_id=transfer_slice.transfer_id,
            at=now,
            code=fault.code,
            is_fault=is_fault,
            phase=transfer_slice.phase,
            path=fault.path,
            text=fault.text,
        )
        for faults, is_fault in (((*changes.faults, *row_faults), True), (changes.notes, False))
        for fault in faults
    )


def _fault_fields(fault: Fault) -> dict[str, str]:
    return {"error_message": fault.text, "failure_reason": fault.code}


# Queries of the next rows


def items_to_expand(transfer_slice: Slice, limit: int) -> list[TransferItem]:
    """Return the next items that are not expanded yet."""
    return list(
        TransferItem.objects.filter(transfer_id=transfer_slice.transfer_id, expanded=False).order_by("number")[:limit]
    )


def folders_to_list(transfer_slice: Slice, limit: int) -> list[FileRow]:
    """Return the next folders that are not listed yet."""
    unlisted = TransferFile.objects.filter(transfer_id=transfer_slice.transfer_id, unlisted=True).order_by("id")
    return [FileRow(*row) for row in unlisted.values_list(*_ROW_COLUMNS)[:limit]]


def row(id: int) -> FileRow:
    """Return one row."""
    return FileRow(*TransferFile.objects.values_list(*_ROW_COLUMNS).get(pk=id))


def folders_above(parent: int | None) -> Iterator[str]:
    """Yield the source paths of a folder's row and of its parents, nearest first."""
    while parent is not None:
        path, parent = TransferFile.objects.values_list("source_path", "parent").get(pk=parent)
        yield path


def item_root(transfer_slice: Slice, item: int) -> str:
    """Return the destination path of the first row of an item."""
    rows = TransferFile.objects.filter(transfer_id=transfer_slice.transfer_id, item=item, parent__isnull=True)
    return rows.order_by("id").values_list("destination_path", flat=True).first() or ""


def delete_half_listed(transfer_slice: Slice) -> None:
    """Delete the rows of folders that a slice did not finish to list."""
    unlisted = TransferFile.objects.filter(pk=OuterRef("parent"), unlisted=True)
    incomplete = TransferFile.objects.filter(
        Exists(unlisted), transfer_id=transfer_slice.transfer_id, parent__isnull=False
    )
    with transaction.atomic():
        slices.write(transfer_slice, **_uncounted(transfer_slice, incomplete))
        incomplete.delete()


def _uncounted(transfer_slice: Slice, incomplete: Any) -> dict[str, Any]:
    counts: Counter[str] = Counter()
    for step, state, size, count in incomplete.values_list("step", "state", "size", "count").iterator():
        counts.update(counts_of(step, state, size, count, kind=transfer_slice.kind))
    return {name: F(name) - number for name, number in counts.items() if number}


def counts_of(step: str, state: str, size: int, count: int = 1, *, kind: str = "transfer") -> dict[str, int]:
    """Return what a new row adds to the transfer's counters; deletions count only in a deletion task."""
    if state == "deferred":
        return {}
    if step == "mkdir":
        return {"directories": 1}
    if step == "link":
        return {"symlinks": 1}
    if step == "delete":
        return {"files": count} if kind == "delete" else {}
    if state in _COUNTED_AS:
        return {"files": count, _COUNTED_AS[state]: count}
    return {"files": count, "bytes_total": size}


def pending_rows(
    transfer_slice: Slice, step: str, limit: int, *, now: datetime, last_first: bool = False
) -> list[FileRow]:
    """Return the next pending rows of a step that may be tried now."""
    pending = TransferFile.objects.filter(transfer_id=transfer_slice.transfer_id, step=step, state="pending")
    ready = pending.filter(Q(retry_at__isnull=True) | Q(retry_at__lte=now)).order_by("-id" if last_first else "id")
    return [FileRow(*row) for row in ready.values_list(*_ROW_COLUMNS)[:limit]]


def copied_rows(transfer_slice: Slice, *, after: int, limit: int) -> list[FileRow]:
    """Return the next rows of files that were copied and checked, in their order."""
    done = TransferFile.objects.filter(transfer_id=transfer_slice.transfer_id, step="copy", state="done", pk__gt=after)
    return [FileRow(*row) for row in done.order_by("id").values_list(*_ROW_COLUMNS)[:limit]]


def unchanged_rows(transfer_slice: Slice, *, after: int, limit: int) -> list[FileRow]:
    """Return the next rows of files that were the same already, in their order."""
    same = TransferFile.objects.filter(transfer_id=transfer_slice.transfer_id, step="copy", state="skipped")
    same = same.filter(pk__gt=after, failure_reason__isnull=True)
    return [FileRow(*row) for row in same.order_by("id").values_list(*_ROW_COLUMNS)[:limit]]


def moved_rows(transfer_slice: Slice, *, after: int, limit: int) -> list[FileRow]:
    """Return the next rows of files and links that are at the destination now, in their order."""
    rows = TransferFile.objects.filter(transfer_id=transfer_slice.transfer_id, step__in=("copy", "link"), pk__gt=after)
    there = rows.filter(state__in=("done", "skipped"), failure_reason__isnull=True)
    return [FileRow(*row) for row in there.order_by("id").values_list(*_ROW_COLUMNS)[:limit]]


def folder_rows(transfer_slice: Slice, *, before: int | None, limit: int, everything: bool) -> list[FileRow]:
    """Return the next folders that are at the destination, the newest rows first, which are the deepest folders.

    Without `everything` they are those whose owner may not do all with them.
    """
    rows = _folders_there(transfer_slice, everything=everything)
    if before is not None:
        rows = rows.filter(pk__lt=before)
    return [FileRow(*row) for row in rows.order_by("-id").values_list(*_ROW_COLUMNS)[:limit]]


def has_folder_without_owner_rights(transfer_slice: Slice) -> bool:
    """Return whether there is a folder whose owner may not read, write and enter it."""
    return _folders_there(transfer_slice, everything=False).exists()


def _folders_there(transfer_slice: Slice, *, everything: bool) -> QuerySet[TransferFile]:
    rows = TransferFile.objects.filter(
        transfer_id=transfer_slice.transfer_id, step="mkdir", state__in=("done", "skipped")
    )
    if everything:
        return rows
    return rows.annotate(owner_rights=F("mode").bitand(_OWNER_MAY_ALL)).filter(owner_rights__lt=_OWNER_MAY_ALL)


def has_rows(transfer_slice: Slice, steps: Sequence[str], state: str = "pending") -> bool:
    """Return whether there is a row of one of these steps in a state."""
    return TransferFile.objects.filter(transfer_id=transfer_slice.transfer_id, step__in=steps, state=state).exists()


def with_children(ids: Sequence[int]) -> set[int]:
    """Return those of these folders that have rows below them."""
    parents = TransferFile.objects.filter(parent__in=ids).values_list("parent", flat=True).distinct()
    return {parent for parent in parents if parent is not None}


def has_work(transfer_slice: Slice) -> bool:
    """Return whether there is a folder to be listed, or a row of any kind to be processed."""
    work = Q(state="pending") | Q(unlisted=True)
    return TransferFile.objects.filter(work, transfer_id=transfer_slice.transfer_id).exists()


def next_retry(transfer_slice: Slice, steps: Iterable[str]) -> datetime | None:
    """Return the instant of the earliest retry; None when no row waits for one."""
    waiting = TransferFile.objects.filter(transfer_id=transfer_slice.transfer_id, step__in=list(steps), state="pending")
    return waiting.aggregate(first=Min("retry_at"))["first"]


def event_codes(transfer_slice: Slice) -> set[str]:
    """Return the codes of all events of the transfer."""
    events = TransferEvent.objects.filter(transfer_id=transfer_slice.transfer_id)
    return set(events.values_list("code", flat=True).distinct())


def deferred_rows(transfer_slice: Slice, limit: int) -> list[tuple[FileRow, str]]:
    """Return the next deferred rows, and what each waits for."""
    deferred = TransferFile.objects.filter(transfer_id=transfer_slice.transfer_id, state="deferred").order_by("id")
    rows = deferred.values_list(*_ROW_COLUMNS, "waits_for")[:limit]
    return [(FileRow(*columns), waits_for or "") for *columns, waits_for in rows]


def untolerated_failures(transfer_slice: Slice) -> tuple[int, str | None, str | None]:
    """Return the number of rows that make the transfer fail, and message and reason of the first."""
    failed = TransferFile.objects.filter(transfer_id=transfer_slice.transfer_id, state="failed", tolerated=False)
    # a folder that is not empty follows from what is left in it
    causes = failed.order_by(Case(When(failure_reason="not_empty", then=1), default=0), "id")
    first = causes.values_list("error_message", "failure_reason").first()
    return (0, None, None) if first is None else (failed.count(), *first)


def last_fault(transfer_slice: Slice) -> str | None:
    """Return the message of the newest fault, None without faults."""
    newest = TransferEvent.objects.filter(transfer_id=transfer_slice.transfer_id, is_fault=True).order_by("-id").first()
    return newest.text if newest else None


def expected_checksums(transfer_slice: Slice, numbers: Sequence[int]) -> dict[int, tuple[str, str]]:
    """Return item number -> (digest, algorithm) for those of these items that came with a checksum."""
    items = TransferItem.objects.filter(
        transfer_id=transfer_slice.transfer_id, number__in=numbers, external_checksum__isnull=False
    )
    values = items.values_list("number", "external_checksum", "checksum_algorithm")
    return {number: (digest, algorithm) for number, digest, algorithm in values if digest and algorithm}


def kept_partials(transfer_slice: Slice) -> list[tuple[int, str, str]]:
    """Return (row, destination path, partial file) of the files that are to be resumed."""
    kept = TransferFile.objects.filter(
        transfer_id=transfer_slice.transfer_id, step="copy", state="pending", part__isnull=False
    )
    return [(id, path, part) for id, path, part in kept.values_list("pk", "destination_path", "part") if part]


def item_paths(transfer_slice: Slice) -> list[tuple[int, str, str]]:
    """Return number, source path and destination path of all items, as written."""
    items = TransferItem.objects.filter(transfer_id=transfer_slice.transfer_id).order_by("number")
    return list(items.values_list("number", "source_path", "destination_path"))


def destinations(transfer_slice: Slice) -> list[str]:
    """Return the destination paths of the items, as written."""
    return list(
        TransferItem.objects.filter(transfer_id=transfer_slice.transfer_id).values_list("destination_path", flat=True)
    )


class Deletions(NamedTuple):
    """Number of planned deletions, number of present entries, and the first item whose source holds no file."""

    planned: int
    present: int
    empty_source: str | None


def deletions(transfer_slice: Slice) -> Deletions:
    """Return the figures that decide whether deleting is allowed."""
    rows = TransferFile.objects.filter(transfer_id=transfer_slice.transfer_id)
    to_delete = rows.filter(step="delete", state="pending")
    existing = rows.filter(step__in=("copy", "link")).exclude(verdict="add").exclude(state="failed")
    items_with_files = set(rows.exclude(step__in=("delete", "mkdir")).values_list("item", flat=True).distinct())
    empty = [number for number in to_delete.values_list("item", flat=True).distinct() if number not in items_with_files]
    path = None
    if empty:
        path = TransferItem.objects.get(transfer_id=transfer_slice.transfer_id, number=min(empty)).source_path
    planned = _total_count(to_delete)
    return Deletions(planned, planned + _total_count(existing), path)


def skip_deletions(transfer_slice: Slice, *, now: datetime) -> None:
    """Skip all pending deletions."""
    pending = TransferFile.objects.filter(transfer_id=transfer_slice.transfer_id, step="delete", state="pending")
    with transaction.atomic():
        slices.write(transfer_slice)
        pending.update(state="skipped", finished_at=now)


def _total_count(files: Any) -> int:
    return files.aggregate(number=Sum("count"))["number"] or 0


def has_unread_source(transfer_slice: Slice) -> bool:
    """Return whether an entry of the source could not be listed or read and was left out."""
    return TransferFile.objects.filter(transfer_id=transfer_slice.transfer_id, state="failed").exists()
