"""Open files of an SFTP server. Reading and writing keep many requests under way, so that distance costs little."""

from __future__ import annotations

import stat as modes
import threading
from collections import deque
from contextlib import suppress

from timers.copying import paths
from timers.errors import ExternalError
from timers.storages.base import Digest, Entry, Kind, Reader, UnfinishedFile, Writer, fault
from timers.storages.sftp.faults import meaning, number_of
from timers.storages.sftp.session import READ, SftpSession
from timers.storages.sftp.wire import Attributes, Refused, Request

AHEAD = 4 * 1024 * 1024
"""How many bytes are under way for one file at most."""

_INITIAL_BYTES = 256 * 1024
_TOGETHER = 256 * 1024
_KINDS = {modes.S_IFREG: Kind.FILE, modes.S_IFDIR: Kind.DIR, modes.S_IFLNK: Kind.SYMLINK}


def entry(name: str, found: Attributes) -> Entry:
    """Return what a server told of a name. Its times are whole seconds."""
    kind = _KINDS.get(modes.S_IFMT(found.mode or 0), Kind.OTHER)
    modified_ns = None if found.modified is None else found.modified * 1_000_000_000
    return Entry(name, kind, found.size or 0, modified_ns)


class SftpReader(Reader):
    """A file that is read ahead: a little at first, then up to AHEAD."""

    def __init__(self, session: SftpSession, handle: bytes, *, path: str, opened: Entry, offset: int) -> None:
        self._session, self._handle, self._path = session, handle, path
        self.opened, self.position = opened, offset
        self._asked = offset
        self._window = _INITIAL_BYTES
        self._coming: deque[tuple[int, int, int]] = deque()
        self._held = memoryview(b"")

    def read(self, size: int) -> bytes:
        pieces: list[memoryview] = []
        wanted = size
        while wanted > 0 and (self._held or self._fetch(wanted)):
            pieces.append(self._held[:wanted])
            self._held = self._held[len(pieces[-1]) :]
            wanted -= len(pieces[-1])
        self.position += size - wanted
        return b"".join(pieces)

    def stat(self) -> Entry:
        try:
            return entry(self.opened.name, self._session.attributes(self._handle))
        except Refused as refused:
            raise meaning(refused, self._path) from refused

    def close(self) -> None:
        self._forget()
        with suppress(ExternalError):
            self._session.close(self._handle)

    def _limit(self, size: int) -> int:
        """Return up to where may be read now: at the size that the file had, only what is asked for."""
        return self.opened.size if self._asked < self.opened.size else self._asked + size

    def _fetch(self, size: int) -> bool:
        """Hold the next bytes; return False at the end of the file."""
        if not self._coming:
            self._ask(size)
        if not self._coming:
            return False
        asked, offset, length = self._coming.popleft()
        try:
            data = self._session.data(asked)
        except Refused as refused:
            raise meaning(refused, self._path) from refused
        if not data:
            self._forget()
            self._asked = offset
            return False
        if len(data) < length:
            rest = (offset + len(data), length - len(data))
            (asked,) = self._session.send(self._session.reading(self._handle, *rest))
            self._coming.appendleft((asked, *rest))
        self._held = memoryview(data)
        self._ask(0)
        return True

    def _ask(self, size: int) -> None:
        """Send for what may be read ahead."""
        under_way = sum(length for _, _, length in self._coming)
        if under_way * 2 > self._window:
            return
        limit, pieces = min(self._limit(size), self._asked + self._window - under_way), []
        while self._asked < limit:
            length = min(self._session.read_size, limit - self._asked)
            pieces.append((self._asked, length))
            self._asked += length
        if pieces:
            numbers = self._send([self._session.reading(self._handle, *piece) for piece in pieces])
            self._coming.extend((number, *piece) for number, piece in zip(numbers, pieces, strict=True))
            self._window = min(self._window * 2, AHEAD)

    def _send(self, requests: list[Request]) -> list[int]:
        return self._session.send(*requests)

    def _forget(self) -> None:
        self._session.forget(*(asked for asked, _, _ in self._coming))
        self._coming.clear()


class SftpWriter(Writer):
    """A part beside its target. What the server refuses of the writes under way is raised by seal at the latest."""

    def __init__(
        self,
        session: SftpSession,
        handle: bytes,
        *,
        folder: bytes,
        path: str,
        part: str,
        readable: bool,
        written: int = 0,
    ) -> None:
        self._session, self._handle, self._folder = session, handle, folder
        self.path, self._part, self._readable, self.written = path, part, readable, written
        self._sent = self._stored = written
        self._tail = b""
        self._under_way: deque[tuple[int, int]] = deque()
        self._lock = threading.RLock()  # another thread may read back meanwhile
        self._sealed_at = self._whole = -1
        self._syncing: tuple[int, int] | None = None

    @property
    def _beside(self) -> bytes:
        return self._folder + b"/" + encoded(self._part)

    def write(self, data: bytes | memoryview) -> None:
        with self._lock:
            self.written += len(data)
            if len(self._tail) + len(data) < self._session.write_size:
                self._tail += data  # what is little is sent with what follows
                return
            rest = memoryview(bytes(self._tail) + data if self._tail else data)
            self._tail = b""
            while rest:
                while self._sent - self._stored > AHEAD:
                    self._await_one()
                self._send(rest[:_TOGETHER])
                rest = rest[_TOGETHER:]

    def take(self, reader: Reader, most: int, feed: Digest | None = None) -> int:
        self._whole = reader.opened.size
        return super().take(reader, most, feed)

    def read_back(self, offset: int) -> Reader:
        return _BackReader(self, self._session, self._handle_for_reading(), offset=offset)

    def reaches(self, upto: int) -> int:
        """Return up to where may be asked by `ask_behind`, preferably no further than to there."""
        with self._lock:
            return max(self._sent, min(upto, self.written))

    def ask_behind(self, upto: int, requests: list[Request]) -> list[int]:
        """Send requests behind all that was written up to there; return their numbers.

        Servers keep the order within a handle. What is whole by then is synced in the same breath.
        """
        with self._lock:
            if self._sent >= upto:
                return self._session.send(*requests)
            if self.written != self._whole or not self._session.can_sync:
                return self._send_tail(*requests)
            *numbers, syncing = self._send_tail(*requests, self._session.syncing(self._handle))
            self._syncing = (syncing, self.written)
            return numbers

    def stored(self, upto: int) -> int:
        """Wait until the server has stored what was written up to there; return how much it has."""
        with self._lock:
            if self._sent < upto:
                self._send_tail()
            while self._under_way and self._stored < upto:
                self._await_one()
            return self._stored

    def lets_close(self, handle: bytes) -> bool:
        """Return whether a handle for reading back is its reader's own."""
        return handle != self._handle

    def seal(self) -> None:
        self.finish_seal(self.begin_seal())

    def begin_seal(self) -> int | None:
        """Ask the server to write the file to its disk; return the request to wait for, if it knows such a one."""
        with self._lock:
            if self._sealed_at == self.written or not self._session.can_sync:
                self._send_tail()
                return None
            if self._syncing is not None and self._syncing[1] == self.written:
                (asked, _), self._syncing = self._syncing, None
                return asked
            return self._send_tail(self._session.syncing(self._handle))[0]

    def finish_seal(self, asked: int | None) -> None:
        """Wait until all is stored, and for the server's disk."""
        self.stored(self.written)
        if asked is None:
            return
        try:
            self._session.done(asked)
        except Refused as refused:
            raise self._meaning(refused) from refused
        self._sealed_at = self.written

    def commit(self, *, modified_ns: int | None = None) -> None:
        self.stored(self.written)
        self._forget_syncing()
        session, target = self._session, self._folder + b"/" + encoded(paths.name_of(self.path))
        last = [session.dating(self._handle, modified_ns // 1_000_000_000)] if modified_ns is not None else []
        last.append(session.closing(self._handle))
        at_once = session.can_replace and self._sealed_at == self.written  # nothing can be wrong with the content
        if at_once:
            last.append(session.replacing(self._beside, target))
        try:
            session.done(*session.send(*last))
            if not at_once:
                self._replace(target)
        except Refused as refused:
            raise self._commit_fault(refused, target) from refused
        self._part = ""

    def keep(self) -> UnfinishedFile:
        self.seal()
        part, self._part = UnfinishedFile(self._part, self.written), ""
        self._session.close(self._handle)
        return part

    def discard(self) -> None:
        self._session.forget(*(asked for asked, _ in self._under_way))
        self._under_way.clear()
        self._forget_syncing()
        self._tail = b""
        if self._part and not self._session.is_lost:
            with suppress(ExternalError, Refused):
                self._session.close(self._handle)
                self._session.remove(self._beside)
        self._part = ""

    def _forget_syncing(self) -> None:
        if self._syncing is not None:
            self._session.forget(self._syncing[0])
            self._syncing = None

    def _handle_for_reading(self) -> bytes:
        if self._readable:
            return self._handle
        try:
            return self._session.open(self._beside, READ)
        except Refused as refused:
            raise self._meaning(refused) from refused

    def _send_tail(self, *more: Request) -> list[int]:
        """Send what was held back, and more with it; return the numbers of what was more."""
        tail, self._tail = self._tail, b""
        return self._send(memoryview(tail), *more)

    def _send(self, data: memoryview, *more: Request) -> list[int]:
        size, requests, ends = self._session.write_size, [], []
        for start in range(0, len(data), size):
            piece = data[start : start + size]
            requests.append(self._session.writing(self._handle, self._sent, piece))
            self._sent += len(piece)
            ends.append(self._sent)
        numbers = self._session.send(*requests, *more) if requests or more else []
        self._under_way.extend(zip(numbers, ends, strict=False))
        return numbers[len(ends) :]

    def _await_one(self) -> None:
        asked, upto = self._under_way.popleft()
        try:
            self._session.done(asked)
        except Refused as refused:
            raise self._meaning(refused) from refused
        self._stored = upto

    def _replace(self, target: bytes) -> None:
        if is_folder(self._session, target):  # the way round would remove what is there first
            raise fault("not_a_file", f"{self.path} is a folder.")
        self._session.replace(self._beside, target)

    def _commit_fault(self, refused: Refused, target: bytes) -> ExternalError:
        if is_folder(self._session, target):
            return fault("not_a_file", f"{self.path} is a folder.")
        return self._meaning(refused)

    def _meaning(self, refused: Refused) -> ExternalError:
        if number_of(refused) is None and self._session.is_full(self._folder or b"/"):
            return fault("no_space", f"The server's disk is full: {self.path} could not be written.")
        return meaning(refused, self.path)


class _BackReader(SftpReader):
    """Reads a part that is still being written, never further than the server has stored, or will have by then."""

    def __init__(self, writer: SftpWriter, session: SftpSession, handle: bytes, *, offset: int) -> None:
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
        return self._writer.lets_close(self._handle)

    def _limit(self, size: int) -> int:
        upto = self._asked + size
        return self._writer.stored(upto) if self._has_own_handle else self._writer.reaches(upto)

    def _send(self, requests: list[Request]) -> list[int]:
        if self._has_own_handle:
            return super()._send(requests)
        return self._writer.ask_behind(self._asked, requests)

    def _fetch(self, size: int) -> bool:
        if not self._coming:
            self._ask(size)
        if self._coming:
            _, offset, length = self._coming[0]
            self._writer.stored(offset + length)  # what was refused of it is the writer's fault to tell
        return super()._fetch(size)


def is_folder(session: SftpSession, path: bytes) -> bool:
    """Return whether a folder stands at a path."""
    try:
        return entry("", session.lstat(path)).kind is Kind.DIR
    except Refused:
        return False


def encoded(text: str) -> bytes:
    """Return a name as the server wrote it, also one that is no UTF-8."""
    return text.encode("utf-8", "surrogateescape")
