"""The phase `remove`: removes from the source what was moved, and the folders that became empty by that.

Removed is only what the destination holds, verified by its content, and what did not change since it was read.
"""

from __future__ import annotations

from contextlib import ExitStack, suppress

from timers.clock import to_us
from timers.copying import bundles, paths
from timers.copying.bundles import Member
from timers.copying.plan import Kind, SyncLevel
from timers.engine.transfers.folder_lookup import FolderLookup
from timers.engine.transfers.slice_context import SliceContext
from timers.errors import ExternalError
from timers.services.transfers import progress
from timers.services.transfers.progress import FileRow


def remove(context: SliceContext) -> bool:
    """Remove until the slice's time is used; return whether everything is removed."""
    after = context.transfer_slice.cursor
    with ExitStack() as stack:
        there = stack.enter_context(FolderLookup(context.destination))
        while rows := progress.moved_rows(context.transfer_slice, after=after, limit=context.batch):
            for row in rows:
                context.checkpoint()
                if _is_proven(row) and _is_beside(context, row):
                    _remove_row(context, there, row)
                after = context.changes.progress["cursor"] = row.id
                if context.monitor.is_spent():
                    break
            context.flush()
            if context.monitor.is_spent():
                return False
    return _remove_folders(context)


def _is_proven(row: FileRow) -> bool:
    if row.state == "done":
        return row.verified == "checksum" or row.step == "link"
    return row.level == SyncLevel.CHECKSUM.word


def _is_beside(context: SliceContext, row: FileRow) -> bool:
    """Return whether a row's source lies where its item says; else a link led to it, and it belongs elsewhere."""
    source_root, target_root = context.item_sources[row.item], context.item_root(row.item)
    if not paths.is_inside(row.source_path, source_root):
        return False
    inside = row.source_path.removeprefix(source_root).strip("/")
    return inside == row.destination_path.removeprefix(target_root).strip("/")


def _remove_row(context: SliceContext, there: FolderLookup, row: FileRow) -> None:
    if row.members is None:
        modified_us = None if row.modified_at is None else to_us(row.modified_at)
        member = Member(paths.name_of(row.source_path), row.size, modified_us)
        kind = Kind.SYMLINK if row.step == "link" else Kind.FILE
        _remove_file(context, there, member, source=row.source_path, target=row.destination_path, kind=kind)
        return
    for member in bundles.decode(row.members):
        source, target = paths.join(row.source_path, member.name), paths.join(row.destination_path, member.name)
        _remove_file(context, there, member, source=source, target=target, kind=Kind.FILE)
        context.checkpoint()


def _remove_file(
    context: SliceContext, there: FolderLookup, member: Member, *, source: str, target: str, kind: Kind
) -> None:
    copy = there.entry(target)
    try:
        entry = context.source.stat(source)
        if copy is None or copy.kind is not kind or (kind is Kind.FILE and copy.size != member.size):
            context.warn("not_removed", source, f"{source} stays: its copy {target} is not there any more.")
        elif entry.kind is not kind or (kind is Kind.FILE and (entry.size, entry.modified_us) != member[1:3]):
            context.warn("not_removed", source, f"{source} stays: it changed after it was copied.")
        else:
            context.source.delete(source)
    except ExternalError as error:
        if error.reason == "not_found":
            return
        if context.can_heal(error, faults=context.transfer_slice.failures):
            raise
        context.warn("not_removed", source, f"{source} stays: {error.message}")


def _remove_folders(context: SliceContext) -> bool:
    """Remove the empty folders below the items' own folders, the deepest first."""
    before: int | None = None
    while rows := progress.folder_rows(context.transfer_slice, before=before, limit=context.batch, everything=True):
        for row in rows:
            context.checkpoint()
            before = row.id
            if row.parent is not None and _is_beside(context, row):
                with suppress(ExternalError):  # it is not empty, or gone
                    context.source.delete_folder(row.source_path)
        context.flush()
    return True
