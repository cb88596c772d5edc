"""The phase `copy`: makes folders, fills parts, and moves many of them into place together."""

from __future__ import annotations

from timers.copying import paths
from timers.engine.echo import Echo
from timers.engine.filecopy import Filled, Stopped, fill
from timers.engine.work import Wait, Work
from timers.errors import ExternalError
from timers.services import transfer_progress as progress
from timers.services.transfer_progress import DoneFile, Kept, Todo
from timers.storages.base import SourceFault, part_prefix

MOST_OPEN = 128  # some slices share a process, and a process may usually hold 1,024 files open
MOST_BYTES = 64 * 1024 * 1024


def copy(work: Work) -> bool:
    """Copy until the slice's time is used; return whether every file is where it belongs."""
    if work.held.taken_over:
        sweep(work)
    if not _make_folders(work):
        return False
    batch = _Batch(work)
    try:
        with Echo() as echo:
            while rows := progress.to_do(work.held, "copy", work.batch, now=work.watch.now()):
                if not _copy_rows(work, rows, batch, echo):
                    return False
    except BaseException:
        batch.discard()
        raise
    retry = progress.next_retry(work.held, ["mkdir", "copy"])
    if retry is not None:
        raise Wait(retry)
    return True


def _make_folders(work: Work) -> bool:
    while rows := progress.to_do(work.held, "mkdir", work.batch, now=work.watch.now()):
        for row in rows:
            work.watch.check()
            try:
                work.destination.mkdir(row.destination_path)
                work.changes.made.append(row.id)
            except ExternalError as error:
                work.row_failed(row, row.destination_path, error, of_source=False)
        work.flush()
        if work.watch.spent():
            return False
    return True


def _copy_rows(work: Work, rows: list[Todo], batch: _Batch, echo: Echo) -> bool:
    """Copy these files; return False when the slice's time is used."""
    wanted = progress.checksums_wanted(work.held, list({row.item for row in rows}))
    for row in rows:
        work.watch.check()
        try:
            result = fill(work, row, echo, wanted=wanted.get(row.item))
        except SourceFault as error:
            work.row_failed(row, row.source_path, error.error, of_source=True)
        except ExternalError as error:
            work.row_failed(row, row.destination_path, error, of_source=False)
        else:
            batch.add(result)
        if batch.is_full or work.watch.spent():
            batch.move_into_place()
        if work.watch.spent():
            work.flush()
            return False
    batch.move_into_place()
    work.flush()
    return True


class _Batch:
    """Parts that are full but not in place: one sync for all before they are moved, one for their folders after."""

    def __init__(self, work: Work) -> None:
        self._work = work
        self._filled: list[Filled] = []
        self._bytes = 0

    @property
    def is_full(self) -> bool:
        return len(self._filled) >= MOST_OPEN or self._bytes >= MOST_BYTES

    def add(self, result: Filled | Stopped) -> None:
        """Take a part in; one that is to be gone on with is only written down."""
        if isinstance(result, Stopped):
            kept = Kept(
                result.row.id, result.part.name, result.part.size, result.source.size, result.source.modified_at
            )
            self._work.changes.kept.append(kept)
            return
        self._filled.append(result)
        self._bytes += result.source.size

    def move_into_place(self) -> None:
        """Sync, move, sync; what was done is written down with the next ones, once there are enough."""
        work = self._work
        work.destination.settle([each.writer for each in self._filled])
        moved: list[Filled] = []
        try:
            for each in self._filled:
                work.watch.own()
                if self._move(each):
                    moved.append(each)
        finally:
            self._note(moved)
        self._filled, self._bytes = [], 0
        if len(work.changes) >= work.batch:
            work.flush()

    def _note(self, moved: list[Filled]) -> None:
        work = self._work
        work.destination.settle_folders(sorted({paths.parent(each.row.destination_path) for each in moved}))
        work.changes.done.extend(_done(each) for each in moved)
        work.count(files_transferred=len(moved))

    def _move(self, each: Filled) -> bool:
        try:
            each.writer.commit(modified_ns=each.source.modified_ns if self._work.options.times else None)
        except ExternalError as error:
            each.writer.discard()
            self._work.row_failed(each.row, each.row.destination_path, error, of_source=False)
            return False
        return True

    def discard(self) -> None:
        """Remove the parts: the slice ends without them."""
        for each in self._filled:
            each.writer.discard()


def _done(each: Filled) -> DoneFile:
    modified_ns = each.source.modified_ns
    modified_us = None if modified_ns is None else modified_ns // 1000
    level = "checksum" if each.verified else "size"
    return DoneFile(each.row.id, each.source.size, modified_us, level, each.checksum)


def sweep(work: Work) -> None:
    """Remove the parts that a slice which died left behind: they lie beside the next files to be copied."""
    rows = progress.to_do(work.held, "copy", work.batch, now=work.watch.now())
    kept = {paths.join(paths.parent(path), part) for path, part in progress.parts_kept(work.held)}
    for folder in {paths.parent(row.destination_path) for row in rows}:
        work.watch.check()
        _sweep_folder(work, folder, kept)


def _sweep_folder(work: Work, folder: str, kept: set[str]) -> None:
    prefix = part_prefix(work.held.transfer_id)
    try:
        left = [entry.name for entry in work.destination.list(folder) if entry.name.startswith(prefix)]
        for path in {paths.join(folder, name) for name in left} - kept:
            work.destination.delete(path)
    except ExternalError as error:
        if error.reason != "not_found":
            raise


def remove_kept(work: Work) -> None:
    """Remove the parts of files that nobody will go on with."""
    for path, part in progress.parts_kept(work.held):
        try:
            work.destination.delete(paths.join(paths.parent(path), part))
        except ExternalError:
            continue
