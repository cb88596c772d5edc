"""Packs of small files between two stores that know a faster way than one file after the other."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from timers.copying.bundles import MAX_BYTES, Member
from timers.engine.transfers.bundle_progress import BundleProgress, MemberEnd
from timers.engine.transfers.slice_context import SliceContext
from timers.errors import ExternalError
from timers.services.transfers.progress import Todo
from timers.storages.base import Batch, Done, Result, SourceFault, part_prefix

WITHIN = 2.0
"""How long at most until what was copied so far is synced and moved, in seconds."""

SAME = MemberEnd("skipped", "copy", "same")


def together(work: SliceContext, rows: list[Todo], do: Callable[[SliceContext, list[Todo]], None]) -> list[Todo]:
    """Have packs seen to together, a few at once, while there is time; return the rows that go one by one.

    All of them do where the two stores know no faster way.
    """
    at_once = _at_once(work)
    if not at_once:
        return rows
    packs = [row for row in rows if row.members is not None]
    for start in range(0, len(packs), at_once):
        work.checkpoint()
        do(work, packs[start : start + at_once])
        if work.watch.spent():
            return []
    return [row for row in rows if row.members is None]


def _at_once(work: SliceContext) -> int:
    helpful, most = work.destination.lots_at_once(work.source), work.options.most_at_once
    return helpful if most is None else min(helpful, most)


def copy(work: SliceContext, rows: Sequence[Todo]) -> None:
    """Copy packs together, until they are done or the slice's time is used."""
    packs = [BundleProgress(row) for row in rows]
    end = MemberEnd("done", "copy", None, "checksum" if work.options.verify else "size")

    def gather() -> None:
        for pack in packs:
            work.write_bundle(pack, end._replace(verdict=pack.row.verdict))

    with work.gathering(gather):
        batches = [_batch(work, pack) for pack in packs]
        results = work.destination.copy_batches(
            work.source,
            batches,
            verify=work.options.verify,
            times=work.options.times,
            within=min(WITHIN, work.watch.left()),
            valid=work.watch.valid(),
        )
        for pack, came in zip(packs, results, strict=True):
            _take_copied(work, pack, came)
            work.pause(sum(result.size for result in came if isinstance(result, Done)))


def compare(work: SliceContext, rows: Sequence[Todo]) -> None:
    """Compare packs together; members that differ, or cannot be compared so, go on as packs and rows to be copied."""
    packs = [BundleProgress(row) for row in rows]

    def gather() -> None:
        for pack in packs:
            work.write_bundle(pack, SAME)

    with work.gathering(gather):
        batches = [_batch(work, pack) for pack in packs]
        results = work.destination.compare_batches(work.source, batches, within=min(WITHIN, work.watch.left()))
        for pack, came in zip(packs, results, strict=True):
            _take_compared(work, pack, came)


def _batch(work: SliceContext, pack: BundleProgress) -> Batch:
    head = f"{part_prefix(work.held.transfer_id)}{pack.row.id}m"
    names = [member.name for member in _piece(work, pack)]
    return Batch(pack.row.source_path, pack.row.destination_path, names, head, f"-{work.held.number}.part")


def _piece(work: SliceContext, pack: BundleProgress) -> Iterator[Member]:
    """Yield the next members: as many as may be moved in one go, at least one."""
    room = work.pace.piece(MAX_BYTES)
    for member in pack.waiting.values():
        yield member
        room -= member.size
        if room <= 0:
            return


def _take_copied(work: SliceContext, pack: BundleProgress, results: Sequence[Result]) -> None:
    faults: list[tuple[Todo, Result]] = []
    done = [result for result in results if isinstance(result, Done)]
    size = sum(result.size for result in done)
    work.count(
        files_transferred=len(done), bytes_transferred=size, bytes_checksummed=size if work.options.verify else 0
    )
    if len(done) == len(pack.waiting):
        pack.all_done(_as_read(pack, done))
        return
    for number, result in zip(list(pack.waiting), results, strict=False):
        if isinstance(result, Done):
            pack.done(number, size=result.size, modified_us=result.modified_ns // 1000, checksum=result.digest)
        elif result is None:
            pack.move_out(work.changes, number)
        else:
            faults.append((pack.todo(number), result))
    for row, fault in faults:
        _failed(work, pack, row, fault)


def _as_read(pack: BundleProgress, done: Sequence[Done]) -> list[Member]:
    return [
        Member(name, size, modified_ns // 1000, there_size, there_us, digest)
        for (name, _, _, there_size, there_us, _), (size, modified_ns, digest) in zip(
            pack.waiting.values(), done, strict=True
        )
    ]


def _failed(work: SliceContext, pack: BundleProgress, row: Todo, fault: Result) -> None:
    if isinstance(fault, SourceFault | ExternalError):
        work.row_failed(row, fault, pack)


def _take_compared(work: SliceContext, pack: BundleProgress, results: Sequence[Result]) -> None:
    done = [result for result in results if isinstance(result, Done)]
    size = sum(result.size for result in done)
    work.count(files_skipped=len(done), bytes_total=-size, bytes_checksummed=size)
    if len(done) == len(pack.waiting):
        pack.all_done(_as_read(pack, done))
        return
    for number, result in zip(list(pack.waiting), results, strict=False):
        if isinstance(result, Done):
            pack.done(number, size=result.size, modified_us=result.modified_ns // 1000, checksum=result.digest)
        else:
            pack.move_out(work.changes, number)
