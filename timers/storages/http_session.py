"""Connections to one web server, kept open between requests; each is made to an address that was checked just before.

Redirects are not followed: a password could be sent to another host. A body is streamed in both directions.
"""

from __future__ import annotations

import http.client
import select
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import UTC
from email.utils import parsedate_to_datetime
from random import uniform
from time import sleep
from typing import NoReturn
from urllib.parse import quote

from timers import http as house_http
from timers import outgoing, targets
from timers.copying import paths
from timers.errors import ExternalError
from timers.storages.base import fault

READ_TIMEOUT_SECONDS = 60.0
"""Longest silence of a server, which may still store a large file when all of it was sent."""

MAX_TRIES = 3
"""Number of attempts of a request that may be repeated, when no answer comes."""
PAUSE_SECONDS = 0.1

_CHUNK_BYTES = 256 * 1024
_MAX_DRAINED_BYTES = 64 * 1024
_REPEATABLE = frozenset({"GET", "HEAD", "PROPFIND", "PUT"})
_NANOSECONDS_PER_SECOND = 1_000_000_000

_MEANINGS: dict[int, tuple[str, str]] = {
    401: ("login_failed", "the server does not accept the user name and password"),
    403: ("permission_denied", "the server refuses it"),
    404: ("not_found", "it does not exist"),
    405: ("unsupported", "the server does not offer this operation"),
    408: ("connection_error", "the server waited too long"),
    409: ("not_found", "its folder does not exist"),
    410: ("not_found", "it does not exist"),
    413: ("unsupported", "it is larger than the server takes"),
    414: ("name_too_long", "its path is too long for the server"),
    415: ("unsupported", "the server does not take this kind of file"),
    423: ("storage_error", "it is locked; try again later"),
    429: ("unavailable", "the server is overloaded; try again later"),
    501: ("unsupported", "the server does not offer this operation"),
    503: ("unavailable", "the server is overloaded; try again later"),
    507: ("no_space", "the server is full"),
}


class HttpResponse:
    """An answer whose body is read piece by piece. `close` gives its connection back, or ends it."""

    def __init__(self, session: HttpSession, connection: http.client.HTTPConnection, method: str) -> None:
        self._session, self._connection = session, connection
        self._response = connection.getresponse()
        self.status = self._response.status
        self._expected = 0 if method == "HEAD" else self._response.length

    def header(self, name: str) -> str | None:
        """Return the value of a header; None where it is missing."""
        value = self._response.headers.get(name)
        return None if value is None else str(value)

    def headers_after(self, beginning: str) -> dict[str, str]:
        """Return the headers whose names begin so, in lower case and without that beginning."""
        headers = {name.lower(): str(value) for name, value in self._response.headers.items()}
        return {name.removeprefix(beginning): value for name, value in headers.items() if name.startswith(beginning)}

    @property
    def length(self) -> int | None:
        """Length of the body that the header states; None where it states none."""
        stated = self.header("content-length") or ""
        return int(stated) if stated.isascii() and stated.isdigit() else None

    def read(self, size: int) -> bytes:
        """Return the next bytes of the body; empty at its end, and where the connection ended too early."""
        return self._response.read(size)

    def read_all(self, max_bytes: int) -> bytes | None:
        """Return the whole body; None where it is longer. Raises an error of HTTP where it ends too early."""
        body = bytearray()
        while data := self.read(_CHUNK_BYTES):
            body += data
            if len(body) > max_bytes:
                return None
        if self._expected is not None and len(body) < self._expected:
            raise http.client.IncompleteRead(bytes(body), self._expected - len(body))
        return bytes(body)

    def close(self) -> None:
        with suppress(OSError, http.client.HTTPException):
            if (self._response.length or 0) <= _MAX_DRAINED_BYTES:
                self._response.read(_MAX_DRAINED_BYTES)
        if self._response.isclosed() and self._connection.sock is not None:
            self._session.give_back(self._connection)
        else:
            self._response.close()
            self._connection.close()

    def __enter__(self) -> HttpResponse:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class HttpUpload:
    """A request whose body is sent piece by piece; it ends with `finish` or `abort`."""

    def __init__(self, session: HttpSession, connection: http.client.HTTPConnection, *, chunked: bool) -> None:
        self._session, self._connection, self._chunked = session, connection, chunked

    def send(self, data: bytes | memoryview) -> None:
        """Send the next bytes. A server that answers early, mostly with a refusal, is heard by `finish`."""
        if self._chunked:
            self._connection.send(b"".join((b"%x\r\n" % len(data), data, b"\r\n")))
        else:
            self._connection.send(data)

    def finish(self) -> HttpResponse:
        """Return the server's answer to the whole body."""
        if self._chunked:
            self._connection.send(b"0\r\n\r\n")
        return HttpResponse(self._session, self._connection, "PUT")

    def early_answer(self) -> HttpResponse | None:
        """Return the answer of a server that ended the connection before the whole body was sent; None without one."""
        with suppress(OSError, http.client.HTTPException):
            return HttpResponse(self._session, self._connection, "PUT")
        return None

    def abort(self) -> None:
        self._connection.close()


class HttpSession:
    """The connections to a server, for many threads. `url` is that of the folder below which everything lies."""

    def __init__(self, url: str, headers: Mapping[str, str] | None = None) -> None:
        self.target = targets.parse_url(url)
        self._root = self.target.path.rstrip("/")
        self._headers = {"Host": self.target.authority, "User-Agent": "Timers", "Accept-Encoding": "identity"}
        self._headers |= headers or {}
        self._idle: list[http.client.HTTPConnection] = []
        self._lock, self._is_closed = threading.Lock(), False

    def location(self, path: str, *, folder: bool = False) -> str:
        """Return the encoded path of a collection path at the server; that of a folder ends with a slash."""
        encoded = quote(path.rstrip("/").encode("utf-8", "surrogateescape"), safe="/-._~")
        return f"{self._root}{encoded}{'/' if folder else ''}" or "/"

    def url(self, location: str) -> str:
        """Return the absolute URL of a location."""
        return f"{self.target.scheme}://{self.target.authority}{location}"

    def request(
        self, method: str, location: str, *, path: str, headers: Mapping[str, str] | None = None, body: bytes = b""
    ) -> HttpResponse:
        """Send a request and return the answer, whatever its status; close it.

        A request that may be repeated is, when no answer comes. Raises faults of `path`.
        """
        tries = MAX_TRIES if method in _REPEATABLE else 1
        for number in range(1, tries + 1):
            try:
                return self._request_once(method, location, path, headers or {}, body)
            except ExternalError as error:
                if error.reason != "connection_error" or number == tries:
                    raise
                sleep(uniform(0.5, 1.0) * PAUSE_SECONDS * 2**number)
        raise AssertionError("the last attempt returns or raises")

    def _request_once(
        self, method: str, location: str, path: str, headers: Mapping[str, str], body: bytes
    ) -> HttpResponse:
        length = {"Content-Length": str(len(body))} if body or method in ("PUT", "PROPFIND") else {}
        with http_faults(path, self.target.authority):
            connection = self._begin(method, location, {**headers, **length})
            try:
                if body:
                    connection.send(body)
                return HttpResponse(self, connection, method)
            except BaseException:
                connection.close()
                raise

    def upload(self, location: str, *, path: str, length: int | None) -> HttpUpload:
        """Begin to send a file; in chunks where its length is not known."""
        framing = {"Transfer-Encoding": "chunked"} if length is None else {"Content-Length": str(length)}
        with http_faults(path, self.target.authority):
            return HttpUpload(self, self._begin("PUT", location, framing), chunked=length is None)

    def _begin(self, method: str, location: str, headers: Mapping[str, str]) -> http.client.HTTPConnection:
        connection = self._idle_connection() or self._connect()
        try:
            connection.putrequest(method, location, skip_host=True, skip_accept_encoding=True)
            for name, value in {**self._headers, **headers}.items():
                connection.putheader(name, value)
            connection.endheaders()
        except BaseException:
            connection.close()
            raise
        return connection

    def _idle_connection(self) -> http.client.HTTPConnection | None:
        while True:
            with self._lock:
                connection = self._idle.pop() if self._idle else None
            if connection is None or _is_alive(connection):
                return connection
            connection.close()

    def _connect(self) -> http.client.HTTPConnection:
        host, port = self.target.host, self.target.port
        addresses = outgoing.addresses_of(host, port)
        connection = http.client.HTTPConnection("unused")
        connection.auto_open = 0
        for remaining in range(len(addresses), 0, -1):
            try:
                connected = house_http.connect(
                    addresses[-remaining], port, timeout=outgoing.CONNECT_TIMEOUT_SECONDS / len(addresses)
                )
                break
            except OSError:
                if remaining == 1:
                    raise
        if self.target.scheme == "https":
            connected = house_http.wrap_tls(connected, host, house_http.Deadline(outgoing.CONNECT_TIMEOUT_SECONDS))
        connected.settimeout(READ_TIMEOUT_SECONDS)
        connection.sock = connected
        return connection

    def give_back(self, connection: http.client.HTTPConnection) -> None:
        """Keep a connection for the next request."""
        with self._lock:
            if not self._is_closed:
                self._idle.append(connection)
                return
        connection.close()

    def close(self) -> None:
        with self._lock:
            self._is_closed = True
            idle, self._idle = self._idle, []
        for connection in idle:
            connection.close()


def _is_alive(connection: http.client.HTTPConnection) -> bool:
    """Return whether an idle connection is still open; a server that closed it has sent the end of its data."""
    try:
        return not select.select([connection.sock], [], [], 0)[0]
    except (OSError, ValueError):
        return False


@contextmanager
def http_faults(path: str, server: str) -> Iterator[None]:
    """Raise errors of the network as faults of a path."""
    try:
        with house_http.network_errors():
            yield
    except ExternalError as error:
        if error.reason in ("timed_out", "connection_error", "bad_answer", "tls_error"):
            reason = "connection_error" if error.retryable else "target_refused"
            raise fault(reason, f"{path}: {server}: {error.message}") from error
        if error.reason == "target_refused":
            raise fault("target_refused", f"{path}: {error.message}") from error
        raise


def refuse(response: HttpResponse, path: str) -> NoReturn:
    """Raise the fault for an answer that is no success."""
    status = response.status
    reason, text = _MEANINGS.get(status) or _other_meaning(status, response.header("location"))
    raise fault(reason, f"{path}: {text} ({status}).")


def _other_meaning(status: int, location: str | None) -> tuple[str, str]:
    if 300 <= status < 400:
        shown = f" to {paths.readable(location[:200])}" if location else ""
        return "unsupported", f"the server sends us elsewhere{shown}, and redirects are not followed"
    if status >= 500:
        return "storage_error" if status == 500 else "unavailable", "the server answers with an error"
    return "unsupported", "the server answers with an error"


def time_ns(text: str | None) -> int | None:
    """Return the time of a header in nanoseconds; None where there is none that can be read."""
    try:
        moment = parsedate_to_datetime(text or "")
    except (ValueError, TypeError, IndexError):
        return None
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return int(moment.timestamp()) * _NANOSECONDS_PER_SECOND
