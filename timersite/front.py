"""The application as it is served: `gunicorn timersite.front:application --worker-class timersite.serving.Worker`.

A slow client holds a connection and nothing else. Its request is read whole before a thread sees it, and its answer is
taken from the thread at once and sent as slowly as the client reads. So a few threads, each with its own database
connection, serve any number of clients. The WSGI application itself stays as it is (`timersite.wsgi`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from http import HTTPStatus
from tempfile import SpooledTemporaryFile
from typing import IO, Any

from timersite.answers import Answer, ClientGone
from timersite.wsgi import application as site
from timersite.wsgi_requests import environ_of

MAX_BODY_BYTES = 12 * 1024 * 1024
"""Above the 10 MiB of the interfaces, which refuse a larger body themselves, in their own words."""
BODY_SECONDS = 30.0
"""Time within which a body has to arrive."""
SEND_SECONDS = 60.0
"""Time within which a client has to take the next piece of an answer."""
THREADS = 8
_MEMORY_BYTES = 1024 * 1024

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]


class _Refused(Exception):
    """A request that is not passed on."""

    def __init__(self, status: HTTPStatus) -> None:
        super().__init__(status.phrase)
        self.status = status


class Front:
    """ASGI application around a WSGI application."""

    def __init__(self, wsgi: Callable[..., Any], *, threads: int = THREADS) -> None:
        self._wsgi = wsgi
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="request")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._live(receive, send)
        elif scope["type"] == "http":
            await self._answer(scope, receive, send)
        else:
            raise ValueError(f"{scope['type']} is not served.")

    async def _live(self, receive: Receive, send: Send) -> None:
        while (message := await receive())["type"] != "lifespan.shutdown":
            await send({"type": f"{message['type']}.complete"})
        self._threads.shutdown(wait=False, cancel_futures=True)
        await send({"type": "lifespan.shutdown.complete"})

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        with SpooledTemporaryFile(max_size=_MEMORY_BYTES) as body:
            try:
                size = await asyncio.wait_for(_read_body(receive, body), BODY_SECONDS)
            except ClientGone:
                return
            except TimeoutError:
                await _refuse(send, HTTPStatus.REQUEST_TIMEOUT)
                return
            except _Refused as refused:
                await _refuse(send, refused.status)
                return
            body.seek(0)
            await self._run(environ_of(scope, body, size), receive, send)

    async def _run(self, environ: dict[str, Any], receive: Receive, send: Send) -> None:
        loop = asyncio.get_running_loop()
        with Answer(loop) as answer:
            running = loop.run_in_executor(self._threads, answer.fill, self._wsgi, environ)
            watching = asyncio.ensure_future(_watch(receive, answer))
            try:
                with suppress(ClientGone):
                    await _send_answer(answer, send)
            finally:
                answer.give_up()
                watching.cancel()
                await asyncio.wait([running])


async def _read_body(receive: Receive, body: IO[bytes]) -> int:
    """Read the body into a file; return its size in bytes."""
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientGone
        data = message.get("body", b"")
        size += len(data)
        if size > MAX_BODY_BYTES:
            raise _Refused(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
        body.write(data)
        if not message.get("more_body"):
            return size


async def _watch(receive: Receive, answer: Answer) -> None:
    """Give the answer up when the client goes away."""
    while (await receive())["type"] != "http.disconnect":
        pass
    answer.give_up()


async def _send_answer(answer: Answer, send: Send) -> None:
    await answer.wait_for_start()
    await send({"type": "http.response.start", "status": answer.status, "headers": answer.headers})
    while data := await answer.next_piece():
        await asyncio.wait_for(send({"type": "http.response.body", "body": data, "more_body": True}), SEND_SECONDS)
    if answer.is_broken:
        raise ConnectionError("The answer broke off.")
    await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _refuse(send: Send, status: HTTPStatus) -> None:
    """Answer a request that was not read to its end; the connection ends with it."""
    text = f"{status.phrase}\n".encode()
    headers = [
        (b"content-type", b"text/plain; charset=utf-8"),
        (b"content-length", str(len(text)).encode()),
        (b"connection", b"close"),
    ]
    await send({"type": "http.response.start", "status": int(status), "headers": headers})
    await send({"type": "http.response.body", "body": text})


application = Front(site)
