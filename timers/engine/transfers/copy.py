"""The phase `copy`: makes folders and links, then copies files, small ones together where there is a way."""

from __future__ import annotations

from timers.copying import paths
from timers.engine.transfers import batch_copy, copy_files
from timers.engine.transfers.partial_files import sweep
from timers.engine.transfers.slice_context import SliceContext, WaitUntil
from timers.errors import ExternalError
from timers.services.transfers import progress
from timers.services.transfers.progress import Todo
from timers.storages.base import SourceFault


def copy(work: SliceContext) -> bool:
    """Copy until the slice's time is used; return whether every file is where it belongs."""
    if work.held.taken_over or work.held.failures:
        sweep(work)
    if not _make_folders(work) or not _make_links(work):
        return False
    while rows := progress.to_do(work.held, "copy", work.batch, now=work.watch.now()):
        others = batch_copy.together(work, rows, batch_copy.copy)
        if others:
            copy_files.copy_rows(work, others)
        work.flush()
        if work.watch.spent():
            return False
    retry = progress.next_retry(work.held, ["mkdir", "link", "copy"])
    if retry is not None:
        raise WaitUntil(retry)
    return True


def _make_folders(work: SliceContext) -> bool:
    while rows := progress.to_do(work.held, "mkdir", work.batch, now=work.watch.now()):
        for row in rows:
            work.watch.check()
            try:
                work.destination.mkdir(row.destination_path)
                work.changes.made.append(row.id)
            except ExternalError as error:
                work.row_failed(row, error)
        work.flush()
        if work.watch.spent():
            return False
    return True


def _make_links(work: SliceContext) -> bool:
    while rows := progress.to_do(work.held, "link", work.batch, now=work.watch.now()):
        for row in rows:
            work.watch.check()
            _make_link(work, row)
        work.flush()
        if work.watch.spent():
            return False
    return True


def _make_link(work: SliceContext, row: Todo) -> None:
    try:
        text = work.source.read_link(row.source_path)
    except ExternalError as error:
        work.row_failed(row, SourceFault(error))
        return
    try:
        work.destination.mkdir(paths.parent(row.destination_path))
        work.destination.make_link(row.destination_path, text)
        work.changes.made.append(row.id)
    except ExternalError as error:
        work.row_failed(row, error)
