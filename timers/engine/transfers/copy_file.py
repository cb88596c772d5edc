"""Copying one file into a part beside its target: in stretches, verified as they are written."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from timers.copying import checksums, paths
from timers.engine.transfers import digests
from timers.engine.transfers.copy_workers import CopyWorker, FileTally
from timers.engine.transfers.slice_context import FileInProgress
from timers.errors import ExternalError
from timers.services.transfers.progress import ResumableFile, Todo
from timers.storages.base import Entry, Reader, SourceFault, UnfinishedFile, Writer, part_name, part_prefix

SEGMENT = 8 * 1024 * 1024
READ_AGAIN = 8 * 1024 * 1024 * 1024
"""Up to this size a file that took several slices is read once more for its digest, if the store is a disk."""


@dataclass
class Filled:
    """A part with the whole file in it, not yet moved into place."""

    row: Todo
    writer: Writer
    source: Entry
    checksum: str | None
    verified: bool
    tally: FileTally


@dataclass
class CopyStopped:
    """A part that is gone on with later: in the next slice, or when the fault that broke it off may have passed."""

    row: Todo
    part: UnfinishedFile
    source: Entry
    fault: ExternalError | SourceFault | None = None


class Changed(Exception):
    """The source changed while it was read."""


class StartOver(Exception):
    """The older part cannot be gone on with."""


def fill(lane: CopyWorker, row: Todo, *, wanted: tuple[str, str] | None) -> Filled | CopyStopped:
    """Copy a file into a part, once more if the source changes meanwhile; `wanted` is the digest that it must have.

    Raises SourceFault for faults of the source, ExternalError for those of the destination.
    """
    tries = 0
    while True:
        try:
            return _fill(lane, row, wanted)
        except StartOver:
            row = _forget_part(lane, row)
        except Changed:
            row, tries = _forget_part(lane, row), tries + 1
            if tries == 2:
                message = f"{row.source_path} changed while it was copied, twice."
                raise SourceFault(ExternalError(message, retryable=True, reason="source_changed")) from None


def _fill(lane: CopyWorker, row: Todo, wanted: tuple[str, str] | None) -> Filled | CopyStopped:
    with _open(lane, row) as reader:
        writer = _begin(lane, row, reader)
        try:
            digest = _check_prefix(lane, row, writer) if row.part else None
            return _Pouring(lane, row, reader=reader, writer=writer, wanted=wanted, digest=digest).pour()
        except BaseException:
            writer.discard()
            raise


def _open(lane: CopyWorker, row: Todo) -> Reader:
    try:
        return lane.source.open(row.source_path, offset=row.bytes_done)
    except ExternalError as error:
        raise SourceFault(error) from error


def _begin(lane: CopyWorker, row: Todo, reader: Reader) -> Writer:
    """Open a part: the older one if the source is still the same, else a new one. Missing folders are made."""
    name = part_name(lane.held.transfer_id, row.key, lane.held.number)
    if not row.part:
        return _write_new(lane, row.destination_path, name)
    if reader.opened.size != row.size or reader.opened.modified_at != row.modified_at:
        raise StartOver
    try:
        return lane.destination.write(row.destination_path, part=name, resume=UnfinishedFile(row.part, row.bytes_done))
    except ExternalError as error:
        if error.reason != "not_found":
            raise
    renamed = _renamed(lane, row)
    if renamed is None:
        raise StartOver
    return lane.destination.write(row.destination_path, part=name, resume=UnfinishedFile(renamed, row.bytes_done))


def _renamed(lane: CopyWorker, row: Todo) -> str | None:
    """Return the name of the part if a slice that died has taken it over without saying so."""
    mine, folder = part_prefix(lane.held.transfer_id, row.key), paths.parent(row.destination_path)
    for entry in lane.destination.list(folder):
        if entry.name.startswith(mine) and entry.size >= row.bytes_done:
            return entry.name
    return None


def _write_new(lane: CopyWorker, path: str, name: str) -> Writer:
    try:
        return lane.destination.write(path, part=name)
    except ExternalError as error:
        if error.reason != "not_found":
            raise
    lane.destination.mkdir(paths.parent(path))
    return lane.destination.write(path, part=name)


def _forget_part(lane: CopyWorker, row: Todo) -> Todo:
    """Begin the file from its first byte; what the older part held no longer counts as transferred."""
    if row.part:
        lane.tally.counts["bytes_transferred"] -= row.bytes_done
        lane.tally.kept.append(ResumableFile(row.id, None, 0, row.size, row.modified_at))
        lane.destination.remove_part(row.destination_path, row.part)
    return row._replace(bytes_done=0, part=None)


def _check_prefix(lane: CopyWorker, row: Todo, writer: Writer) -> Any:
    """Return the digest of what the older part holds, if it was read; raises StartOver unless the source begins so.

    A part that a slice left on purpose was synced and its stretches verified: only the last one is read again. After a
    slice that died all of it is. A store that checks what it receives is not asked.
    """
    if writer.self_checking:
        return None
    start = 0 if lane.held.taken_over else max(0, row.bytes_done - SEGMENT)
    whole = start == 0
    here, there = checksums.new(), checksums.new()
    with _open(lane, row._replace(bytes_done=start)) as source, writer.read_back(start) as back:
        while start < row.bytes_done:
            lane.check()
            stretch = min(SEGMENT, row.bytes_done - start)
            if source.feed(here, stretch) != stretch or back.feed(there, stretch) != stretch:
                raise StartOver
            start += stretch
    if here.digest() != there.digest():
        raise StartOver
    return here if whole else None


class _Pouring:
    """One file on its way into its part."""

    def __init__(
        self,
        lane: CopyWorker,
        row: Todo,
        *,
        reader: Reader,
        writer: Writer,
        wanted: tuple[str, str] | None,
        digest: Any,
    ) -> None:
        self.lane, self.row, self.reader, self.writer, self.wanted = lane, row, reader, writer, wanted
        self.began_at = writer.written
        self.verified = lane.options.verify or wanted is not None
        self.algorithm = wanted[1] if wanted else checksums.DEFAULT
        self.compares = writer.self_checking or writer.compares(reader)
        self.here, self.there, self.whole = self._digests(digest)

    def _digests(self, prefix: Any) -> tuple[Any, Any, bool]:
        """Return the digests of source and destination to go on with, and whether they begin with the first byte."""
        if not self.verified:
            return None, None, False
        asks_back = not self.compares
        before = digests.take(self.lane.held.transfer_id, self.row.id, self.began_at) if self.began_at else None
        if before is not None:
            return *before, True
        if prefix is not None:
            return prefix, prefix.copy() if asks_back else None, True
        fresh = checksums.new(self.algorithm)
        return fresh, fresh.copy() if asks_back else None, self.began_at == 0

    def pour(self) -> Filled | CopyStopped:
        try:
            return self._pour()
        except (ExternalError, SourceFault) as fault:
            stopped = self._left_off(fault)
            if stopped is None:
                raise
            return stopped

    def _left_off(self, fault: ExternalError | SourceFault) -> CopyStopped | None:
        """Keep what was copied before a fault that may pass; None where it has to be begun again."""
        error = fault.error if isinstance(fault, SourceFault) else fault
        passes = error.retryable and (isinstance(fault, SourceFault) or error.reason == "connection_error")
        if not passes or not self._resumable or error.reason == "source_changed":
            return None
        moved = self.writer.written - self.began_at
        try:
            self._check_digests()
            stopped = self._stop(moved, fault)
        except ExternalError:
            return None
        self._count(moved)
        return stopped

    def _pour(self) -> Filled | CopyStopped:
        size = self.reader.opened.size
        back = self.writer.read_back(self.began_at) if self.there is not None else None
        try:
            waiting: Callable[[], int] | None = None
            while self.writer.written < size:
                stretch = self._stretch(self.lane.work.pace.piece(min(SEGMENT, size - self.writer.written)))
                if back is not None and self.there is not None:
                    if waiting:
                        waiting()
                    waiting = self.lane.echo.feed(back, self.there, stretch)
                self.lane.pause(stretch)
                if self.writer.written < size and self._must_stop(size):
                    break
            if waiting:
                waiting()
        finally:
            if back is not None:
                back.close()
        return self._judge(size)

    def _stretch(self, most: int) -> int:
        """Copy one stretch; raises Changed when the source ends before it should."""
        done = 0
        while done < most:
            moved = self._take(most - done)
            if not moved:
                raise Changed
            done += moved
        return done

    def _take(self, most: int) -> int:
        if self.here is not None and self.writer.compares(self.reader):
            return self.writer.take_checked(self.reader, most, self.here)
        return self.writer.take(self.reader, most, self.here)

    def _must_stop(self, size: int) -> bool:
        self.lane.work.at_work[self.row.key] = FileInProgress(
            self.row.source_path, self.writer.written, size, self.began_at
        )
        self.lane.check()
        return self._resumable and self.lane.spent()

    @property
    def _resumable(self) -> bool:
        return self.lane.destination.abilities.resume and self.wanted is None and self.row.member is None

    def _judge(self, size: int) -> Filled | CopyStopped:
        self._check_digests()
        now = self.reader.stat()
        if now.size != size or now.modified_ns != self.reader.opened.modified_ns:
            raise Changed
        moved = self.writer.written - self.began_at
        self._count(moved)
        if self.writer.written < size:
            return self._stop(moved, None)
        digest = self._digest(size)
        self._check_wanted(digest)
        return Filled(self.row, self.writer, self.reader.opened, digest, self.verified, self.lane.take_tally())

    def _count(self, moved: int) -> None:
        self.lane.tally.counts["bytes_transferred"] += moved
        if self.verified:
            self.lane.tally.counts["bytes_checksummed"] += moved

    def _stop(self, moved: int, fault: ExternalError | SourceFault | None) -> CopyStopped:
        part = self.writer.keep()
        size = self.reader.opened.size
        self.lane.work.at_work[self.row.key] = FileInProgress(self.row.source_path, part.size, size, part.size)
        dropped = self.began_at + moved - part.size  # some stores keep whole pieces only
        self._count(-dropped)
        if self.whole and not dropped:
            both = digests.Digests(self.here, self.there)
            digests.keep(self.lane.held.transfer_id, self.row.id, part.size, both)
        return CopyStopped(self.row, part, self.reader.opened, fault)

    def _check_digests(self) -> None:
        if self.here is not None and self.there is not None and self.here.digest() != self.there.digest():
            message = f"{self.row.destination_path} does not hold what was written to it."
            raise ExternalError(message, retryable=True, reason="checksum_mismatch")

    def _digest(self, size: int) -> str | None:
        """Return the digest of the whole file, for the manifest; None where it would have to be fetched once more."""
        if self.whole:
            return str(self.here.hexdigest())
        if not self.verified or size > READ_AGAIN or not self.lane.destination.abilities.quick_stat:
            return None
        digest = checksums.new()
        with self.writer.read_back(0) as back:
            while back.feed(digest, SEGMENT):
                self.lane.check()
        return str(digest.hexdigest())

    def _check_wanted(self, digest: str | None) -> None:
        if self.wanted is not None and not checksums.agree(digest or "", self.wanted[0]):
            message = f"{self.row.source_path} does not have the checksum that was given for it."
            raise SourceFault(ExternalError(message, retryable=False, reason="checksum_mismatch"))
