"""How fast a transfer may go: a bucket that fills with so many bytes a second, shared by all that copy for it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

MIN_PIECE_BYTES = 16 * 1024
PIECES_PER_SECOND = 4


class RateLimiter:
    """A limit in bytes per second, or none. Safe to use from many threads."""

    def __init__(self, per_second: int | None, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self.per_second, self._monotonic = per_second, monotonic
        self._free_at = monotonic()
        self._lock = threading.Lock()

    def piece(self, most: int) -> int:
        """Return how many bytes may go in one piece, at most `most`: so few that the flow stays even."""
        return (
            most if self.per_second is None else min(most, max(MIN_PIECE_BYTES, self.per_second // PIECES_PER_SECOND))
        )

    def spend(self, size: int) -> float:
        """Take note of bytes that went; return for how many seconds whoever moved them has to wait now."""
        if self.per_second is None:
            return 0.0
        with self._lock:
            now = self._monotonic()
            self._free_at = max(self._free_at, now) + size / self.per_second
            return self._free_at - now
