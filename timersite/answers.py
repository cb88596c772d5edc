"""Answers on their way from the thread that makes them to the client, which may read slowly or go away."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable, Iterable
from http import HTTPStatus
from tempfile import SpooledTemporaryFile
from typing import Any, Self

PIECE_BYTES = 64 * 1024
MAX_MEMORY_BYTES = 256 * 1024
"""Bytes of an answer that wait in memory; what is longer waits in a temporary file."""
MAX_WAITING_BYTES = 32 * 1024 * 1024
"""Bytes of an answer that wait for a slow client before its thread waits too."""
MAX_WAIT_SECONDS = 60.0

log = logging.getLogger(__name__)


class ClientGone(Exception):
    """The client has closed the connection."""


class Answer:
    """One answer: filled by a thread, read by the event loop; a context manager."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.status = int(HTTPStatus.INTERNAL_SERVER_ERROR)
        self.headers: list[tuple[bytes, bytes]] = []
        self.is_broken = False
        """True when the application failed after the answer had begun."""
        self._loop, self._room, self._changed = loop, threading.Condition(), asyncio.Event()
        self._data = SpooledTemporaryFile(max_size=MAX_MEMORY_BYTES)  # noqa: SIM115  closed by __exit__
        self._written = self._read = 0
        self._has_started = self._is_complete = self._is_given_up = False

    # In the thread

    def fill(self, wsgi: Callable[..., Any], environ: dict[str, Any]) -> None:
        """Run the application, and take its answer as fast as it comes."""
        try:
            pieces: Iterable[bytes] = wsgi(environ, self._start)
            try:
                for piece in pieces:
                    if not self._take(piece):
                        self.is_broken = True
                        break
            finally:
                if callable(close := getattr(pieces, "close", None)):
                    close()
        except Exception:
            log.exception("The application failed outside its own error handling.")
            self.is_broken = self._has_started
        finally:
            self._has_started = self._is_complete = True
            self._tell()

    def _start(self, status: str, headers: list[tuple[str, str]], error: Any = None) -> Callable[[bytes], Any]:
        self.status = int(status.split(" ", 1)[0])
        self.headers = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers]
        return self._take

    def _take(self, data: bytes) -> bool:
        """Keep a piece; return False when nobody reads on."""
        with self._room:
            self._room.wait_for(self._has_room, MAX_WAIT_SECONDS)
            if self._is_given_up or not self._has_room():
                return False
            self._data.seek(self._written)
            self._data.write(data)
            self._written += len(data)
        self._has_started = True
        self._tell()
        return True

    def _has_room(self) -> bool:
        return self._is_given_up or self._written - self._read <= MAX_WAITING_BYTES

    def _tell(self) -> None:
        self._loop.call_soon_threadsafe(self._changed.set)

    # In the event loop

    async def wait_for_start(self) -> None:
        """Wait until status and headers are known; raises ClientGone."""
        while not self._has_started:
            await self._wait()

    async def next_piece(self) -> bytes:
        """Return the next bytes as soon as there are some, none at the end; raises ClientGone."""
        while True:
            is_complete = self._is_complete
            if self._is_given_up:
                raise ClientGone
            with self._room:
                self._data.seek(self._read)
                data = self._data.read(min(PIECE_BYTES, self._written - self._read))
                self._read += len(data)
                self._room.notify()
            if data or is_complete:
                return data
            await self._wait()

    async def _wait(self) -> None:
        if self._is_given_up:
            raise ClientGone
        await self._changed.wait()
        self._changed.clear()

    def give_up(self) -> None:
        """Take nothing more: the client is gone, or has everything."""
        with self._room:
            self._is_given_up = True
            self._room.notify()
        self._changed.set()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._data.close()
