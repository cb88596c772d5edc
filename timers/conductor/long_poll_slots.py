"""Requests that wait: only so many at a time in one process, so that the others find a thread."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

MAX_WAITING_REQUESTS = 4

_turns = threading.BoundedSemaphore(MAX_WAITING_REQUESTS)


@contextmanager
def turn_to_wait() -> Iterator[bool]:
    """Yield whether this request may wait."""
    mine = _turns.acquire(blocking=False)
    try:
        yield mine
    finally:
        if mine:
            _turns.release()
