"""The phase `compare`: compares the content of files of the same size.

Both sides are read, or the digests that the stores state are compared.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from timers.copying import checksums
from timers.engine.transfers import batch_copy
from timers.engine.transfers.bundle_progress import BundleProgress
from timers.engine.transfers.copy_workers import CopyWorker, CopyWorkers, Result, worker_count
from timers.engine.transfers.rows import standalone_row
from timers.engine.transfers.slice_context import SliceContext, WaitUntil
from timers.errors import ExternalError
from timers.services.transfers import progress
from timers.services.transfers.progress import FileRow, ResumableFile
from timers.storages.base import Reader, Storage, source_faults

SEGMENT_BYTES = 8 * 1024 * 1024


@dataclass(frozen=True)
class Same:
    """Both sides hold the same; with the digest if all of it was read in one go."""

    checksum: str | None


@dataclass(frozen=True)
class ContentDiffers:
    """The two files differ: the file has to be copied."""


@dataclass(frozen=True)
class ComparedSoFar:
    """The first bytes are the same; the next slice continues from there."""

    resumable: ResumableFile


Comparison = Same | ContentDiffers | ComparedSoFar


def compare(context: SliceContext) -> bool:
    """Compare until the slice's time is used; return whether every file has been compared."""
    while rows := progress.pending_rows(context.transfer_slice, "compare", context.batch, now=context.monitor.now()):
        remaining = batch_copy.process_bundles(context, rows, batch_copy.compare)
        if remaining:
            _compare_rows(context, remaining)
        context.flush()
        if context.monitor.is_spent():
            return False
    retry = progress.next_retry(context.transfer_slice, ["compare"])
    if retry is not None:
        raise WaitUntil(retry)
    return True


def _compare_rows(context: SliceContext, rows: list[FileRow]) -> None:
    bundles = {row.id: BundleProgress(row) for row in rows if row.members is not None}

    def write_bundles() -> None:
        for bundle in bundles.values():
            context.write_bundle(bundle, batch_copy.SAME)

    with (
        context.completing_changes(write_bundles),
        CopyWorkers(context, _compare, worker_count=worker_count(context)) as workers,
    ):
        for row, result in workers.run(_pending(context, rows, bundles)):
            _record(context, row, result, bundles.get(row.id))


def _pending(context: SliceContext, rows: list[FileRow], bundles: dict[int, BundleProgress]) -> Iterator[FileRow]:
    """Yield at least one file, and more while there is time."""
    first = True
    for stored_row in rows:
        bundle = bundles.get(stored_row.id)
        for row in bundle.member_rows() if bundle else (stored_row,):
            if not first and context.monitor.is_spent():
                return
            first = False
            context.checkpoint()
            yield row


def _record(context: SliceContext, row: FileRow, result: Result[Comparison], bundle: BundleProgress | None) -> None:
    if isinstance(result, Same):
        context.count(files_skipped=1, bytes_total=-row.size)
        if bundle is not None and row.member is not None:
            member = bundle.waiting[row.member]
            bundle.done(row.member, size=member.size, modified_us=member.modified_us, checksum=result.checksum)
        else:
            context.changes.same.append((row.id, result.checksum))
    elif isinstance(result, ComparedSoFar):
        context.changes.resumable.append(result.resumable)
    elif isinstance(result, ContentDiffers):
        _record_difference(context, row, bundle)
    else:
        context.row_failed(row, result, bundle)


def _record_difference(context: SliceContext, row: FileRow, bundle: BundleProgress | None) -> None:
    if bundle is not None and row.member is not None:
        context.changes.new.append(standalone_row(row)._replace(step="copy", verdict="change"))
        bundle.moved_out(row.member)
    else:
        context.changes.different.append(row.id)


def _compare(worker: CopyWorker, row: FileRow) -> Comparison:
    with source_faults():
        source = worker.source.open(row.source_path, offset=row.bytes_done)
    with source:
        try:
            comparison = _compare_stated(worker, row, source)
            if comparison is not None:
                return comparison
            with worker.destination.open(row.destination_path, offset=row.bytes_done) as target:
                return _read_both(worker, row, source, target)
        except ExternalError as error:
            if error.reason == "not_found":
                return ContentDiffers()
            raise


def _compare_stated(worker: CopyWorker, row: FileRow, source: Reader) -> Comparison | None:
    """Compare by a digest that a store states; return None when no store states one, or reading has begun already."""
    if row.bytes_done:
        return None
    for algorithm in _algorithms(worker.source, worker.destination):
        destination_digest = (
            worker.destination.digest(row.destination_path, algorithm)
            if _states(worker.destination, algorithm)
            else None
        )
        source_digest = worker.source.digest(row.source_path, algorithm) if _states(worker.source, algorithm) else None
        if source_digest is None and destination_digest is None:
            continue
        source_digest = source_digest or _digest_of(worker, source, algorithm)
        destination_digest = destination_digest or _destination_digest(worker, row, algorithm)
        return (
            Same(source_digest if algorithm == checksums.DEFAULT_ALGORITHM else None)
            if source_digest == destination_digest
            else ContentDiffers()
        )
    return None


def _algorithms(source: Storage, destination: Storage) -> list[str]:
    return [*dict.fromkeys((*source.abilities.checksums, *destination.abilities.checksums))]


def _states(storage: Storage, algorithm: str) -> bool:
    return algorithm in storage.abilities.checksums


def _digest_of(worker: CopyWorker, reader: Reader, algorithm: str) -> str:
    digest = checksums.new(algorithm)
    while read := reader.feed(digest, SEGMENT_BYTES):
        worker.tally.counts["bytes_checksummed"] += read
        worker.check()
    return str(digest.hexdigest())


def _destination_digest(worker: CopyWorker, row: FileRow, algorithm: str) -> str:
    with worker.destination.open(row.destination_path) as reader:
        return _digest_of(worker, reader, algorithm)


def _read_both(worker: CopyWorker, row: FileRow, source: Reader, target: Reader) -> Comparison:
    """Compare by reading both sides from where the last slice stopped. A file that changed since is copied."""
    size = source.opened.size
    if target.opened.size != size or (row.bytes_done and source.opened.modified_at != row.modified_at):
        return ContentDiffers()
    source_digest, target_digest = checksums.new(), checksums.new()
    while source.position < size:
        segment = min(SEGMENT_BYTES, size - source.position)
        target_result = worker.parallel_digest.feed(target, target_digest, segment)
        count = source.feed(source_digest, segment)
        worker.tally.counts["bytes_checksummed"] += count
        if target_result() != count or not count or source_digest.digest() != target_digest.digest():
            return ContentDiffers()
        worker.check()
        if worker.is_spent() and source.position < size and row.member is None:
            return ComparedSoFar(ResumableFile(row.id, None, source.position, size, source.opened.modified_at))
    return Same(source_digest.hexdigest() if row.bytes_done == 0 else None)
