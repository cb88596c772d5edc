"""The SFTP protocol, version 3, over a channel: requests go out without waiting, answers are taken in any order.

Paramiko's own client serves one thread, hides the codes of refusals and decodes names. Here a second thread may read
back what the first one writes, a refusal keeps its code, and names are bytes. Paramiko does what lies below: SSH.
"""

from __future__ import annotations

import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import IntEnum
from typing import NamedTuple

import paramiko

from timers.errors import ExternalError
from timers.storages.base import fault

VERSION = 3
MAX_PACKET_BYTES = 1024 * 1024
_AT_ONCE = 1024 * 1024

_HEAD = struct.Struct(">IBI")
_NUMBER = struct.Struct(">I")
_LONG = struct.Struct(">Q")

Request = tuple[int, tuple[bytes | memoryview, ...]]
"""A kind and the pieces of its body."""


class Ask(IntEnum):
    """What a client asks."""

    INIT = 1
    OPEN = 3
    CLOSE = 4
    READ = 5
    WRITE = 6
    LSTAT = 7
    FSTAT = 8
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


class Say(IntEnum):
    """What a server answers."""

    VERSION = 2
    STATUS = 101
    HANDLE = 102
    DATA = 103
    NAME = 104
    ATTRS = 105
    EXTENDED_REPLY = 201


class StatusCode(IntEnum):
    """Why a server refuses: the codes of version 3."""

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
    """The server refused a request: its code, and its words as they came."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(f"{code} {text}")
        self.code, self.text = code, text


class Attributes(NamedTuple):
    """What a server tells of a file; None where it does not."""

    size: int | None = None
    mode: int | None = None
    modified: int | None = None


class Fields:
    """One answer, read field by field."""

    def __init__(self, data: bytes) -> None:
        self._data, self._at = data, 0

    @property
    def is_read(self) -> bool:
        return self._at >= len(self._data)

    def number(self) -> int:
        return int(_NUMBER.unpack(self._take(4))[0])

    def long(self) -> int:
        return int(_LONG.unpack(self._take(8))[0])

    def text(self) -> bytes:
        return self._take(self.number())

    def attributes(self) -> Attributes:
        flags = self.number()
        size = self.long() if flags & 1 else None
        if flags & 2:
            self._take(8)
        mode = self.number() if flags & 4 else None
        modified = _NUMBER.unpack(self._take(8)[4:])[0] if flags & 8 else None
        for _ in range(self.number() if flags & 0x80000000 else 0):
            self.text()
            self.text()
        return Attributes(size, mode, modified)

    def _take(self, size: int) -> bytes:
        taken = self._data[self._at : self._at + size]
        if len(taken) < size:
            raise fault("storage_error", "The server's answer is cut off.")
        self._at += size
        return taken


def number(value: int) -> bytes:
    return _NUMBER.pack(value)


def long(value: int) -> bytes:
    return _LONG.pack(value)


def text(value: bytes) -> bytes:
    return _NUMBER.pack(len(value)) + value


class Wire:
    """Requests and answers of one session; safe to be used by several threads."""

    def __init__(self, channel: paramiko.Channel, *, name: str, end: Callable[[], None]) -> None:
        self.name = name
        self.extensions: dict[bytes, bytes] = {}
        self._channel, self._end = channel, end
        self._number = 0
        self._sending = threading.Lock()
        self._turn = threading.Condition()
        self._is_reading = False
        self._lost: ExternalError | None = None
        self._under_way: set[int] = set()
        self._unwanted: set[int] = set()
        self._answers: dict[int, tuple[int, bytes]] = {}
        self._rest = b""
        self._greet()

    @property
    def is_lost(self) -> bool:
        """Whether this session cannot be used any more."""
        return self._lost is not None or self._channel.closed

    @property
    def is_awaited(self) -> bool:
        """Whether an answer is still wanted."""
        with self._turn:
            return bool(self._answers) or self._under_way != self._unwanted

    def send(self, *requests: Request) -> list[int]:
        """Send requests together, without waiting; return the numbers by which their answers are asked for."""
        with self._sending:
            numbers: list[int] = []
            pieces: list[bytes | memoryview] = []
            for kind, body in requests:
                self._number = (self._number + 1) & 0xFFFFFFFF
                numbers.append(self._number)
                pieces.append(_HEAD.pack(sum(map(len, body)) + 5, kind, self._number))
                pieces.extend(body)
            with self._turn:
                self._under_way.update(numbers)
            self._send_all(b"".join(pieces))
        return numbers

    def answer(self, asked: int, kind: Say) -> Fields:
        """Wait for an answer of that kind and return its fields; raises Refused when the server says no."""
        said, data = self._wait(asked)
        fields = Fields(data)
        if said == kind and said != Say.STATUS:
            return fields
        if said != Say.STATUS:
            raise self._broken(f"{self.name} gave an answer that was not asked for.")
        code = fields.number()
        if code == StatusCode.OK and kind == Say.STATUS:
            return fields
        # some old servers leave the words out
        raise Refused(code, "" if fields.is_read else fields.text().decode("utf-8", "replace"))

    def forget(self, *numbers: int) -> None:
        """Let the answers to these requests pass unread."""
        with self._turn:
            for asked in numbers:
                if self._answers.pop(asked, None) is None:
                    self._unwanted.add(asked)

    @contextmanager
    def hurried(self, seconds: float) -> Iterator[None]:
        """Wait for answers no longer than this for a while."""
        usual = self._channel.gettimeout()
        self._channel.settimeout(seconds)
        try:
            yield
        finally:
            self._channel.settimeout(usual)

    def end(self) -> None:
        """Hang up."""
        self._lost = self._lost or fault("connection_error", f"The connection to {self.name} is closed.")
        self._end()

    def _greet(self) -> None:
        self._send_all(_NUMBER.pack(5) + bytes([Ask.INIT]) + _NUMBER.pack(VERSION))
        greeting = b""
        while len(greeting) < 4 or len(greeting) < 4 + _NUMBER.unpack(greeting[:4])[0]:
            greeting += self._receive()
            if len(greeting) > MAX_PACKET_BYTES:
                raise self._broken(f"{self.name} does not speak SFTP.")
        if len(greeting) < 9 or greeting[4] != Say.VERSION:
            raise self._broken(f"{self.name} does not speak SFTP.")
        fields = Fields(greeting[9:])
        while not fields.is_read:
            name = fields.text()
            self.extensions[name] = fields.text()

    def _wait(self, asked: int) -> tuple[int, bytes]:
        with self._turn:
            while asked not in self._answers:
                if self._lost is not None:
                    raise fault("connection_error", self._lost.message)
                if self._is_reading:
                    self._turn.wait()
                else:
                    self._read_once()
            return self._answers.pop(asked)

    def _read_once(self) -> None:
        """Receive what has come for anybody. One thread does so at a time, while the others wait for their turn."""
        self._is_reading = True
        self._turn.release()
        try:
            data = self._receive()
        finally:
            self._turn.acquire()
            self._is_reading = False
            self._turn.notify_all()
        self._sort(data)

    def _sort(self, data: bytes) -> None:
        data, at = self._rest + data, 0
        while len(data) - at >= _HEAD.size:
            length, kind, asked = _HEAD.unpack_from(data, at)
            if not 5 <= length <= MAX_PACKET_BYTES or asked not in self._under_way:
                raise self._broken(f"{self.name} sent what is no answer of SFTP.")
            if len(data) - at - 4 < length:
                break
            self._under_way.discard(asked)
            if asked in self._unwanted:
                self._unwanted.discard(asked)
            else:
                self._answers[asked] = (kind, data[at + _HEAD.size : at + 4 + length])
            at += 4 + length
        self._rest = data[at:]

    def _send_all(self, data: bytes) -> None:
        if self._lost is not None:
            raise fault("connection_error", self._lost.message)
        try:
            self._channel.sendall(data)
        except (OSError, EOFError, paramiko.SSHException) as error:
            raise self._gone(error) from error

    def _receive(self) -> bytes:
        try:
            data = self._channel.recv(_AT_ONCE)
        except (OSError, EOFError, paramiko.SSHException) as error:
            raise self._gone(error) from error
        if not data:
            raise self._broken(f"The connection to {self.name} was lost.")
        return bytes(data)

    def _gone(self, error: BaseException) -> ExternalError:
        if isinstance(error, TimeoutError):
            return self._broken(f"{self.name} did not answer in time.")
        return self._broken(f"The connection to {self.name} was lost.")

    def _broken(self, message: str) -> ExternalError:
        """Hang up and return the error that says why; everybody who waits meets it too."""
        error = fault("connection_error", message)
        self._lost = self._lost or error
        self._end()
        return error
