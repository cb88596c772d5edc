"""What can be asked of an SFTP server, verb by verb. Paths are bytes and absolute; refusals are raised as they came."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

import paramiko

from timers.errors import ExternalError
from timers.storages.sftp.wire import (
    Ask,
    Attributes,
    Fields,
    Refused,
    Request,
    Say,
    StatusCode,
    Wire,
    long,
    number,
    text,
)

READ, WRITE, CREATE, EXCLUSIVE = 0x01, 0x02, 0x08, 0x20

PLAIN = 32 * 1024
"""How much one request moves where the server does not say what it takes."""
MAX_REQUEST_BYTES = 128 * 1024

_SOON = 5.0
_PER_LISTING = 3
_NO_ATTRIBUTES = number(0)

_RENAME = b"posix-rename@openssh.com"
_FSYNC = b"fsync@openssh.com"
_LIMITS = b"limits@openssh.com"
_SPACE = b"statvfs@openssh.com"


class Named(NamedTuple):
    """One name out of a listing."""

    name: bytes
    attributes: Attributes


class SftpSession(Wire):
    """An SFTP session. `handles` are the files and folders that are open on the server."""

    def __init__(self, channel: paramiko.Channel, *, name: str, end: Callable[[], None]) -> None:
        super().__init__(channel, name=name, end=end)
        self.handles: set[bytes] = set()
        self.read_size, self.write_size = self._sizes()

    @property
    def is_busy(self) -> bool:
        """Whether files are open, or somebody waits for an answer."""
        return bool(self.handles) or self.is_awaited

    def is_alive(self) -> bool:
        """Return whether the server still answers, and soon."""
        with self.hurried(_SOON):
            try:
                self.real(b".")
            except (ExternalError, Refused):
                return False
        return True

    # Paths

    def real(self, path: bytes) -> bytes:
        """Return where a path really leads, all links followed."""
        fields = self._ask(Ask.REALPATH, text(path), kind=Say.NAME)
        return _names(fields)[0].name

    def lstat(self, path: bytes) -> Attributes:
        """Return what stands at a path; a link is a link."""
        return self._ask(Ask.LSTAT, text(path), kind=Say.ATTRS).attributes()

    def list(self, path: bytes) -> Iterator[Named]:
        """Yield what a folder holds."""
        handle = self._opened(Ask.OPENDIR, text(path))
        try:
            yield from self._listing(handle)
        finally:
            self.close(handle)

    def make_folder(self, path: bytes) -> None:
        self._ask(Ask.MKDIR, text(path), _NO_ATTRIBUTES)

    def remove(self, path: bytes) -> None:
        self._ask(Ask.REMOVE, text(path))

    def remove_folder(self, path: bytes) -> None:
        self._ask(Ask.RMDIR, text(path))

    def rename(self, source: bytes, target: bytes) -> None:
        """Move to a name that is free."""
        self._ask(Ask.RENAME, text(source), text(target))

    @property
    def can_replace(self) -> bool:
        """Whether `replacing` is known to the server."""
        return _RENAME in self.extensions

    def replacing(self, source: bytes, target: bytes) -> Request:
        """Return the request that moves a file over whatever stands there, in one step."""
        return Ask.EXTENDED, (text(_RENAME), text(source), text(target))

    def replace(self, source: bytes, target: bytes) -> None:
        """Move over what stands there: in one step where the server can, else after removing that."""
        if self.can_replace:
            self.done(*self.send(self.replacing(source, target)))
            return
        try:
            self.rename(source, target)
        except Refused:
            self.remove(target)
            self.rename(source, target)

    def read_link(self, path: bytes) -> bytes:
        """Return what a link says."""
        return _names(self._ask(Ask.READLINK, text(path), kind=Say.NAME))[0].name

    def make_link(self, path: bytes, says: bytes) -> None:
        # every server follows OpenSSH here, which has the two in the other order than the protocol
        self._ask(Ask.SYMLINK, text(says), text(path))

    def is_full(self, path: bytes) -> bool:
        """Return whether the volume of this path has no room left; False where the server cannot say."""
        if _SPACE not in self.extensions:
            return False
        try:
            fields = self._ask(Ask.EXTENDED, text(_SPACE), text(path), kind=Say.EXTENDED_REPLY)
        except Refused:
            return False
        _, piece, _, _, room, nodes, _, free_nodes = (fields.long() for _ in range(8))
        return room * piece < PLAIN or (nodes > 0 and free_nodes == 0)

    # Open files

    def open(self, path: bytes, flags: int) -> bytes:
        """Open a file and return its handle. Links are followed unless the flags say CREATE and EXCLUSIVE."""
        return self._opened(Ask.OPEN, text(path), number(flags), _NO_ATTRIBUTES)

    def reading(self, handle: bytes, offset: int, size: int) -> Request:
        return Ask.READ, (text(handle), long(offset), number(size))

    def data(self, asked: int) -> bytes:
        """Return what was read; nothing at the end of the file."""
        try:
            return self.answer(asked, Say.DATA).text()
        except Refused as refused:
            if refused.code == StatusCode.EOF:
                return b""
            raise

    def writing(self, handle: bytes, offset: int, data: memoryview) -> Request:
        return Ask.WRITE, (text(handle), long(offset), number(len(data)), data)

    def attributes(self, handle: bytes) -> Attributes:
        return self._ask(Ask.FSTAT, text(handle), kind=Say.ATTRS).attributes()

    def truncate(self, handle: bytes, size: int) -> None:
        self._ask(Ask.FSETSTAT, text(handle), number(1), long(size))

    def dating(self, handle: bytes, modified: int) -> Request:
        """Return the request that sets a file's times, in whole seconds: the protocol has no others."""
        seconds = number(min(max(modified, 0), 0xFFFFFFFF))
        return Ask.FSETSTAT, (text(handle), number(8), seconds, seconds)

    @property
    def can_sync(self) -> bool:
        """Whether `syncing` is known to the server."""
        return _FSYNC in self.extensions

    def syncing(self, handle: bytes) -> Request:
        return Ask.EXTENDED, (text(_FSYNC), text(handle))

    def closing(self, handle: bytes) -> Request:
        self.handles.discard(handle)
        return Ask.CLOSE, (text(handle),)

    def close(self, handle: bytes) -> None:
        """Close a handle without waiting."""
        if handle in self.handles and not self.is_lost:
            self.forget(*self.send(self.closing(handle)))

    def done(self, *numbers: int) -> None:
        """Wait until these requests are carried out; raises Refused for the first one that was not."""
        refusals = []
        for asked in numbers:
            try:
                self.answer(asked, Say.STATUS)
            except Refused as refused:
                refusals.append(refused)
        if refusals:
            raise refusals[0]

    def _ask(self, verb: Ask, *body: bytes, kind: Say = Say.STATUS) -> Fields:
        return self.answer(self.send((verb, body))[0], kind)

    def _opened(self, verb: Ask, *body: bytes) -> bytes:
        handle = self._ask(verb, *body, kind=Say.HANDLE).text()
        self.handles.add(handle)
        return handle

    def _listing(self, handle: bytes) -> Iterator[Named]:
        request: Request = (Ask.READDIR, (text(handle),))
        coming: list[int] = []
        try:
            while True:
                coming += self.send(*[request] * (_PER_LISTING - len(coming)))
                yield from _names(self.answer(coming.pop(0), Say.NAME))
        except Refused as refused:
            if refused.code != StatusCode.EOF:
                raise
        finally:
            self.forget(*coming)

    def _sizes(self) -> tuple[int, int]:
        """Return how much one request may read, and write."""
        if _LIMITS not in self.extensions:
            return PLAIN, PLAIN
        try:
            fields = self._ask(Ask.EXTENDED, text(_LIMITS), kind=Say.EXTENDED_REPLY)
        except Refused:
            return PLAIN, PLAIN
        _, read, write = fields.long(), fields.long(), fields.long()
        return min(read or PLAIN, MAX_REQUEST_BYTES), min(write or PLAIN, MAX_REQUEST_BYTES)


def _names(fields: Fields) -> list[Named]:
    found = []
    for _ in range(fields.number()):
        name = fields.text()
        fields.text()  # the line that `ls -l` would show
        found.append(Named(name, fields.attributes()))
    return found
