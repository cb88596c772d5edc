"""The files of a transfer, one by one, with the members of bundles; read in pages, never all at once."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import reduce
from operator import or_
from typing import NamedTuple, cast
from uuid import UUID

from django.db.models import BooleanField, Case, Q, QuerySet, Sum, Value, When

from timers import clock
from timers.copying import bundles
from timers.copying.plan import FileVerdict
from timers.models import TransferFile
from timers.queries.paging import Page, read_marker, write_marker

WAITING, WARNING = "waiting", "warning"
STATES = ("pending", WAITING, "done", "skipped", WARNING, "failed")
"""The states: `waiting` for the outcome of another file, `warning` for one that was left out with a reason."""

ERROR = "error"
VERDICTS = (FileVerdict.ADD.value, FileVerdict.CHANGE.value, FileVerdict.DELETE.value, FileVerdict.SAME.value, ERROR)
"""The verdicts: what happens to a file at the destination; a failed file has the verdict error."""

URGENCY = (ERROR, FileVerdict.DELETE.value, FileVerdict.CHANGE.value, FileVerdict.ADD.value, FileVerdict.SAME.value)
"""The verdicts, the most important to review first."""

MIN_BATCH_ROWS, MAX_BATCH_ROWS = 8, 256
"""Bounds of the number of rows read at once; each row may be a bundle of a thousand files."""
MAX_SCANNED = 100_000
"""Number of files that one page of a search scans. The page may be empty then; its marker leads on."""

_MAX_INTEGER = 2**63 - 1


class Place(NamedTuple):
    """Place of a file in the order: its row, and its number in a bundle."""

    row: int
    number: int


class FileEntry(NamedTuple):
    """One file, folder, link or deletion. `size` and `modified_at` are the source's, `there_*` the destination's.

    It is a tuple for speed: an export can read a million of them.
    """

    place: Place
    step: str
    source_path: str
    destination_path: str
    size: int
    state: str
    verdict: str | None
    level: str | None
    verified: str | None
    checksum: str | None
    modified_at: datetime | None
    there_size: int | None
    there_modified_at: datetime | None
    bytes_done: int
    faults: int
    error_message: str | None
    failure_reason: str | None
    finished_at: datetime | None


_WITH_REASON = Q(failure_reason__isnull=False)
_CONDITIONS: Mapping[str, Q] = {
    **{state: Q(state=state) for state in STATES},
    WAITING: Q(state="deferred"),
    "skipped": Q(state="skipped") & ~_WITH_REASON,
    "failed": Q(state="failed", tolerated=False),
    WARNING: Q(state="skipped") & _WITH_REASON | Q(state="failed", tolerated=True),
}
"""The rows of each state."""


@dataclass(frozen=True)
class FileFilters:
    """Filters of a list of files; empty values do not filter. `faults`: only files with a fault, or failed ones."""

    states: Collection[str] = ()
    verdicts: Collection[str] = ()
    text: str = ""
    faults: bool = False

    def rows(self, transfer_id: UUID) -> QuerySet[TransferFile]:
        """Return the rows of a transfer that may contain matching files."""
        rows = TransferFile.objects.filter(transfer_id=transfer_id)
        if self.states:
            rows = rows.filter(reduce(or_, (_CONDITIONS[state] for state in self.states)))
        if self.verdicts:
            rows = rows.filter(self._of_verdicts())
        if self.faults:
            rows = rows.filter(Q(faults__gt=0) | Q(state="failed"))
        return rows.filter(self._of_text()) if self.text and self.text.isascii() else rows

    def _of_text(self) -> Q:
        """Return the condition of rows that may contain the text. Databases ignore the case of ASCII letters only."""
        in_path = Q(destination_path__icontains=self.text) | Q(source_path__icontains=self.text)
        plain = self.text.isprintable() and not set(self.text) & set('/"\\')  # stored without escapes in a bundle
        return in_path | (Q(members__icontains=self.text) if plain else Q(members__isnull=False))

    def _of_verdicts(self) -> Q:
        failed = Q(state="failed")
        plain = Q(verdict__in=[verdict for verdict in self.verdicts if verdict != ERROR]) & ~failed
        return plain | failed if ERROR in self.verdicts else plain

    def includes(self, entry: FileEntry) -> bool:
        """Return whether a file of these rows matches the text."""
        text = self.text.lower()
        return text in entry.destination_path.lower() or text in entry.source_path.lower()


def read_place(marker: str) -> Place | None:
    """Return the place of a marker, None for an invalid one."""
    numbers = _read_numbers(marker, 2)
    return None if numbers is None else Place(*numbers)


def _read_numbers(marker: str, count: int) -> list[int] | None:
    numbers = cast(list[int] | None, read_marker(marker, [int] * count))
    return numbers if numbers is not None and min(numbers) >= 0 else None


def page(transfer_id: UUID, *, filters: FileFilters, limit: int, after: Place | None = None) -> Page[FileEntry]:
    """Return at most `limit` files after a place. The marker is None when there are no more."""
    entries: list[FileEntry] = []
    read, last = 0, after or Place(0, 0)
    for batch in _batches(filters.rows(transfer_id), first=last.row):
        for entry in _entries(batch, after=after):
            if filters.includes(entry):
                if len(entries) == limit:
                    return Page(entries, write_marker(*entries[-1].place))
                entries.append(entry)
            read, last = read + 1, entry.place
        if read >= MAX_SCANNED:
            return Page(entries, write_marker(*last))
    return Page(entries)


def page_by_urgency(transfer_id: UUID, *, counted: FileTotals, limit: int, marker: str = "") -> Page[FileEntry]:
    """Return a page of files that all have a verdict, the most important to review first."""
    first, place = _read_urgency(marker)
    entries: list[FileEntry] = []
    for rank, verdict in enumerate(URGENCY):
        if rank < first or not counted.verdicts[verdict].entries:
            continue
        if len(entries) == limit:
            return Page(entries, write_marker(rank, 0, 0))
        filters = FileFilters(verdicts=(verdict,))
        next_page = page(
            transfer_id, filters=filters, limit=limit - len(entries), after=place if rank == first else None
        )
        entries += next_page.rows
        if next_page.next_marker:
            return Page(entries, write_marker(rank, *next_page.rows[-1].place))
    return Page(entries)


def _read_urgency(marker: str) -> tuple[int, Place | None]:
    """Return the rank and the place of a marker; the beginning for an invalid one."""
    numbers = _read_numbers(marker, 3)
    return (0, None) if numbers is None else (numbers[0], Place(*numbers[1:]))


def all_entries(rows: QuerySet[TransferFile]) -> Iterator[FileEntry]:
    """Yield the files of these rows in their order, read in batches."""
    for batch in _batches(rows, first=0):
        yield from _entries(batch, after=None)


def _entries(rows: Sequence[TransferFile], *, after: Place | None) -> Iterator[FileEntry]:
    for row in rows:
        for entry in entries_of(row):
            if after is None or entry.place > after:
                yield entry


def _batches(rows: QuerySet[TransferFile], *, first: int) -> Iterator[list[TransferFile]]:
    """Yield batches of rows from the id `first` on. Batches grow as long as they contain no bundles."""
    rows, most = rows.order_by("pk"), MIN_BATCH_ROWS
    while batch := list(rows.filter(pk__gte=first)[:most]):
        yield batch
        if len(batch) < most:
            return
        first = batch[-1].pk + 1
        packed = any(row.members is not None for row in batch)
        most = MIN_BATCH_ROWS if packed else min(2 * most, MAX_BATCH_ROWS)


def entries_of(row: TransferFile) -> Iterator[FileEntry]:
    """Yield the entries of a row: the file itself, or the members of a bundle."""
    if row.members is None:
        yield _entry(row, Place(row.pk, 0))
        return
    for number, member in enumerate(bundles.decode(row.members)):
        yield _member_entry(row, Place(row.pk, number), member)


def _entry(row: TransferFile, place: Place) -> FileEntry:
    return FileEntry(
        place=place,
        step=row.step,
        source_path=row.source_path,
        destination_path=row.destination_path,
        size=row.size,
        state=state_of(row.state, row.failure_reason, tolerated=row.tolerated),
        verdict=_verdict(row),
        level=row.level,
        verified=row.verified,
        checksum=row.checksum,
        modified_at=row.modified_at,
        there_size=row.there_size,
        there_modified_at=row.there_modified_at,
        bytes_done=row.bytes_done,
        faults=row.faults,
        error_message=row.error_message,
        failure_reason=row.failure_reason,
        finished_at=row.finished_at,
    )


def _member_entry(row: TransferFile, place: Place, member: bundles.Member) -> FileEntry:
    return FileEntry(
        place=place,
        step=row.step,
        source_path=_inside(row.source_path, member.name),
        destination_path=_inside(row.destination_path, member.name),
        size=member.size,
        state=state_of(row.state, row.failure_reason, tolerated=row.tolerated),
        verdict=_verdict(row),
        level=row.level,
        verified=row.verified,
        checksum=member.checksum,
        modified_at=_instant(member.modified_us),
        there_size=member.there_size,
        there_modified_at=_instant(member.there_modified_us),
        bytes_done=member.size if row.step == "copy" and row.state == "done" else 0,
        faults=row.faults,
        error_message=row.error_message,
        failure_reason=row.failure_reason,
        finished_at=row.finished_at,
    )


def state_of(state: str, failure_reason: str | None, *, tolerated: bool) -> str:
    """Return the state of a row as it is shown, one of STATES."""
    if state == "deferred":
        return WAITING
    return WARNING if tolerated or (state == "skipped" and failure_reason is not None) else state


def _verdict(row: TransferFile) -> str | None:
    return ERROR if row.state == "failed" else row.verdict


def _inside(folder: str, name: str) -> str:
    """Return the path of a member; empty for a deletion, which has no source."""
    return f"{folder.rstrip('/')}/{name}" if folder else ""


def _instant(microseconds: int | None) -> datetime | None:
    return None if microseconds is None else clock.from_us(clock.clamp_us(microseconds))


# Totals

_IS_FOLDER = Case(
    When(Q(step="mkdir") | Q(step="delete", members=None, there_size=None), then=Value(True)),
    default=Value(False),
    output_field=BooleanField(),
)


@dataclass
class VerdictTotals:
    """Numbers of files, bytes and folders of a verdict."""

    files: int = 0
    bytes: int = 0
    folders: int = 0

    @property
    def entries(self) -> int:
        return self.files + self.folders


@dataclass(frozen=True)
class FileTotals:
    """Totals of a transfer's files by verdict and state. `entries` counts all, `faulty` those with a fault."""

    verdicts: dict[str, VerdictTotals]
    states: dict[str, int]
    faulty: int

    @property
    def entries(self) -> int:
        return sum(self.states.values())

    @property
    def deletions(self) -> int:
        return self.verdicts[FileVerdict.DELETE].files

    @property
    def present(self) -> int:
        """The number of files at the destination, in the folders that were scanned."""
        kinds = (FileVerdict.DELETE, FileVerdict.CHANGE, FileVerdict.SAME)
        return sum(self.verdicts[verdict].files for verdict in kinds)


def file_totals(transfer_id: UUID) -> FileTotals:
    """Return the totals of a transfer's files, from one query."""
    totals = FileTotals({verdict: VerdictTotals() for verdict in VERDICTS}, dict.fromkeys(STATES, 0), 0)
    faulty = 0
    rows = TransferFile.objects.filter(transfer_id=transfer_id).annotate(is_folder=_IS_FOLDER)
    groups = rows.values_list("verdict", "is_folder", "state", "failure_reason", "tolerated").order_by()
    for verdict, is_folder, state, reason, tolerated, count, size, faults in groups.annotate(
        Sum("count"), Sum("size"), faults=Sum("count", filter=Q(faults__gt=0) | Q(state="failed"), default=0)
    ):
        totals.states[state_of(state, reason, tolerated=tolerated)] += count
        faulty += faults
        name = ERROR if state == "failed" else verdict
        if name is not None:
            _add(totals.verdicts[name], is_folder, count, size)
    return FileTotals(totals.verdicts, totals.states, faulty)


def _add(amount: VerdictTotals, is_folder: bool, count: int, size: int) -> None:
    if is_folder:
        amount.folders += count
    else:
        amount.files += count
        amount.bytes += size
