"""The phase `compare`: files of the same size whose content decides, read on both sides or stated by the stores."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from timers.copying import checksums
from timers.engine.transfers import batch_copy
from timers.engine.transfers.bundle_progress import BundleProgress
from timers.engine.transfers.copy_workers import CopyWorker, CopyWorkers, Result, width
from timers.engine.transfers.rows import alone
from timers.engine.transfers.slice_context import SliceContext, WaitUntil
from timers.errors import ExternalError
from timers.services.transfers import progress
from timers.services.transfers.progress import ResumableFile, Todo
from timers.storages.base import Reader, SourceFault, Storage

SEGMENT = 8 * 1024 * 1024


@dataclass(frozen=True)
class Same:
    """Both sides hold the same; the digest if all of it was read in one go."""

    checksum: str | None


@dataclass(frozen=True)
class ContentDiffers:
    """The file has to be copied."""


@dataclass(frozen=True)
class ComparedSoFar:
    """So many bytes are the same: the next slice goes on from there."""

    kept: ResumableFile


Comparison = Same | ContentDiffers | ComparedSoFar


def compare(work: SliceContext) -> bool:
    """Compare until the slice's time is used; return whether every file has been compared."""
    while rows := progress.to_do(work.held, "compare", work.batch, now=work.watch.now()):
        others = batch_copy.together(work, rows, batch_copy.compare)
        if others:
            _compare_rows(work, others)
        work.flush()
        if work.watch.spent():
            return False
    retry = progress.next_retry(work.held, ["compare"])
    if retry is not None:
        raise WaitUntil(retry)
    return True


def _compare_rows(work: SliceContext, rows: list[Todo]) -> None:
    packs = {row.id: BundleProgress(row) for row in rows if row.members is not None}

    def gather() -> None:
        for pack in packs.values():
            work.write_bundle(pack, batch_copy.SAME)

    with work.gathering(gather), CopyWorkers(work, _compare, width=width(work)) as running:
        for row, result in running.run(_todos(work, rows, packs)):
            _take(work, row, result, packs.get(row.id))


def _todos(work: SliceContext, rows: list[Todo], packs: dict[int, BundleProgress]) -> Iterator[Todo]:
    """Yield at least one file, and more while there is time."""
    first = True
    for row in rows:
        pack = packs.get(row.id)
        for todo in pack.todos() if pack else (row,):
            if not first and work.watch.spent():
                return
            first = False
            work.checkpoint()
            yield todo


def _take(work: SliceContext, row: Todo, result: Result[Comparison], pack: BundleProgress | None) -> None:
    if isinstance(result, Same):
        work.count(files_skipped=1, bytes_total=-row.size)
        if pack is not None and row.member is not None:
            member = pack.waiting[row.member]
            pack.done(row.member, size=member.size, modified_us=member.modified_us, checksum=result.checksum)
        else:
            work.changes.same.append((row.id, result.checksum))
    elif isinstance(result, ComparedSoFar):
        work.changes.kept.append(result.kept)
    elif isinstance(result, ContentDiffers):
        _differs(work, row, pack)
    else:
        work.row_failed(row, result, pack)


def _differs(work: SliceContext, row: Todo, pack: BundleProgress | None) -> None:
    if pack is not None and row.member is not None:
        work.changes.new.append(alone(row)._replace(step="copy", verdict="change"))
        pack.moved_out(row.member)
    else:
        work.changes.different.append(row.id)


def _compare(lane: CopyWorker, row: Todo) -> Comparison:
    try:
        source = lane.source.open(row.source_path, offset=row.bytes_done)
    except ExternalError as error:
        raise SourceFault(error) from error
    with source:
        try:
            stated = _stated(lane, row, source)
            if stated is not None:
                return stated
            with lane.destination.open(row.destination_path, offset=row.bytes_done) as target:
                return _read_both(lane, row, source, target)
        except ExternalError as error:
            if error.reason == "not_found":
                return ContentDiffers()
            raise


def _stated(lane: CopyWorker, row: Todo, source: Reader) -> Comparison | None:
    """Compare by a digest that a store states; None when none does, or the file was begun to be read."""
    if row.bytes_done:
        return None
    for algorithm in _common(lane.source, lane.destination):
        there = (
            lane.destination.digest(row.destination_path, algorithm) if _states(lane.destination, algorithm) else None
        )
        here = lane.source.digest(row.source_path, algorithm) if _states(lane.source, algorithm) else None
        if here is None and there is None:
            continue
        here = here or _digest(lane, source, algorithm)
        there = there or _digest_there(lane, row, algorithm)
        return Same(here if algorithm == checksums.DEFAULT else None) if here == there else ContentDiffers()
    return None


def _common(source: Storage, destination: Storage) -> list[str]:
    return [*dict.fromkeys((*source.abilities.checksums, *destination.abilities.checksums))]


def _states(storage: Storage, algorithm: str) -> bool:
    return algorithm in storage.abilities.checksums


def _digest(lane: CopyWorker, reader: Reader, algorithm: str) -> str:
    digest = checksums.new(algorithm)
    while read := reader.feed(digest, SEGMENT):
        lane.tally.counts["bytes_checksummed"] += read
        lane.check()
    return str(digest.hexdigest())


def _digest_there(lane: CopyWorker, row: Todo, algorithm: str) -> str:
    with lane.destination.open(row.destination_path) as reader:
        return _digest(lane, reader, algorithm)


def _read_both(lane: CopyWorker, row: Todo, source: Reader, target: Reader) -> Comparison:
    """Read on from where the last slice stopped; a file that changed since is simply copied."""
    size = source.opened.size
    if target.opened.size != size or (row.bytes_done and source.opened.modified_at != row.modified_at):
        return ContentDiffers()
    here, there = checksums.new(), checksums.new()
    while source.position < size:
        stretch = min(SEGMENT, size - source.position)
        reading = lane.echo.feed(target, there, stretch)
        read = source.feed(here, stretch)
        lane.tally.counts["bytes_checksummed"] += read
        if reading() != read or not read or here.digest() != there.digest():
            return ContentDiffers()
        lane.check()
        if lane.spent() and source.position < size and row.member is None:
            return ComparedSoFar(ResumableFile(row.id, None, source.position, size, source.opened.modified_at))
    return Same(here.hexdigest() if row.bytes_done == 0 else None)
