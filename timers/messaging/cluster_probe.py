"""The message that a broker hands to its own cluster, whose worker answers that it lives and what it knows.

Messages that any cluster may take say nothing of this one: another may be quicker all the time.
"""

from __future__ import annotations

import time

from timers.messaging import queue

EVERY = 5.0
"""Seconds between two messages; the first one is due at once."""


class RollCall:
    """Comes from no table and no list: it proves the way from the broker over the workers into the database."""

    def __init__(self) -> None:
        self._at = time.monotonic()

    def due(self) -> list[tuple[None, str]]:
        """Return the message when it is time for it, and take it as sent."""
        if time.monotonic() < self._at:
            return []
        self._at = time.monotonic() + EVERY
        return [(None, queue.package(queue.ROLL_CALL))]
