"""Copying one file into a partial file beside its target, segment by segment, verified while it is written."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from timers.copying import checksums, paths
from timers.engine.transfers import digests
from timers.engine.transfers.copy_workers import CopyWorker, FileTally
from timers.engine.transfers.slice_context import FileInProgress
from timers.errors import ExternalError
from timers.services.transfers.progress import FileRow, ResumableFile
from timers.storages.base import (
    Entry,
    FileProperties,
    PartialFile,
    Reader,
    SourceFault,
    Writer,
    fault,
    partial_name,
    partial_prefix,
    source_faults,
)

SEGMENT_BYTES = 8 * 1024 * 1024
MAX_REREAD_BYTES = 8 * 1024 * 1024 * 1024
"""Largest file that is read once more for its digest when it took several slices; only where the store is a disk."""


@dataclass
class FilledPartial:
    """A partial file that holds the whole content and is not yet moved into place."""

    row: FileRow
    writer: Writer
    source: Entry
    checksum: str | None
    verified: bool
    tally: FileTally
    changed: bool
    """True when the source kept changing: the file holds what it had when it was opened, or some of what came later."""


@dataclass
class CopyStopped:
    """A partial file that is resumed in the next slice, or when the fault that interrupted it may have passed."""

    row: FileRow
    partial: PartialFile
    source: Entry
    size: int
    fault: ExternalError | SourceFault | None = None


MAX_CHANGES = 2
"""Number of copies of a changing source that are thrown away before it is copied as of its size at opening."""


class SourceChanged(Exception):
    """The source changed while it was read."""


class RestartRequired(Exception):
    """The older partial file cannot be resumed."""


def copy_to_partial(
    worker: CopyWorker, row: FileRow, *, expected: tuple[str, str] | None
) -> FilledPartial | CopyStopped:
    """Copy a file into a partial file, once more if the source changes meanwhile.

    A source that keeps changing, such as a log, is copied as of its size at opening after MAX_CHANGES tries. `expected`
    is the required (digest, algorithm).

    Raises SourceFault for faults of the source, ExternalError for those of the destination.
    """
    changes_seen = 0
    while True:
        try:
            return _copy_once(worker, row, expected, accepts_growth=max(changes_seen, row.faults) >= MAX_CHANGES)
        except RestartRequired:
            row = _remove_partial(worker, row)
        except SourceChanged:
            row, changes_seen = _remove_partial(worker, row), changes_seen + 1
            if changes_seen > MAX_CHANGES:
                raise _changed(row) from None


def _changed(row: FileRow) -> SourceFault:
    return SourceFault(fault("source_changed", f"{row.source_path} changed while it was copied."))


def _copy_once(
    worker: CopyWorker, row: FileRow, expected: tuple[str, str] | None, *, accepts_growth: bool
) -> FilledPartial | CopyStopped:
    with _open(worker, row) as reader:
        if row.part:
            row = _check_resumable(worker, row, reader.opened, accepts_growth=accepts_growth)
        writer = _open_partial(worker, row, reader)
        try:
            digest = _verify_prefix(worker, row, writer) if row.part else None
            return _FileCopy(
                worker,
                row,
                reader=reader,
                writer=writer,
                expected=expected,
                digest=digest,
                accepts_growth=accepts_growth,
            ).run()
        except BaseException:
            writer.discard()
            raise


def _open(worker: CopyWorker, row: FileRow) -> Reader:
    with source_faults():
        return worker.source.open(row.source_path, offset=row.bytes_done)


def _check_resumable(worker: CopyWorker, row: FileRow, opened: Entry, *, accepts_growth: bool) -> FileRow:
    """Return the row if its partial file may be continued.

    Raises RestartRequired for a source that is shorter now, and SourceFault for one that changed in another way: it is
    copied anew a little later, or continued up to its size at the first opening if it changes each time.
    """
    if opened.size == row.size and opened.modified_at == row.modified_at:
        return row
    if opened.size < row.size:
        raise RestartRequired
    if not accepts_growth:
        _remove_partial(worker, row)
        raise _changed(row)
    return row


def _open_partial(worker: CopyWorker, row: FileRow, reader: Reader) -> Writer:
    """Open a partial file: the older one if the source is still the same, else a new one. Missing folders are made."""
    name = partial_name(worker.transfer_slice.transfer_id, row.key, worker.transfer_slice.number)
    if not row.part:
        return _write_new(worker, row.destination_path, name, _properties(worker, reader))
    try:
        return worker.destination.write(
            row.destination_path,
            partial=name,
            resume=PartialFile(row.part, row.bytes_done),
            properties=_properties(worker, reader),
        )
    except ExternalError as error:
        if error.reason != "not_found":
            raise
    renamed = _find_renamed(worker, row)
    if renamed is None:
        raise RestartRequired
    older = PartialFile(renamed, row.bytes_done)
    return worker.destination.write(
        row.destination_path, partial=name, resume=older, properties=_properties(worker, reader)
    )


def _properties(worker: CopyWorker, reader: Reader) -> FileProperties | None:
    """Return the properties that the copy gets: those of the source, and what the options say instead."""
    metadata, storage_class = worker.options.metadata, worker.options.storage_class
    if metadata is None and storage_class is None:
        return reader.properties
    properties = reader.properties or FileProperties()
    return properties._replace(
        metadata=properties.metadata if metadata is None else metadata,
        storage_class=storage_class or properties.storage_class,
    )


def _find_renamed(worker: CopyWorker, row: FileRow) -> str | None:
    """Return the name of the partial file if a slice that died renamed it without recording that."""
    prefix, folder = partial_prefix(worker.transfer_slice.transfer_id, row.key), paths.parent(row.destination_path)
    try:
        for entry in worker.destination.list(folder):
            if entry.name.startswith(prefix) and entry.size >= row.bytes_done:
                return entry.name
    except ExternalError as error:
        if error.reason != "not_found":
            raise
    return None


def _write_new(worker: CopyWorker, path: str, name: str, properties: FileProperties | None) -> Writer:
    try:
        return worker.destination.write(path, partial=name, properties=properties)
    except ExternalError as error:
        if error.reason != "not_found":
            raise
    worker.destination.mkdir(paths.parent(path))
    return worker.destination.write(path, partial=name, properties=properties)


def _remove_partial(worker: CopyWorker, row: FileRow) -> FileRow:
    """Restart the file from its first byte; the bytes of the older partial file no longer count as transferred."""
    if row.part:
        worker.tally.counts["bytes_transferred"] -= row.bytes_done
        worker.tally.resumable.append(ResumableFile(row.id, None, 0, row.size, row.modified_at))
        worker.destination.remove_partial(row.destination_path, row.part)
    return row._replace(bytes_done=0, part=None)


def _verify_prefix(worker: CopyWorker, row: FileRow, writer: Writer) -> Any:
    """Return the digest of the older partial file if all of it was read.

    Raises RestartRequired unless the source begins with it.

    A slice that stopped on purpose synced the partial file and verified its segments, so only the last segment is read
    again. After a slice that died, all of it is read again. A store that checks what it receives is not read.
    """
    if writer.self_checking:
        return None
    start = 0 if worker.transfer_slice.taken_over else max(0, row.bytes_done - SEGMENT_BYTES)
    from_start = start == 0
    source_digest, target_digest = checksums.new(), checksums.new()
    with _open(worker, row._replace(bytes_done=start)) as source, writer.read_back(start) as read_back:
        while start < row.bytes_done:
            worker.check()
            segment = min(SEGMENT_BYTES, row.bytes_done - start)
            if source.feed(source_digest, segment) != segment or read_back.feed(target_digest, segment) != segment:
                raise RestartRequired
            start += segment
    if source_digest.digest() != target_digest.digest():
        raise RestartRequired
    return source_digest if from_start else None


class _FileCopy:
    """A file while it is copied into its partial file."""

    def __init__(
        self,
        worker: CopyWorker,
        row: FileRow,
        *,
        reader: Reader,
        writer: Writer,
        expected: tuple[str, str] | None,
        digest: Any,
        accepts_growth: bool,
    ) -> None:
        self.worker, self.row, self.reader, self.writer, self.expected = worker, row, reader, writer, expected
        self.start, self.accepts_growth, self.changed = writer.written, accepts_growth, False
        self.size = row.size if row.part else reader.opened.size
        self.verified = worker.options.verify or expected is not None
        self.algorithm = expected[1] if expected else checksums.DEFAULT_ALGORITHM
        self.can_verify = writer.self_checking or writer.can_verify(reader)
        self.source_digest, self.target_digest, self.from_start = self._digests(digest)

    def _digests(self, prefix: Any) -> tuple[Any, Any, bool]:
        """Return the digests of source and destination to continue with, and whether they begin with the first byte."""
        if not self.verified:
            return None, None, False
        reads_back = not self.can_verify
        kept_digests = (
            digests.take(self.worker.transfer_slice.transfer_id, self.row.id, self.start) if self.start else None
        )
        if kept_digests is not None:
            return *kept_digests, True
        if prefix is not None:
            return prefix, prefix.copy() if reads_back else None, True
        new_digest = checksums.new(self.algorithm)
        return new_digest, new_digest.copy() if reads_back else None, self.start == 0

    def run(self) -> FilledPartial | CopyStopped:
        try:
            return self._copy_segments()
        except (ExternalError, SourceFault) as fault:
            stopped = self._stop_for_fault(fault)
            if stopped is None:
                raise
            return stopped

    def _stop_for_fault(self, fault: ExternalError | SourceFault) -> CopyStopped | None:
        """Keep what was copied before a fault that may pass; return None where the file has to be restarted."""
        error = fault.error if isinstance(fault, SourceFault) else fault
        may_pass = error.retryable and (isinstance(fault, SourceFault) or error.reason == "connection_error")
        if not may_pass or not self._resumable or error.reason == "source_changed":
            return None
        moved = self.writer.written - self.start
        try:
            self._check_digests()
            stopped = self._stop(moved, fault)
        except ExternalError:
            return None
        self._count(moved)
        return stopped

    def _copy_segments(self) -> FilledPartial | CopyStopped:
        size = self.size
        read_back = self.writer.read_back(self.start) if self.target_digest is not None else None
        try:
            digest_result: Callable[[], int] | None = None
            while self.writer.written < size:
                segment = self._copy_segment(
                    self.worker.context.rate_limiter.chunk_bytes(min(SEGMENT_BYTES, size - self.writer.written))
                )
                if read_back is not None and self.target_digest is not None:
                    if digest_result:
                        digest_result()
                    digest_result = self.worker.parallel_digest.feed(read_back, self.target_digest, segment)
                self.worker.pause(segment)
                if self.writer.written < size and self._must_stop(size):
                    break
            if digest_result:
                digest_result()
        finally:
            if read_back is not None:
                read_back.close()
        return self._finish(size)

    def _copy_segment(self, size: int) -> int:
        """Copy one segment and return its size in bytes; raises SourceChanged when the source ends too early."""
        done = 0
        while done < size:
            moved = self._copy_chunk(size - done)
            if not moved:
                raise SourceChanged
            done += moved
        return done

    def _copy_chunk(self, size: int) -> int:
        if self.source_digest is not None and self.writer.can_verify(self.reader):
            return self.writer.copy_verified_from(self.reader, size, self.source_digest)
        return self.writer.copy_from(self.reader, size, self.source_digest)

    def _must_stop(self, size: int) -> bool:
        self.worker.context.files_in_progress[self.row.key] = FileInProgress(
            self.row.source_path, self.writer.written, size, self.start
        )
        self.worker.check()
        return self._resumable and self.worker.is_spent()

    @property
    def _resumable(self) -> bool:
        return self.worker.destination.abilities.resume and self.expected is None and self.row.member is None

    def _finish(self, size: int) -> FilledPartial | CopyStopped:
        self._check_digests()
        now = self.reader.stat()
        self.changed = now.size != size or now.modified_ns != self.reader.opened.modified_ns
        if self.changed and not (self.accepts_growth and now.size >= size):
            raise SourceChanged
        moved = self.writer.written - self.start
        self._count(moved)
        if self.writer.written < size:
            return self._stop(moved, None)
        digest = self._digest(size)
        self._check_expected(digest)
        source = self.reader.opened._replace(size=size)
        tally = self.worker.take_tally()
        return FilledPartial(self.row, self.writer, source, digest, self.verified, tally, self.changed)

    def _count(self, moved: int) -> None:
        self.worker.tally.counts["bytes_transferred"] += moved
        if self.verified:
            self.worker.tally.counts["bytes_checksummed"] += moved

    def _stop(self, moved: int, fault: ExternalError | SourceFault | None) -> CopyStopped:
        partial = self.writer.keep()
        size = self.size
        self.worker.context.files_in_progress[self.row.key] = FileInProgress(
            self.row.source_path, partial.size, size, partial.size
        )
        dropped = self.start + moved - partial.size  # some stores keep whole parts only
        self._count(-dropped)
        if self.from_start and not dropped:
            kept_digests = digests.Digests(self.source_digest, self.target_digest)
            digests.keep(self.worker.transfer_slice.transfer_id, self.row.id, partial.size, kept_digests)
        return CopyStopped(self.row, partial, self.reader.opened, size, fault)

    def _check_digests(self) -> None:
        if (
            self.source_digest is not None
            and self.target_digest is not None
            and self.source_digest.digest() != self.target_digest.digest()
        ):
            message = f"{self.row.destination_path} does not hold what was written to it."
            raise ExternalError(message, retryable=True, reason="checksum_mismatch")

    def _digest(self, size: int) -> str | None:
        """Return the digest of the whole file, for the manifest; None where it would have to be fetched once more."""
        if self.from_start:
            return str(self.source_digest.hexdigest())
        if not self.verified or size > MAX_REREAD_BYTES or not self.worker.destination.abilities.quick_stat:
            return None
        digest = checksums.new()
        with self.writer.read_back(0) as read_back:
            while read_back.feed(digest, SEGMENT_BYTES):
                self.worker.check()
        return str(digest.hexdigest())

    def _check_expected(self, digest: str | None) -> None:
        if self.expected is not None and not checksums.agree(digest or "", self.expected[0]):
            message = f"{self.row.source_path} does not have the checksum that was given for it."
            raise SourceFault(ExternalError(message, retryable=False, reason="checksum_mismatch"))
