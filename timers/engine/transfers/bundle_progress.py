"""Packs at work: which of their members are still to be seen to, and what came of the others."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import NamedTuple

from timers.clock import from_us, to_us
from timers.copying import bundles, paths
from timers.copying.bundles import Member
from timers.engine.transfers.rows import alone
from timers.services.transfers.progress import ChangedPack, Changes, NewFile, Todo


class MemberEnd(NamedTuple):
    """How members end: the columns that they share from then on."""

    state: str
    step: str
    verdict: str | None
    verified: str | None = None


class BundleProgress:
    """One pack's row while its members are copied, compared or deleted."""

    def __init__(self, row: Todo) -> None:
        self.row = row
        self.waiting: dict[int, Member] = dict(enumerate(bundles.decode(row.members or "[]")))
        self._done: list[Member] = []
        self._moved_out = False

    def todo(self, number: int) -> Todo:
        """Return a member as a row that waits for its turn."""
        member, row = self.waiting[number], self.row
        return row._replace(
            source_path=paths.join(row.source_path, member.name) if row.source_path else "",
            destination_path=paths.join(row.destination_path, member.name),
            size=member.size,
            modified_at=None if member.modified_us is None else from_us(member.modified_us),
            members=None,
            member=number,
        )

    def todos(self) -> Iterator[Todo]:
        """Yield the members that wait."""
        yield from map(self.todo, list(self.waiting))

    def done(
        self, number: int, *, size: int | None = None, modified_us: int | None = None, checksum: str | None = None
    ) -> None:
        """Note that a member came to a good end, as it was when it was read."""
        member = self.waiting.pop(number)
        if size is not None:
            member = member._replace(size=size, modified_us=modified_us, checksum=checksum)
        self._done.append(member)

    def all_done(self, members: list[Member]) -> None:
        """Note that all who wait came to a good end, as they were when they were read."""
        self.waiting.clear()
        self._done += members

    def move_out(self, changes: Changes, number: int) -> None:
        """Let a member go on as a row of its own."""
        changes.new.append(alone(self.todo(number)))
        self.moved_out(number)

    def moved_out(self, number: int) -> None:
        """Note that a member has a row of its own."""
        del self.waiting[number]
        self._moved_out = True

    def write(self, changes: Changes, end: MemberEnd, *, now: datetime) -> None:
        """Add to the changes what came of the members since the last time; what is done comes to that end.

        The row keeps what still waits; once nothing does, it is that of the last members done, or goes.
        """
        done, self._done = self._done, []
        moved_out, self._moved_out = self._moved_out, False
        if self.waiting:
            if done:
                changes.new.append(self._apart(done, end, now_us=to_us(now)))
            if done or moved_out:
                changes.packs.append(_changed(self.row, list(self.waiting.values()), self._as_before()))
        elif done:
            changes.packs.append(_changed(self.row, done, end, to_us(now)))
        elif moved_out:
            changes.dissolved.append(self.row.id)

    def _as_before(self) -> MemberEnd:
        row = self.row
        return MemberEnd(row.state, row.step, row.verdict, row.verified)

    def _apart(self, members: list[Member], end: MemberEnd, *, now_us: int) -> NewFile:
        return NewFile(
            item=self.row.item,
            parent=self.row.parent,
            step=end.step,
            source_path=self.row.source_path,
            destination_path=self.row.destination_path,
            size=sum(member.size for member in members),
            state=end.state,
            level=self.row.level,
            verdict=end.verdict,
            number=len(members),
            members=bundles.encode(members),
            verified=end.verified,
            finished_us=None if end.state == "pending" else now_us,
        )


def _changed(row: Todo, members: list[Member], end: MemberEnd, finished_us: int | None = None) -> ChangedPack:
    return ChangedPack(
        id=row.id,
        state=end.state,
        step=end.step,
        verdict=end.verdict,
        verified=end.verified,
        number=len(members),
        size=sum(member.size for member in members),
        members=bundles.encode(members),
        finished_us=None if end.state == "pending" else finished_us,
    )
