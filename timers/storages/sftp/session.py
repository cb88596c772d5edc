"""Operations of an SFTP server. Paths are bytes and absolute; refusals are raised as received."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

import paramiko

from timers.errors import ExternalError
from timers.storages.sftp.wire import (
    Attributes,
    Fields,
    Refused,
    Request,
    RequestType,
    ResponseType,
    StatusCode,
    Wire,
    long,
    number,
    text,
)

READ, WRITE, CREATE, EXCLUSIVE = 0x01, 0x02, 0x08, 0x20

DEFAULT_REQUEST_BYTES = 32 * 1024
"""Number of bytes that one request moves where the server does not state a limit."""
MAX_REQUEST_BYTES = 128 * 1024

_ALIVE_TIMEOUT_SECONDS = 5.0
_READDIR_REQUESTS_AHEAD = 3
_NO_ATTRIBUTES = number(0)

_RENAME_EXTENSION = b"posix-rename@openssh.com"
_FSYNC_EXTENSION = b"fsync@openssh.com"
_LIMITS_EXTENSION = b"limits@openssh.com"
_STATVFS_EXTENSION = b"statvfs@openssh.com"


class ListedName(NamedTuple):
    """One name of a listing, with its attributes."""

    name: bytes
    attributes: Attributes


class SftpSession(Wire):
    """An SFTP session. `handles` are the files and folders that are open on the server."""

    def __init__(self, channel: paramiko.Channel, *, name: str, end: Callable[[], None]) -> None:
        super().__init__(channel, name=name, end=end)
        self.handles: set[bytes] = set()
        self.read_size, self.write_size = self._request_sizes()

    @property
    def is_busy(self) -> bool:
        """True while files are open, or an answer is awaited."""
        return bool(self.handles) or self.has_pending_requests

    def is_alive(self) -> bool:
        """Return whether the server still answers within a few seconds."""
        with self.answers_within(_ALIVE_TIMEOUT_SECONDS):
            try:
                self.real_path(b".")
            except (ExternalError, Refused):
                return False
        return True

    # Paths

    def real_path(self, path: bytes) -> bytes:
        """Return the real path of a path, all links followed."""
        fields = self._call(RequestType.REALPATH, text(path), kind=ResponseType.NAME)
        return _names(fields)[0].name

    def lstat(self, path: bytes) -> Attributes:
        """Return the attributes at a path; a link is not followed."""
        return self._call(RequestType.LSTAT, text(path), kind=ResponseType.ATTRS).attributes()

    def list(self, path: bytes) -> Iterator[ListedName]:
        """Yield the names of a folder."""
        handle = self._open_handle(RequestType.OPENDIR, text(path))
        try:
            yield from self._listing(handle)
        finally:
            self.close(handle)

    def make_folder(self, path: bytes) -> None:
        self._call(RequestType.MKDIR, text(path), _NO_ATTRIBUTES)

    def remove(self, path: bytes) -> None:
        self._call(RequestType.REMOVE, text(path))

    def remove_folder(self, path: bytes) -> None:
        self._call(RequestType.RMDIR, text(path))

    def rename(self, source: bytes, target: bytes) -> None:
        """Move to a name that does not exist."""
        self._call(RequestType.RENAME, text(source), text(target))

    @property
    def can_replace(self) -> bool:
        """True when the server supports `rename_request`."""
        return _RENAME_EXTENSION in self.extensions

    def rename_request(self, source: bytes, target: bytes) -> Request:
        """Return the request that moves a file in one step, replacing an existing target."""
        return RequestType.EXTENDED, (text(_RENAME_EXTENSION), text(source), text(target))

    def replace(self, source: bytes, target: bytes) -> None:
        """Move a file, replacing an existing target.

        This is one step where the server can replace, else the target is removed first.
        """
        if self.can_replace:
            self.wait_until_done(*self.send(self.rename_request(source, target)))
            return
        try:
            self.rename(source, target)
        except Refused:
            self.remove(target)
            self.rename(source, target)

    def read_link(self, path: bytes) -> bytes:
        """Return the text of a link."""
        return _names(self._call(RequestType.READLINK, text(path), kind=ResponseType.NAME))[0].name

    def make_link(self, path: bytes, link_text: bytes) -> None:
        # every server follows OpenSSH here, which swaps the two arguments of the protocol
        self._call(RequestType.SYMLINK, text(link_text), text(path))

    def is_full(self, path: bytes) -> bool:
        """Return whether the volume of this path has no space left; False where the server does not say."""
        if _STATVFS_EXTENSION not in self.extensions:
            return False
        try:
            fields = self._call(
                RequestType.EXTENDED, text(_STATVFS_EXTENSION), text(path), kind=ResponseType.EXTENDED_REPLY
            )
        except Refused:
            return False
        _, block_bytes, _, _, free_blocks, nodes, _, free_nodes = (fields.long() for _ in range(8))
        return free_blocks * block_bytes < DEFAULT_REQUEST_BYTES or (nodes > 0 and free_nodes == 0)

    # Open files

    def open(self, path: bytes, flags: int) -> bytes:
        """Open a file and return its handle. Links are followed unless the flags say CREATE and EXCLUSIVE."""
        return self._open_handle(RequestType.OPEN, text(path), number(flags), _NO_ATTRIBUTES)

    def read_request(self, handle: bytes, offset: int, size: int) -> Request:
        return RequestType.READ, (text(handle), long(offset), number(size))

    def data(self, request_id: int) -> bytes:
        """Return the data of a read request; empty at the end of the file."""
        try:
            return self.answer(request_id, ResponseType.DATA).text()
        except Refused as refused:
            if refused.code == StatusCode.EOF:
                return b""
            raise

    def write_request(self, handle: bytes, offset: int, data: memoryview) -> Request:
        return RequestType.WRITE, (text(handle), long(offset), number(len(data)), data)

    def attributes(self, handle: bytes) -> Attributes:
        return self._call(RequestType.FSTAT, text(handle), kind=ResponseType.ATTRS).attributes()

    def truncate(self, handle: bytes, size: int) -> None:
        self._call(RequestType.FSETSTAT, text(handle), number(1), long(size))

    def set_times_request(self, handle: bytes, modified: int) -> Request:
        """Return the request that sets a file's times, in whole seconds: the protocol has no others."""
        seconds = number(min(max(modified, 0), 0xFFFFFFFF))
        return RequestType.FSETSTAT, (text(handle), number(8), seconds, seconds)

    @property
    def can_sync(self) -> bool:
        """True when the server supports `sync_request`."""
        return _FSYNC_EXTENSION in self.extensions

    def sync_request(self, handle: bytes) -> Request:
        return RequestType.EXTENDED, (text(_FSYNC_EXTENSION), text(handle))

    def close_request(self, handle: bytes) -> Request:
        self.handles.discard(handle)
        return RequestType.CLOSE, (text(handle),)

    def close(self, handle: bytes) -> None:
        """Close a handle without waiting."""
        if handle in self.handles and not self.is_lost:
            self.forget(*self.send(self.close_request(handle)))

    def wait_until_done(self, *numbers: int) -> None:
        """Wait until these requests are carried out; raises Refused for the first one that failed."""
        refusals = []
        for request_id in numbers:
            try:
                self.answer(request_id, ResponseType.STATUS)
            except Refused as refused:
                refusals.append(refused)
        if refusals:
            raise refusals[0]

    def _call(self, verb: RequestType, *body: bytes, kind: ResponseType = ResponseType.STATUS) -> Fields:
        return self.answer(self.send((verb, body))[0], kind)

    def _open_handle(self, verb: RequestType, *body: bytes) -> bytes:
        handle = self._call(verb, *body, kind=ResponseType.HANDLE).text()
        self.handles.add(handle)
        return handle

    def _listing(self, handle: bytes) -> Iterator[ListedName]:
        request: Request = (RequestType.READDIR, (text(handle),))
        pending: list[int] = []
        try:
            while True:
                pending += self.send(*[request] * (_READDIR_REQUESTS_AHEAD - len(pending)))
                yield from _names(self.answer(pending.pop(0), ResponseType.NAME))
        except Refused as refused:
            if refused.code != StatusCode.EOF:
                raise
        finally:
            self.forget(*pending)

    def _request_sizes(self) -> tuple[int, int]:
        """Return how many bytes one request may read, and write."""
        if _LIMITS_EXTENSION not in self.extensions:
            return DEFAULT_REQUEST_BYTES, DEFAULT_REQUEST_BYTES
        try:
            fields = self._call(RequestType.EXTENDED, text(_LIMITS_EXTENSION), kind=ResponseType.EXTENDED_REPLY)
        except Refused:
            return DEFAULT_REQUEST_BYTES, DEFAULT_REQUEST_BYTES
        _, read, write = fields.long(), fields.long(), fields.long()
        return min(read or DEFAULT_REQUEST_BYTES, MAX_REQUEST_BYTES), min(
            write or DEFAULT_REQUEST_BYTES, MAX_REQUEST_BYTES
        )


def _names(fields: Fields) -> list[ListedName]:
    names = []
    for _ in range(fields.number()):
        name = fields.text()
        fields.text()  # the line that `ls -l` would show
        names.append(ListedName(name, fields.attributes()))
    return names
