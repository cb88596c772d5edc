"""Open files of an SFTP server.

Reading and writing keep many requests in flight, so that a distant server costs little time.
"""

from __future__ import annotations

import threading
from collections import deque
from contextlib import suppress

from timers.copying import paths
from timers.errors import ExternalError
from timers.storages.base import Digest, Entry, Kind, PartialFile, Permissions, Reader, Writer, fault
from timers.storages.sftp import attributes, replacing
from timers.storages.sftp.entries import encoded, is_folder, to_entry
from timers.storages.sftp.faults import errno_of, new_name_error, refusal_error
from timers.storages.sftp.replacing import TargetIsFolder
from timers.storages.sftp.session import READ, Handle, SftpSession
from timers.storages.sftp.wire import Attributes, Refused, Request, StatusCode

MAX_IN_FLIGHT_BYTES = 4 * 1024 * 1024
"""Largest number of bytes in flight for one file."""

_INITIAL_WINDOW_BYTES = 256 * 1024
_SEND_BYTES = 256 * 1024


class SftpReader(Reader):
    """A file that is read ahead: a little at first, then up to MAX_IN_FLIGHT_BYTES."""

    def __init__(self, session: SftpSession, handle: Handle, *, path: str, opened: Entry, offset: int) -> None:
        self._session, self._handle, self._path = session, handle, path
        self.opened, self.position = opened, offset
        self._requested = offset
        self._window = _INITIAL_WINDOW_BYTES
        self._in_flight: deque[tuple[int, int, int]] = deque()
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
        try:
            return to_entry(self.opened.name, self._session.attributes(self._handle), kind=self.opened.kind)
        except Refused as refused:
            raise refusal_error(refused, self._path) from refused

    def close(self) -> None:
        self._forget()
        with suppress(ExternalError):
            self._session.close(self._handle)

    def _readable_limit(self, size: int) -> int:
        """Return the offset up to which may be read now.

        Beyond the known size of the file, only requested bytes are read.
        """
        return self.opened.size if self._requested < self.opened.size else self._requested + size

    def _fetch(self, size: int) -> bool:
        """Fill the buffer with the next bytes; return False at the end of the file."""
        if not self._in_flight:
            self._request_ahead(size)
        if not self._in_flight:
            return False
        request_id, offset, length = self._in_flight.popleft()
        try:
            data = self._session.data(request_id)
        except Refused as refused:
            raise refusal_error(refused, self._path) from refused
        if not data:
            self._forget()
            self._requested = offset
            return False
        if len(data) < length:
            rest = (offset + len(data), length - len(data))
            (request_id,) = self._session.send(self._session.read_request(self._handle, *rest))
            self._in_flight.appendleft((request_id, *rest))
        self._buffer = memoryview(data)
        self._request_ahead(0)
        return True

    def _request_ahead(self, size: int) -> None:
        """Send requests for the bytes to be read ahead."""
        pending_bytes = sum(length for _, _, length in self._in_flight)
        if pending_bytes * 2 > self._window:
            return
        limit, ranges = min(self._readable_limit(size), self._requested + self._window - pending_bytes), []
        while self._requested < limit:
            length = min(self._session.read_size, limit - self._requested)
            ranges.append((self._requested, length))
            self._requested += length
        if ranges:
            numbers = self._send(
                [self._session.read_request(self._handle, offset, length) for offset, length in ranges]
            )
            self._in_flight.extend(
                (number, offset, length) for number, (offset, length) in zip(numbers, ranges, strict=True)
            )
            self._window = min(self._window * 2, MAX_IN_FLIGHT_BYTES)

    def _send(self, requests: list[Request]) -> list[int]:
        return self._session.send(*requests)

    def _forget(self) -> None:
        self._session.forget(*(request_id for request_id, _, _ in self._in_flight))
        self._in_flight.clear()


class SftpWriter(Writer):
    """A partial file beside its target. A write that the server refuses raises an error at `sync`, at the latest.

    `existing` are the attributes of the file that is replaced.
    """

    def __init__(
        self,
        session: SftpSession,
        handle: Handle,
        *,
        folder: bytes,
        path: str,
        partial: str,
        readable: bool,
        existing: Attributes | None,
        written: int = 0,
    ) -> None:
        self._session, self._handle, self._folder = session, handle, folder
        self.path, self._partial, self._readable, self.written = path, partial, readable, written
        self._existing = existing
        self._sent = self._stored = written
        self._unsent = b""
        self._writes_in_flight: deque[tuple[int, int]] = deque()
        self._lock = threading.RLock()  # another thread may read back meanwhile
        self._synced_at = self._source_size = -1
        self._sync_request: tuple[int, int] | None = None

    @property
    def _partial_path(self) -> bytes:
        return self._folder + b"/" + encoded(self._partial)

    def write(self, data: bytes | memoryview) -> None:
        with self._lock:
            self.written += len(data)
            if len(self._unsent) + len(data) < self._session.write_size:
                self._unsent += data  # a few bytes are sent together with the next ones
                return
            rest = memoryview(bytes(self._unsent) + data if self._unsent else data)
            self._unsent = b""
            while rest:
                while self._sent - self._stored > MAX_IN_FLIGHT_BYTES:
                    self._wait_for_one()
                self._send(rest[:_SEND_BYTES])
                rest = rest[_SEND_BYTES:]

    def copy_from(self, reader: Reader, max_bytes: int, digest: Digest | None = None) -> int:
        self._source_size = reader.opened.size
        return super().copy_from(reader, max_bytes, digest)

    def read_back(self, offset: int) -> Reader:
        return _ReadBackReader(self, self._session, self._handle_for_reading(), offset=offset)

    def readable_limit(self, end: int) -> int:
        """Return the offset up to which `send_after` may read, preferably `end`."""
        with self._lock:
            return max(self._sent, min(end, self.written))

    def send_after(self, end: int, requests: list[Request]) -> list[int]:
        """Send requests after everything that was written up to `end`; return their numbers.

        Servers keep the order within a handle. A file that is complete by then is synced together with them.
        """
        with self._lock:
            if self._sent >= end:
                return self._session.send(*requests)
            if self.written != self._source_size or not self._session.can_sync:
                return self._send_unsent(*requests)
            *numbers, sync_request = self._send_unsent(*requests, self._session.sync_request(self._handle))
            self._sync_request = (sync_request, self.written)
            return numbers

    def wait_until_stored(self, end: int) -> int:
        """Wait until the server has stored everything up to `end`; return how many bytes it has stored."""
        with self._lock:
            if self._sent < end:
                self._send_unsent()
            while self._writes_in_flight and self._stored < end:
                self._wait_for_one()
            return self._stored

    def is_other_handle(self, handle: Handle) -> bool:
        """Return whether a handle for reading back is not the one for writing, and is closed by its reader."""
        return handle != self._handle

    def sync(self) -> None:
        self.finish_sync(self.begin_sync())

    def begin_sync(self) -> int | None:
        """Ask the server to write the file to its disk; return the request to wait for, None if the server cannot."""
        with self._lock:
            if self._synced_at == self.written or not self._session.can_sync:
                self._send_unsent()
                return None
            if self._sync_request is not None and self._sync_request[1] == self.written:
                (request_id, _), self._sync_request = self._sync_request, None
                return request_id
            return self._send_unsent(self._session.sync_request(self._handle))[0]

    def finish_sync(self, request_id: int | None) -> None:
        """Wait until everything is stored, and for the server's disk."""
        self.wait_until_stored(self.written)
        if request_id is None:
            return
        try:
            self._session.wait_until_done(request_id)
        except Refused as refused:
            raise self._refusal_error(refused) from refused
        self._synced_at = self.written

    def commit(self, *, modified_ns: int | None = None, permissions: Permissions | None = None) -> None:
        self.wait_until_stored(self.written)
        self._forget_syncing()
        session, target = self._session, self._folder + b"/" + encoded(paths.name_of(self.path))
        wanted = attributes.of_file(
            session, self._folder, permissions=permissions, modified_ns=modified_ns, existing=self._existing
        )
        setting = attributes.set_requests(session, self._handle, wanted)
        moving = [session.close_request(self._handle)]
        if session.can_replace and self._synced_at == self.written:  # the content is known to be stored
            moving.append(session.rename_request(self._partial_path, target))
        numbers = session.send(*setting, *moving)
        refused_names = attributes.refused_names(session, wanted, numbers[: len(setting)])
        self._finish_move(numbers[len(setting) :], target)
        self._partial = ""
        if refused_names:
            refused_names = attributes.set_by_path(session, target, wanted, refused_names)
            session.refused_attributes |= refused_names
        self.not_kept = attributes.not_kept(session, wanted, refused_names)

    def keep(self) -> PartialFile:
        self.sync()
        partial, self._partial = PartialFile(self._partial, self.written), ""
        self._session.close(self._handle)
        return partial

    def discard(self) -> None:
        self._session.forget(*(request_id for request_id, _ in self._writes_in_flight))
        self._writes_in_flight.clear()
        self._forget_syncing()
        self._unsent = b""
        if self._partial and not self._session.is_lost:
            with suppress(ExternalError, Refused):
                self._session.close(self._handle)
                self._session.remove(self._partial_path)
        self._partial = ""

    def _forget_syncing(self) -> None:
        if self._sync_request is not None:
            self._session.forget(self._sync_request[0])
            self._sync_request = None

    def _handle_for_reading(self) -> Handle:
        if self._readable:
            return self._handle
        try:
            return self._session.open(self._partial_path, READ)
        except Refused as refused:
            raise self._refusal_error(refused) from refused

    def _send_unsent(self, *more: Request) -> list[int]:
        """Send the bytes held back, followed by more requests; return the numbers of these requests."""
        tail, self._unsent = self._unsent, b""
        return self._send(memoryview(tail), *more)

    def _send(self, data: memoryview, *more: Request) -> list[int]:
        size, requests, ends = self._session.write_size, [], []
        for start in range(0, len(data), size):
            chunk = data[start : start + size]
            requests.append(self._session.write_request(self._handle, self._sent, chunk))
            self._sent += len(chunk)
            ends.append(self._sent)
        numbers = self._session.send(*requests, *more) if requests or more else []
        self._writes_in_flight.extend(zip(numbers, ends, strict=False))
        return numbers[len(ends) :]

    def _wait_for_one(self) -> None:
        request_id, end = self._writes_in_flight.popleft()
        try:
            self._session.wait_until_done(request_id)
        except Refused as refused:
            raise self._refusal_error(refused) from refused
        self._stored = end

    def _finish_move(self, numbers: list[int], target: bytes) -> None:
        """Wait until the file is closed and in place; it is moved now unless that was requested already."""
        closing, *renaming = numbers
        try:
            try:
                self._session.wait_until_done(closing, *renaming)
            except Refused as refused:
                if not renaming or refused.code != StatusCode.OP_UNSUPPORTED:
                    raise
                renaming = []  # the server announces a request that it does not know
            if not renaming:
                replacing.replace(self._session, self._partial_path, target)
        except TargetIsFolder:
            raise fault("not_a_file", f"{self.path} is a folder.") from None
        except Refused as refused:
            raise self._commit_fault(refused, target) from refused

    def _commit_fault(self, refused: Refused, target: bytes) -> ExternalError:
        if is_folder(self._session, target):
            return fault("not_a_file", f"{self.path} is a folder.")
        error = self._refusal_error(refused)
        return new_name_error(self._session, refused, target, self.path) if error.reason == "storage_error" else error

    def _refusal_error(self, refused: Refused) -> ExternalError:
        if errno_of(refused) is None and self._session.is_full(self._folder or b"/"):
            return fault("no_space", f"The server's disk is full: {self.path} could not be written.")
        return refusal_error(refused, self.path)


class _ReadBackReader(SftpReader):
    """Reads a partial file that is still being written.

    It never reads further than the server has stored or is about to store.
    """

    def __init__(self, writer: SftpWriter, session: SftpSession, handle: Handle, *, offset: int) -> None:
        opened = Entry(paths.name_of(writer.path), Kind.FILE, writer.written)
        super().__init__(session, handle, path=writer.path, opened=opened, offset=offset)
        self._writer = writer

    def close(self) -> None:
        self._forget()
        if self._has_own_handle:
            with suppress(ExternalError):
                self._session.close(self._handle)

    @property
    def _has_own_handle(self) -> bool:
        return self._writer.is_other_handle(self._handle)

    def _readable_limit(self, size: int) -> int:
        end = self._requested + size
        return self._writer.wait_until_stored(end) if self._has_own_handle else self._writer.readable_limit(end)

    def _send(self, requests: list[Request]) -> list[int]:
        if self._has_own_handle:
            return super()._send(requests)
        return self._writer.send_after(self._requested, requests)

    def _fetch(self, size: int) -> bool:
        if not self._in_flight:
            self._request_ahead(size)
        if self._in_flight:
            _, offset, length = self._in_flight[0]
            self._writer.wait_until_stored(offset + length)  # a refused write is reported as the writer's error
        return super()._fetch(size)
