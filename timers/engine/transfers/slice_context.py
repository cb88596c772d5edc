"""The context of a slice, shared by its phases.

It has both storages, the monitor and the changes so far, and handles faults.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, NamedTuple

from timers.clock import to_us
from timers.copying import rates
from timers.copying.filters import Filter, parse_rules
from timers.copying.plan import Links, SyncLevel
from timers.copying.rate_limiter import RateLimiter
from timers.engine.transfers.bundle_progress import BundleProgress, MemberEnd
from timers.engine.transfers.rows import next_retry_at, standalone_row, with_fault
from timers.engine.transfers.slice_monitor import SliceMonitor
from timers.errors import ExternalError
from timers.services.transfers import progress, slices
from timers.services.transfers.progress import Changes, Fault, FileRow
from timers.storages.base import SourceFault, Storage

PROGRESS_SECONDS = 1.0
CHECK_SECONDS = 0.2
WHOLE_TRANSFER_REASONS = {"no_space", "quota", "connection_error"}
"""Faults that the next file would meet too: the whole transfer waits, not only the file."""


class TransferFailed(Exception):
    """The transfer cannot succeed: it fails now, with this error."""

    def __init__(self, error: ExternalError) -> None:
        super().__init__(error.message)
        self.error = error


class WaitUntil(Exception):
    """Nothing can be done before this instant."""

    def __init__(self, until: datetime) -> None:
        super().__init__(f"until {until}")
        self.until = until


@dataclass
class Options:
    """A transfer's options, as the phases use them."""

    level: SyncLevel | None
    verify: bool
    times: bool
    exact_modes: bool
    skip_source_errors: bool
    skip_destination_errors: bool
    fail_on_quota: bool
    delete_extra: bool
    max_delete: int | None
    rules: Filter | None
    links: Links
    dry_run: bool
    max_concurrency: int | None
    bytes_per_second: int | None
    recursive: bool
    ignore_missing: bool
    globs: bool

    @property
    def tolerant(self) -> bool:
        """True when faults of the source are warnings; a dry run reports them all."""
        return self.skip_source_errors or self.dry_run

    @classmethod
    def read(cls, stored: Mapping[str, Any]) -> Options:
        rules, level = parse_rules(stored.get("filter_rules")), stored.get("sync_level")
        return cls(
            level=None if level is None else SyncLevel(level),
            verify=stored.get("verify_checksum", True),
            times=stored.get("preserve_timestamp", False),
            exact_modes=stored.get("preserve_permissions", False),
            skip_source_errors=stored.get("skip_source_errors", False),
            skip_destination_errors=stored.get("skip_destination_errors", False),
            fail_on_quota=stored.get("fail_on_quota_errors", False),
            delete_extra=stored.get("delete_destination_extra", False),
            max_delete=stored.get("max_delete"),
            rules=Filter(rules) if rules else None,
            links=Links(stored.get("recursive_symlinks") or Links.IGNORE),
            dry_run=stored.get("dry_run", False),
            max_concurrency=stored.get("max_concurrency"),
            bytes_per_second=stored.get("max_bytes_per_second"),
            recursive=stored.get("recursive", False),
            ignore_missing=stored.get("ignore_missing", False),
            globs=stored.get("interpret_globs", False),
        )


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

    def __post_init__(self) -> None:
        self._bytes, self._files = self.transfer_slice.bytes_transferred, self.transfer_slice.files_transferred
        self._samples: Sequence[Sequence[int]] = self.transfer_slice.samples
        self._checkpoint_at = self.monitor.now()
        self._complete: Callable[[], None] = _nothing

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
        """Handle a fault of one file: retry it later, leave it out with a warning, or end the transfer.

        A member leaves its bundle for a row of its own, unless the whole store failed.
        """
        of_source = isinstance(problem, SourceFault)
        error = problem.error if isinstance(problem, SourceFault) else problem
        fault = Fault(error.reason, row.source_path if of_source else row.destination_path, error.message)
        if self.can_heal(error):
            if error.reason in WHOLE_TRANSFER_REASONS:
                raise error
            self._postpone(row, fault, bundle)
            self.count(faults=1)
        else:
            self._leave_out(row, fault, bundle)
            self.count(files_failed=1, faults=1)
            if not (of_source and self.options.tolerant):
                raise TransferFailed(error)

    def _postpone(self, row: FileRow, fault: Fault, bundle: BundleProgress | None) -> None:
        at = next_retry_at(row.faults + 1, now=self.monitor.now())
        if bundle is None or row.member is None:
            self.changes.postponed.append((row.id, at, fault))
            return
        self.changes.faults.append(fault)
        self.changes.new.append(with_fault(standalone_row(row), fault)._replace(faults=1, retry_us=to_us(at)))
        bundle.moved_out(row.member)

    def _leave_out(self, row: FileRow, fault: Fault, bundle: BundleProgress | None) -> None:
        if bundle is None or row.member is None:
            self.changes.failed.append((row.id, fault))
            return
        self.changes.faults.append(fault)
        now_us = to_us(self.monitor.now())
        self.changes.new.append(with_fault(standalone_row(row), fault)._replace(state="failed", finished_us=now_us))
        bundle.moved_out(row.member)

    def write_bundle(self, bundle: BundleProgress, end: MemberEnd) -> None:
        """Add the outcome of a bundle's members since the last call to the changes."""
        bundle.write(self.changes, end, now=self.monitor.now())

    def can_heal(self, error: ExternalError) -> bool:
        """Return whether a later attempt can succeed."""
        return error.retryable and not (self.options.fail_on_quota and error.reason in {"no_space", "quota"})


def _nothing() -> None: ...
