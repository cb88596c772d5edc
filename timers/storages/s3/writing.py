"""Writing an object: a small one by one request, a large one in parts. Neither is seen under its name before commit."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, wait
from contextlib import suppress
from threading import BoundedSemaphore

from timers.errors import ExternalError
from timers.storages.base import Digest, Reader, UnfinishedFile, Writer, fault
from timers.storages.s3 import unfinished, upload
from timers.storages.s3.bucket import Bucket
from timers.storages.s3.upload import Sent, Upload

PART = 8 * 1024 * 1024
MAX_PARTS = 10_000
PIECE = 1024 * 1024
IN_FLIGHT, ALWAYS = 8, 2
"""How many parts of a file are on their way at most, and how many of each file may always be."""
MAX_WAITING_BYTES = 64 * 1024 * 1024
SPARE = BoundedSemaphore(16)
"""What all files of this process together may have on their way beyond that: parts wait in memory."""

_GROWS_AFTER = 1_000


def part_size(left: int, *, sent: int = 0) -> int:
    """Return the size of parts that are large enough, so many having been sent, for all the bytes that are left."""
    parts = max(1, MAX_PARTS - 1 - sent)
    return max(PART, -(-left // parts // PIECE) * PIECE)


class S3Writer(Writer):
    """Bytes on their way into an object.

    Everything is sent with a checksum, which the store checks, and what the store states to have received is compared
    with it. Modification times cannot be given: a store sets them itself.
    """

    self_checking = True
    piece = PIECE

    def __init__(self, bucket: Bucket, path: str, part: str, *, allow: Callable[[str], None]) -> None:
        """Begin a file; `allow` raises when, at commit, it may not stand there."""
        self._bucket, self.path, self._part, self._allow = bucket, path, part, allow
        self.written = 0
        self._older = ""
        self._buffer = bytearray()
        self._upload: Upload | None = None
        self._sent: list[Sent] = []
        self._waiting: deque[Future[Sent]] = deque()
        self._number = 0
        self._size, self._expected = PART, False
        self._ended = False

    def resume(self, older: UnfinishedFile) -> None:
        """Take over what an earlier writer kept; raises `not_found` when the store does not have that."""
        left = unfinished.load(self._bucket, self.path, older)
        self._older, self._upload, self._sent = older.name, left.upload, left.sent
        self._buffer += left.tail
        self._number, self.written = len(left.sent), older.size

    # Bytes

    def write(self, data: bytes | memoryview) -> None:
        rest = memoryview(data)
        while rest:
            room = self._room()
            self._buffer += rest[:room]
            self.written += len(rest[:room])
            rest = rest[room:]

    def take(self, reader: Reader, most: int, feed: Digest | None = None) -> int:
        if not self._expected:
            self._expect(reader.opened.size)
        return super().take(reader, most, feed)

    def _expect(self, total: int) -> None:
        self._size, self._expected = part_size(total - self.written, sent=self._number), True

    def _room(self) -> int:
        """Return how many bytes the buffer takes; a full one is sent, as there is more to come."""
        if len(self._buffer) >= self._size:
            self._send()
            if not self._expected and self._number % _GROWS_AFTER == 0:
                self._size *= 2
        return self._size - len(self._buffer)

    def read_back(self, offset: int) -> Reader:
        raise fault("unsupported", f"{self.path} cannot be read before it is whole.")

    # Parts

    def _send(self) -> None:
        """Let the buffer be sent as the next part; waits while too many are on their way."""
        self._upload = self._upload or upload.begin(self._bucket, self.path)
        self._number += 1
        if self._number > MAX_PARTS:
            raise fault("unsupported", f"{self.path} needs more than {MAX_PARTS:,} parts.")
        spare = self._take_spare()
        body, self._buffer = self._buffer, bytearray()
        try:
            sending = self._bucket.submit(self._send_part, self._upload, self._number, body)
        except ExternalError:
            if spare:
                SPARE.release()
            raise
        if spare:
            sending.add_done_callback(lambda _: SPARE.release())
        self._waiting.append(sending)

    def _take_spare(self) -> bool:
        """Wait until one more part may be on its way; return whether it takes of what is to spare."""
        most = max(1, min(IN_FLIGHT, MAX_WAITING_BYTES // self._size))
        while len(self._waiting) >= min(ALWAYS, most):
            more = not self._waiting[0].done() and len(self._waiting) < most
            if more and SPARE.acquire(blocking=False):
                return True
            self._sent.append(self._bucket.result(self._waiting.popleft()))
        return False

    def _send_part(self, to: Upload, number: int, body: bytearray) -> Sent:
        return upload.send_part(self._bucket, self.path, to, number=number, body=body)

    def _gather(self) -> None:
        while self._waiting:
            self._sent.append(self._bucket.result(self._waiting.popleft()))

    # Endings

    def seal(self) -> None:
        """Send what is left of a file in parts. A small file is sent by commit: till then nothing of it is needed."""
        if self._upload is not None:
            if self._buffer:
                self._send()
            self._gather()

    def commit(self, *, modified_ns: int | None = None) -> None:
        self._allow(self.path)
        if self._upload is None:
            self._put()
        else:
            self.seal()
            upload.complete(self._bucket, self.path, self._upload, sent=self._sent)
        self._end()
        with suppress(ExternalError):  # the file is in place, and what lies beside it is swept at another time
            self._forget_older()

    def _put(self) -> None:
        try:
            upload.put(self._bucket, self.path, self._buffer)
        except ExternalError as error:
            if error.reason == "checksum_mismatch":  # other bytes must not stand under that name
                with suppress(ExternalError):
                    self._bucket.call("delete_object", self.path, Key=self._bucket.key(self.path))
            raise

    def keep(self) -> UnfinishedFile:
        if len(self._buffer) >= self._size:
            self._send()
        self._gather()
        left = unfinished.UnfinishedUpload(self._upload, self._sent, bytes(self._buffer))
        unfinished.save(self._bucket, self.path, self._part, left)
        self._forget_older()
        self._end()
        return UnfinishedFile(self._part, self.written)

    def discard(self) -> None:
        if self._ended:
            return
        for waiting in self._waiting:
            waiting.cancel()
        wait(self._waiting)  # a part that arrives after the abort would stay
        with suppress(ExternalError):
            if self._upload is not None:
                upload.abort(self._bucket, self.path, self._upload.id)
            self._forget_older()
        self._end()

    def _forget_older(self) -> None:
        if self._older and self._older != self._part:
            unfinished.forget(self._bucket, self.path, self._older)

    def _end(self) -> None:
        self._ended = True
        self._buffer = bytearray()
        self._waiting.clear()
