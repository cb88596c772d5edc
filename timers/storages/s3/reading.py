"""Reading an object: one request for a small object, several ranges at once for a large one.

All ranges belong to the same version.
"""

from __future__ import annotations

import re
from collections import deque
from concurrent.futures import Future
from threading import BoundedSemaphore
from time import monotonic, sleep
from typing import Any

from botocore.exceptions import ClientError

from timers.copying import paths
from timers.errors import ExternalError
from timers.storages.base import Entry, Reader, fault
from timers.storages.s3.bucket import Bucket, file_entry
from timers.storages.s3.faults import NOT_FOUND_CODES, changed_error, code_of, faults
from timers.storages.s3.properties import read as read_properties
from timers.storages.s3.retrying import pause_seconds

RANGE_BYTES, LARGE_RANGE_BYTES = 8 * 1024 * 1024, 16 * 1024 * 1024
FAST_SECONDS_PER_RANGE = 0.5
"""Limit for a fast connection, in seconds per RANGE_BYTES.

Over a fast connection the next ranges are large, because every request has its cost.
"""

MIN_RANGES_AHEAD, MAX_RANGES_AHEAD = 1, 3
"""Number of ranges that may be requested ahead: for every file, and for EXTRA_READERS files."""
EXTRA_READERS = BoundedSemaphore(2)
MAX_TRIES = 3
"""Number of attempts in a row that bring no byte of a range."""

_READ_BYTES = 256 * 1024
_EMPTY_RANGE = ("InvalidRange", "416")
_RANGE = re.compile(r"bytes \d+-\d+/(\d+)")


class S3Reader(Reader):
    """An object as it was when it was opened: reading fails after it was replaced, and `stat` does not change."""

    def __init__(self, bucket: Bucket, path: str, offset: int) -> None:
        self._bucket, self._path, self.position = bucket, path, offset
        self._ranges_ahead: deque[Future[bytes]] = deque()
        self._data, self._consumed = memoryview(b""), 0
        self._seconds_per_range, self._has_extra = FAST_SECONDS_PER_RANGE, False
        self._first = self._begin()

    def _begin(self) -> Any:
        """Request the first range, which also tells the total size.

        Return its body, None when there is nothing to read.
        """
        with faults(self._path, self._bucket.name):
            try:
                answer = self._get(self.position, self.position + RANGE_BYTES)
            except ClientError as error:
                if code_of(error) in NOT_FOUND_CODES:
                    raise self._bucket.not_found_error(self._path) from error
                if code_of(error) not in _EMPTY_RANGE:
                    raise
                return self._begin_at_end()
        content_range = _RANGE.fullmatch(answer.get("ContentRange") or "")
        if content_range is None and (self.position or answer["ContentLength"] > RANGE_BYTES):
            raise fault("unsupported", f"{self._path}: the store cannot read a range of a file.")
        self._remember(answer, int(content_range[1]) if content_range else answer["ContentLength"])
        self._requested = self._first_end = self.position + answer["ContentLength"]
        return answer["Body"]

    def _begin_at_end(self) -> None:
        answer = self._bucket.head(self._path)
        if answer is None:
            raise self._bucket.not_found_error(self._path)
        self._remember(answer, answer["ContentLength"])
        self._requested = self.position

    def _remember(self, answer: Any, size: int) -> None:
        self._etag = answer.get("ETag")
        self.opened = file_entry(paths.name_of(self._path), size, answer.get("LastModified"))
        self.properties = read_properties(answer)

    def _get(self, start: int, end: int, **conditions: Any) -> Any:
        key = self._bucket.key(self._path)
        return self._bucket.client.get_object(
            Bucket=self._bucket.name, Key=key, Range=f"bytes={start}-{end - 1}", **conditions
        )

    def read(self, size: int) -> bytes:
        if self._consumed == len(self._data):
            self._data, self._consumed = memoryview(self._next_data()), 0
        data = bytes(self._data[self._consumed : self._consumed + size])
        self._consumed += len(data)
        self.position += len(data)
        return data

    def _next_data(self) -> bytes:
        self._request_ahead()
        if self._first is not None:
            body, self._first = self._first, None
            return self._read_first(body)
        return self._bucket.result(self._ranges_ahead.popleft()) if self._ranges_ahead else b""

    def _request_ahead(self) -> None:
        """Request the next ranges.

        Over a slow connection it is only one, because a range that is not read in the end is wasted.
        """
        is_fast = self._seconds_per_range < FAST_SECONDS_PER_RANGE
        size, limit = (LARGE_RANGE_BYTES, self._max_ahead()) if is_fast else (RANGE_BYTES, MIN_RANGES_AHEAD)
        while self._requested < self.opened.size and len(self._ranges_ahead) < limit:
            start, self._requested = self._requested, min(self._requested + size, self.opened.size)
            self._ranges_ahead.append(self._bucket.submit(self._fetch, start, self._requested))

    def _max_ahead(self) -> int:
        if not self._has_extra and self.opened.size - self._requested > LARGE_RANGE_BYTES:
            self._has_extra = EXTRA_READERS.acquire(blocking=False)
        return MAX_RANGES_AHEAD if self._has_extra else MIN_RANGES_AHEAD

    def _read_first(self, body: Any) -> bytes:
        """Return the whole first range; when its connection breaks the rest is requested again."""
        began, received = monotonic(), bytearray()
        try:
            with faults(self._path, self._bucket.name):
                _receive(body, received)
        except ExternalError as error:
            if error.reason != "connection_error":
                raise
        finally:
            self._measure(monotonic() - began, self._first_end - self.position)
        rest = self.position + len(received)
        return bytes(received) if rest == self._first_end else bytes(received) + self._fetch(rest, self._first_end)

    def _measure(self, seconds: float, size: int) -> None:
        self._seconds_per_range = seconds * RANGE_BYTES / max(size, 1)

    def _fetch(self, start: int, end: int) -> bytes:
        """Return a range. A connection that breaks is made again, and what was received is kept."""
        received, failures, began = bytearray(), 0, monotonic()
        while len(received) < end - start:
            count = len(received)
            try:
                self._fetch_into(received, start + count, end)
            except ExternalError as error:
                failures = 1 if len(received) > count else failures + 1
                if error.reason != "connection_error" or failures == MAX_TRIES:
                    raise
                sleep(pause_seconds(failures))
        self._measure(monotonic() - began, end - start)
        return bytes(received)

    def _fetch_into(self, received: bytearray, start: int, end: int) -> None:
        count = len(received)
        with faults(self._path, self._bucket.name):
            answer = self._get(start, end, **({"IfMatch": self._etag} if self._etag else {}))
            if answer.get("ETag") != self._etag:
                raise changed_error(self._path)
            _receive(answer["Body"], received)
        if len(received) - count != end - start:
            raise fault("storage_error", f"{self._path}: the store sent another range than the requested one.")

    def stat(self) -> Entry:
        return self.opened

    def close(self) -> None:
        for waiting in self._ranges_ahead:
            waiting.cancel()
        self._ranges_ahead.clear()
        if self._has_extra:
            self._has_extra = False
            EXTRA_READERS.release()
        if self._first is not None:
            self._first.close()
            self._first = None


def _receive(body: Any, received: bytearray) -> None:
    """Append the body of an answer, so that what arrived before its connection broke counts."""
    while data := body.read(_READ_BYTES):
        received += data
