"""Reading one file while another is read or written.

Computing a digest lets other threads run, so two are twice as fast.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Self

from timers.storages.base import Digest, Reader

_MIN_BYTES_FOR_THREAD = 256 * 1024


class ParallelDigest:
    """A second reader in its own thread. Each call reads one segment; the segments of one file follow each other."""

    def __init__(self) -> None:
        self._pool: ThreadPoolExecutor | None = None

    def feed(self, reader: Reader, digest: Digest, size: int) -> Callable[[], int]:
        """Start to give the reader's next bytes to a digest.

        Return a function that waits for it and returns the number of bytes.
        """
        if size < _MIN_BYTES_FOR_THREAD:
            count = reader.feed(digest, size)
            return lambda: count
        if self._pool is None:
            self._pool = ThreadPoolExecutor(1, thread_name_prefix="digest")
        return self._pool.submit(reader.feed, digest, size).result

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the thread."""
        if self._pool is not None:
            self._pool.shutdown()
            self._pool = None
