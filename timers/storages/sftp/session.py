"""Operations of an SFTP server. Paths are bytes and absolute; refusals are raised as received."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import paramiko

from timers.errors import ExternalError
from timers.storages.base import fault
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

PRIVATE_MODE = 0o600
"""Mode of a file while it is written."""
DEFAULT_UMASK = 0o022
"""The umask of a server that does not let us find out its own."""

_ALIVE_TIMEOUT_SECONDS = 5.0
_READDIR_REQUESTS_AHEAD = 3
_SIZE, _PERMISSIONS, _TIMES = 0x01, 0x04, 0x08
_MAX_SECONDS = 0xFFFFFFFF

_RENAME_EXTENSION = b"posix-rename@openssh.com"
_FSYNC_EXTENSION = b"fsync@openssh.com"
_HARD_LINK_EXTENSION = b"hardlink@openssh.com"
_LIMITS_EXTENSION = b"limits@openssh.com"
_STATVFS_EXTENSION = b"statvfs@openssh.com"


class ListedName(NamedTuple):
    """One name of a listing, with its attributes and the line that `ls -l` would show."""

    name: bytes
    attributes: Attributes
    line: bytes


class Handle(bytes):
    """The server's name of an open file or folder."""

    is_open = True


class SftpSession(Wire):
    """An SFTP session. `handles` are the files and folders that are open on the server.

    `kept` says for "mode" and "times" whether the server keeps what it was told, once that was looked at.
    `refused_attributes` are those that it refuses to set.
    """

    def __init__(self, channel: paramiko.Channel, *, name: str, end: Callable[[], None]) -> None:
        super().__init__(channel, name=name, end=end)
        self.handles: set[bytes] = set()
        self.kept: dict[str, bool] = {}
        self.refused_attributes: set[str] = set()
        self._umask: int | None = None
        self._ignores_modes: bool | None = None
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
        return self._single_name(RequestType.REALPATH, path)

    def lstat(self, path: bytes) -> Attributes:
        """Return the attributes at a path; a link is not followed."""
        return self._call(RequestType.LSTAT, text(path), kind=ResponseType.ATTRS).attributes()

    def lstat_all(self, paths: Sequence[bytes]) -> list[Attributes | None]:
        """Return the attributes at many paths, requested together; None where the server refuses."""
        numbers = self.send(*((RequestType.LSTAT, (text(path),)) for path in paths)) if paths else []
        return [self.lstat_answer(request_id) for request_id in numbers]

    def lstat_request(self, path: bytes) -> Request:
        return RequestType.LSTAT, (text(path),)

    def lstat_answer(self, request_id: int) -> Attributes | None:
        """Return the attributes that a request asked for; None when the server refuses."""
        try:
            return self.answer(request_id, ResponseType.ATTRS).attributes()
        except Refused:
            return None

    def list(self, path: bytes) -> Iterator[Sequence[ListedName]]:
        """Yield the names of a folder, as many at a time as the server sends together."""
        handle = self._open_handle(RequestType.OPENDIR, text(path))
        try:
            yield from self._listing(handle)
        finally:
            self.close(handle)

    def opens_as_folder(self, path: bytes) -> bool:
        """Return whether a path can be opened as a folder; a link is followed."""
        try:
            self.close(self._open_handle(RequestType.OPENDIR, text(path)))
        except Refused:
            return False
        return True

    def make_folder(self, path: bytes, mode: int | None = None) -> None:
        """Make a folder, with at most these mode bits where they are given."""
        made, looked = self.send(
            (RequestType.MKDIR, (text(path), _attributes(mode=mode))),
            self.lstat_request(path),
        )
        attributes = self.lstat_answer(looked)
        self.wait_until_done(made)
        if mode is not None and attributes is not None and (attributes.mode or 0) & 0o777 & ~mode:
            self.forget(*self.send(self.set_request(path, mode=mode)))  # the server ignores modes of new folders

    def refuses_name(self, path: bytes) -> bool:
        """Return whether the server takes other new names in a folder, but not that of this path.

        Most servers only say "failure". Two empty folders are made and removed to find out.
        """
        if self.lstat_all([path])[0] is not None:
            return False
        other = path.rpartition(b"/")[0] + b"/" + temporary_name()
        requests = [(verb, (text(name), *fields)) for name in (other, path) for verb, fields in _MAKE_AND_REMOVE]
        made_other, removed_other, made, removed = self.send(*requests)
        self.forget(removed_other, removed)
        return self.is_done(made_other) and not self.is_done(made)

    def umask(self, folder: bytes) -> int:
        """Return the mode bits that the server takes away from new entries.

        An empty folder is made below `folder` and removed, once in a session: the protocol has no other way to ask.
        """
        if self._umask is None:
            path = folder + b"/" + temporary_name()
            made, looked, removed = self.send(
                (RequestType.MKDIR, (text(path), _attributes(mode=0o777))),
                self.lstat_request(path),
                (RequestType.RMDIR, (text(path),)),
            )
            self.forget(made, removed)
            attributes = self.lstat_answer(looked)
            mode = None if attributes is None else attributes.mode
            # a server that takes bits away from the owner has no umask, but a mode of its own for everything
            self._umask = ~mode & 0o077 if mode is not None and mode & 0o700 == 0o700 else DEFAULT_UMASK
        return self._umask

    def remove(self, path: bytes) -> None:
        self.wait_until_done(*self.send(self.remove_request(path)))

    def remove_request(self, path: bytes) -> Request:
        return RequestType.REMOVE, (text(path),)

    def remove_folder(self, path: bytes) -> None:
        self._call(RequestType.RMDIR, text(path))

    def rename(self, source: bytes, target: bytes) -> None:
        """Move to a name that does not exist."""
        self.wait_until_done(*self.send(self.plain_rename_request(source, target)))

    def plain_rename_request(self, source: bytes, target: bytes) -> Request:
        """Return the request that moves to a name that does not exist; some servers replace an existing file."""
        return RequestType.RENAME, (text(source), text(target))

    @property
    def can_replace(self) -> bool:
        """True when the server supports `rename_request`."""
        return _RENAME_EXTENSION in self.extensions

    def rename_request(self, source: bytes, target: bytes) -> Request:
        """Return the request that moves a file in one step, replacing an existing target."""
        return RequestType.EXTENDED, (text(_RENAME_EXTENSION), text(source), text(target))

    def makes_hard_link(self, source: bytes, target: bytes) -> bool:
        """Give a file a second name, and return whether that was possible."""
        if _HARD_LINK_EXTENSION not in self.extensions:
            return False
        try:
            self._call(RequestType.EXTENDED, text(_HARD_LINK_EXTENSION), text(source), text(target))
        except Refused:
            return False
        return True

    def read_link(self, path: bytes) -> bytes:
        """Return the text of a link."""
        return self._single_name(RequestType.READLINK, path)

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

    def open(self, path: bytes, flags: int) -> Handle:
        """Open a file and return its handle. Links are followed unless the flags say CREATE and EXCLUSIVE."""
        return self.handle(self.send(self.open_request(path, flags))[0])

    def open_request(self, path: bytes, flags: int) -> Request:
        """Return the request that opens a file; a new one can be read and written by its owner alone."""
        attributes = _attributes(mode=PRIVATE_MODE if flags & CREATE else None)
        return RequestType.OPEN, (text(path), number(flags), attributes)

    def handle(self, request_id: int) -> Handle:
        """Return the handle of a request that opens something."""
        handle = Handle(self.answer(request_id, ResponseType.HANDLE).text())
        self.handles.add(handle)
        return handle

    def make_private(self, handle: Handle) -> None:
        """Make sure that a new file is its owner's alone: some servers ignore the mode that it was created with.

        Whether this one does is looked at once in a session.
        """
        if self._ignores_modes is None:
            try:
                mode = self.attributes(handle).mode
            except Refused:
                mode = None
            self._ignores_modes = mode is not None and mode & 0o077 != 0
        if self._ignores_modes:
            self.forget(*self.send(self.set_request(handle, mode=PRIVATE_MODE)))

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
        return self.attributes_answer(self.send(self.attributes_request(handle))[0])

    def attributes_request(self, handle: bytes) -> Request:
        return RequestType.FSTAT, (text(handle),)

    def attributes_answer(self, request_id: int) -> Attributes:
        return self.answer(request_id, ResponseType.ATTRS).attributes()

    def truncate(self, handle: bytes, size: int) -> None:
        self._call(RequestType.FSETSTAT, text(handle), number(_SIZE), long(size))

    def set_request(self, where: bytes, *, mode: int | None = None, modified: int | None = None) -> Request:
        """Return the request that sets the mode and the times, in seconds; `where` is a handle or a path.

        A link at the path is followed.
        """
        verb = RequestType.FSETSTAT if isinstance(where, Handle) else RequestType.SETSTAT
        return verb, (text(where), _attributes(mode=mode, modified=modified))

    @property
    def can_sync(self) -> bool:
        """True when the server supports `sync_request`."""
        return _FSYNC_EXTENSION in self.extensions

    def sync_request(self, handle: bytes) -> Request:
        return RequestType.EXTENDED, (text(_FSYNC_EXTENSION), text(handle))

    def close_request(self, handle: Handle) -> Request:
        self.handles.discard(handle)
        handle.is_open = False
        return RequestType.CLOSE, (text(handle),)

    def close(self, handle: Handle) -> None:
        """Close a handle without waiting."""
        if handle.is_open and not self.is_lost:
            self.forget(*self.send(self.close_request(handle)))

    def is_done(self, request_id: int) -> bool:
        """Wait for a request, and return whether the server carried it out."""
        try:
            self.wait_until_done(request_id)
        except Refused:
            return False
        return True

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

    def _single_name(self, verb: RequestType, path: bytes) -> bytes:
        names = _names(self._call(verb, text(path), kind=ResponseType.NAME))
        if not names:
            raise fault("storage_error", f"{self.name} sent an answer without a name.")
        return names[0].name

    def _open_handle(self, verb: RequestType, *body: bytes) -> Handle:
        return self.handle(self.send((verb, body))[0])

    def _listing(self, handle: bytes) -> Iterator[Sequence[ListedName]]:
        request: Request = (RequestType.READDIR, (text(handle),))
        pending: list[int] = []
        try:
            while True:
                pending += self.send(*[request] * (_READDIR_REQUESTS_AHEAD - len(pending)))
                yield _names(self.answer(pending.pop(0), ResponseType.NAME))
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


def temporary_name() -> bytes:
    """Return a new name of an entry that is never listed, copied or deleted as a file (see `base.is_partial`)."""
    return f".timers-{secrets.token_hex(6)}-0-0.part".encode()


def seconds_of(modified_ns: int) -> int:
    """Return a modification time as the protocol has it: whole seconds from 1970 to 2106."""
    return min(max(modified_ns // 1_000_000_000, 0), _MAX_SECONDS)


def _attributes(*, mode: int | None = None, modified: int | None = None) -> bytes:
    flags = (_PERMISSIONS if mode is not None else 0) | (_TIMES if modified is not None else 0)
    fields = [number(flags)]
    if mode is not None:
        fields.append(number(mode))
    if modified is not None:
        fields += [number(modified)] * 2
    return b"".join(fields)


_MAKE_AND_REMOVE = ((RequestType.MKDIR, (_attributes(),)), (RequestType.RMDIR, ()))


def _names(fields: Fields) -> list[ListedName]:
    names = []
    for _ in range(fields.number()):
        name, line = fields.text(), fields.text()
        names.append(ListedName(name, fields.attributes(), line))
    return names
