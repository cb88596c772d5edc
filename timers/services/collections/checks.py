"""Testing a collection: whether it can be read and written, and how fast. A test leaves nothing behind."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from django.db import transaction

from timers import clock, formatting
from timers.copying import paths
from timers.errors import ExternalError
from timers.models import Collection
from timers.services import events
from timers.services.collections import commands as collections
from timers.storages.base import Entry, Kind, Permissions, Storage, fault, is_partial, partial_name, partial_prefix

SIZES = (64 * 1024, 512 * 1024, 4 * 1024 * 1024)
"""Sizes of the test files in bytes.

The next size is written only when the previous one was fast, so that a slow connection takes little time.
"""

FAST_SECONDS = 0.5
MAX_STEP_SECONDS = 3.0
"""Longest time in seconds for listing, and for reading."""

SLOW_LISTING_SECONDS = 2.0
SLOW_BYTES_PER_SECOND = 32 * 1024
MAX_LISTED = 1000
LEFTOVER_AGE = timedelta(hours=1)

_CHUNK_BYTES = 64 * 1024
_MODIFIED_NS = 1_000_000_000 * 10**9
_PRIVATE = Permissions(0o600)
_NOT_KEPT = {"times": "The times of files cannot be set here.", "mode": "The permissions of files cannot be set here."}
_CONNECTION_REASONS = {"connection_error", "login_failed", "host_key_refused", "target_refused"}

MonotonicClock = Callable[[], float]


class CheckStatus(StrEnum):
    """Result of a test, in one word."""

    REACHABLE = "reachable"
    SLOW = "slow"
    UNREACHABLE = "unreachable"


@dataclass(frozen=True, kw_only=True)
class CollectionHealth:
    """Result of a test.

    A place that cannot be written is healthy all the same; `reason` says why something cannot be done.
    """

    status: CheckStatus
    checked_at: datetime
    message: str
    reason: str | None = None
    readable: bool = False
    writable: bool = False
    error: str | None = None
    """Why it cannot be read, or not written; None for a kind that is never written."""
    list_seconds: float | None = None
    read_bytes_per_second: int | None = None
    write_bytes_per_second: int | None = None

    def document(self) -> dict[str, Any]:
        """Return the result as it is stored and shown."""
        return {
            "status": str(self.status),
            "checked_at": formatting.iso(self.checked_at),
            "message": self.message,
            "reason": self.reason,
            "readable": self.readable,
            "writable": self.writable,
            "error": self.error,
            "list_seconds": self.list_seconds,
            "read_bytes_per_second": self.read_bytes_per_second,
            "write_bytes_per_second": self.write_bytes_per_second,
        }


def test(
    collection: Collection, *, by: Any, now: datetime, monotonic: MonotonicClock = time.monotonic
) -> CollectionHealth:
    """Test a collection in its default directory, store the result, and return it.

    It takes some seconds, longer when a host does not answer, and must not run in a transaction.
    """
    return record(collection, measure(collection, now=now, monotonic=monotonic), by=by, now=now)


def record(collection: Collection, health: CollectionHealth, *, by: Any, now: datetime) -> CollectionHealth:
    """Store the result of a test, unless the collection was changed meanwhile; return it."""
    collection.health = health.document()
    with transaction.atomic():
        unchanged = Collection.objects.filter(pk=collection.pk, updated_at=collection.updated_at)
        unchanged.update(health=collection.health)
        events.record(
            "collection_tested",
            now=now,
            by=by,
            owner=collection.owner,
            object_id=collection.pk,
            text=collection.display_name,
            status=str(health.status),
            reason=health.reason,
        )
    return health


def measure(collection: Collection, *, now: datetime, monotonic: MonotonicClock = time.monotonic) -> CollectionHealth:
    """Test a collection and return the result; nothing is stored, and no fault of the storage is raised."""
    check_run = _CheckRun(collection, now=now, monotonic=monotonic)
    try:
        check_run.run()
    except ExternalError as error:
        return CollectionHealth(
            status=CheckStatus.UNREACHABLE,
            checked_at=now,
            message=check_run.sentence(error),
            reason=error.reason,
            error=check_run.sentence(error),
            writable=check_run.write_rate is not None,
            list_seconds=check_run.list_seconds,
            write_bytes_per_second=check_run.write_rate,
        )
    return CollectionHealth(
        status=CheckStatus.SLOW if check_run.is_slow else CheckStatus.REACHABLE,
        checked_at=now,
        message=check_run.summary(),
        reason=check_run.write_fault.reason if check_run.write_fault else None,
        error=check_run.sentence(check_run.write_fault) if check_run.write_fault else None,
        readable=True,
        writable=check_run.write_rate is not None,
        list_seconds=check_run.list_seconds,
        read_bytes_per_second=check_run.read_rate,
        write_bytes_per_second=check_run.write_rate,
    )


@dataclass
class _CheckRun:
    """One running test, with its results so far."""

    collection: Collection
    now: datetime = field(kw_only=True)
    monotonic: MonotonicClock = field(kw_only=True)
    list_seconds: float | None = None
    write_rate: int | None = None
    read_rate: int | None = None
    write_fault: ExternalError | None = None
    """The reason that nothing can be written."""
    delete_fault: ExternalError | None = None
    """The reason that the test file still exists."""
    takes_files: bool = True
    not_kept: Sequence[str] = ()
    """What the place did not keep of a file although places of its kind usually do (Writer.not_kept)."""

    def __post_init__(self) -> None:
        self.home = paths.normalise(self.collection.default_directory)
        stamp = clock.to_us(self.now)
        # the name of a partial file, which is never listed; it has the time, so that a later test can remove an old one
        self.names = [partial_name(self.collection.pk, str(stamp), number) for number in range(len(SIZES) + 1)]
        self.path = paths.join(self.home, self.names[0])

    def run(self) -> None:
        """List, write, read. Raises ExternalError when the place cannot be read."""
        began = self.monotonic()
        with collections.storage_for(self.collection) as storage:
            entries = self._list(storage, began)
            self.list_seconds = round(self.monotonic() - began, 4)
            self.takes_files = storage.abilities.write
            if not self.takes_files:
                self._read_existing(storage, entries)
                return
            self._sweep(storage, entries)
            try:
                data = self._write(storage)
            except ExternalError as error:
                if error.reason in _CONNECTION_REASONS:
                    raise
                self.write_fault = error
                self._read_existing(storage, entries)
                return
            try:
                self.read_rate = self._read(storage, self.path, data)
            finally:
                self._delete(storage, self.path)

    def _list(self, storage: Storage, began: float) -> list[Entry]:
        entries = []
        for entry in storage.list(self.home):
            entries.append(entry)
            if len(entries) == MAX_LISTED or self.monotonic() - began > MAX_STEP_SECONDS:
                break
        return entries

    def _sweep(self, storage: Storage, entries: list[Entry]) -> None:
        """Remove the file of a test that was interrupted long ago."""
        prefix, before = partial_prefix(self.collection.pk), clock.to_us(self.now - LEFTOVER_AGE)
        for entry in entries:
            stamp = entry.name.removeprefix(prefix).partition("-")[0]
            if is_partial(entry.name) and entry.name.startswith(prefix) and stamp.isdigit() and int(stamp) < before:
                self._delete(storage, paths.join(self.home, entry.name))

    def _write(self, storage: Storage) -> bytes:
        """Write files of growing size, each in place of the previous one; return the content of the last one."""
        written = b""
        try:
            for size, partial in zip(SIZES, self.names[1:], strict=True):
                data, began = os.urandom(size), self.monotonic()
                self._write_file(storage, data, partial=partial)
                written, seconds = data, self.monotonic() - began
                self.write_rate = _rate(size, seconds)
                if seconds > FAST_SECONDS:
                    break
        except ExternalError:
            self.write_rate = None
            if written:
                self._delete(storage, self.path)
            raise
        return written

    def _write_file(self, storage: Storage, data: bytes, *, partial: str) -> None:
        writer = storage.write(self.path, partial=partial)
        try:
            writer.write(data)
            writer.sync()
            writer.commit(
                modified_ns=_MODIFIED_NS if storage.abilities.times else None,
                permissions=_PRIVATE if storage.abilities.permissions else None,
            )
            self.not_kept = writer.not_kept
        except BaseException:
            writer.discard()
            raise

    def _read(self, storage: Storage, path: str, expected: bytes | None = None) -> int | None:
        """Return the rate in bytes per second; None for a file too small to tell.

        The content is compared with `expected`.
        """
        began, size = self.monotonic(), 0
        with storage.open(path) as reader:
            while size < SIZES[-1] and self.monotonic() - began <= MAX_STEP_SECONDS:
                chunk = reader.read(_CHUNK_BYTES)
                if expected is not None and chunk != expected[size : size + _CHUNK_BYTES]:
                    raise fault("checksum_mismatch", f"{path} does not hold what was written to it.")
                size += len(chunk)
                if len(chunk) < _CHUNK_BYTES:
                    break
        seconds = self.monotonic() - began
        return _rate(size, seconds) if size >= SIZES[0] or seconds > MAX_STEP_SECONDS else None

    def _read_existing(self, storage: Storage, entries: list[Entry]) -> None:
        """Read the largest file of a place that cannot be written."""
        files = [entry for entry in entries if entry.kind == Kind.FILE and paths.is_carriable(entry.name)]
        largest = max(files, key=lambda entry: entry.size, default=None)
        if largest is None:
            return
        try:
            self.read_rate = self._read(storage, paths.join(self.home, largest.name))
        except ExternalError as error:
            if error.reason in _CONNECTION_REASONS:
                raise

    def _delete(self, storage: Storage, path: str) -> None:
        try:
            storage.delete(path)
        except ExternalError as error:
            if error.reason != "not_found":
                self.delete_fault = error

    # Result

    @property
    def is_slow(self) -> bool:
        rates = [rate for rate in (self.read_rate, self.write_rate) if rate is not None]
        return (self.list_seconds or 0) > SLOW_LISTING_SECONDS or any(rate < SLOW_BYTES_PER_SECOND for rate in rates)

    def summary(self) -> str:
        """Return the result as a sentence."""
        if self.write_fault is not None:
            return f"Files can be read, but not written: {self.sentence(self.write_fault)}"
        if self.delete_fault is not None:
            explanation = self.sentence(self.delete_fault)
            leftover = f"The test left {self.names[0]} in {self.home}."
            return f"Files can be read and written, but not deleted: {explanation} {leftover}"
        if not self.takes_files:
            return f"Files can be read{', but slowly' * self.is_slow}. Nothing can be written: the place is read-only."
        able = f"Files can be read and written{', but slowly' * self.is_slow}."
        return " ".join([able, *(text for name, text in _NOT_KEPT.items() if name in self.not_kept)])

    def sentence(self, error: ExternalError) -> str:
        """Return the message of an error, about the folder instead of the test's own file."""
        message = error.message
        for name in self.names:
            message = message.replace(paths.join(self.home, name), self.home)
        return message


def _rate(size: int, seconds: float) -> int:
    return round(size / max(seconds, 1e-6))
