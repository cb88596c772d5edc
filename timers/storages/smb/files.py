"""Open files of an SMB server. Two requests of each are in flight, so that a distant server costs less time."""

from __future__ import annotations

import threading
from collections import deque
from contextlib import suppress
from typing import TYPE_CHECKING

from timers.copying import paths
from timers.copying.plan import TIME_TOLERANCE_NS
from timers.errors import ExternalError
from timers.storages.base import Entry, Kind, PartialFile, Permissions, Reader, Writer, fault
from timers.storages.smb.entries import ticks_of
from timers.storages.smb.faults import (
    ACCESS_DENIED,
    END_OF_FILE,
    NAME_COLLISION,
    RequestRefused,
    refusal_error,
    refusals,
)

if TYPE_CHECKING:
    from timers.storages.smb.session import SentRequest, SmbSession

_REQUESTS_AHEAD = 2


class SmbReader(Reader):
    """A file that is read ahead."""

    def __init__(self, session: SmbSession, handle: bytes, *, path: str, opened: Entry, offset: int) -> None:
        self._session, self._handle, self._path = session, handle, path
        self.opened, self.position = opened, offset
        self._requested = offset
        self._in_flight: deque[tuple[SentRequest, int, int]] = deque()
        self._buffer = memoryview(b"")

    def read(self, size: int) -> bytes:
        chunks: list[memoryview] = []
        missing = size
        while missing > 0 and (self._buffer or self._fetch(missing)):
            chunks.append(self._buffer[:missing])
            self._buffer = self._buffer[len(chunks[-1]) :]
            missing -= len(chunks[-1])
        self.position += size - missing
        return b"".join(chunks)

    def stat(self) -> Entry:
        with refusals(self._path):
            return self._session.attributes_of(self._handle).entry(self.opened.name)

    def close(self) -> None:
        self._drop_in_flight()
        self._session.close_quietly(self._handle)

    def _readable_limit(self, size: int) -> int:
        """Return the offset up to which may be read now; beyond the known size, only what is asked for is read."""
        return self.opened.size if self._requested < self.opened.size else self._requested + size

    def _fetch(self, size: int) -> bool:
        """Fill the buffer with the next bytes; return False at the end of the file."""
        self._read_ahead(size)
        if not self._in_flight:
            return False
        request, offset, length = self._in_flight.popleft()
        try:
            data = self._session.data(request)
        except RequestRefused as refused:
            if refused.status != END_OF_FILE:
                raise refusal_error(refused, self._path) from refused
            data = b""
        if len(data) < length:
            self._drop_in_flight()
            self._requested = offset + len(data)
        self._buffer = memoryview(data)
        return bool(data)

    def _read_ahead(self, size: int) -> None:
        limit = self._readable_limit(size)
        while self._requested < limit and len(self._in_flight) < _REQUESTS_AHEAD:
            length = min(self._session.chunk_bytes, limit - self._requested)
            request = self._session.read_request(self._handle, self._requested, length)
            self._in_flight.append((request, self._requested, length))
            self._requested += length

    def _drop_in_flight(self) -> None:
        while self._in_flight:
            with suppress(ExternalError, RequestRefused):
                self._session.answer(self._in_flight.popleft()[0])


class SmbWriter(Writer):
    """A partial file beside its target. A write that the server refuses raises an error at `sync`, at the latest."""

    def __init__(
        self,
        session: SmbSession,
        handle: bytes,
        *,
        path: str,
        partial: str,
        target: str,
        written: int = 0,
    ) -> None:
        """Write over `handle`; `target` is the server's path of the finished file."""
        self._session, self._handle, self._target = session, handle, target
        self.path, self._partial, self.written = path, partial, written
        self._sent = written
        self._unsent = bytearray()
        self._in_flight: deque[tuple[SentRequest, int]] = deque()
        self._lock = threading.RLock()  # another thread may read back meanwhile
        self._is_open = True

    def write(self, data: bytes | memoryview) -> None:
        with self._lock:
            self.written += len(data)
            self._unsent += data
            while len(self._unsent) >= self._session.chunk_bytes:
                self._send_chunk()

    def read_back(self, offset: int) -> Reader:
        return _SmbReadBackReader(self, self._session, self._handle, offset=offset)

    def wait_until_stored(self) -> None:
        """Send everything written so far, and wait until the server has it."""
        with self._lock:
            while self._unsent:
                self._send_chunk()
            while self._in_flight:
                self._wait_for_one()

    def sync(self) -> None:
        self.wait_until_stored()
        with refusals(self.path):
            self._session.flush(self._handle)

    def commit(self, *, modified_ns: int | None = None, permissions: Permissions | None = None) -> None:
        self.wait_until_stored()
        is_timed = modified_ns is not None and self._set_time(modified_ns)
        try:
            self._session.rename(self._handle, self._target, replace=True)
        except RequestRefused as refused:
            raise self._commit_fault(refused) from refused
        self._is_open = False
        with refusals(self.path):
            kept_ns = self._session.close(self._handle).modified_ns
        if modified_ns is not None and (kept_ns is None or abs(kept_ns - modified_ns) > TIME_TOLERANCE_NS):
            is_timed = False
        self.not_kept = [
            *(["times"] if modified_ns is not None and not is_timed else []),
            *(["mode"] if permissions is not None and permissions.exact else []),
        ]

    def keep(self) -> PartialFile:
        self.sync()
        self.release()
        return PartialFile(self._partial, self.written)

    def release(self) -> None:
        """Close the partial file, which stays as it is."""
        if self._is_open:
            self._is_open = False
            self._session.close_quietly(self._handle)

    def discard(self) -> None:
        if not self._is_open:
            return
        with suppress(ExternalError, RequestRefused):
            self._unsent.clear()
            while self._in_flight:
                self._session.answer(self._in_flight.popleft()[0])
        with suppress(ExternalError, RequestRefused):
            self._session.remove(self._handle)
        self.release()

    def _send_chunk(self) -> None:
        chunk = bytes(self._unsent[: self._session.chunk_bytes])
        while len(self._in_flight) >= _REQUESTS_AHEAD:
            self._wait_for_one()
        self._in_flight.append((self._session.write_request(self._handle, self._sent, chunk), len(chunk)))
        self._sent += len(chunk)
        del self._unsent[: len(chunk)]

    def _wait_for_one(self) -> None:
        request, length = self._in_flight.popleft()
        with refusals(self.path):
            stored = self._session.stored(request)
        if stored != length:
            raise fault("storage_error", f"{self.path}: the server stored {stored:,} of {length:,} bytes.")

    def _set_time(self, modified_ns: int) -> bool:
        ticks = ticks_of(modified_ns)
        if ticks is None:
            return False
        try:
            self._session.set_ticks(self._handle, ticks)
        except RequestRefused:
            return False
        return True

    def _commit_fault(self, refused: RequestRefused) -> ExternalError:
        if refused.status in (ACCESS_DENIED, NAME_COLLISION):
            with suppress(RequestRefused):
                if self._session.attributes_at(self._target).kind is Kind.DIR:
                    return fault("not_a_file", f"{self.path} is a folder.")
            in_use = self._session.why_not_removable(self._target)
            return refusal_error(in_use or refused, self.path)
        return refusal_error(refused, self.path)


class _SmbReadBackReader(SmbReader):
    """Reads a partial file that is still being written."""

    def __init__(self, writer: SmbWriter, session: SmbSession, handle: bytes, *, offset: int) -> None:
        opened = Entry(paths.name_of(writer.path), Kind.FILE, writer.written)
        super().__init__(session, handle, path=writer.path, opened=opened, offset=offset)
        self._writer = writer

    def close(self) -> None:
        self._drop_in_flight()

    def _readable_limit(self, size: int) -> int:
        return min(self._requested + size, self._writer.written)

    def _read_ahead(self, size: int) -> None:
        if self._requested < self._readable_limit(size):
            self._writer.wait_until_stored()
        super()._read_ahead(size)
