"""Writing an object: a small one by a single request, a large one in parts.

Neither is visible under its name before commit.
"""

from __future__ import annotations

from collections import deque
from concurrent.futures import Future, wait
from contextlib import suppress
from threading import BoundedSemaphore

from timers.errors import ExternalError
from timers.storages.base import Digest, FileProperties, PartialFile, Permissions, Reader, Writer, fault
from timers.storages.s3 import unfinished, upload
from timers.storages.s3.bucket import Bucket
from timers.storages.s3.upload import SentPart, Upload

MIN_PART_BYTES = 8 * 1024 * 1024
MAX_PARTS = 10_000
CHUNK_BYTES = 1024 * 1024
MAX_PARTS_IN_FLIGHT, MIN_PARTS_IN_FLIGHT = 8, 2
"""Largest number of parts of a file in flight, and the number that every file may have."""
MAX_WAITING_BYTES = 64 * 1024 * 1024
EXTRA_PARTS = BoundedSemaphore(16)
"""Parts that all files of this process together may have in flight beyond that: parts wait in memory."""

_PARTS_BEFORE_GROWTH = 1_000


def part_size(left: int, *, sent: int = 0) -> int:
    """Return the size of parts in bytes that is large enough for the `left` bytes, after `sent` parts."""
    parts = max(1, MAX_PARTS - 1 - sent)
    return max(MIN_PART_BYTES, -(-left // parts // CHUNK_BYTES) * CHUNK_BYTES)


class S3Writer(Writer):
    """Bytes on their way into an object.

    Everything is sent with a checksum, which the store checks, and the checksum that the store states is compared with
    it. Modification times cannot be set: a store sets them itself. An object that exists is replaced by the store, in
    one step, and never deleted.
    """

    self_checking = True
    chunk_bytes = CHUNK_BYTES

    def __init__(self, bucket: Bucket, path: str, partial: str, properties: FileProperties | None) -> None:
        self._bucket, self.path, self._partial, self._properties = bucket, path, partial, properties
        self.written = 0
        self._older_partial = ""
        self._buffer = bytearray()
        self._upload: Upload | None = None
        self._sent: list[SentPart] = []
        self._parts_in_flight: deque[Future[SentPart]] = deque()
        self._part_count = 0
        self._part_bytes, self._has_expected_size = MIN_PART_BYTES, False
        self._is_ended = False

    def resume(self, older: PartialFile) -> None:
        """Continue what an earlier writer kept; raises `not_found` when the store does not have it."""
        unfinished_upload = unfinished.load(self._bucket, self.path, older)
        self._older_partial, self._upload, self._sent = older.name, unfinished_upload.upload, unfinished_upload.sent
        self._buffer += unfinished_upload.tail
        self._part_count, self.written = len(unfinished_upload.sent), older.size

    # Bytes

    def write(self, data: bytes | memoryview) -> None:
        rest = memoryview(data)
        while rest:
            room = self._room()
            self._buffer += rest[:room]
            self.written += len(rest[:room])
            rest = rest[room:]

    def copy_from(self, reader: Reader, max_bytes: int, digest: Digest | None = None) -> int:
        if not self._has_expected_size:
            self._set_part_size(reader.opened.size)
        return super().copy_from(reader, max_bytes, digest)

    def _set_part_size(self, total: int) -> None:
        self._part_bytes, self._has_expected_size = part_size(total - self.written, sent=self._part_count), True

    def _room(self) -> int:
        """Return how many bytes the buffer can take; a full buffer is sent first, because more bytes follow."""
        if len(self._buffer) >= self._part_bytes:
            self._send_buffer()
            if not self._has_expected_size and self._part_count % _PARTS_BEFORE_GROWTH == 0:
                self._part_bytes *= 2
        return self._part_bytes - len(self._buffer)

    def read_back(self, offset: int) -> Reader:
        raise fault("unsupported", f"{self.path} cannot be read before it is whole.")

    # Parts

    def _send_buffer(self) -> None:
        """Send the buffer as the next part, in another thread; waits while too many parts are in flight."""
        self._upload = self._upload or upload.begin(self._bucket, self.path, self._properties)
        self._part_count += 1
        if self._part_count > MAX_PARTS:
            raise fault("unsupported", f"{self.path} needs more than {MAX_PARTS:,} parts.")
        is_extra = self._reserve_part()
        body, self._buffer = self._buffer, bytearray()
        try:
            sending = self._bucket.submit(self._send_part, self._upload, self._part_count, body)
        except ExternalError:
            if is_extra:
                EXTRA_PARTS.release()
            raise
        if is_extra:
            sending.add_done_callback(lambda _: EXTRA_PARTS.release())
        self._parts_in_flight.append(sending)

    def _reserve_part(self) -> bool:
        """Wait until one more part may be in flight; return whether it takes one of EXTRA_PARTS."""
        limit = max(1, min(MAX_PARTS_IN_FLIGHT, MAX_WAITING_BYTES // self._part_bytes))
        while len(self._parts_in_flight) >= min(MIN_PARTS_IN_FLIGHT, limit):
            may_wait = not self._parts_in_flight[0].done() and len(self._parts_in_flight) < limit
            if may_wait and EXTRA_PARTS.acquire(blocking=False):
                return True
            self._sent.append(self._bucket.result(self._parts_in_flight.popleft()))
        return False

    def _send_part(self, to: Upload, number: int, body: bytearray) -> SentPart:
        return upload.send_part(self._bucket, self.path, to, number=number, body=body)

    def _wait_for_parts(self) -> None:
        while self._parts_in_flight:
            self._sent.append(self._bucket.result(self._parts_in_flight.popleft()))

    # Ending a file

    def sync(self) -> None:
        """Send the rest of a file in parts. A small file is sent by commit, and nothing of it is needed before."""
        if self._upload is not None:
            if self._buffer:
                self._send_buffer()
            self._wait_for_parts()

    def commit(self, *, modified_ns: int | None = None, permissions: Permissions | None = None) -> None:
        if self._upload is None:
            upload.put(self._bucket, self.path, self._buffer, self._properties)
        else:
            self.sync()
            upload.complete(self._bucket, self.path, self._upload, sent=self._sent)
        self._finish()
        with suppress(ExternalError):  # the file is in place, and a partial file beside it is swept later
            self._remove_older()

    def keep(self) -> PartialFile:
        """Stop, and keep what the store has: after a fault that is every part up to the first one that is missing."""
        if len(self._buffer) >= self._part_bytes:
            with suppress(ExternalError):
                self._send_buffer()
        arrived = filter(None, map(self._arrived, self._parts_in_flight))
        sent = [part for number, part in enumerate([*self._sent, *arrived], 1) if part.number == number]
        tail = bytes(self._buffer) if len(sent) == self._part_count else b""
        unfinished_upload = unfinished.UnfinishedUpload(self._upload, sent, tail)
        unfinished.save(self._bucket, self.path, self._partial, unfinished_upload)
        self._remove_older()
        self._finish()
        self.written = unfinished_upload.size
        return PartialFile(self._partial, self.written)

    def _arrived(self, sending: Future[SentPart]) -> SentPart | None:
        """Return a part in flight once it has arrived; None when it does not."""
        try:
            return self._bucket.result(sending)
        except ExternalError:
            return None

    def discard(self) -> None:
        if self._is_ended:
            return
        for waiting in self._parts_in_flight:
            waiting.cancel()
        wait(self._parts_in_flight)  # a part that arrives after the abort would remain
        with suppress(ExternalError):
            if self._upload is not None:
                upload.abort(self._bucket, self.path, self._upload.id)
            self._remove_older()
        self._finish()

    def _remove_older(self) -> None:
        if self._older_partial and self._older_partial != self._partial:
            unfinished.forget(self._bucket, self.path, self._older_partial)

    def _finish(self) -> None:
        self._is_ended = True
        self._buffer = bytearray()
        self._parts_in_flight.clear()
