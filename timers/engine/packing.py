"""Gathering what a folder holds into packs, while it is listed."""

from __future__ import annotations

from timers.copying import packs
from timers.copying.packs import Member
from timers.copying.plan import Entry, Kind, Step, Verdict, What
from timers.engine.work import Work
from timers.services import transfer_progress as progress
from timers.services.transfer_progress import NewFile, Todo

Key = tuple[What, str | None, str | None]
"""What the members of a pack share: the step, level and verdict."""

_FILE, _SKIP = Kind.FILE, What.SKIP
_STEPS = {
    What.COPY: ("copy", "pending"),
    What.COMPARE: ("compare", "pending"),
    What.SKIP: ("copy", "skipped"),
    What.DELETE: ("delete", "pending"),
}
"""Step and state of the rows."""


class Packing:
    """The packs of one folder; `close` it when all of the folder was seen."""

    def __init__(self, work: Work, folder: Todo) -> None:
        self._work, self._folder = work, folder
        self._members: dict[Key, list[Member]] = {}
        self._bytes: dict[Key, int] = {}

    def takes(self, step: Step) -> bool:
        """Take in a file that can be a member of a pack; return False for all else."""
        what, (name, kind, size, modified_ns), level, verdict, there, _ = step
        if kind is not _FILE or (size > packs.SMALL and what is not _SKIP) or what not in _STEPS:
            return False
        modified_us = None if modified_ns is None else modified_ns // 1000
        if there is None:
            member = Member(name, size, modified_us)
        else:
            there_us = None if there.modified_ns is None else there.modified_ns // 1000
            member = Member(name, size, modified_us, there.size, there_us)
        self._put((what, level, verdict), member)
        return True

    def delete(self, entry: Entry) -> None:
        """Take in a file of the destination that is to be deleted."""
        modified_us = None if entry.modified_ns is None else entry.modified_ns // 1000
        member = Member(entry.name, entry.size, None, entry.size, modified_us)
        self._put((What.DELETE, None, Verdict.DELETE.value), member)

    def close(self) -> None:
        """Write down what has been gathered."""
        for key in list(self._members):
            self._write(key)

    def _put(self, key: Key, member: Member) -> None:
        members = self._members.get(key)
        if members is None:
            members = self._members[key] = []
            self._bytes[key] = 0
        members.append(member)
        self._bytes[key] += member.size
        if len(members) >= packs.MOST_MEMBERS or (self._bytes[key] >= packs.MOST_BYTES and key[0] is not _SKIP):
            self._write(key)
            self._work.watch.check()

    def _write(self, key: Key) -> None:
        members, size = self._members.pop(key), self._bytes.pop(key)
        what, level, verdict = key
        step, state = _STEPS[what]
        work, folder = self._work, self._folder
        work.changes.counts.update(progress.counts_of(step, state, size, len(members)))
        row = NewFile(
            item=folder.item,
            parent=folder.id,
            step=step,
            source_path=folder.source_path,
            destination_path=folder.destination_path,
            size=size,
            state=state,
            level=level,
            verdict=verdict,
            number=len(members),
            members=packs.encode(members),
        )
        work.changes.new.append(row)
