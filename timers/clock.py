"""The wall clock, read only here, and the conversion between instants and stored microseconds."""

from __future__ import annotations

import threading
import time
from datetime import UTC, datetime, timedelta

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def now() -> datetime:
    """Return the current instant, aware, in UTC."""
    return datetime.now(UTC)


def to_us(instant: datetime) -> int:
    """Return the whole microseconds since 1970 UTC; exact, unlike `timestamp()`."""
    return (instant - EPOCH) // _MICROSECOND


def from_us(microseconds: int) -> datetime:
    """Return the aware UTC instant of a stored number of microseconds."""
    return EPOCH + timedelta(microseconds=microseconds)


MAX_US = to_us(datetime.max.replace(tzinfo=UTC))
"""The last instant of the year 9999, in microseconds since 1970."""
_MIN_US = to_us(datetime.min.replace(tzinfo=UTC))


def clamp_us(microseconds: int) -> int:
    """Return the nearest number of microseconds that is an instant of the years 1 to 9999.

    Disks and servers state any number as a time.
    """
    return min(max(microseconds, _MIN_US), MAX_US)


class Clock:
    """The clock of a loop: the current time, and a wait that a stop signal ends early.

    `offset` corrects this machine's clock towards the database's, so that several machines agree.
    """

    def __init__(self) -> None:
        self.offset = timedelta()
        self.stopped = threading.Event()
        self.stopped_at: float | None = None
        """Time of `stop` on the clock of `monotonic`; None before it."""

    def now(self) -> datetime:
        """Return the current instant, corrected by the offset to the database's clock."""
        return now() + self.offset

    def monotonic(self) -> float:
        """Return seconds of a clock that never jumps; only differences have a meaning."""
        return time.monotonic()

    def wait(self, seconds: float) -> bool:
        """Wait for `seconds`, or until stopped; return whether the loop should stop."""
        return self.stopped.wait(max(0.0, seconds))

    def stop(self) -> None:
        """End the current wait and every later one."""
        self.stopped_at = self.monotonic()
        self.stopped.set()
