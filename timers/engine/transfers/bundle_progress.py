"""Bundles in progress: the members that still wait, and the outcome of the others."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import NamedTuple

from timers.clock import from_us, to_us
from timers.copying import bundles, paths
from timers.copying.bundles import Member
from timers.engine.transfers.rows import standalone_row
from timers.services.transfers.progress import ChangedBundle, Changes, FileRow, NewFile


class MemberEnd(NamedTuple):
    """The final state of members: columns that they share from then on."""

    state: str
    step: str
    verdict: str | None
    verified: str | None = None


class BundleProgress:
    """A bundle's row while its members are copied, compared or deleted."""

    def __init__(self, row: FileRow) -> None:
        self.row = row
        self.waiting: dict[int, Member] = dict(enumerate(bundles.decode(row.members or "[]")))
        self._done: list[Member] = []
        self._moved_out = False

    def member_row(self, number: int) -> FileRow:
        """Return a waiting member as a row."""
        member, row = self.waiting[number], self.row
        return row._replace(
            source_path=paths.join(row.source_path, member.name) if row.source_path else "",
            destination_path=paths.join(row.destination_path, member.name),
            size=member.size,
            modified_at=None if member.modified_us is None else from_us(member.modified_us),
            members=None,
            member=number,
        )

    def member_rows(self) -> Iterator[FileRow]:
        """Yield the waiting members as rows."""
        yield from map(self.member_row, list(self.waiting))

    def done(
        self, number: int, *, size: int | None = None, modified_us: int | None = None, checksum: str | None = None
    ) -> None:
        """Note that a member is done. The values are those of the file when it was read."""
        member = self.waiting.pop(number)
        if size is not None:
            member = member._replace(size=size, modified_us=modified_us, checksum=checksum)
        self._done.append(member)

    def all_done(self, members: list[Member]) -> None:
        """Note that all waiting members are done. The values are those of the files when they were read."""
        self.waiting.clear()
        self._done += members

    def move_out(self, changes: Changes, number: int) -> None:
        """Continue a member as a row of its own."""
        changes.new.append(standalone_row(self.member_row(number)))
        self.moved_out(number)

    def moved_out(self, number: int) -> None:
        """Note that a member has a row of its own."""
        del self.waiting[number]
        self._moved_out = True

    def write(self, changes: Changes, end: MemberEnd, *, now: datetime) -> None:
        """Add the outcome of the members since the last call to the changes; members that are done get the state `end`.

        The row keeps the members that still wait. Once none waits, the row holds the members done last, or is deleted.
        """
        done, self._done = self._done, []
        moved_out, self._moved_out = self._moved_out, False
        if self.waiting:
            if done:
                changes.new.append(self._done_row(done, end, now_us=to_us(now)))
            if done or moved_out:
                changes.bundles.append(_changed(self.row, list(self.waiting.values()), self._present_end()))
        elif done:
            changes.bundles.append(_changed(self.row, done, end, to_us(now)))
        elif moved_out:
            changes.emptied.append(self.row.id)

    def _present_end(self) -> MemberEnd:
        row = self.row
        return MemberEnd(row.state, row.step, row.verdict, row.verified)

    def _done_row(self, members: list[Member], end: MemberEnd, *, now_us: int) -> NewFile:
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


def _changed(row: FileRow, members: list[Member], end: MemberEnd, finished_us: int | None = None) -> ChangedBundle:
    return ChangedBundle(
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
