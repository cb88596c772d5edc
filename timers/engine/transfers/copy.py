"""The phase `copy`: makes folders and links, then copies files.

Small files are copied together where the stores can.
"""

from __future__ import annotations

from timers.copying import paths
from timers.copying.plan import FileVerdict
from timers.engine.transfers import batch_copy, copy_files, kept
from timers.engine.transfers.partial_files import sweep
from timers.engine.transfers.slice_context import SliceContext, WaitUntil
from timers.errors import ExternalError
from timers.services.transfers import progress
from timers.services.transfers.progress import FileRow
from timers.storages.base import Permissions, SourceFault


def copy(context: SliceContext) -> bool:
    """Copy until the slice's time is used; return whether every file is in place."""
    if context.transfer_slice.taken_over or context.transfer_slice.failures:
        sweep(context)
    if not _make_folders(context) or not _make_links(context):
        return False
    while rows := progress.pending_rows(context.transfer_slice, "copy", context.batch, now=context.monitor.now()):
        remaining = batch_copy.process_bundles(context, rows, batch_copy.copy)
        if remaining:
            copy_files.copy_rows(context, remaining)
        context.flush()
        if context.monitor.is_spent():
            return False
    retry = progress.next_retry(context.transfer_slice, ["mkdir", "link", "copy"])
    if retry is not None:
        raise WaitUntil(retry)
    return True


def _make_folders(context: SliceContext) -> bool:
    while rows := progress.pending_rows(context.transfer_slice, "mkdir", context.batch, now=context.monitor.now()):
        implied = set() if context.destination.abilities.folders else progress.with_children([row.id for row in rows])
        for row in rows:
            context.monitor.check()
            try:
                if row.id not in implied:
                    _make_folder(context, row)
                context.changes.made.append(row.id)
            except ExternalError as error:
                context.row_failed(row, error)
        context.flush()
        if context.monitor.is_spent():
            return False
    return True


def _make_folder(context: SliceContext, row: FileRow) -> None:
    permissions = None if row.mode is None else Permissions(row.mode, context.options.exact_modes)
    context.destination.mkdir(row.destination_path, permissions=permissions)


def _make_links(context: SliceContext) -> bool:
    while rows := progress.pending_rows(context.transfer_slice, "link", context.batch, now=context.monitor.now()):
        for row in rows:
            context.monitor.check()
            _make_link(context, row)
        context.flush()
        if context.monitor.is_spent():
            return False
    return True


def _make_link(context: SliceContext, row: FileRow) -> None:
    try:
        text = context.source.read_link(row.source_path)
    except ExternalError as error:
        context.row_failed(row, SourceFault(error))
        return
    try:
        context.destination.mkdir(paths.parent(row.destination_path))
        if row.verdict == FileVerdict.CHANGE:
            kept.keep(context, context.destination, row)
        context.destination.make_link(row.destination_path, text)
        context.changes.made.append(row.id)
    except ExternalError as error:
        context.row_failed(row, error)
