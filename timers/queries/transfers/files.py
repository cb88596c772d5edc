"""The files of a transfer one by one, packs opened; in pages of any size, without ever holding all of them."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple, cast
from uuid import UUID

from django.db.models import BooleanField, Case, Q, QuerySet, Sum, Value, When

from timers import clock
from timers.copying import bundles
from timers.copying.plan import FileVerdict
from timers.models import TransferFile
from timers.queries.paging import Page, read_marker, write_marker

STATES = ("pending", "done", "skipped", "failed")
ERROR = "error"
VERDICTS = (FileVerdict.ADD.value, FileVerdict.CHANGE.value, FileVerdict.DELETE.value, FileVerdict.SAME.value, ERROR)
"""What a file means for the destination; whatever failed is an error."""

URGENCY = (ERROR, FileVerdict.DELETE.value, FileVerdict.CHANGE.value, FileVerdict.ADD.value, FileVerdict.SAME.value)
"""Verdicts, those first that somebody should look at before anything is done."""

FEWEST_ROWS, MOST_ROWS = 8, 256
"""How many rows are read at once; each may be a pack of a thousand files."""
MAX_READ = 100_000
"""How many files one page of a search looks at; it may be empty then, and says where to go on."""

_MAX_INTEGER = 2**63 - 1


class Place(NamedTuple):
    """Where a file stands in the order: its row, and its number in a pack."""

    row: int
    number: int


class FileEntry(NamedTuple):
    """One file, folder, link or deletion. `size` and `modified_at` are the source's, `there_*` the destination's.

    A tuple, because a million of them pass through.
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


@dataclass(frozen=True)
class FileFilters:
    """Which files are asked for; what is empty asks for all. `faults`: only those that met one, or failed."""

    states: Collection[str] = ()
    verdicts: Collection[str] = ()
    text: str = ""
    faults: bool = False

    def rows(self, transfer_id: UUID) -> QuerySet[TransferFile]:
        """Return the rows that may hold such files."""
        files = TransferFile.objects.filter(transfer_id=transfer_id)
        if self.states:
            files = files.filter(state__in=self.states)
        if self.verdicts:
            files = files.filter(self._of_verdicts())
        if self.faults:
            files = files.filter(Q(faults__gt=0) | Q(state="failed"))
        return files.filter(self._of_text()) if self.text and self.text.isascii() else files

    def _of_text(self) -> Q:
        """Return the condition of rows that may hold the text; databases agree on the case of ASCII letters only."""
        named = Q(destination_path__icontains=self.text) | Q(source_path__icontains=self.text)
        plain = self.text.isprintable() and not set(self.text) & set('/"\\')  # written in a pack as it is
        return named | (Q(members__icontains=self.text) if plain else Q(members__isnull=False))

    def _of_verdicts(self) -> Q:
        failed = Q(state="failed")
        plain = Q(verdict__in=[verdict for verdict in self.verdicts if verdict != ERROR]) & ~failed
        return plain | failed if ERROR in self.verdicts else plain

    def takes(self, entry: FileEntry) -> bool:
        """Return whether a file of these rows is asked for."""
        text = self.text.lower()
        return text in entry.destination_path.lower() or text in entry.source_path.lower()


def read_place(marker: str) -> Place | None:
    """Return the place that a marker names; None for one that nobody gave out."""
    numbers = _read_numbers(marker, 2)
    return None if numbers is None else Place(*numbers)


def _read_numbers(marker: str, count: int) -> list[int] | None:
    numbers = cast(list[int] | None, read_marker(marker, [int] * count))
    return numbers if numbers is not None and min(numbers) >= 0 else None


def page(transfer_id: UUID, *, filters: FileFilters, limit: int, after: Place | None = None) -> Page[FileEntry]:
    """Return the files that come after a place, at most `limit`; the marker is None when there are no more."""
    entries: list[FileEntry] = []
    read, last = 0, after or Place(0, 0)
    for batch in _batches(filters.rows(transfer_id), first=last.row):
        for entry in _entries(batch, after=after):
            if filters.takes(entry):
                if len(entries) == limit:
                    return Page(entries, write_marker(*entries[-1].place))
                entries.append(entry)
            read, last = read + 1, entry.place
        if read >= MAX_READ:
            return Page(entries, write_marker(*last))
    return Page(entries)


def page_by_urgency(transfer_id: UUID, *, counted: Summary, limit: int, marker: str = "") -> Page[FileEntry]:
    """Return files that all have their verdict, those first that somebody should look at before anything is done."""
    first, place = _read_urgency(marker)
    entries: list[FileEntry] = []
    for rank, verdict in enumerate(URGENCY):
        if rank < first or not counted.verdicts[verdict].entries:
            continue
        if len(entries) == limit:
            return Page(entries, write_marker(rank, 0, 0))
        filters = FileFilters(verdicts=(verdict,))
        part = page(transfer_id, filters=filters, limit=limit - len(entries), after=place if rank == first else None)
        entries += part.rows
        if part.next_marker:
            return Page(entries, write_marker(rank, *part.rows[-1].place))
    return Page(entries)


def _read_urgency(marker: str) -> tuple[int, Place | None]:
    """Return the rank and the place that a marker names; the beginning for one that nobody gave out."""
    numbers = _read_numbers(marker, 3)
    return (0, None) if numbers is None else (numbers[0], Place(*numbers[1:]))


def every(rows: QuerySet[TransferFile]) -> Iterator[FileEntry]:
    """Yield the files of these rows in their order, reading them piece by piece."""
    for batch in _batches(rows, first=0):
        yield from _entries(batch, after=None)


def _entries(rows: Sequence[TransferFile], *, after: Place | None) -> Iterator[FileEntry]:
    for row in rows:
        for entry in entries_of(row):
            if after is None or entry.place > after:
                yield entry


def _batches(rows: QuerySet[TransferFile], *, first: int) -> Iterator[list[TransferFile]]:
    """Yield rows from the id `first` on: a few at first, more and more as long as they do not turn out to be packs."""
    rows, most = rows.order_by("pk"), FEWEST_ROWS
    while batch := list(rows.filter(pk__gte=first)[:most]):
        yield batch
        if len(batch) < most:
            return
        first = batch[-1].pk + 1
        packed = any(row.members is not None for row in batch)
        most = FEWEST_ROWS if packed else min(2 * most, MOST_ROWS)


def entries_of(row: TransferFile) -> Iterator[FileEntry]:
    """Yield what a row stands for: itself, or the members of a pack."""
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
        state=row.state,
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
        state=row.state,
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


def _verdict(row: TransferFile) -> str | None:
    return ERROR if row.state == "failed" else row.verdict


def _inside(folder: str, name: str) -> str:
    """Return the path of a member; what is only deleted comes from nowhere."""
    return f"{folder.rstrip('/')}/{name}" if folder else ""


def _instant(microseconds: int | None) -> datetime | None:
    return None if microseconds is None else clock.from_us(microseconds)


# All of them in numbers

_IS_FOLDER = Case(
    When(Q(step="mkdir") | Q(step="delete", members=None, there_size=None), then=Value(True)),
    default=Value(False),
    output_field=BooleanField(),
)


@dataclass
class Amount:
    """How many files a verdict has, folders apart, and how many bytes."""

    files: int = 0
    bytes: int = 0
    folders: int = 0

    @property
    def entries(self) -> int:
        return self.files + self.folders


@dataclass(frozen=True)
class Summary:
    """The files of a transfer by verdict and by state; `entries` are all of them, `faulty` those that met a fault."""

    verdicts: dict[str, Amount]
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
        """How many files the destination holds where it was looked at."""
        kinds = (FileVerdict.DELETE, FileVerdict.CHANGE, FileVerdict.SAME)
        return sum(self.verdicts[each].files for each in kinds)


def summary(transfer_id: UUID) -> Summary:
    """Return the files of a transfer in numbers, from one query."""
    counted = Summary({verdict: Amount() for verdict in VERDICTS}, dict.fromkeys(STATES, 0), 0)
    faulty = 0
    rows = TransferFile.objects.filter(transfer_id=transfer_id).annotate(is_folder=_IS_FOLDER)
    groups = rows.values_list("verdict", "is_folder", "state").order_by()
    for verdict, is_folder, state, count, size, faults in groups.annotate(
        Sum("count"), Sum("size"), faults=Sum("count", filter=Q(faults__gt=0) | Q(state="failed"), default=0)
    ):
        counted.states[state] += count
        faulty += faults
        name = ERROR if state == "failed" else verdict
        if name is not None:
            _add(counted.verdicts[name], is_folder, count, size)
    return Summary(counted.verdicts, counted.states, faulty)


def _add(amount: Amount, is_folder: bool, count: int, size: int) -> None:
    if is_folder:
        amount.folders += count
    else:
        amount.files += count
        amount.bytes += size
