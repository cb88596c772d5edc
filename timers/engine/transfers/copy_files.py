"""Copying files one by one.

Several workers copy where both ends are far away; else many files are moved into place together.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from timers.copying import paths
from timers.copying.plan import FileVerdict
from timers.engine.transfers import attributes, copy_file, kept
from timers.engine.transfers.bundle_progress import BundleProgress, MemberEnd
from timers.engine.transfers.copy_file import CopyStopped, FilledPartial
from timers.engine.transfers.copy_workers import CopyWorker, CopyWorkers, FileTally, Result, add_tally, worker_count
from timers.engine.transfers.slice_context import SliceContext
from timers.errors import ExternalError
from timers.services.transfers import progress
from timers.services.transfers.progress import DoneFile, FileRow, ResumableFile
from timers.storages.base import Entry, Permissions, SourceFault, Storage

MAX_OPEN_FILES = 128  # some slices share a process, and a process may usually hold 1,024 files open
MAX_BATCH_BYTES = 64 * 1024 * 1024


@dataclass(frozen=True)
class Moved:
    """A file that is in place."""

    row: FileRow
    source: Entry
    checksum: str | None
    verified: bool
    tally: FileTally
    changed: bool
    """True when the source changed while it was copied: it was copied as of its size at opening."""
    not_kept: Sequence[str]


def _moved(filled: FilledPartial) -> Moved:
    return Moved(
        filled.row,
        filled.source,
        filled.checksum,
        filled.verified,
        filled.tally,
        filled.changed,
        filled.writer.not_kept,
    )


def _commit(context: SliceContext, storage: Storage, filled: FilledPartial) -> None:
    """Move a file into place; what it replaces is kept first, where that was asked for."""
    row, source, options = filled.row, filled.source, context.options
    kept_path = kept.keep(context, storage, row) if row.verdict != FileVerdict.ADD else None
    try:
        filled.writer.commit(
            modified_ns=source.modified_ns if options.times else None,
            permissions=None if source.mode is None else Permissions(source.mode, options.exact_modes),
        )
    except ExternalError:
        if kept_path is not None:
            kept.put_back(storage, row.destination_path, kept_path)
        raise


def copy_rows(context: SliceContext, rows: list[FileRow]) -> None:
    """Copy these files and members of bundles, until the slice's time is used."""
    copying = _RowsCopy(context, rows)
    with context.completing_changes(copying.write_bundles):
        workers = worker_count(context)
        if workers > 1:
            copying.in_parallel(workers)
        else:
            copying.in_batches()


class _RowsCopy:
    """Rows while they are copied. Their outcome is in the slice's changes when the copy ends."""

    def __init__(self, context: SliceContext, rows: list[FileRow]) -> None:
        self._context, self._rows = context, rows
        self._bundles = {row.id: BundleProgress(row) for row in rows if row.members is not None}
        self._expected_checksums = progress.expected_checksums(context.transfer_slice, list({row.item for row in rows}))

    def in_parallel(self, count: int) -> None:
        """Copy several files at a time, each moved into place by its worker."""
        with CopyWorkers(self._context, self._copy_and_move, worker_count=count) as workers:
            for row, result in workers.run(self._pending()):
                self._remove_from_progress(row, result)
                self._record(row, result)

    def in_batches(self) -> None:
        """Copy one file after the other, and move many into place together."""
        batch = _FilledBatch(self._context, moved=self._moved, failed=self._failed)
        try:
            with CopyWorkers(self._context, self._copy, worker_count=1) as workers:
                for row, result in workers.run(self._pending()):
                    self._remove_from_progress(row, result)
                    if isinstance(result, FilledPartial):
                        batch.add(result)
                    else:
                        self._record(row, result)
                    if batch.is_full or self._context.monitor.is_spent():
                        batch.move_into_place()
            batch.move_into_place()
        except BaseException:
            batch.discard()
            raise

    def _pending(self) -> Iterator[FileRow]:
        """Yield at least one file, and more while there is time."""
        first = True
        for stored_row in self._rows:
            bundle = self._bundles.get(stored_row.id)
            for row in bundle.member_rows() if bundle else (stored_row,):
                if not first and self._context.monitor.is_spent():
                    return
                first = False
                self._context.checkpoint()
                yield row

    def _copy(self, worker: CopyWorker, row: FileRow) -> FilledPartial | CopyStopped:
        return copy_file.copy_to_partial(worker, row, expected=self._expected_checksums.get(row.item))

    def _copy_and_move(self, worker: CopyWorker, row: FileRow) -> Moved | CopyStopped:
        filled = self._copy(worker, row)
        if isinstance(filled, CopyStopped):
            return filled
        try:
            worker.destination.sync_all([filled.writer])
            worker.check_lease()
            _commit(self._context, worker.destination, filled)
            worker.destination.sync_folders([paths.parent(row.destination_path)])
        except BaseException:
            filled.writer.discard()
            raise
        return _moved(filled)

    def _remove_from_progress(self, row: FileRow, result: object) -> None:
        if not isinstance(result, CopyStopped):  # a stopped file continues in the next slice
            self._context.files_in_progress.pop(row.key, None)

    def _record(self, row: FileRow, result: Result[Moved | CopyStopped]) -> None:
        if isinstance(result, Moved):
            self._moved(result)
        elif isinstance(result, CopyStopped):
            resumable_file = ResumableFile(
                row.id, result.partial.name, result.partial.size, result.size, result.source.modified_at
            )
            self._context.changes.resumable.append(resumable_file)
            if result.fault is not None:
                self._failed(row, result.fault)
        else:
            self._failed(row, result)

    def _failed(self, row: FileRow, error: ExternalError | SourceFault) -> None:
        self._context.row_failed(row, error, self._bundles.get(row.id))

    def _moved(self, moved: Moved) -> None:
        add_tally(self._context, moved.tally)
        row, source, modified_us = moved.row, moved.source, moved.source.modified_us
        if row.member is None:
            verified = "checksum" if moved.verified else "size"
            self._context.changes.done.append(DoneFile(row.id, source.size, modified_us, verified, moved.checksum))
        else:
            self._bundles[row.id].done(row.member, size=source.size, modified_us=modified_us, checksum=moved.checksum)
        self._context.count(files_transferred=1)
        if moved.changed:
            text = f"{row.source_path} changed while it was copied: it was copied as of its size at opening."
            self._context.warn("source_changed", row.source_path, text)
        attributes.warn_not_kept(self._context, row.destination_path, moved.not_kept)

    def write_bundles(self) -> None:
        """Add the outcome of the bundles' members to the slice's changes."""
        verified = "checksum" if self._context.options.verify else "size"
        for bundle in self._bundles.values():
            self._context.write_bundle(bundle, MemberEnd("done", "copy", bundle.row.verdict, verified))


class _FilledBatch:
    """Filled partial files that are not in place.

    One sync for all of them comes before they are moved, one for their folders after.
    """

    def __init__(
        self, context: SliceContext, *, moved: Callable[[Moved], None], failed: Callable[[FileRow, ExternalError], None]
    ) -> None:
        self._context, self._moved, self._failed = context, moved, failed
        self._filled: list[FilledPartial] = []
        self._bytes = 0

    @property
    def is_full(self) -> bool:
        return len(self._filled) >= MAX_OPEN_FILES or self._bytes >= MAX_BATCH_BYTES

    def add(self, filled: FilledPartial) -> None:
        """Add a filled partial file."""
        self._filled.append(filled)
        self._bytes += filled.source.size

    def move_into_place(self) -> None:
        """Sync, move, sync the folders. The result is recorded with later ones, once there are enough."""
        context = self._context
        context.destination.sync_all([filled.writer for filled in self._filled])
        moved: list[FilledPartial] = []
        try:
            for filled in self._filled:
                context.monitor.check_lease()
                if self._move(filled):
                    moved.append(filled)
        finally:
            self._record_moved(moved)
        self._filled, self._bytes = [], 0

    def _record_moved(self, moved: list[FilledPartial]) -> None:
        self._context.destination.sync_folders(sorted({paths.parent(filled.row.destination_path) for filled in moved}))
        for filled in moved:
            self._moved(_moved(filled))

    def _move(self, filled: FilledPartial) -> bool:
        try:
            _commit(self._context, self._context.destination, filled)
        except ExternalError as error:
            filled.writer.discard()
            self._failed(filled.row, error)
            return False
        return True

    def discard(self) -> None:
        """Remove the partial files: the slice ends without them."""
        for filled in self._filled:
            filled.writer.discard()
