"""Collecting the files of a folder into bundles while the folder is listed."""

from __future__ import annotations

from dataclasses import dataclass, field

from timers.clock import MAX_US, clamp_us
from timers.copying import bundles
from timers.copying.bundles import Member
from timers.copying.plan import Entry, FileVerdict, Kind, PlannedEntry, StepKind
from timers.engine.transfers.slice_context import SliceContext
from timers.services.transfers import progress
from timers.services.transfers.progress import FileRow, NewFile

_FILE, _SKIP = Kind.FILE, StepKind.SKIP
_ROWS = {
    StepKind.COPY: ("copy", "pending"),
    StepKind.COMPARE: ("compare", "pending"),
    StepKind.SKIP: ("copy", "skipped"),
}


@dataclass
class _Bundle:
    """Members that share step, state, level and verdict."""

    step: str
    state: str
    level: str | None
    verdict: str | None
    members: list[Member] = field(default_factory=list)
    size: int = 0


class Bundler:
    """The bundles of one folder. Call `finish` after the whole folder was listed."""

    def __init__(self, context: SliceContext, folder: FileRow) -> None:
        self._context, self._folder = context, folder
        self._bundles: dict[tuple[str | None, ...], _Bundle] = {}
        self._last_key: tuple[object, ...] = ()
        self._bundle = _Bundle("", "", None, None)

    def add(self, step: PlannedEntry) -> bool:
        """Add a file that can be a member of a bundle; return False for everything else."""
        step_kind, (name, kind, size, modified_ns, _), level, verdict, there, _ = step
        if kind is not _FILE or (
            step_kind is not _SKIP and (size > bundles.MAX_MEMBER_BYTES or step_kind not in _ROWS)
        ):
            return False
        if self._last_key != (step_kind, level, verdict):
            self._last_key = (step_kind, level, verdict)
            self._bundle = self._bundle_for(*_ROWS[step_kind], level, verdict)
        modified_us = None if modified_ns is None else modified_ns // 1000
        if modified_us is not None and not 0 <= modified_us <= MAX_US:
            modified_us = clamp_us(modified_us)
        if there is None:
            member = Member(name, size, modified_us)
        else:
            member = Member(name, size, modified_us, there.size, there.modified_us)
        self._add_member(self._bundle, member)
        return True

    def add_deletion(self, entry: Entry) -> None:
        """Add a file of the destination that is to be deleted."""
        member = Member(entry.name, entry.size, None, entry.size, entry.modified_us)
        self._add_member(self._bundle_for("delete", "pending", None, FileVerdict.DELETE.value), member)

    def finish(self) -> None:
        """Write the collected bundles."""
        for bundle in self._bundles.values():
            if bundle.members:
                self._write(bundle)

    def _bundle_for(self, *shared: str | None) -> _Bundle:
        return self._bundles.setdefault(shared, _Bundle(*shared))  # type: ignore[arg-type]

    def _add_member(self, bundle: _Bundle, member: Member) -> None:
        bundle.members.append(member)
        bundle.size += member.size
        full = bundle.size >= bundles.MAX_BUNDLE_BYTES and bundle.state == "pending"
        if full or len(bundle.members) >= bundles.MAX_MEMBERS:
            self._write(bundle)
            self._context.monitor.check()

    def _write(self, bundle: _Bundle) -> None:
        members, size = bundle.members, bundle.size
        bundle.members, bundle.size = [], 0
        context, folder = self._context, self._folder
        context.changes.counts.update(
            progress.counts_of(bundle.step, bundle.state, size, len(members), kind=context.transfer_slice.kind)
        )
        row = NewFile(
            item=folder.item,
            parent=folder.id,
            step=bundle.step,
            source_path=folder.source_path,
            destination_path=folder.destination_path,
            size=size,
            state=bundle.state,
            level=bundle.level,
            verdict=bundle.verdict,
            number=len(members),
            members=bundles.encode(members),
        )
        context.changes.new.append(row)
