"""The phase `verify`: a final check that every copied file is at the destination.

Digests were compared before each file was moved into place. This phase finds later changes: a file that was removed,
replaced or truncated meanwhile is copied once more.
"""

from __future__ import annotations

from contextlib import ExitStack
from datetime import datetime
from typing import Self

from timers.clock import to_us
from timers.copying import paths
from timers.copying.plan import Entry, Kind
from timers.engine.transfers.bundle_progress import BundleProgress, MemberEnd
from timers.engine.transfers.rows import next_retry_at, standalone_row, with_fault
from timers.engine.transfers.slice_context import SliceContext, TransferFailed
from timers.errors import ExternalError
from timers.services.transfers import progress
from timers.services.transfers.progress import Fault, FileRow, ReopenedFile
from timers.storages.base import Lookup, fault

MAX_REPEATS = 3
REASON = "changed_afterwards"


def verify(context: SliceContext) -> bool:
    """Check until the slice's time is used; return whether everything was checked."""
    after = context.transfer_slice.cursor
    with _FolderLookup(context) as folder_lookup:
        while rows := progress.copied_rows(context.transfer_slice, after=after, limit=context.batch):
            for row in rows:
                context.checkpoint()
                _check_row(context, folder_lookup, row)
                after = context.changes.progress["cursor"] = row.id
                if context.monitor.is_spent():
                    break
            context.flush()
            if context.monitor.is_spent():
                return False
    return True


class _FolderLookup:
    """Looks names up in one folder after the other; a context manager."""

    def __init__(self, context: SliceContext) -> None:
        self._context, self._folder = context, ""
        self._find: Lookup = _nothing
        self._open = ExitStack()

    def find(self, folder: str, name: str) -> Entry | None:
        """Return the entry of a name; None when the name or the folder does not exist."""
        if folder != self._folder:
            self._open.close()
            self._folder, self._find = folder, self._open_lookup(folder)
        return self._find(name)

    def _open_lookup(self, folder: str) -> Lookup:
        try:
            return self._open.enter_context(self._context.destination.lookup(folder))
        except ExternalError as error:
            if error.reason not in {"not_found", "not_a_folder"}:
                raise
            return _nothing

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()


def _nothing(name: str) -> Entry | None:
    return None


def _check_row(context: SliceContext, folder_lookup: _FolderLookup, row: FileRow) -> None:
    if row.members is None:
        entry = folder_lookup.find(paths.parent(row.destination_path), paths.name_of(row.destination_path))
        if _differs(entry, row.size):
            context.changes.reopened.append(ReopenedFile(row.id, _retry_at(context, row), _changed_fault(row, entry)))
            _uncount(context, row)
        return
    bundle = BundleProgress(row)
    for number, member in list(bundle.waiting.items()):
        entry = folder_lookup.find(row.destination_path, member.name)
        if _differs(entry, member.size):
            _reopen_member(context, bundle, bundle.member_row(number), entry)
    context.write_bundle(bundle, MemberEnd(row.state, row.step, row.verdict))


def _differs(entry: Entry | None, size: int) -> bool:
    return entry is None or entry.kind is not Kind.FILE or entry.size != size


def _reopen_member(context: SliceContext, bundle: BundleProgress, todo: FileRow, entry: Entry | None) -> None:
    assert todo.member is not None
    fault, at = _changed_fault(todo, entry), _retry_at(context, todo)
    context.changes.new.append(with_fault(standalone_row(todo), fault)._replace(faults=1, retry_us=to_us(at)))
    context.changes.faults.append(fault)
    bundle.moved_out(todo.member)
    _uncount(context, todo)


def _retry_at(context: SliceContext, row: FileRow) -> datetime:
    """Return the instant of the next copy; raises TransferFailed after too many of them."""
    if row.faults >= MAX_REPEATS:
        raise TransferFailed(
            fault(REASON, f"{row.destination_path} was changed by somebody else, {MAX_REPEATS} times.")
        )
    return next_retry_at(row.faults + 1, now=context.monitor.now())


def _changed_fault(row: FileRow, entry: Entry | None) -> Fault:
    change = f"has {entry.size:,} bytes, where {row.size:,} were written" if entry else "does not exist any more"
    return Fault(REASON, row.destination_path, f"{row.destination_path} {change}: it is copied once more.")


def _uncount(context: SliceContext, row: FileRow) -> None:
    context.count(files_transferred=-1, bytes_transferred=-row.size, faults=1)
