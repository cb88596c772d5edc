"""Times of all leased tables: how long a row is held, and when its message is repeated."""

from __future__ import annotations

from datetime import timedelta

EXECUTION_MESSAGE_LEASE = timedelta(seconds=5)
"""How long a pending execution's message may take before the reaper repeats it."""
