"""The phase `copy`: makes folders and links, then copies files, small ones together where there is a way."""

from __future__ import annotations

from timers.copying import paths
from timers.engine import filebatch, lots
from timers.engine.parts import sweep
from timers.engine.work import Wait, Work
from timers.errors import ExternalError
from timers.services import transfer_progress as progress
from timers.services.transfer_progress import Todo


def copy(work: Work) -> bool:
    """Copy until the slice's time is used; return whether every file is where it belongs."""
    if work.held.taken_over or work.held.failures:
        sweep(work)
    if not _make_folders(work) or not _make_links(work):
        return False
    together = lots.at_once(work)
    while rows := progress.to_do(work.held, "copy", work.batch, now=work.watch.now()):
        _copy_rows(work, rows, together)
        work.flush()
        if work.watch.spent():
            return False
    retry = progress.next_retry(work.held, ["mkdir", "link", "copy"])
    if retry is not None:
        raise Wait(retry)
    return True


def _copy_rows(work: Work, rows: list[Todo], together: int) -> None:
    """Copy these: packs a few at once where that is possible, all else file by file."""
    packs = [row for row in rows if row.members is not None] if together else []
    for start in range(0, len(packs), together or 1):
        work.breathe()
        lots.copy(work, packs[start : start + together])
        if work.watch.spent():
            return
    others = [row for row in rows if row.members is None] if together else rows
    if others:
        filebatch.copy_rows(work, others)


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


def _make_links(work: Work) -> bool:
    while rows := progress.to_do(work.held, "link", work.batch, now=work.watch.now()):
        for row in rows:
            work.watch.check()
            _make_link(work, row)
        work.flush()
        if work.watch.spent():
            return False
    return True


def _make_link(work: Work, row: Todo) -> None:
    try:
        text = work.source.read_link(row.source_path)
    except ExternalError as error:
        work.row_failed(row, row.source_path, error, of_source=True)
        return
    try:
        work.destination.mkdir(paths.parent(row.destination_path))
        work.destination.make_link(row.destination_path, text)
        work.changes.made.append(row.id)
    except ExternalError as error:
        work.row_failed(row, row.destination_path, error, of_source=False)
