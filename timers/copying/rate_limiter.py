"""Rate limit of a transfer in bytes per second, shared by all its threads."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

MIN_CHUNK_BYTES = 16 * 1024
CHUNKS_PER_SECOND = 4


class RateLimiter:
    """A limit in bytes per second, or none. Safe to use from many threads."""

    def __init__(self, bytes_per_second: int | None, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self.bytes_per_second, self._monotonic = bytes_per_second, monotonic
        self._free_at = monotonic()
        self._lock = threading.Lock()

    def chunk_bytes(self, max_bytes: int) -> int:
        """Return how many bytes may be copied at once, at most `max_bytes`: so few that the rate stays even."""
        return (
            max_bytes
            if self.bytes_per_second is None
            else min(max_bytes, max(MIN_CHUNK_BYTES, self.bytes_per_second // CHUNKS_PER_SECOND))
        )

    def reserve(self, size: int) -> float:
        """Note that `size` bytes were copied; return how many seconds the caller has to wait now."""
        if self.bytes_per_second is None:
            return 0.0
        with self._lock:
            now = self._monotonic()
            self._free_at = max(self._free_at, now) + size / self.bytes_per_second
            return self._free_at - now
