"""Reading an object: one request for a small one, for a large one several pieces at once, all of the same version."""

from __future__ import annotations

import re
from collections import deque
from concurrent.futures import Future
from threading import BoundedSemaphore
from time import monotonic
from typing import Any

from botocore.exceptions import ClientError

from timers.copying import paths
from timers.errors import ExternalError
from timers.storages.base import Entry, Reader, fault
from timers.storages.s3.bucket import Bucket, file_entry
from timers.storages.s3.faults import MISSING, changed, code_of, faults

PIECE, LARGE_PIECE = 8 * 1024 * 1024, 16 * 1024 * 1024
QUICK = 0.5
"""A line is quick that takes less seconds for a PIECE: then the next ones are large, as every request has its price."""

ALWAYS, AHEAD = 1, 3
"""How many pieces of each file may always be on their way or wait in memory, and how many of SPARE files."""
SPARE = BoundedSemaphore(2)
TRIES = 3

_EMPTY_RANGE = ("InvalidRange", "416")
_RANGE = re.compile(r"bytes \d+-\d+/(\d+)")


class S3Reader(Reader):
    """An object as it was when it was opened: one that is replaced meanwhile is not read on, and `stat` stays."""

    def __init__(self, bucket: Bucket, path: str, offset: int) -> None:
        self._bucket, self._path, self.position = bucket, path, offset
        self._ahead: deque[Future[bytes]] = deque()
        self._piece, self._used = memoryview(b""), 0
        self._seconds, self._may_spare = QUICK, False
        self._first = self._begin()

    def _begin(self) -> Any:
        """Ask for the first piece, which tells the size of all; return its body, None when nothing is to be read."""
        with faults(self._path, self._bucket.name):
            try:
                answer = self._get(self.position, self.position + PIECE)
            except ClientError as error:
                if code_of(error) in MISSING:
                    raise self._bucket.missing(self._path) from error
                if code_of(error) not in _EMPTY_RANGE:
                    raise
                return self._begin_at_end()
        whole = _RANGE.fullmatch(answer.get("ContentRange") or "")
        if whole is None and (self.position or answer["ContentLength"] > PIECE):
            raise fault("unsupported", f"{self._path}: the store cannot read a piece of a file.")
        self._know(answer, int(whole[1]) if whole else answer["ContentLength"])
        self._asked = self._first_end = self.position + answer["ContentLength"]
        return answer["Body"]

    def _begin_at_end(self) -> None:
        answer = self._bucket.head(self._path)
        if answer is None:
            raise self._bucket.missing(self._path)
        self._know(answer, answer["ContentLength"])
        self._asked = self.position

    def _know(self, answer: Any, size: int) -> None:
        self._etag = answer.get("ETag")
        self.opened = file_entry(paths.name_of(self._path), size, answer.get("LastModified"))

    def _get(self, start: int, end: int, **more: Any) -> Any:
        key = self._bucket.key(self._path)
        return self._bucket.client.get_object(
            Bucket=self._bucket.name, Key=key, Range=f"bytes={start}-{end - 1}", **more
        )

    def read(self, size: int) -> bytes:
        if self._used == len(self._piece):
            self._piece, self._used = memoryview(self._next_piece()), 0
        data = bytes(self._piece[self._used : self._used + size])
        self._used += len(data)
        self.position += len(data)
        return data

    def _next_piece(self) -> bytes:
        self._ask_ahead()
        if self._first is not None:
            body, self._first = self._first, None
            return self._all_of(body)
        return self._bucket.result(self._ahead.popleft()) if self._ahead else b""

    def _ask_ahead(self) -> None:
        """Ask for the next pieces; over a slow line for one only, as what is not read in the end was sent in vain."""
        quick = self._seconds < QUICK
        size, most = (LARGE_PIECE, self._most_ahead()) if quick else (PIECE, ALWAYS)
        while self._asked < self.opened.size and len(self._ahead) < most:
            start, self._asked = self._asked, min(self._asked + size, self.opened.size)
            self._ahead.append(self._bucket.submit(self._fetch, start, self._asked))

    def _most_ahead(self) -> int:
        if not self._may_spare and self.opened.size - self._asked > LARGE_PIECE:
            self._may_spare = SPARE.acquire(blocking=False)
        return AHEAD if self._may_spare else ALWAYS

    def _all_of(self, body: Any) -> bytes:
        """Return the whole first piece; when its connection breaks it is asked for again."""
        began = monotonic()
        try:
            with faults(self._path, self._bucket.name):
                return bytes(body.read())
        except ExternalError as error:
            if error.reason != "connection_error":
                raise
            return self._fetch(self.position, self._first_end)
        finally:
            self._took(monotonic() - began, self._first_end - self.position)

    def _took(self, seconds: float, size: int) -> None:
        self._seconds = seconds * PIECE / max(size, 1)

    def _fetch(self, start: int, end: int) -> bytes:
        for tries in range(TRIES, 0, -1):
            began = monotonic()
            try:
                return self._fetch_once(start, end)
            except ExternalError as error:
                if error.reason != "connection_error" or tries == 1:
                    raise
            finally:
                self._took(monotonic() - began, end - start)
        raise AssertionError("the last try returns or raises")

    def _fetch_once(self, start: int, end: int) -> bytes:
        with faults(self._path, self._bucket.name):
            answer = self._get(start, end, **({"IfMatch": self._etag} if self._etag else {}))
            if answer.get("ETag") != self._etag:
                raise changed(self._path)
            data = bytes(answer["Body"].read())
        if len(data) != end - start:
            raise fault("storage_error", f"{self._path}: the store sent another piece than was asked for.")
        return data

    def stat(self) -> Entry:
        return self.opened

    def close(self) -> None:
        for waiting in self._ahead:
            waiting.cancel()
        self._ahead.clear()
        if self._may_spare:
            self._may_spare = False
            SPARE.release()
        if self._first is not None:
            self._first.close()
            self._first = None
