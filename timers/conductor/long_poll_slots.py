"""Limit on requests that wait for a result, so that enough threads of the process stay free for others."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

MAX_WAITING_REQUESTS = 4

_slots = threading.BoundedSemaphore(MAX_WAITING_REQUESTS)


@contextmanager
def long_poll_slot() -> Iterator[bool]:
    """Yield whether this request may wait, and hold its slot meanwhile."""
    acquired = _slots.acquire(blocking=False)
    try:
        yield acquired
    finally:
        if acquired:
            _slots.release()
