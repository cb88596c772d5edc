"""The worker class of gunicorn: connections that do not send their request in time are closed.

It changes gunicorn's own worker for asyncio, whose inner names it uses: a test opens half requests and looks.
"""

from __future__ import annotations

import asyncio
import resource
from contextlib import suppress
from typing import Any

from gunicorn.asgi.protocol import ASGIProtocol
from gunicorn.workers import gasgi

HEAD_SECONDS = 10.0
"""Time within which a new connection has to send the head of its first request. Later ones have its keep-alive."""
MAX_WAITING = 2000
"""Number of connections without a request; the oldest is closed for one more."""
MAX_OPEN_FILES = 16_384


class Protocol(ASGIProtocol):  # type: ignore[misc]
    """One connection."""

    waiting: dict[Protocol, asyncio.TimerHandle] = {}

    def connection_made(self, transport: Any) -> None:
        while len(self.waiting) >= MAX_WAITING:
            next(iter(self.waiting))._close_unheard()
        self.waiting[self] = self.worker.loop.call_later(HEAD_SECONDS, self._close_unheard)
        super().connection_made(transport)

    def connection_lost(self, exc: Exception | None) -> None:
        self._is_heard()
        super().connection_lost(exc)

    def _on_headers_complete(self) -> Any:
        self._is_heard()
        return super()._on_headers_complete()

    def _is_heard(self) -> None:
        timer = self.waiting.pop(self, None)
        if timer is not None:
            timer.cancel()

    def _close_unheard(self) -> None:
        self._is_heard()
        if self.transport is not None:
            self.transport.abort()


class Worker(gasgi.ASGIWorker):  # type: ignore[misc]
    """Worker for `timersite.front`."""

    def init_process(self) -> None:
        gasgi.ASGIProtocol = Protocol
        with suppress(OSError, ValueError):
            soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
            wanted = MAX_OPEN_FILES if hard == resource.RLIM_INFINITY else min(MAX_OPEN_FILES, hard)
            resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, wanted), hard))
        super().init_process()

    async def _shutdown(self) -> None:
        for connection in list(Protocol.waiting):
            connection._close_unheard()
        await super()._shutdown()
