"""What a slice reads and writes of its transfer's items and files: in batches, each in one transaction."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple

from django.db import transaction
from django.db.models import Exists, F, Min, OuterRef, Q, Sum

from timers.clock import to_us
from timers.models import TransferEvent, TransferFile, TransferItem, transfer_files
from timers.models.transfer_files import ChangedPack, DoneFile, NewFile
from timers.services.transfers import slices
from timers.services.transfers.slices import Slice

__all__ = ["ChangedPack", "Changes", "DoneFile", "Fault", "NewFile", "ResumableFile", "Todo", "record"]


class Todo(NamedTuple):
    """A row that waits for its turn; or one member of a pack, by its number in it."""

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
    member: int | None = None

    @property
    def key(self) -> str:
        """What tells it from all others of its transfer."""
        return str(self.id) if self.member is None else f"{self.id}m{self.member}"


_TODO = Todo._fields[:-1]


class Fault(NamedTuple):
    """What went wrong with one path."""

    code: str
    path: str
    text: str


class ResumableFile(NamedTuple):
    """A file that is to be gone on with: how far it came, and of which version of the source."""

    id: int
    part: str | None
    bytes_done: int
    size: int
    modified_at: datetime | None


class Reopened(NamedTuple):
    """A file that was copied and has to be copied again."""

    id: int
    at: datetime
    fault: Fault


@dataclass
class Changes:
    """What a slice found out and did since it last wrote it down."""

    counts: Counter[str] = field(default_factory=Counter)
    new: list[NewFile] = field(default_factory=list)
    expanded: list[int] = field(default_factory=list)
    listed: list[int] = field(default_factory=list)
    made: list[int] = field(default_factory=list)
    done: list[DoneFile] = field(default_factory=list)
    packs: list[ChangedPack] = field(default_factory=list)
    dissolved: list[int] = field(default_factory=list)
    """Packs of which nothing is left: all their members went on as rows of their own."""
    kept: list[ResumableFile] = field(default_factory=list)
    same: list[tuple[int, str | None]] = field(default_factory=list)
    different: list[int] = field(default_factory=list)
    left: list[int] = field(default_factory=list)
    failed: list[tuple[int, Fault]] = field(default_factory=list)
    postponed: list[tuple[int, datetime, Fault]] = field(default_factory=list)
    reopened: list[Reopened] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    """Faults and warnings for the history, besides what happened to the rows."""
    course: dict[str, Any] = field(default_factory=dict)
    """How the transfer's own fields change: current, samples, cursor."""

    def __len__(self) -> int:
        """How many rows they concern."""
        lists = (self.new, self.expanded, self.listed, self.made, self.done, self.kept, self.same, self.different)
        more = (self.packs, self.dissolved, self.left, self.failed, self.postponed, self.reopened)
        return sum(len(each) for each in (*lists, *more))


def record(held: Slice, changes: Changes, *, now: datetime) -> None:
    """Write everything down, if the slice still owns its transfer; raises SliceLost otherwise."""
    counts: dict[str, Any] = {name: F(name) + number for name, number in changes.counts.items() if number}
    until = now + slices.TRANSFERS.lease
    with transaction.atomic():
        slices.write(held, lease_until=until, busy_until=until, **counts, **changes.course)
        _record_plan(held, changes)
        _record_files(changes, now)
        _record_faults(held, changes, now)


def _record_plan(held: Slice, changes: Changes) -> None:
    transfer_files.insert(held.transfer_id, changes.new)
    if changes.expanded:
        TransferItem.objects.filter(pk__in=changes.expanded).update(expanded=True)
    if changes.listed:
        TransferFile.objects.filter(pk__in=changes.listed).update(unlisted=False)


def _record_files(changes: Changes, now: datetime) -> None:
    files = TransferFile.objects
    for each in changes.kept:
        part = {"part": each.part, "bytes_done": each.bytes_done, "size": each.size, "modified_at": each.modified_at}
        files.filter(pk=each.id).update(**part)
    transfer_files.mark_done(changes.done, finished_us=to_us(now))
    transfer_files.change_packs(changes.packs)
    if changes.dissolved:
        files.filter(pk__in=changes.dissolved).delete()
    if changes.made:
        files.filter(pk__in=changes.made).update(state="done", finished_at=now, retry_at=None)
    if changes.left:
        files.filter(pk__in=changes.left).update(state="skipped", finished_at=now)
    for id, checksum in changes.same:
        same = {"state": "skipped", "step": "copy", "verdict": "same", "checksum": checksum, "bytes_done": 0}
        files.filter(pk=id).update(finished_at=now, **same)
    if changes.different:
        files.filter(pk__in=changes.different).update(step="copy", verdict="change", bytes_done=0)


def _record_faults(held: Slice, changes: Changes, now: datetime) -> None:
    for id, fault in changes.failed:
        TransferFile.objects.filter(pk=id).update(state="failed", part=None, finished_at=now, **_why(fault))
    for id, at, fault in changes.postponed:
        TransferFile.objects.filter(pk=id).update(retry_at=at, faults=F("faults") + 1, **_why(fault))
    for again in changes.reopened:
        fresh = {"state": "pending", "retry_at": again.at, "part": None, "bytes_done": 0, "finished_at": None}
        TransferFile.objects.filter(pk=again.id).update(faults=F("faults") + 1, **fresh, **_why(again.fault))
    of_rows = [fault for _, fault in changes.failed] + [fault for _, _, fault in changes.postponed]
    of_rows += [again.fault for again in changes.reopened]
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
        for each in (*changes.faults, *of_rows)
    )


def _why(fault: Fault) -> dict[str, str]:
    return {"error_message": fault.text, "failure_reason": fault.code}


# What is to be done next


def items_to_expand(held: Slice, most: int) -> list[TransferItem]:
    """Return the next items that nobody has looked at yet."""
    return list(TransferItem.objects.filter(transfer_id=held.transfer_id, expanded=False).order_by("number")[:most])


def folders_to_list(held: Slice, most: int) -> list[Todo]:
    """Return the next folders whose content is not known."""
    found = TransferFile.objects.filter(transfer_id=held.transfer_id, unlisted=True).order_by("id")
    return [Todo(*row) for row in found.values_list(*_TODO)[:most]]


def folders_above(parent: int | None) -> Iterator[str]:
    """Yield the source paths of a folder's row and of those that it was found in, nearest first."""
    while parent is not None:
        path, parent = TransferFile.objects.values_list("source_path", "parent").get(pk=parent)
        yield path


def forget_half_listed(held: Slice) -> None:
    """Remove what a slice that came to no end had written down of folders whose listing it did not finish."""
    unlisted = TransferFile.objects.filter(pk=OuterRef("parent"), unlisted=True)
    half = TransferFile.objects.filter(Exists(unlisted), transfer_id=held.transfer_id, parent__isnull=False)
    with transaction.atomic():
        slices.write(held, **_uncounted(held, half))
        half.delete()


def _uncounted(held: Slice, half: Any) -> dict[str, Any]:
    lost: Counter[str] = Counter()
    for step, state, size, count in half.values_list("step", "state", "size", "count").iterator():
        lost.update(counts_of(step, state, size, count, kind=held.kind))
    return {name: F(name) - number for name, number in lost.items() if number}


def counts_of(step: str, state: str, size: int, count: int = 1, *, kind: str = "transfer") -> dict[str, int]:
    """Return what a new row adds to the transfer's counters; deletions count only where they are all that is asked."""
    if step == "mkdir":
        return {"directories": 1}
    if step == "link":
        return {"symlinks": 1}
    if step == "delete":
        return {"files": count} if kind == "delete" else {}
    if state == "skipped":
        return {"files": count, "files_skipped": count}
    if state == "failed":
        return {"files": count, "files_failed": count}
    return {"files": count, "bytes_total": size}


def to_do(held: Slice, step: str, most: int, *, now: datetime, last_first: bool = False) -> list[Todo]:
    """Return the next rows of a step that may be tried now."""
    pending = TransferFile.objects.filter(transfer_id=held.transfer_id, step=step, state="pending")
    ready = pending.filter(Q(retry_at__isnull=True) | Q(retry_at__lte=now)).order_by("-id" if last_first else "id")
    return [Todo(*row) for row in ready.values_list(*_TODO)[:most]]


def copied(held: Slice, *, after: int, most: int) -> list[Todo]:
    """Return the next rows of files that were copied and checked, in their order."""
    done = TransferFile.objects.filter(transfer_id=held.transfer_id, step="copy", state="done", pk__gt=after)
    return [Todo(*row) for row in done.order_by("id").values_list(*_TODO)[:most]]


def has(held: Slice, steps: Sequence[str], state: str = "pending") -> bool:
    """Return whether there is any row of one of these steps in a state."""
    return TransferFile.objects.filter(transfer_id=held.transfer_id, step__in=steps, state=state).exists()


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


def parts_kept(held: Slice) -> list[tuple[int, str, str]]:
    """Return (row, destination path, part) of the files that were begun and are to be gone on with."""
    begun = TransferFile.objects.filter(transfer_id=held.transfer_id, step="copy", state="pending", part__isnull=False)
    return [(id, path, part) for id, path, part in begun.values_list("pk", "destination_path", "part") if part]


def destinations(held: Slice) -> list[str]:
    """Return where the items go, as written."""
    return list(TransferItem.objects.filter(transfer_id=held.transfer_id).values_list("destination_path", flat=True))


class Deletions(NamedTuple):
    """How much is to be deleted, of how much; and the first item whose source holds no file."""

    planned: int
    present: int
    empty_source: str | None


def deletions(held: Slice) -> Deletions:
    """Return what the guards of deletion want to know."""
    mine = TransferFile.objects.filter(transfer_id=held.transfer_id)
    gone = mine.filter(step="delete", state="pending")
    there = mine.filter(step__in=("copy", "link")).exclude(verdict="add").exclude(state="failed")
    held_items = set(mine.exclude(step__in=("delete", "mkdir")).values_list("item", flat=True).distinct())
    empty = [number for number in gone.values_list("item", flat=True).distinct() if number not in held_items]
    path = None
    if empty:
        path = TransferItem.objects.get(transfer_id=held.transfer_id, number=min(empty)).source_path
    planned = _number(gone)
    return Deletions(planned, planned + _number(there), path)


def leave_deletions(held: Slice, *, now: datetime) -> None:
    """Note that what would have been deleted is left alone."""
    pending = TransferFile.objects.filter(transfer_id=held.transfer_id, step="delete", state="pending")
    with transaction.atomic():
        slices.write(held)
        pending.update(state="skipped", finished_at=now)


def _number(files: Any) -> int:
    return files.aggregate(number=Sum("count"))["number"] or 0


def skipped_any_source(held: Slice) -> bool:
    """Return whether something of the source could not be listed or read and was left out."""
    return TransferFile.objects.filter(transfer_id=held.transfer_id, state="failed").exists()
