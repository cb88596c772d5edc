"""Copying files one by one: in lanes where both ends are far away, else many moved into place together."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from timers.copying import paths
from timers.engine.transfers import copy_file
from timers.engine.transfers.bundle_progress import BundleProgress, MemberEnd
from timers.engine.transfers.copy_file import CopyStopped, Filled
from timers.engine.transfers.copy_workers import CopyWorker, CopyWorkers, FileTally, Result, add, width
from timers.engine.transfers.slice_context import SliceContext
from timers.errors import ExternalError
from timers.services.transfers import progress
from timers.services.transfers.progress import DoneFile, ResumableFile, Todo
from timers.storages.base import Entry, SourceFault

MAX_OPEN_FILES = 128  # some slices share a process, and a process may usually hold 1,024 files open
MAX_BATCH_BYTES = 64 * 1024 * 1024


@dataclass(frozen=True)
class Moved:
    """A file that is in place."""

    row: Todo
    source: Entry
    checksum: str | None
    verified: bool
    tally: FileTally


def _moved(filled: Filled) -> Moved:
    return Moved(filled.row, filled.source, filled.checksum, filled.verified, filled.tally)


def copy_rows(work: SliceContext, rows: list[Todo]) -> None:
    """Copy these files and members of packs, until the slice's time is used."""
    copying = _FileBatch(work, rows)
    with work.gathering(copying.write_packs):
        lanes = width(work)
        if lanes > 1:
            copying.in_lanes(lanes)
        else:
            copying.in_batches()


class _FileBatch:
    """Some rows on their way; whatever came of them is in the slice's changes when it ends."""

    def __init__(self, work: SliceContext, rows: list[Todo]) -> None:
        self._work, self._rows = work, rows
        self._packs = {row.id: BundleProgress(row) for row in rows if row.members is not None}
        self._wanted = progress.checksums_wanted(work.held, list({row.item for row in rows}))

    def in_lanes(self, lanes: int) -> None:
        """Copy several files at a time, each moved into place by its lane."""
        with CopyWorkers(self._work, self._copy_and_move, width=lanes) as running:
            for row, result in running.run(self._todos()):
                self._no_longer_at_work(row, result)
                self._take(row, result)

    def in_batches(self) -> None:
        """Copy one file after the other, and move many into place together."""
        batch = _Batch(self._work, moved=self._moved, failed=self._failed)
        try:
            with CopyWorkers(self._work, self._copy, width=1) as running:
                for row, result in running.run(self._todos()):
                    self._no_longer_at_work(row, result)
                    if isinstance(result, Filled):
                        batch.add(result)
                    else:
                        self._take(row, result)
                    if batch.is_full or self._work.watch.spent():
                        batch.move_into_place()
            batch.move_into_place()
        except BaseException:
            batch.discard()
            raise

    def _todos(self) -> Iterator[Todo]:
        """Yield at least one file, and more while there is time."""
        first = True
        for row in self._rows:
            pack = self._packs.get(row.id)
            for todo in pack.todos() if pack else (row,):
                if not first and self._work.watch.spent():
                    return
                first = False
                self._work.checkpoint()
                yield todo

    def _copy(self, lane: CopyWorker, row: Todo) -> Filled | CopyStopped:
        return copy_file.fill(lane, row, wanted=self._wanted.get(row.item))

    def _copy_and_move(self, lane: CopyWorker, row: Todo) -> Moved | CopyStopped:
        filled = self._copy(lane, row)
        if isinstance(filled, CopyStopped):
            return filled
        try:
            lane.destination.seal_all([filled.writer])
            lane.check_lease()
            filled.writer.commit(modified_ns=filled.source.modified_ns if lane.options.times else None)
            lane.destination.settle_folders([paths.parent(row.destination_path)])
        except BaseException:
            filled.writer.discard()
            raise
        return _moved(filled)

    def _no_longer_at_work(self, row: Todo, result: object) -> None:
        if not isinstance(result, CopyStopped):  # what stopped goes on in the next slice
            self._work.at_work.pop(row.key, None)

    def _take(self, row: Todo, result: Result[Moved | CopyStopped]) -> None:
        if isinstance(result, Moved):
            self._moved(result)
        elif isinstance(result, CopyStopped):
            kept = ResumableFile(
                row.id, result.part.name, result.part.size, result.source.size, result.source.modified_at
            )
            self._work.changes.kept.append(kept)
            if result.fault is not None:
                self._failed(row, result.fault)
        else:
            self._failed(row, result)

    def _failed(self, row: Todo, error: ExternalError | SourceFault) -> None:
        self._work.row_failed(row, error, self._packs.get(row.id))

    def _moved(self, moved: Moved) -> None:
        add(self._work, moved.tally)
        row, source, modified_ns = moved.row, moved.source, moved.source.modified_ns
        modified_us = None if modified_ns is None else modified_ns // 1000
        if row.member is None:
            verified = "checksum" if moved.verified else "size"
            self._work.changes.done.append(DoneFile(row.id, source.size, modified_us, verified, moved.checksum))
        else:
            self._packs[row.id].done(row.member, size=source.size, modified_us=modified_us, checksum=moved.checksum)
        self._work.count(files_transferred=1)

    def write_packs(self) -> None:
        """Add what came of the members of packs to the slice's changes."""
        verified = "checksum" if self._work.options.verify else "size"
        for pack in self._packs.values():
            self._work.write_bundle(pack, MemberEnd("done", "copy", pack.row.verdict, verified))


class _Batch:
    """Parts that are full but not in place: one sync for all before they are moved, one for their folders after."""

    def __init__(
        self, work: SliceContext, *, moved: Callable[[Moved], None], failed: Callable[[Todo, ExternalError], None]
    ) -> None:
        self._work, self._moved, self._failed = work, moved, failed
        self._filled: list[Filled] = []
        self._bytes = 0

    @property
    def is_full(self) -> bool:
        return len(self._filled) >= MAX_OPEN_FILES or self._bytes >= MAX_BATCH_BYTES

    def add(self, filled: Filled) -> None:
        """Take a part in."""
        self._filled.append(filled)
        self._bytes += filled.source.size

    def move_into_place(self) -> None:
        """Sync, move, sync; what was done is written down with the next ones, once there are enough."""
        work = self._work
        work.destination.seal_all([each.writer for each in self._filled])
        moved: list[Filled] = []
        try:
            for each in self._filled:
                work.watch.check_lease()
                if self._move(each):
                    moved.append(each)
        finally:
            self._note(moved)
        self._filled, self._bytes = [], 0

    def _note(self, moved: list[Filled]) -> None:
        self._work.destination.settle_folders(sorted({paths.parent(each.row.destination_path) for each in moved}))
        for each in moved:
            self._moved(_moved(each))

    def _move(self, each: Filled) -> bool:
        try:
            each.writer.commit(modified_ns=each.source.modified_ns if self._work.options.times else None)
        except ExternalError as error:
            each.writer.discard()
            self._failed(each.row, error)
            return False
        return True

    def discard(self) -> None:
        """Remove the parts: the slice ends without them."""
        for each in self._filled:
            each.writer.discard()
