"""Copying and comparing bundles of small files between two stores that know a faster way than file by file."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from timers.copying.bundles import MAX_BUNDLE_BYTES, Member
from timers.copying.plan import FileVerdict, StepKind
from timers.engine.transfers.bundle_progress import BundleProgress, MemberEnd
from timers.engine.transfers.slice_context import SliceContext
from timers.errors import ExternalError
from timers.services.transfers.progress import FileRow
from timers.storages.base import Batch, Done, Result, SourceFault, partial_prefix

MAX_BATCH_SECONDS = 2.0
"""Longest time in seconds until the files copied so far are synced and moved into place."""

SAME = MemberEnd("skipped", "copy", "same")


def process_bundles(
    context: SliceContext, rows: list[FileRow], process: Callable[[SliceContext, list[FileRow]], None]
) -> list[FileRow]:
    """Process bundles together, a few at once, while there is time; return the rows that are processed one by one.

    Where the two stores know no faster way, all rows are returned.
    """
    concurrency = _concurrency(context)
    if not concurrency:
        return rows
    bundles = [row for row in rows if row.members is not None and not _keeps_replaced(context, row)]
    for start in range(0, len(bundles), concurrency):
        context.checkpoint()
        process(context, bundles[start : start + concurrency])
        if context.monitor.is_spent():
            return []
    return [row for row in rows if row.members is None or _keeps_replaced(context, row)]


def _keeps_replaced(context: SliceContext, row: FileRow) -> bool:
    """Return whether what the members of a bundle replace has to be kept, one by one."""
    return context.options.keep_replaced is not None and row.verdict != FileVerdict.ADD and row.step == StepKind.COPY


def _concurrency(context: SliceContext) -> int:
    useful, max_concurrency = context.destination.batches_at_once(context.source), context.options.max_concurrency
    return useful if max_concurrency is None else min(useful, max_concurrency)


def copy(context: SliceContext, rows: Sequence[FileRow]) -> None:
    """Copy bundles together, until they are done or the slice's time is used."""
    bundles = [BundleProgress(row) for row in rows]
    end = MemberEnd("done", "copy", None, "checksum" if context.options.verify else "size")

    def write_bundles() -> None:
        for bundle in bundles:
            context.write_bundle(bundle, end._replace(verdict=bundle.row.verdict))

    with context.completing_changes(write_bundles):
        batches = [_batch(context, bundle) for bundle in bundles]
        results = context.destination.copy_batches(
            context.source,
            batches,
            verify=context.options.verify,
            times=context.options.times,
            exact_modes=context.options.exact_modes,
            within=min(MAX_BATCH_SECONDS, context.monitor.seconds_left()),
            valid=context.monitor.lease_seconds_left(),
        )
        for bundle, bundle_results in zip(bundles, results, strict=True):
            _record_copied(context, bundle, bundle_results)
            context.pause(sum(result.size for result in bundle_results if isinstance(result, Done)))


def compare(context: SliceContext, rows: Sequence[FileRow]) -> None:
    """Compare bundles together. Members that differ, or cannot be compared this way, become rows to be copied."""
    bundles = [BundleProgress(row) for row in rows]

    def write_bundles() -> None:
        for bundle in bundles:
            context.write_bundle(bundle, SAME)

    with context.completing_changes(write_bundles):
        batches = [_batch(context, bundle) for bundle in bundles]
        results = context.destination.compare_batches(
            context.source, batches, within=min(MAX_BATCH_SECONDS, context.monitor.seconds_left())
        )
        for bundle, bundle_results in zip(bundles, results, strict=True):
            _record_compared(context, bundle, bundle_results)


def _batch(context: SliceContext, bundle: BundleProgress) -> Batch:
    head = f"{partial_prefix(context.transfer_slice.transfer_id)}{bundle.row.id}m"
    names = [member.name for member in _next_members(context, bundle)]
    tail, row = f"-{context.transfer_slice.number}.part", bundle.row
    return Batch(row.source_path, row.destination_path, names, head, tail, row.verdict != FileVerdict.ADD)


def _next_members(context: SliceContext, bundle: BundleProgress) -> Iterator[Member]:
    """Yield the next members: as many as the rate limit allows at once, at least one."""
    bytes_left = context.rate_limiter.chunk_bytes(MAX_BUNDLE_BYTES)
    for member in bundle.waiting.values():
        yield member
        bytes_left -= member.size
        if bytes_left <= 0:
            return


def _record_copied(context: SliceContext, bundle: BundleProgress, results: Sequence[Result]) -> None:
    faults: list[tuple[FileRow, Result]] = []
    done = [result for result in results if isinstance(result, Done)]
    size = sum(result.size for result in done)
    context.count(
        files_transferred=len(done), bytes_transferred=size, bytes_checksummed=size if context.options.verify else 0
    )
    if len(done) == len(bundle.waiting):
        bundle.all_done(_copied_members(bundle, done))
        return
    for number, result in zip(list(bundle.waiting), results, strict=False):
        if isinstance(result, Done):
            bundle.done(number, size=result.size, modified_us=result.modified_ns // 1000, checksum=result.digest)
        elif result is None:
            bundle.move_out(context.changes, number)
        else:
            faults.append((bundle.member_row(number), result))
    for row, fault in faults:
        _record_fault(context, bundle, row, fault)


def _copied_members(bundle: BundleProgress, done: Sequence[Done]) -> list[Member]:
    return [
        Member(name, size, modified_ns // 1000, there_size, there_us, digest)
        for (name, _, _, there_size, there_us, _), (size, modified_ns, digest) in zip(
            bundle.waiting.values(), done, strict=True
        )
    ]


def _record_fault(context: SliceContext, bundle: BundleProgress, row: FileRow, fault: Result) -> None:
    if isinstance(fault, SourceFault | ExternalError):
        context.row_failed(row, fault, bundle)


def _record_compared(context: SliceContext, bundle: BundleProgress, results: Sequence[Result]) -> None:
    done = [result for result in results if isinstance(result, Done)]
    size = sum(result.size for result in done)
    context.count(files_skipped=len(done), bytes_total=-size, bytes_checksummed=size)
    if len(done) == len(bundle.waiting):
        bundle.all_done(_copied_members(bundle, done))
        return
    for number, result in zip(list(bundle.waiting), results, strict=False):
        if isinstance(result, Done):
            bundle.done(number, size=result.size, modified_us=result.modified_ns // 1000, checksum=result.digest)
        else:
            bundle.move_out(context.changes, number)
