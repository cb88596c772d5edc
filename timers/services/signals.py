"""Signals that use cases send inside their transaction, for receivers in packages above them.

Receivers are connected when the app starts (`timers/apps.py`), so that a package never imports one above it.
"""

from __future__ import annotations

from django.dispatch import Signal

executions_ended = Signal()
"""Watched executions have ended: `ended` (EndedExecution list), `failures`, `paused` and `now`."""

transfer_ended = Signal()
"""A transfer has ended: `transfer`, `outcome`, `figures` (its counts) and `now`."""
