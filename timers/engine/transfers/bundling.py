"""Gathering what a folder holds into packs, while it is listed."""

from __future__ import annotations

from dataclasses import dataclass, field

from timers.copying import bundles
from timers.copying.bundles import Member
from timers.copying.plan import Entry, FileVerdict, Kind, PlannedEntry, What
from timers.engine.transfers.slice_context import SliceContext
from timers.services.transfers import progress
from timers.services.transfers.progress import NewFile, Todo

_FILE, _SKIP = Kind.FILE, What.SKIP
_ROWS = {What.COPY: ("copy", "pending"), What.COMPARE: ("compare", "pending"), What.SKIP: ("copy", "skipped")}


@dataclass
class _Pack:
    """Members that share step, state, level and verdict."""

    step: str
    state: str
    level: str | None
    verdict: str | None
    members: list[Member] = field(default_factory=list)
    size: int = 0


class Packing:
    """The packs of one folder; `close` it when all of the folder was seen."""

    def __init__(self, work: SliceContext, folder: Todo) -> None:
        self._work, self._folder = work, folder
        self._packs: dict[tuple[str | None, ...], _Pack] = {}
        self._last: tuple[object, ...] = ()
        self._pack = _Pack("", "", None, None)

    def takes(self, step: PlannedEntry) -> bool:
        """Take in a file that can be a member of a pack; return False for all else."""
        what, (name, kind, size, modified_ns), level, verdict, there, _ = step
        if kind is not _FILE or (what is not _SKIP and (size > bundles.SMALL or what not in _ROWS)):
            return False
        if self._last != (what, level, verdict):
            self._last = (what, level, verdict)
            self._pack = self._pack_for(*_ROWS[what], level, verdict)
        modified_us = None if modified_ns is None else modified_ns // 1000
        if there is None:
            member = Member(name, size, modified_us)
        else:
            there_us = None if there.modified_ns is None else there.modified_ns // 1000
            member = Member(name, size, modified_us, there.size, there_us)
        self._put(self._pack, member)
        return True

    def delete(self, entry: Entry) -> None:
        """Take in a file of the destination that is to be deleted."""
        modified_us = None if entry.modified_ns is None else entry.modified_ns // 1000
        member = Member(entry.name, entry.size, None, entry.size, modified_us)
        self._put(self._pack_for("delete", "pending", None, FileVerdict.DELETE.value), member)

    def close(self) -> None:
        """Write down what has been gathered."""
        for pack in self._packs.values():
            if pack.members:
                self._write(pack)

    def _pack_for(self, *shared: str | None) -> _Pack:
        return self._packs.setdefault(shared, _Pack(*shared))  # type: ignore[arg-type]

    def _put(self, pack: _Pack, member: Member) -> None:
        pack.members.append(member)
        pack.size += member.size
        full = pack.size >= bundles.MAX_BYTES and pack.state == "pending"
        if full or len(pack.members) >= bundles.MAX_MEMBERS:
            self._write(pack)
            self._work.watch.check()

    def _write(self, pack: _Pack) -> None:
        members, size = pack.members, pack.size
        pack.members, pack.size = [], 0
        work, folder = self._work, self._folder
        work.changes.counts.update(progress.counts_of(pack.step, pack.state, size, len(members), kind=work.held.kind))
        row = NewFile(
            item=folder.item,
            parent=folder.id,
            step=pack.step,
            source_path=folder.source_path,
            destination_path=folder.destination_path,
            size=size,
            state=pack.state,
            level=pack.level,
            verdict=pack.verdict,
            number=len(members),
            members=bundles.encode(members),
        )
        work.changes.new.append(row)
