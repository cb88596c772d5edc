"""What the phases of a slice share: both storages, the watch, and what to do about faults."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from timers.copying.filters import Filter, parse_rules
from timers.copying.plan import SyncLevel
from timers.engine.watch import Watch
from timers.errors import ExternalError
from timers.scheduling import backoff
from timers.services import transfer_progress as progress
from timers.services import transfer_slices as slices
from timers.services.transfer_progress import Changes, Fault, Todo
from timers.storages.base import Storage

BACKOFF_BASE = 5.0
BACKOFF_CAP = 300.0
OF_THE_WHOLE = {"no_space", "quota", "connection_error"}
"""Faults that the next file would meet too: the transfer waits, not only the file."""


class Final(Exception):
    """The transfer cannot succeed: it fails now, with this error."""

    def __init__(self, error: ExternalError) -> None:
        super().__init__(error.message)
        self.error = error


class Wait(Exception):
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
        )


@dataclass
class Work:
    """One slice at work. `changes` is what is not written down yet."""

    held: slices.Slice
    source: Storage
    destination: Storage
    options: Options
    watch: Watch
    batch: int
    changes: Changes = field(default_factory=Changes)

    def flush(self) -> None:
        """Write down what was done; raises SliceLost when it is no longer ours to write."""
        changes, self.changes = self.changes, Changes()
        progress.record(self.held, changes, now=self.watch.now())
        self.watch.extended()

    def enter(self, phase: str) -> None:
        """Go on to a phase."""
        slices.enter(self.held, phase, now=self.watch.now())
        self.held = replace(self.held, phase=phase)

    def count(self, **numbers: int) -> None:
        """Add to the transfer's counters."""
        counts = self.changes.counts
        for name, number in numbers.items():
            counts[name] += number

    def row_failed(self, row: Todo, path: str, error: ExternalError, *, of_source: bool) -> None:
        """Decide what a fault of one file means: later again, left out with a warning, or the end of the transfer."""
        fault = Fault(error.reason, path, error.message)
        if self.can_heal(error):
            if error.reason in OF_THE_WHOLE:
                raise error
            self.changes.postponed.append((row.id, again_at(row.faults + 1, now=self.watch.now()), fault))
            self.count(faults=1)
        elif of_source and self.options.skip_source_errors:
            self.changes.failed.append((row.id, fault))
            self.count(files_failed=1, faults=1)
        else:
            raise Final(error)

    def can_heal(self, error: ExternalError) -> bool:
        """Return whether trying again later can help."""
        return error.retryable and not (self.options.fail_on_quota and error.reason in {"no_space", "quota"})


def again_at(faults: int, *, now: datetime) -> datetime:
    """Return when something that failed so many times in a row is tried again."""
    seconds = backoff.delay(faults, base=BACKOFF_BASE, cap=BACKOFF_CAP, random=random.random())
    return now + timedelta(seconds=seconds)
