"""Probe of a cluster: a message that a broker hands to its own cluster, whose worker answers with a sign of life.

Messages that any cluster may take prove nothing about this one: another cluster may always be quicker.
"""

from __future__ import annotations

import time

from timers.messaging import queue

PROBE_SECONDS = 5.0
"""Time between two probes; the first one is due at once."""


class ClusterProbe:
    """Probes of one broker. Their message is in no table and no list: the answer proves broker, worker and database."""

    def __init__(self) -> None:
        self._at = time.monotonic()

    def due(self) -> list[tuple[None, str]]:
        """Return the probe when it is due, and count it as sent."""
        if time.monotonic() < self._at:
            return []
        self._at = time.monotonic() + PROBE_SECONDS
        return [(None, queue.package(queue.CLUSTER_PROBE))]
