"""Monitor of a running slice: its time, its lease, and cancellation."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime, timedelta

from timers.services.transfers import slices
from timers.services.transfers.slices import TRANSFERS, Slice, SliceLost, SliceRequest

LEASE_MARGIN_SECONDS = 2.0
"""Seconds before its end from which a lease is no longer trusted: moving a file into place must be over by then."""


class Cancelled(Exception):
    """The transfer was asked to stop."""


class SliceMonitor:
    """Time, lease and cancellation of one slice.

    Cheap enough to check before every file: most answers come from this process's clock.
    """

    def __init__(
        self, transfer_slice: Slice, *, now: datetime, budget: float, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._transfer_slice, self._monotonic = transfer_slice, monotonic
        self._began_at, self._began_monotonic = now, monotonic()
        self._ends_at = self._began_monotonic + budget
        self.pause_requested = False
        self._last_check = self._began_monotonic
        self.checked_at = time.monotonic()
        """Instant of the slice's last check, by this machine's monotonic clock."""
        self.renewed(self._began_monotonic)

    def now(self) -> datetime:
        """Return the present instant: the start of the slice plus the time that has passed since."""
        return self._began_at + timedelta(seconds=self._monotonic() - self._began_monotonic)

    def is_spent(self) -> bool:
        """Return whether the slice's time is used."""
        return self._monotonic() >= self._ends_at

    def seconds_left(self) -> float:
        """Return how many seconds of the slice's time are left, at least 0.1."""
        return max(0.1, self._ends_at - self._monotonic())

    def lease_seconds_left(self) -> float:
        """Return for how many seconds the lease certainly still holds."""
        return max(0.0, self._lost_at - self._monotonic())

    def check(self) -> None:
        """Raise Cancelled or SliceLost when the slice should stop; renew its lease when that is due."""
        instant = self._monotonic()
        self.checked_at = time.monotonic()
        if instant >= self._lost_at:
            raise SliceLost
        if instant >= self._renew_at:
            request = slices.renew(self._transfer_slice, now=self.now())
            self.renewed(instant)
        elif instant >= self._last_check + TRANSFERS.check_seconds:
            request = slices.standing_request(self._transfer_slice)
        else:
            return
        self._last_check = instant
        if request is SliceRequest.CANCEL:
            raise Cancelled
        if request is SliceRequest.PAUSE:
            self.pause_requested, self._ends_at = True, instant

    def check_lease(self) -> None:
        """Raise SliceLost unless the lease certainly still holds. Called before each file is moved into place."""
        if self._monotonic() >= self._lost_at:
            raise SliceLost

    def give_up(self) -> None:
        """Make the next check raise SliceLost: the transfer no longer belongs to the slice."""
        self._renew_at = self._lost_at = float("-inf")

    def renewed(self, instant: float | None = None) -> None:
        """Note that the lease was renewed, at this reading of the process's clock."""
        instant = self._monotonic() if instant is None else instant
        self._renew_at = instant + TRANSFERS.renew_seconds
        self._lost_at = instant + TRANSFERS.lease.total_seconds() - LEASE_MARGIN_SECONDS
