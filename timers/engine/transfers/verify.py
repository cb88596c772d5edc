"""The phase `verify`: a last look at the destination, whether everything that was copied and checked is there.

Digests were compared before each file was moved into place. This finds what has happened to it since: files that
somebody removed, replaced or cut off meanwhile are copied once more.
"""

from __future__ import annotations

from contextlib import ExitStack
from datetime import datetime
from typing import Self

from timers.clock import to_us
from timers.copying import paths
from timers.copying.plan import Entry, Kind
from timers.engine.transfers.bundle_progress import BundleProgress, MemberEnd
from timers.engine.transfers.rows import again_at, alone, with_fault
from timers.engine.transfers.slice_context import Final, SliceContext
from timers.errors import ExternalError
from timers.services.transfers import progress
from timers.services.transfers.progress import Fault, Reopened, Todo
from timers.storages.base import Lookup, fault

MAX_REPEATS = 3
REASON = "changed_afterwards"


def verify(work: SliceContext) -> bool:
    """Look until the slice's time is used; return whether everything was looked at."""
    after = work.held.cursor
    with _Looking(work) as looking:
        while rows := progress.copied(work.held, after=after, most=work.batch):
            for row in rows:
                work.checkpoint()
                _look(work, looking, row)
                after = work.changes.course["cursor"] = row.id
                if work.watch.spent():
                    break
            work.flush()
            if work.watch.spent():
                return False
    return True


class _Looking:
    """Looks names up in one folder after the other; a context manager."""

    def __init__(self, work: SliceContext) -> None:
        self._work, self._folder = work, ""
        self._look: Lookup = _nothing
        self._open = ExitStack()

    def at(self, folder: str, name: str) -> Entry | None:
        """Return what stands there; None for nothing, also when the folder is gone."""
        if folder != self._folder:
            self._open.close()
            self._folder, self._look = folder, self._looking(folder)
        return self._look(name)

    def _looking(self, folder: str) -> Lookup:
        try:
            return self._open.enter_context(self._work.destination.looking(folder))
        except ExternalError as error:
            if error.reason not in {"not_found", "not_a_folder"}:
                raise
            return _nothing

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()


def _nothing(name: str) -> Entry | None:
    return None


def _look(work: SliceContext, looking: _Looking, row: Todo) -> None:
    if row.members is None:
        found = looking.at(paths.parent(row.destination_path), paths.name_of(row.destination_path))
        if _is_wrong(found, row.size):
            work.changes.reopened.append(Reopened(row.id, _again_at(work, row), _fault(row, found)))
            _uncount(work, row)
        return
    pack = BundleProgress(row)
    for number, member in list(pack.waiting.items()):
        found = looking.at(row.destination_path, member.name)
        if _is_wrong(found, member.size):
            _reopen_member(work, pack, pack.todo(number), found)
    work.write_bundle(pack, MemberEnd(row.state, row.step, row.verdict))


def _is_wrong(found: Entry | None, size: int) -> bool:
    return found is None or found.kind is not Kind.FILE or found.size != size


def _reopen_member(work: SliceContext, pack: BundleProgress, todo: Todo, found: Entry | None) -> None:
    assert todo.member is not None
    fault, at = _fault(todo, found), _again_at(work, todo)
    work.changes.new.append(with_fault(alone(todo), fault)._replace(faults=1, retry_us=to_us(at)))
    work.changes.faults.append(fault)
    pack.moved_out(todo.member)
    _uncount(work, todo)


def _again_at(work: SliceContext, row: Todo) -> datetime:
    """Return when it is copied again; raises Final when that did not help often enough."""
    if row.faults >= MAX_REPEATS:
        raise Final(fault(REASON, f"{row.destination_path} was changed by somebody else, {MAX_REPEATS} times."))
    return again_at(row.faults + 1, now=work.watch.now())


def _fault(row: Todo, found: Entry | None) -> Fault:
    what = f"has {found.size:,} bytes, where {row.size:,} were written" if found else "is gone"
    return Fault(REASON, row.destination_path, f"{row.destination_path} {what}: it is copied once more.")


def _uncount(work: SliceContext, row: Todo) -> None:
    work.count(files_transferred=-1, bytes_transferred=-row.size, faults=1)
