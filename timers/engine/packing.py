"""Gathering what a folder holds into packs, while it is listed."""

from __future__ import annotations

from timers.copying import packs
from timers.copying.packs import Member
from timers.copying.plan import Entry, Kind, Step, Verdict, What
from timers.engine.work import Work
from timers.services import transfer_progress as progress
from timers.services.transfer_progress import NewFile, Todo

Key = tuple[str, str, str | None, str | None]
"""What the members of a pack share: step, state, level and verdict."""

_STEPS = {What.COPY: ("copy", "pending"), What.COMPARE: ("compare", "pending"), What.SKIP: ("copy", "skipped")}


class Packing:
    """The packs of one folder; `close` it when all of the folder was seen."""

    def __init__(self, work: Work, folder: Todo) -> None:
        self._work, self._folder = work, folder
        self._members: dict[Key, list[Member]] = {}
        self._bytes: dict[Key, int] = {}

    def takes(self, step: Step) -> bool:
        """Take in a file that can be a member of a pack; return False for all else."""
        what, entry = step.what, step.entry
        shared = _STEPS.get(what)
        if shared is None or entry.kind is not Kind.FILE or (entry.size > packs.SMALL and what is not What.SKIP):
            return False
        there, modified_ns = step.there, entry.modified_ns
        member = (
            Member(entry.name, entry.size, None if modified_ns is None else modified_ns // 1000)
            if there is None
            else Member(
                entry.name,
                entry.size,
                None if modified_ns is None else modified_ns // 1000,
                there.size,
                None if there.modified_ns is None else there.modified_ns // 1000,
            )
        )
        self._put((*shared, step.level, step.verdict), member)
        return True

    def delete(self, entry: Entry) -> None:
        """Take in a file of the destination that is to be deleted."""
        modified_us = None if entry.modified_ns is None else entry.modified_ns // 1000
        member = Member(entry.name, entry.size, None, entry.size, modified_us)
        self._put(("delete", "pending", None, Verdict.DELETE.value), member)

    def close(self) -> None:
        """Write down what has been gathered."""
        for key in list(self._members):
            self._write(key)

    def _put(self, key: Key, member: Member) -> None:
        members = self._members.setdefault(key, [])
        members.append(member)
        size = self._bytes[key] = self._bytes.get(key, 0) + member.size
        if len(members) >= packs.MOST_MEMBERS or (size >= packs.MOST_BYTES and key[1] == "pending"):
            self._write(key)
            self._work.watch.check()

    def _write(self, key: Key) -> None:
        members, size = self._members.pop(key), self._bytes.pop(key)
        step, state, level, verdict = key
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
