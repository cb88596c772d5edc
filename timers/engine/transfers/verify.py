"""The phase `verify`: a final check that every copied file is at the destination.

Digests were compared before each file was moved into place. This phase finds later changes: a file that was removed,
replaced or truncated meanwhile is copied once more.
"""

from __future__ import annotations

from datetime import datetime

from timers.clock import to_us
from timers.copying.plan import Entry, Kind
from timers.engine.transfers.bundle_progress import BundleProgress, MemberEnd
from timers.engine.transfers.folder_lookup import FolderLookup
from timers.engine.transfers.rows import next_retry_at, standalone_row, with_fault
from timers.engine.transfers.slice_context import SliceContext
from timers.services.transfers import progress
from timers.services.transfers.progress import Fault, FileRow, ReopenedFile
from timers.storages.base import fault

MAX_REPEATS = 3
REASON = "changed_afterwards"


def verify(context: SliceContext) -> bool:
    """Check until the slice's time is used; return whether everything was checked."""
    after = context.transfer_slice.cursor
    with FolderLookup(context.destination) as folder_lookup:
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


def _check_row(context: SliceContext, folder_lookup: FolderLookup, row: FileRow) -> None:
    if row.members is None:
        entry = folder_lookup.entry(row.destination_path)
        if _differs(entry, row.size):
            _reopen(context, row, entry)
            _uncount(context, row)
        return
    bundle = BundleProgress(row)
    for number, member in list(bundle.waiting.items()):
        entry = folder_lookup.find(row.destination_path, member.name)
        if _differs(entry, member.size):
            _reopen_member(context, bundle, bundle.member_row(number), entry)
    context.write_bundle(bundle, MemberEnd(row.state, row.step, row.verdict))


def _reopen(context: SliceContext, row: FileRow, entry: Entry | None) -> None:
    if row.faults >= MAX_REPEATS:
        text = f"{row.destination_path} was changed by somebody else, {MAX_REPEATS} times."
        context.give_up(row, fault(REASON, text))
    else:
        context.changes.reopened.append(ReopenedFile(row.id, _retry_at(context, row), _changed_fault(row, entry)))


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
    return next_retry_at(row.faults + 1, now=context.monitor.now())


def _changed_fault(row: FileRow, entry: Entry | None) -> Fault:
    change = f"has {entry.size:,} bytes, where {row.size:,} were written" if entry else "does not exist any more"
    return Fault(REASON, row.destination_path, f"{row.destination_path} {change}: it is copied once more.")


def _uncount(context: SliceContext, row: FileRow) -> None:
    context.count(files_transferred=-1, bytes_transferred=-row.size, faults=1)
