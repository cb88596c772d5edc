"""Testing a collection: can it be read, can it be written, how fast. A test leaves nothing behind."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
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
from timers.storages.base import Entry, Kind, Storage, fault, is_part, part_name, part_prefix

SIZES = (64 * 1024, 512 * 1024, 4 * 1024 * 1024)
"""How much is written: the next size only when the one before was done at once, for a slow line is not waited for."""

AT_ONCE = 0.5
PATIENCE = 3.0
"""How many seconds are spent on listing, and on reading, at most."""

SLOW_LISTING = 2.0
SLOW_BYTES_PER_SECOND = 32 * 1024
MAX_LISTED = 1000
LEFT_OVER = timedelta(hours=1)

_PIECE = 64 * 1024
_BROKEN = {"connection_error", "login_failed", "host_key_refused", "target_refused"}

Timer = Callable[[], float]


class CheckStatus(StrEnum):
    """What a test found, in one word."""

    REACHABLE = "reachable"
    SLOW = "slow"
    UNREACHABLE = "unreachable"


@dataclass(frozen=True, kw_only=True)
class CollectionHealth:
    """What a test found. A place that only cannot be written is healthy; `reason` says why something cannot be done."""

    status: CheckStatus
    checked_at: datetime
    message: str
    reason: str | None = None
    readable: bool = False
    writable: bool = False
    list_seconds: float | None = None
    read_bytes_per_second: int | None = None
    write_bytes_per_second: int | None = None

    def document(self) -> dict[str, Any]:
        """Return what is stored and answered."""
        return {
            "status": str(self.status),
            "checked_at": formatting.iso(self.checked_at),
            "message": self.message,
            "reason": self.reason,
            "readable": self.readable,
            "writable": self.writable,
            "list_seconds": self.list_seconds,
            "read_bytes_per_second": self.read_bytes_per_second,
            "write_bytes_per_second": self.write_bytes_per_second,
        }


def test(collection: Collection, *, by: Any, now: datetime, timer: Timer = time.monotonic) -> CollectionHealth:
    """Try a collection out in its default directory, keep what was found, and return it.

    It takes some seconds, longer when a host is silent, and must not run in a transaction.
    """
    return record(collection, measure(collection, now=now, timer=timer), by=by, now=now)


def record(collection: Collection, health: CollectionHealth, *, by: Any, now: datetime) -> CollectionHealth:
    """Keep what a test found, unless the collection was changed meanwhile; return it."""
    collection.health = health.document()
    with transaction.atomic():
        same = Collection.objects.filter(pk=collection.pk, updated_at=collection.updated_at)
        same.update(health=collection.health)
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


def measure(collection: Collection, *, now: datetime, timer: Timer = time.monotonic) -> CollectionHealth:
    """Try a collection out and return what was found; nothing is stored, and no fault of the storage is raised."""
    trial = _Trial(collection, now=now, timer=timer)
    try:
        trial.carry_out()
    except ExternalError as error:
        return CollectionHealth(
            status=CheckStatus.UNREACHABLE,
            checked_at=now,
            message=trial.sentence(error),
            reason=error.reason,
            writable=trial.write_rate is not None,
            list_seconds=trial.list_seconds,
            write_bytes_per_second=trial.write_rate,
        )
    return CollectionHealth(
        status=CheckStatus.SLOW if trial.is_slow else CheckStatus.REACHABLE,
        checked_at=now,
        message=trial.verdict(),
        reason=trial.refusal.reason if trial.refusal else None,
        readable=True,
        writable=trial.write_rate is not None,
        list_seconds=trial.list_seconds,
        read_bytes_per_second=trial.read_rate,
        write_bytes_per_second=trial.write_rate,
    )


@dataclass
class _Trial:
    """One test while it goes on, with what was found so far."""

    collection: Collection
    now: datetime = field(kw_only=True)
    timer: Timer = field(kw_only=True)
    list_seconds: float | None = None
    write_rate: int | None = None
    read_rate: int | None = None
    refusal: ExternalError | None = None
    """Why nothing can be written."""
    left: ExternalError | None = None
    """Why the file that was written is still there."""

    def __post_init__(self) -> None:
        self.home = paths.normalise(self.collection.default_directory)
        stamp = clock.to_us(self.now)
        # a name that nothing lists; it says when, so that a later test knows what an interrupted one left
        self.names = [part_name(self.collection.pk, str(stamp), number) for number in range(len(SIZES) + 1)]
        self.path = paths.join(self.home, self.names[0])

    def carry_out(self) -> None:
        """List, write, read. Raises ExternalError when the place cannot be read."""
        began = self.timer()
        with collections.storage_for(self.collection) as storage:
            entries = self._list(storage, began)
            self.list_seconds = round(self.timer() - began, 4)
            self._sweep(storage, entries)
            try:
                data = self._write(storage)
            except ExternalError as error:
                if error.reason in _BROKEN:
                    raise
                self.refusal = error
                self._read_what_is_there(storage, entries)
                return
            try:
                self.read_rate = self._read(storage, self.path, data)
            finally:
                self._delete(storage, self.path)

    def _list(self, storage: Storage, began: float) -> list[Entry]:
        found = []
        for entry in storage.list(self.home):
            found.append(entry)
            if len(found) == MAX_LISTED or self.timer() - began > PATIENCE:
                break
        return found

    def _sweep(self, storage: Storage, entries: list[Entry]) -> None:
        """Remove what an interrupted test left long ago."""
        prefix, before = part_prefix(self.collection.pk), clock.to_us(self.now - LEFT_OVER)
        for entry in entries:
            stamp = entry.name.removeprefix(prefix).partition("-")[0]
            if is_part(entry.name) and entry.name.startswith(prefix) and stamp.isdigit() and int(stamp) < before:
                self._delete(storage, paths.join(self.home, entry.name))

    def _write(self, storage: Storage) -> bytes:
        """Write files of growing size, each in place of the one before; return what the last one holds."""
        written = b""
        try:
            for size, part in zip(SIZES, self.names[1:], strict=True):
                data, began = os.urandom(size), self.timer()
                self._put(storage, data, part=part)
                written, took = data, self.timer() - began
                self.write_rate = _rate(size, took)
                if took > AT_ONCE:
                    break
        except ExternalError:
            self.write_rate = None
            if written:
                self._delete(storage, self.path)
            raise
        return written

    def _put(self, storage: Storage, data: bytes, *, part: str) -> None:
        writer = storage.write(self.path, part=part)
        try:
            writer.write(data)
            writer.seal()
            writer.commit()
        except BaseException:
            writer.discard()
            raise

    def _read(self, storage: Storage, path: str, expected: bytes | None = None) -> int | None:
        """Return how many bytes come back in a second; None for a file too small to tell. `expected` is compared."""
        began, got = self.timer(), 0
        with storage.open(path) as reader:
            while got < SIZES[-1] and self.timer() - began <= PATIENCE:
                piece = reader.read(_PIECE)
                if expected is not None and piece != expected[got : got + _PIECE]:
                    raise fault("checksum_mismatch", f"{path} came back with other bytes than were written.")
                got += len(piece)
                if len(piece) < _PIECE:
                    break
        took = self.timer() - began
        return _rate(got, took) if got >= SIZES[0] or took > PATIENCE else None

    def _read_what_is_there(self, storage: Storage, entries: list[Entry]) -> None:
        """Read the largest file of a place that cannot be written."""
        files = [each for each in entries if each.kind == Kind.FILE and paths.is_storable(each.name)]
        largest = max(files, key=lambda each: each.size, default=None)
        if largest is None:
            return
        try:
            self.read_rate = self._read(storage, paths.join(self.home, largest.name))
        except ExternalError as error:
            if error.reason in _BROKEN:
                raise

    def _delete(self, storage: Storage, path: str) -> None:
        try:
            storage.delete(path)
        except ExternalError as error:
            if error.reason != "not_found":
                self.left = error

    # What it means

    @property
    def is_slow(self) -> bool:
        rates = [rate for rate in (self.read_rate, self.write_rate) if rate is not None]
        return (self.list_seconds or 0) > SLOW_LISTING or any(rate < SLOW_BYTES_PER_SECOND for rate in rates)

    def verdict(self) -> str:
        """Return what was found, in a sentence."""
        if self.refusal is not None:
            return f"Files can be read, but not written: {self.sentence(self.refusal)}"
        if self.left is not None:
            why = self.sentence(self.left)
            return (
                f"Files can be read and written, but not deleted: {why} The test left {self.names[0]} in {self.home}."
            )
        return "Files can be read and written, but slowly." if self.is_slow else "Files can be read and written."

    def sentence(self, error: ExternalError) -> str:
        """Return what went wrong; it is about the folder, not about the test's own file."""
        message = error.message
        for name in self.names:
            message = message.replace(paths.join(self.home, name), self.home)
        return message


def _rate(size: int, took: float) -> int:
    return round(size / max(took, 1e-6))
