"""Reading one file while another one is read or written: digests let other threads run, so two are twice as fast."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Self

from timers.storages.base import Digest, Reader

_WORTH_A_THREAD = 256 * 1024


class ParallelDigest:
    """A second reader. Each call reads one stretch; the stretches of one file follow each other."""

    def __init__(self) -> None:
        self._pool: ThreadPoolExecutor | None = None

    def feed(self, reader: Reader, digest: Digest, size: int) -> Callable[[], int]:
        """Begin to give the reader's next bytes to a digest; the answer waits for it and tells how many there were."""
        if size < _WORTH_A_THREAD:
            read = reader.feed(digest, size)
            return lambda: read
        if self._pool is None:
            self._pool = ThreadPoolExecutor(1, thread_name_prefix="echo")
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
