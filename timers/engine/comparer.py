"""The phase `compare`: files of the same size whose content decides, read on both sides."""

from __future__ import annotations

from timers.copying import checksums
from timers.engine.echo import Echo
from timers.engine.work import Wait, Work
from timers.errors import ExternalError
from timers.services import transfer_progress as progress
from timers.services.transfer_progress import Kept, Todo
from timers.storages.base import Reader

SEGMENT = 8 * 1024 * 1024


def compare(work: Work) -> bool:
    """Compare until the slice's time is used; return whether every file has been compared."""
    with Echo() as echo:
        while rows := progress.to_do(work.held, "compare", work.batch, now=work.watch.now()):
            for row in rows:
                work.watch.check()
                _compare(work, row, echo)
                if work.watch.spent():
                    break
            work.flush()
            if work.watch.spent():
                return False
    retry = progress.next_retry(work.held, ["compare"])
    if retry is not None:
        raise Wait(retry)
    return True


def _compare(work: Work, row: Todo, echo: Echo) -> None:
    try:
        source = work.source.open(row.source_path, offset=row.bytes_done)
    except ExternalError as error:
        work.row_failed(row, row.source_path, error, of_source=True)
        return
    with source:
        try:
            with work.destination.open(row.destination_path, offset=row.bytes_done) as target:
                _read_both(work, row, source, target, echo)
        except ExternalError as error:
            if error.reason == "not_found":
                _differs(work, row)
            else:
                work.row_failed(row, row.destination_path, error, of_source=False)


def _read_both(work: Work, row: Todo, source: Reader, target: Reader, echo: Echo) -> None:
    """Read on from where the last slice stopped; a file that changed since is simply copied."""
    size = source.opened.size
    if target.opened.size != size or (row.bytes_done and source.opened.modified_at != row.modified_at):
        _differs(work, row)
        return
    here, there = checksums.new(), checksums.new()
    while source.position < size:
        stretch = min(SEGMENT, size - source.position)
        reading = echo.feed(target, there, stretch)
        read = source.feed(here, stretch)
        work.count(bytes_checksummed=read)
        if reading() != read or not read or here.digest() != there.digest():
            _differs(work, row)
            return
        work.watch.check()
        if work.watch.spent() and source.position < size:
            work.changes.kept.append(Kept(row.id, None, source.position, size, source.opened.modified_at))
            return
    work.changes.same.append((row.id, here.hexdigest() if row.bytes_done == 0 else None))
    work.count(files_skipped=1, bytes_total=-row.size)


def _differs(work: Work, row: Todo) -> None:
    work.changes.different.append(row.id)
