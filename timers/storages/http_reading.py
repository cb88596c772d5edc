"""Reading a file of a web server: one request, continued with another one where the connection breaks."""

from __future__ import annotations

import http.client
import re
from collections.abc import Callable

from timers.copying import paths
from timers.errors import ExternalError
from timers.storages.base import Entry, FileProperties, Kind, Reader, fault
from timers.storages.http_session import HttpResponse, HttpSession, http_faults, refuse, time_ns

MAX_TRIES = 3
"""Number of requests in a row that bring no byte."""

_SKIP_BYTES = 256 * 1024
_RANGE = re.compile(r"bytes (\d+)-\d+/(\d+)")


class HttpReader(Reader):
    """A file as it was when it was opened; reading fails when it turns out to be another one."""

    def __init__(
        self, session: HttpSession, path: str, *, offset: int, stat: Callable[[], Entry], with_properties: bool = False
    ) -> None:
        self._session, self._path, self._stat, self.position = session, path, stat, offset
        self._location = session.location(path)
        response = self._get()
        if response.status == 416:
            response.close()
            self._begin_at_end()
            return
        try:
            self._response: HttpResponse | None = response
            self._begin(response)
        except BaseException:
            response.close()
            raise
        self.properties = _properties(response) if with_properties else None

    def _get(self) -> HttpResponse:
        headers = {"Range": f"bytes={self.position}-"} if self.position else {}
        return self._session.request("GET", self._location, path=self._path, headers=headers)

    def _begin(self, response: HttpResponse) -> None:
        if response.status not in (200, 206):
            refuse(response, self._path)
        size = self._total(response)
        if size is None:
            raise fault("unsupported", f"{self._path}: the server does not say how large the file is.")
        self._validators = response.header("etag"), response.header("last-modified")
        modified_ns = time_ns(response.header("last-modified"))
        self.opened = Entry(paths.name_of(self._path), Kind.FILE, size, modified_ns)
        if response.status == 200:
            self._skip(self.position)

    def _begin_at_end(self) -> None:
        """Begin where the server has nothing to read: at the end of the file, or after it."""
        self._response, self.opened, self._validators = None, self._stat(), (None, None)
        self.properties = None
        self.position = max(self.position, self.opened.size)

    def _skip(self, count: int) -> None:
        """Read over the beginning of a file: the server does not send a part of it alone."""
        self.position = 0
        while self.position < min(count, self.opened.size):
            self.read(min(_SKIP_BYTES, count - self.position))

    def read(self, size: int) -> bytes:
        failures = 0
        while self._response is not None and size and self.position < self.opened.size:
            try:
                data = self._next_bytes(self._response, size)
            except ExternalError as error:
                failures += 1
                if error.reason != "connection_error" or failures == MAX_TRIES:
                    raise
                self._continue()
                continue
            self.position += len(data)
            return data
        return b""

    def _next_bytes(self, response: HttpResponse, size: int) -> bytes:
        with http_faults(self._path, self._session.target.authority):
            data = response.read(min(size, self.opened.size - self.position))
            if not data:
                raise http.client.IncompleteRead(b"", self.opened.size - self.position)
        return data

    def _continue(self) -> None:
        """Request the rest of the file, which has to be the same one."""
        self.close()
        response = self._get()
        validators = response.header("etag"), response.header("last-modified")
        if response.status in (200, 206) and (
            validators != self._validators or self._total(response) != self.opened.size
        ):
            response.close()
            raise fault("source_changed", f"{self._path} changed while it was read.")
        if response.status != (206 if self.position else 200):
            response.close()
            raise fault("storage_error", f"{self._path}: the connection broke, and the server cannot send the rest.")
        self._response = response

    def _total(self, response: HttpResponse) -> int | None:
        """Return the size of the whole file that an answer states; None where it states none."""
        if response.status != 206:
            return response.length
        content_range = _RANGE.fullmatch(response.header("content-range") or "")
        if content_range is None or int(content_range[1]) != self.position:
            raise fault(
                "unsupported", f"{self._path}: the server sends another part of the file than the requested one."
            )
        return int(content_range[2])

    def stat(self) -> Entry:
        return self._stat()

    def close(self) -> None:
        if self._response is not None:
            self._response.close()
            self._response = None


def _properties(response: HttpResponse) -> FileProperties:
    return FileProperties(
        content_type=response.header("content-type"),
        content_encoding=response.header("content-encoding"),
        content_disposition=response.header("content-disposition"),
        content_language=response.header("content-language"),
        cache_control=response.header("cache-control"),
    )
