"""What the phases of a slice share: both storages, the watch, what was done so far, and what to do about faults."""

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
from timers.engine.transfers.rows import again_at, alone, with_fault
from timers.engine.transfers.slice_monitor import SliceMonitor
from timers.errors import ExternalError
from timers.services.transfers import progress, slices
from timers.services.transfers.progress import Changes, Fault, Todo
from timers.storages.base import SourceFault, Storage

PROGRESS_SECONDS = 1.0
CHECK_SECONDS = 0.2
WHOLE_TRANSFER_REASONS = {"no_space", "quota", "connection_error"}
"""Faults that the next file would meet too: the transfer waits, not only the file."""


class Final(Exception):
    """The transfer cannot succeed: it fails now, with this error."""

    def __init__(self, error: ExternalError) -> None:
        super().__init__(error.message)
        self.error = error


class WaitUntil(Exception):
    """Nothing can be done before that instant."""

    def __init__(self, until: datetime) -> None:
        super().__init__(f"until {until}")
        self.until = until


@dataclass
class Options:
    """A transfer's options, as the phases ask for them."""

    level: SyncLevel | None
    verify: bool
    times: bool
    skip_source_errors: bool
    fail_on_quota: bool
    delete_extra: bool
    max_delete: int | None
    rules: Filter | None
    links: Links
    dry_run: bool
    most_at_once: int | None
    bytes_per_second: int | None
    recursive: bool
    ignore_missing: bool
    globs: bool

    @property
    def tolerant(self) -> bool:
        """Whether faults of the source are warnings; a dry run tells them all."""
        return self.skip_source_errors or self.dry_run

    @classmethod
    def read(cls, stored: Mapping[str, Any]) -> Options:
        rules, level = parse_rules(stored.get("filter_rules")), stored.get("sync_level")
        return cls(
            level=None if level is None else SyncLevel(level),
            verify=stored.get("verify_checksum", True),
            times=stored.get("preserve_timestamp", False),
            skip_source_errors=stored.get("skip_source_errors", False),
            fail_on_quota=stored.get("fail_on_quota_errors", False),
            delete_extra=stored.get("delete_destination_extra", False),
            max_delete=stored.get("max_delete"),
            rules=Filter(rules) if rules else None,
            links=Links(stored.get("recursive_symlinks") or Links.IGNORE),
            dry_run=stored.get("dry_run", False),
            most_at_once=stored.get("max_concurrency"),
            bytes_per_second=stored.get("max_bytes_per_second"),
            recursive=stored.get("recursive", False),
            ignore_missing=stored.get("ignore_missing", False),
            globs=stored.get("interpret_globs", False),
        )


class FileInProgress(NamedTuple):
    """A file that is being copied; what stood in the part when the slice began is counted already."""

    path: str
    bytes_done: int
    size: int
    began_at: int

    def document(self) -> dict[str, Any]:
        """Return what others see of it."""
        return {"path": self.path, "bytes_done": self.bytes_done, "size": self.size}


@dataclass
class SliceContext:
    """One slice at work. `changes` is what is not written down yet, `at_work` the files that are being copied."""

    held: slices.Slice
    source: Storage
    destination: Storage
    options: Options
    watch: SliceMonitor
    batch: int
    pace: RateLimiter
    changes: Changes = field(default_factory=Changes)
    at_work: dict[str, FileInProgress] = field(default_factory=dict)
    """By what tells a file from all others."""
    cut_short: bool = False
    """Whether something was broken off in a way that may have left parts behind."""

    def __post_init__(self) -> None:
        self._bytes, self._files = self.held.bytes_transferred, self.held.files_transferred
        self._samples: Sequence[Sequence[int]] = self.held.samples
        self._checkpoint_at = self.watch.now()
        self._gather: Callable[[], None] = _nothing

    @contextmanager
    def gathering(self, gather: Callable[[], None]) -> Iterator[None]:
        """While this goes on, let `gather` complete the changes each time before they are written, and at its end."""
        self._gather = gather
        try:
            yield
        finally:
            self._gather = _nothing
            gather()

    def flush(self) -> None:
        """Write down what was done; raises SliceLost when it is no longer ours to write."""
        self._gather()
        changes, self.changes = self.changes, Changes()
        now = self._checkpoint_at = self.watch.now()
        changes.course |= self._course(changes, now)
        progress.record(self.held, changes, now=now)
        self.watch.renewed()

    def checkpoint(self) -> None:
        """Let others see how far it is, once a second, and look whether the slice is to go on."""
        self.watch.check()
        if (self.watch.now() - self._checkpoint_at).total_seconds() >= PROGRESS_SECONDS:
            self.flush()

    def pause(self, moved: int, check: Callable[[], None] | None = None) -> None:
        """Wait as long as the limit on the transfer's speed asks for after so many bytes; `check` may end it."""
        seconds = self.pace.spend(moved)
        while seconds > 0:
            (check or self.checkpoint)()
            time.sleep(min(seconds, CHECK_SECONDS))
            seconds -= CHECK_SECONDS

    def _course(self, changes: Changes, now: datetime) -> dict[str, Any]:
        self._bytes += changes.counts["bytes_transferred"]
        self._files += changes.counts["files_transferred"]
        files = list(self.at_work.values())
        course: dict[str, Any] = {"current": [each.document() for each in files]}
        if self.held.phase == "copy":
            moving = self._bytes + sum(each.bytes_done - each.began_at for each in files)
            self._samples = rates.add(self._samples, now=now, bytes=moving, files=self._files)
            course["samples"] = self._samples
        return course

    def enter(self, phase: str) -> None:
        """Go on to a phase."""
        slices.enter(self.held, phase, now=self.watch.now())
        self.held = replace(self.held, phase=phase, cursor=0)

    def count(self, **numbers: int) -> None:
        """Add to the transfer's counters."""
        counts = self.changes.counts
        for name, number in numbers.items():
            counts[name] += number

    def row_failed(self, row: Todo, met: ExternalError | SourceFault, pack: BundleProgress | None = None) -> None:
        """Decide what a fault of one file means: later again, left out with a warning, or the end of the transfer.

        A member of a pack leaves it for a row of its own; not so when the fault is one of the whole store.
        """
        of_source = isinstance(met, SourceFault)
        error = met.error if isinstance(met, SourceFault) else met
        fault = Fault(error.reason, row.source_path if of_source else row.destination_path, error.message)
        if self.can_heal(error):
            if error.reason in WHOLE_TRANSFER_REASONS:
                raise error
            self._postpone(row, fault, pack)
            self.count(faults=1)
        else:
            self._leave_out(row, fault, pack)
            self.count(files_failed=1, faults=1)
            if not (of_source and self.options.tolerant):
                raise Final(error)

    def _postpone(self, row: Todo, fault: Fault, pack: BundleProgress | None) -> None:
        at = again_at(row.faults + 1, now=self.watch.now())
        if pack is None or row.member is None:
            self.changes.postponed.append((row.id, at, fault))
            return
        self.changes.faults.append(fault)
        self.changes.new.append(with_fault(alone(row), fault)._replace(faults=1, retry_us=to_us(at)))
        pack.moved_out(row.member)

    def _leave_out(self, row: Todo, fault: Fault, pack: BundleProgress | None) -> None:
        if pack is None or row.member is None:
            self.changes.failed.append((row.id, fault))
            return
        self.changes.faults.append(fault)
        now_us = to_us(self.watch.now())
        self.changes.new.append(with_fault(alone(row), fault)._replace(state="failed", finished_us=now_us))
        pack.moved_out(row.member)

    def write_bundle(self, pack: BundleProgress, end: MemberEnd) -> None:
        """Add to the changes what came of a bundle's members since the last time."""
        pack.write(self.changes, end, now=self.watch.now())

    def can_heal(self, error: ExternalError) -> bool:
        """Return whether trying again later can help."""
        return error.retryable and not (self.options.fail_on_quota and error.reason in {"no_space", "quota"})


def _nothing() -> None: ...
