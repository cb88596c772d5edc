"""The SFTP protocol, version 3, over a channel: requests are sent without waiting, answers are read in any order.

Paramiko's own client serves one thread, hides the codes of refusals and decodes names. Here a second thread may read
back what the first one writes, a refusal keeps its code, and names are bytes. Paramiko provides the layer below: SSH.
"""

from __future__ import annotations

import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from enum import IntEnum
from typing import NamedTuple

import paramiko

from timers.errors import ExternalError
from timers.storages.base import fault

VERSION = 3
MAX_PACKET_BYTES = 1024 * 1024
_RECEIVE_BYTES = 1024 * 1024

_HEAD = struct.Struct(">IBI")
_UINT32 = struct.Struct(">I")
_UINT64 = struct.Struct(">Q")

Request = tuple[int, tuple[bytes | memoryview, ...]]
"""Type of a request, and the fields of its body."""


class RequestType(IntEnum):
    """Types of requests of the client."""

    INIT = 1
    OPEN = 3
    CLOSE = 4
    READ = 5
    WRITE = 6
    LSTAT = 7
    FSTAT = 8
    SETSTAT = 9
    FSETSTAT = 10
    OPENDIR = 11
    READDIR = 12
    REMOVE = 13
    MKDIR = 14
    RMDIR = 15
    REALPATH = 16
    RENAME = 18
    READLINK = 19
    SYMLINK = 20
    EXTENDED = 200


class ResponseType(IntEnum):
    """Types of answers of the server."""

    VERSION = 2
    STATUS = 101
    HANDLE = 102
    DATA = 103
    NAME = 104
    ATTRS = 105
    EXTENDED_REPLY = 201


class StatusCode(IntEnum):
    """Status codes of version 3 of the protocol."""

    OK = 0
    EOF = 1
    NO_SUCH_FILE = 2
    PERMISSION_DENIED = 3
    FAILURE = 4
    BAD_MESSAGE = 5
    NO_CONNECTION = 6
    CONNECTION_LOST = 7
    OP_UNSUPPORTED = 8


class Refused(Exception):
    """The server refused a request: its code, and its text as received."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(f"{code} {text}")
        self.code, self.text = code, text


class Attributes(NamedTuple):
    """Attributes of a file; None where the server does not send them."""

    size: int | None = None
    mode: int | None = None
    modified: int | None = None


class Fields:
    """Fields of one answer, read one after the other."""

    def __init__(self, data: bytes) -> None:
        self._data, self._offset = data, 0

    @property
    def is_read(self) -> bool:
        return self._offset >= len(self._data)

    def number(self) -> int:
        return int(_UINT32.unpack(self._take(4))[0])

    def long(self) -> int:
        return int(_UINT64.unpack(self._take(8))[0])

    def text(self) -> bytes:
        return self._take(self.number())

    def attributes(self) -> Attributes:
        flags = self.number()
        size = self.long() if flags & 1 else None
        if flags & 2:
            self._take(8)
        mode = self.number() if flags & 4 else None
        modified = _UINT32.unpack(self._take(8)[4:])[0] if flags & 8 else None
        for _ in range(self.number() if flags & 0x80000000 else 0):
            self.text()
            self.text()
        return Attributes(size, mode, modified)

    def _take(self, size: int) -> bytes:
        field = self._data[self._offset : self._offset + size]
        if len(field) < size:
            raise fault("storage_error", "The server's answer is cut off.")
        self._offset += size
        return field


def number(value: int) -> bytes:
    return _UINT32.pack(value)


def long(value: int) -> bytes:
    return _UINT64.pack(value)


def text(value: bytes) -> bytes:
    return _UINT32.pack(len(value)) + value


class Wire:
    """Requests and answers of one session; safe to use from several threads."""

    def __init__(self, channel: paramiko.Channel, *, name: str, end: Callable[[], None]) -> None:
        self.name = name
        self.extensions: dict[bytes, bytes] = {}
        self._channel, self._end = channel, end
        self._last_id = 0
        self._sending = threading.Lock()
        self._condition = threading.Condition()
        self._is_reading = False
        self._lost: ExternalError | None = None
        self._pending: set[int] = set()
        self._forgotten: set[int] = set()
        self._answers: dict[int, tuple[int, bytes]] = {}
        self._rest = b""
        self._negotiate_version()

    @property
    def is_lost(self) -> bool:
        """True when this session cannot be used any more."""
        return self._lost is not None or self._channel.closed

    @property
    def has_pending_requests(self) -> bool:
        """True while an answer is awaited."""
        with self._condition:
            return bool(self._answers) or self._pending != self._forgotten

    def send(self, *requests: Request) -> list[int]:
        """Send requests together, without waiting; return the numbers of their answers."""
        with self._sending:
            numbers: list[int] = []
            packets: list[bytes | memoryview] = []
            for kind, body in requests:
                self._last_id = (self._last_id + 1) & 0xFFFFFFFF
                numbers.append(self._last_id)
                packets.append(_HEAD.pack(sum(map(len, body)) + 5, kind, self._last_id))
                packets.extend(body)
            with self._condition:
                self._pending.update(numbers)
            self._send_all(b"".join(packets))
        return numbers

    def answer(self, request_id: int, kind: ResponseType) -> Fields:
        """Wait for an answer of that type and return its fields; raises Refused when the server refuses the request."""
        answer_type, data = self._wait_for_answer(request_id)
        fields = Fields(data)
        if answer_type == kind and answer_type != ResponseType.STATUS:
            return fields
        if answer_type != ResponseType.STATUS:
            raise self._fail(f"{self.name} sent an unexpected answer.")
        code = fields.number()
        if code == StatusCode.OK and kind == ResponseType.STATUS:
            return fields
        # some old servers send no text
        raise Refused(code, "" if fields.is_read else fields.text().decode("utf-8", "replace"))

    def forget(self, *numbers: int) -> None:
        """Ignore the answers to these requests."""
        with self._condition:
            for request_id in numbers:
                if self._answers.pop(request_id, None) is None:
                    self._forgotten.add(request_id)

    @contextmanager
    def answers_within(self, seconds: float) -> Iterator[None]:
        """Limit the wait for each answer to so many seconds inside this context."""
        previous = self._channel.gettimeout()
        self._channel.settimeout(seconds)
        try:
            yield
        finally:
            self._channel.settimeout(previous)

    def end(self) -> None:
        """Close the connection; one that broke already is no fault."""
        self._lost = self._lost or fault("connection_error", f"The connection to {self.name} is closed.")
        with suppress(EOFError, OSError, paramiko.SSHException):
            self._end()

    def _negotiate_version(self) -> None:
        self._send_all(_UINT32.pack(5) + bytes([RequestType.INIT]) + _UINT32.pack(VERSION))
        packet = b""
        while len(packet) < 4 or len(packet) < 4 + _UINT32.unpack(packet[:4])[0]:
            packet += self._receive()
            if len(packet) > MAX_PACKET_BYTES:
                raise self._fail(f"{self.name} does not speak SFTP.")
        if len(packet) < 9 or packet[4] != ResponseType.VERSION:
            raise self._fail(f"{self.name} does not speak SFTP.")
        fields = Fields(packet[9:])
        while not fields.is_read:
            name = fields.text()
            self.extensions[name] = fields.text()

    def _wait_for_answer(self, request_id: int) -> tuple[int, bytes]:
        with self._condition:
            while request_id not in self._answers:
                if self._lost is not None:
                    raise fault("connection_error", self._lost.message)
                if self._is_reading:
                    self._condition.wait()
                else:
                    self._read_once()
            return self._answers.pop(request_id)

    def _read_once(self) -> None:
        """Receive answers for any thread. One thread does so at a time, while the others wait."""
        self._is_reading = True
        self._condition.release()
        try:
            data = self._receive()
        finally:
            self._condition.acquire()
            self._is_reading = False
            self._condition.notify_all()
        self._sort(data)

    def _sort(self, data: bytes) -> None:
        data, offset = self._rest + data, 0
        while len(data) - offset >= _HEAD.size:
            length, kind, request_id = _HEAD.unpack_from(data, offset)
            if not 5 <= length <= MAX_PACKET_BYTES or request_id not in self._pending:
                raise self._fail(f"{self.name} sent an invalid SFTP answer.")
            if len(data) - offset - 4 < length:
                break
            self._pending.discard(request_id)
            if request_id in self._forgotten:
                self._forgotten.discard(request_id)
            else:
                self._answers[request_id] = (kind, data[offset + _HEAD.size : offset + 4 + length])
            offset += 4 + length
        self._rest = data[offset:]

    def _send_all(self, data: bytes) -> None:
        if self._lost is not None:
            raise fault("connection_error", self._lost.message)
        try:
            self._channel.sendall(data)
        except (OSError, EOFError, paramiko.SSHException) as error:
            raise self._connection_error(error) from error

    def _receive(self) -> bytes:
        try:
            data = self._channel.recv(_RECEIVE_BYTES)
        except (OSError, EOFError, paramiko.SSHException) as error:
            raise self._connection_error(error) from error
        if not data:
            raise self._fail(f"The connection to {self.name} was lost.")
        return bytes(data)

    def _connection_error(self, error: BaseException) -> ExternalError:
        if isinstance(error, TimeoutError):
            return self._fail(f"{self.name} did not answer in time.")
        return self._fail(f"The connection to {self.name} was lost.")

    def _fail(self, message: str) -> ExternalError:
        """Close the connection and return the error that says why; every waiting thread gets the same error."""
        error = fault("connection_error", message)
        self._lost = self._lost or error
        self._end()
        return error
