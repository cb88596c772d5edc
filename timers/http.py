"""One HTTP call over the standard library, bounded in time and size, never following a redirect.

`request` is used by the Python client; anything with its signature (`Transport`) can replace it. `exchange` is the same
call over a given socket, for callers that choose the address themselves.
"""

from __future__ import annotations

import http.client
import io
import socket
import ssl
import time
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from functools import lru_cache, partial
from typing import Any, Final, Protocol
from urllib.parse import urlsplit

from timers.errors import ExternalError

__all__ = [
    "Deadline",
    "ExternalError",
    "Response",
    "Transport",
    "connect",
    "exchange",
    "network_errors",
    "request",
    "tls_context",
    "wrap_tls",
]

MAX_BYTES: Final = 16 * 1024 * 1024
CONNECT_TIMEOUT_SECONDS: Final = 5.0

_CHUNK_BYTES = 64 * 1024
_CANCEL_CHECK_SECONDS = 0.5  # time between two checks for cancellation
_BODY_EXPECTED = frozenset({"POST", "PUT", "PATCH"})


@dataclass(frozen=True, kw_only=True)
class Response:
    """The answer of the server.

    Header names are in lower case; `truncated` is True when the body was longer than allowed.
    """

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    truncated: bool = False


class Transport(Protocol):
    """A function that makes one call and returns the answer, whatever its status.

    Raises ExternalError when there is none.
    """

    def __call__(
        self, method: str, url: str, *, headers: Mapping[str, str], body: bytes | None, timeout: float, max_bytes: int
    ) -> Response: ...


class Deadline:
    """The end of a call. Every wait is bounded by it, so that a slow trickle of bytes is bounded too."""

    def __init__(self, seconds: float, cancelled: Callable[[], bool] | None = None) -> None:
        self.ends = time.monotonic() + seconds
        self.cancelled = cancelled

    def seconds_left(self) -> float:
        """Return the seconds left; raises ExternalError when none are left or the call was cancelled."""
        if self.cancelled is not None and self.cancelled():
            raise ExternalError("The call was cancelled.", retryable=False, reason="cancelled")
        seconds_left = self.ends - time.monotonic()
        if seconds_left <= 0:
            raise ExternalError("The call took too long.", retryable=True, reason="timed_out")
        return seconds_left

    def wait_seconds(self) -> float:
        """Return the seconds to wait before the next check for cancellation."""
        seconds_left = self.seconds_left()
        return seconds_left if self.cancelled is None else min(seconds_left, _CANCEL_CHECK_SECONDS)


def request(
    method: str,
    url: str,
    *,
    headers: Mapping[str, str] | None = None,
    body: bytes | None = None,
    timeout: float = 30.0,
    max_bytes: int = MAX_BYTES,
) -> Response:
    """Call a URL and return the answer, whatever its status; raises ExternalError when there is none.

    A redirect is an answer like any other: following it could send a token to another host. `timeout` bounds everything
    in seconds except the system's resolution of the name.
    """
    deadline = Deadline(timeout)
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError(f"{url!r} is not an http or https URL.")
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    with network_errors(), closing(_open(parts.scheme, parts.hostname, parts.port, deadline)) as connected:
        sent = {"Host": parts.netloc.rpartition("@")[2], **(headers or {})}
        return exchange(connected, method, target, headers=sent, body=body, deadline=deadline, max_bytes=max_bytes)


def _open(scheme: str, host: str, port: int | None, deadline: Deadline) -> socket.socket:
    default = http.client.HTTPS_PORT if scheme == "https" else http.client.HTTP_PORT
    connected = connect(host, port or default, timeout=min(deadline.seconds_left(), CONNECT_TIMEOUT_SECONDS))
    return wrap_tls(connected, host, deadline) if scheme == "https" else connected


def connect(host: str, port: int, *, timeout: float) -> socket.socket:
    """Return a connected socket that sends small amounts of data at once."""
    connected = socket.create_connection((host, port), timeout=timeout)
    connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connected


def wrap_tls(connected: socket.socket, host: str, deadline: Deadline) -> ssl.SSLSocket:
    """Return the socket after a TLS handshake that verified `host`; closes the socket when that fails."""
    try:
        connected.settimeout(deadline.seconds_left())
        return tls_context().wrap_socket(connected, server_hostname=host)
    except BaseException:
        connected.close()
        raise


@lru_cache(maxsize=1)
def tls_context() -> ssl.SSLContext:
    """Return the shared TLS context; certificates and names are always verified."""
    return ssl.create_default_context()


@contextmanager
def network_errors() -> Iterator[None]:
    """Raise errors of sockets, TLS and HTTP as ExternalError, which tells whether trying again helps."""
    try:
        yield
    except ssl.SSLCertVerificationError as error:
        message = f"The certificate cannot be trusted: {error.verify_message}."
        raise ExternalError(message, retryable=False, reason="tls_error") from error
    except TimeoutError as error:
        raise ExternalError("The call took too long.", retryable=True, reason="timed_out") from error
    except ssl.SSLError as error:
        message = f"A secure connection failed: {error.reason or 'connection closed'}."
        raise ExternalError(message, retryable=True, reason="tls_error") from error
    except OSError as error:
        message = f"The connection failed: {error.strerror or 'connection closed'}."
        raise ExternalError(message, retryable=True, reason="connection_error") from error
    except http.client.IncompleteRead as error:
        raise _broken_off() from error
    except http.client.HTTPException as error:
        raise ExternalError("The answer is not HTTP.", retryable=True, reason="bad_answer") from error


def _broken_off() -> ExternalError:
    return ExternalError("The connection ended in the middle of the answer.", retryable=True, reason="connection_error")


# One request and its answer over a connected socket


def exchange(
    connected: socket.socket,
    method: str,
    target: str,
    *,
    headers: Mapping[str, str],
    body: bytes | None,
    deadline: Deadline,
    max_bytes: int,
) -> Response:
    """Send a request over a connected socket and return the answer. The socket serves one request and stays open."""
    connection = http.client.HTTPConnection("unused")
    connection.sock = timed = _TimedSocket(connected, deadline)  # type: ignore[assignment]
    connection.putrequest(method, target, skip_host=True, skip_accept_encoding=True)
    for name, value in {**_framing(method, headers, body), **headers}.items():
        connection.putheader(name, value)
    connection.endheaders(body)
    with suppress(BrokenPipeError, ConnectionResetError):  # a server that closes early may have sent an answer
        timed.flush()
    with connection.getresponse() as response:
        content, truncated = _read(response, max_bytes)
        return Response(status=response.status, headers=_headers(response), body=content, truncated=truncated)


def _framing(method: str, headers: Mapping[str, str], body: bytes | None) -> dict[str, str]:
    framing = {"Connection": "close"}
    if not any(name.lower() == "accept-encoding" for name in headers):
        framing["Accept-Encoding"] = "identity"
    if body is not None or method in _BODY_EXPECTED:
        framing["Content-Length"] = str(len(body or b""))
    return framing


def _headers(response: http.client.HTTPResponse) -> dict[str, str]:
    names = dict.fromkeys(name.lower() for name in response.headers)
    return {name: ", ".join(str(value) for value in response.headers.get_all(name, [])) for name in names}


def _read(response: http.client.HTTPResponse, max_bytes: int) -> tuple[bytes, bool]:
    """Return at most `max_bytes` of the unpacked body, and whether there was more."""
    unpack = _unpacker(response.headers.get("Content-Encoding", ""))
    content = bytearray()
    received = 0
    while len(content) <= max_bytes and received <= max_bytes:
        chunk = response.read(_CHUNK_BYTES)
        if not chunk:
            if response.length:
                raise _broken_off()
            return bytes(content), False
        received += len(chunk)
        content += unpack(chunk, max_bytes + 1 - len(content))
    return bytes(content[:max_bytes]), True


def _unpacker(encoding: str) -> Callable[[bytes, int], bytes]:
    """Return a function of (chunk, limit) that unpacks at most `limit` bytes, at least one, of a chunk."""
    if encoding.strip().lower() not in ("gzip", "x-gzip", "deflate"):
        return lambda chunk, limit: chunk[:limit]
    return _Inflater().feed


class _Inflater:
    """Unpacks gzip and zlib; data that is not packed is returned as it is."""

    def __init__(self) -> None:
        self._decoder: Any = zlib.decompressobj(wbits=zlib.MAX_WBITS | 32)  # 32: detect the format

    def feed(self, chunk: bytes, limit: int) -> bytes:
        if self._decoder is None:
            return chunk[:limit]
        try:
            return bytes(self._decoder.decompress(chunk, limit))
        except zlib.error:
            self._decoder = None
            return chunk[:limit]


class _TimedSocket:
    """The part of a socket that http.client needs, with every wait bounded by the deadline of the whole call."""

    def __init__(self, connected: socket.socket, deadline: Deadline) -> None:
        self._socket = connected
        self._deadline = deadline
        self._unsent: list[bytes] = []

    def sendall(self, data: bytes) -> None:
        """Keep the data until `flush`.

        Head and body are sent together, before the server can answer to half of the request.
        """
        self._unsent.append(data)

    def flush(self) -> None:
        rest = memoryview(b"".join(self._unsent))
        self._unsent.clear()
        while rest:
            rest = rest[self._run_step(partial(self._socket.send, rest[:_CHUNK_BYTES])) :]

    def receive(self, buffer: Any) -> int:
        return self._run_step(partial(self._socket.recv_into, buffer))

    def makefile(self, mode: str) -> io.BufferedReader:
        return io.BufferedReader(_TimedReader(self))

    def close(self) -> None:
        """Leave the socket open: the code that connected it closes it."""

    def _run_step(self, step: Callable[[], int]) -> int:
        while True:
            self._socket.settimeout(self._deadline.wait_seconds())
            try:
                return step()
            except TimeoutError:  # one wait or the whole time is over; the deadline decides
                continue


class _TimedReader(io.RawIOBase):
    def __init__(self, timed: _TimedSocket) -> None:
        self._timed = timed

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        return self._timed.receive(buffer)
