"""The context of a slice, shared by its phases.

It has both storages, the monitor and the changes so far, and handles faults.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cached_property
from typing import Any, NamedTuple

from timers.clock import to_us
from timers.copying import paths, rates
from timers.copying.rate_limiter import RateLimiter
from timers.engine.transfers.bundle_progress import BundleProgress, MemberEnd
from timers.engine.transfers.options import Options
from timers.engine.transfers.rows import next_retry_at, standalone_row, with_fault
from timers.engine.transfers.slice_faults import (
    FATAL_REASONS,
    WHOLE_TRANSFER_REASONS,
    TransferFailed,
    error_of,
    may_heal,
)
from timers.engine.transfers.slice_monitor import SliceMonitor
from timers.errors import ExternalError
from timers.services.transfers import progress, slices
from timers.services.transfers.progress import Changes, FailedFile, Fault, FileRow, NewFile
from timers.storages.base import SourceFault, Storage

PROGRESS_SECONDS = 1.0
CHECK_SECONDS = 0.2


class WaitUntil(Exception):
    """Nothing can be done before this instant."""

    def __init__(self, until: datetime) -> None:
        super().__init__(f"until {until}")
        self.until = until


class FileInProgress(NamedTuple):
    """A file that is being copied. The first `began_at` bytes were copied by earlier slices and are counted already."""

    path: str
    bytes_done: int
    size: int
    began_at: int

    def document(self) -> dict[str, Any]:
        """Return the file as it is shown to users."""
        return {"path": self.path, "bytes_done": self.bytes_done, "size": self.size}


@dataclass
class SliceContext:
    """A slice at work. `changes` are not written yet, `files_in_progress` are being copied."""

    transfer_slice: slices.Slice
    source: Storage
    destination: Storage
    options: Options
    monitor: SliceMonitor
    batch: int
    rate_limiter: RateLimiter
    changes: Changes = field(default_factory=Changes)
    files_in_progress: dict[str, FileInProgress] = field(default_factory=dict)
    """Files by their key, unique within the transfer."""
    cut_short: bool = False
    """True after a worker was interrupted in a way that may have left partial files behind."""
    has_progressed: bool = False
    """True when the slice has recorded more than faults that may heal."""

    def __post_init__(self) -> None:
        self._bytes, self._files = self.transfer_slice.bytes_transferred, self.transfer_slice.files_transferred
        self._samples: Sequence[Sequence[int]] = self.transfer_slice.samples
        self._checkpoint_at = self.monitor.now()
        self._complete: Callable[[], None] = _nothing
        self._warned: set[str] | None = None
        self._item_roots: dict[int, str] = {}
        self.copy_rules = self.options.copy_rules(
            now=self.monitor.now(), both_kinds=self.destination.abilities.both_kinds
        )

    @contextmanager
    def completing_changes(self, complete: Callable[[], None]) -> Iterator[None]:
        """Call `complete` before changes are written, as long as this context is open, and at its end."""
        self._complete = complete
        try:
            yield
        finally:
            self._complete = _nothing
            complete()

    def flush(self) -> None:
        """Write the changes; raises SliceLost when the slice no longer owns the transfer."""
        self._complete()
        changes, self.changes = self.changes, Changes()
        self.has_progressed = self.has_progressed or len(changes) > len(changes.postponed)
        now = self._checkpoint_at = self.monitor.now()
        changes.progress |= self._progress(changes, now)
        progress.record(self.transfer_slice, changes, now=now)
        self.monitor.renewed()

    def checkpoint(self) -> None:
        """Publish the progress, once a second, and check whether the slice may continue."""
        self.monitor.check()
        if (self.monitor.now() - self._checkpoint_at).total_seconds() >= PROGRESS_SECONDS:
            self.flush()

    def pause(self, moved: int, check: Callable[[], None] | None = None) -> None:
        """Wait as long as the transfer's rate limit requires after `moved` bytes.

        `check` may end the wait by raising.
        """
        seconds = self.rate_limiter.reserve(moved)
        while seconds > 0:
            (check or self.checkpoint)()
            time.sleep(min(seconds, CHECK_SECONDS))
            seconds -= CHECK_SECONDS

    def _progress(self, changes: Changes, now: datetime) -> dict[str, Any]:
        self._bytes += changes.counts["bytes_transferred"]
        self._files += changes.counts["files_transferred"]
        files = list(self.files_in_progress.values())
        progress_fields: dict[str, Any] = {"current": [file.document() for file in files]}
        if self.transfer_slice.phase == "copy":
            bytes_moved = self._bytes + sum(file.bytes_done - file.began_at for file in files)
            self._samples = rates.add_sample(self._samples, now=now, bytes=bytes_moved, files=self._files)
            progress_fields["samples"] = self._samples
        return progress_fields

    @cached_property
    def item_targets(self) -> dict[str, list[tuple[int, str]]]:
        """Number and target of each item, by the folded target; only targets that several items share."""
        targets: dict[str, list[tuple[int, str]]] = {}
        for number, source, destination in progress.item_paths(self.transfer_slice):
            target = paths.target_of(source, destination)
            targets.setdefault(paths.fold_path(target), []).append((number, target))
        return {key: items for key, items in targets.items() if len(items) > 1}

    @cached_property
    def item_sources(self) -> dict[int, str]:
        """Source path of each item, by its number."""
        return {number: source for number, source, _ in progress.item_paths(self.transfer_slice)}

    def item_root(self, item: int) -> str:
        """Return the destination path of a recursive item's folder, or that of an item's file."""
        if item not in self._item_roots:
            self._item_roots[item] = progress.item_root(self.transfer_slice, item)
        return self._item_roots[item]

    def enter(self, phase: str) -> None:
        """Enter a phase."""
        slices.enter(self.transfer_slice, phase, now=self.monitor.now())
        self.transfer_slice = replace(self.transfer_slice, phase=phase, cursor=0)

    def count(self, **numbers: int) -> None:
        """Add to the transfer's counters."""
        counts = self.changes.counts
        for name, number in numbers.items():
            counts[name] += number

    def row_failed(
        self, row: FileRow, problem: ExternalError | SourceFault, bundle: BundleProgress | None = None
    ) -> None:
        """Handle a fault of one file: try it again later, or give this file up; the others go on.

        A member leaves its bundle for a row of its own, unless the whole store failed.
        """
        error = error_of(problem)
        if self.can_heal(error, faults=row.faults):
            if error.reason in WHOLE_TRANSFER_REASONS:
                raise error
            self._postpone(row, _fault_of(row, problem), bundle)
            self.count(faults=1)
        else:
            self.give_up(row, problem, bundle)

    def give_up(self, row: FileRow, problem: ExternalError | SourceFault, bundle: BundleProgress | None = None) -> None:
        """Record that a row, or a member of a bundle, is given up."""
        fault = _fault_of(row, problem)
        self._count_failed(problem)
        if bundle is None or row.member is None:
            self.changes.failed.append(FailedFile(row.id, fault, self.tolerates(problem)))
            return
        self._add_failed(standalone_row(row), problem, fault)
        bundle.moved_out(row.member)

    def new_row_failed(self, row: NewFile, problem: ExternalError | SourceFault) -> None:
        """Record an entry that is given up before it had a row. Raises the error where the whole slice has to wait."""
        error = error_of(problem)
        if self.can_heal(error, faults=self.transfer_slice.failures):
            raise error
        self._count_failed(problem)
        self._add_failed(row, problem, _fault_of(row, problem))
        self.count(files=1)

    def left_out(self, row: NewFile, reason: str, text: str) -> None:
        """Record an entry that cannot be copied at all, such as a pipe, as left out."""
        named = with_fault(row, Fault(reason, row.source_path, text))
        self.changes.new.append(named._replace(state="skipped", finished_us=to_us(self.monitor.now())))
        self.count(files=1, files_skipped=1)
        self.warn(reason, row.source_path, text)

    def warn(self, code: str, path: str, text: str) -> None:
        """Record a warning: the transfer can succeed all the same."""
        self.note(code, path, text)
        self.count(warnings=1)

    def note(self, code: str, path: str, text: str) -> None:
        """Record an event that is neither a fault nor a warning."""
        self.changes.notes.append(Fault(code, path, text))

    def warn_once(self, code: str, path: str, text: str) -> None:
        """Record a warning that is given once in a transfer, for the first path that it concerns."""
        if self._warned is None:
            self._warned = progress.event_codes(self.transfer_slice)
        if code not in self._warned:
            self._warned.add(code)
            self.warn(code, path, text)

    def tolerates(self, problem: ExternalError | SourceFault) -> bool:
        """Return whether the options make a fault of this side a warning. A dry run reports them all."""
        options = self.options
        of_source = isinstance(problem, SourceFault)
        return options.dry_run or (options.skip_source_errors if of_source else options.skip_destination_errors)

    def _postpone(self, row: FileRow, fault: Fault, bundle: BundleProgress | None) -> None:
        at = next_retry_at(row.faults + 1, now=self.monitor.now())
        if bundle is None or row.member is None:
            self.changes.postponed.append((row.id, at, fault))
            return
        self.changes.faults.append(fault)
        self.changes.new.append(with_fault(standalone_row(row), fault)._replace(faults=1, retry_us=to_us(at)))
        bundle.moved_out(row.member)

    def _add_failed(self, row: NewFile, problem: ExternalError | SourceFault, fault: Fault) -> None:
        self.changes.faults.append(fault)
        failed = with_fault(row, fault)._replace(state="failed", tolerated=self.tolerates(problem))
        self.changes.new.append(failed._replace(finished_us=to_us(self.monitor.now())))

    def _count_failed(self, problem: ExternalError | SourceFault) -> None:
        error = error_of(problem)
        if error.reason in FATAL_REASONS:
            raise TransferFailed(error)
        self.count(files_failed=1, faults=1, warnings=int(self.tolerates(problem)))

    def write_bundle(self, bundle: BundleProgress, end: MemberEnd) -> None:
        """Add the outcome of a bundle's members since the last call to the changes."""
        bundle.write(self.changes, end, now=self.monitor.now())

    def can_heal(self, error: ExternalError, *, faults: int = 0) -> bool:
        """Return whether a later attempt can succeed, after `faults` faults in a row."""
        return may_heal(error, faults=faults, fail_on_quota=self.options.fail_on_quota)


def _fault_of(row: FileRow | NewFile, problem: ExternalError | SourceFault) -> Fault:
    error = error_of(problem)
    path = row.source_path if isinstance(problem, SourceFault) else row.destination_path
    return Fault(error.reason, path, error.message)


def _nothing() -> None: ...
