"""What a slice keeps an eye on while it works: its time, its lease, and whether somebody cancelled."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime, timedelta

from timers.services.transfers import slices
from timers.services.transfers.slices import TRANSFERS, Slice, SliceLost

MARGIN = 2.0
"""How long before its end a lease is no longer trusted: moving a file into place must be over by then."""


class Cancelled(Exception):
    """Somebody asked the transfer to stop."""


class SliceMonitor:
    """Cheap enough to ask before every file: most answers come from this process's own clock."""

    def __init__(
        self, held: Slice, *, now: datetime, budget: float, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._held, self._monotonic = held, monotonic
        self._began_at, self._began = now, monotonic()
        self._ends = self._began + budget
        self._looked = self._began
        self.looked_at = time.monotonic()
        """When the slice last checked, by this machine's own clock."""
        self.renewed(self._began)

    def now(self) -> datetime:
        """Return the present instant: when the slice began, and what has passed since."""
        return self._began_at + timedelta(seconds=self._monotonic() - self._began)

    def spent(self) -> bool:
        """Return whether the slice has had its time."""
        return self._monotonic() >= self._ends

    def left(self) -> float:
        """Return how many seconds of the slice's time are left, at least a little."""
        return max(0.1, self._ends - self._monotonic())

    def valid(self) -> float:
        """Return for how many seconds the lease surely still holds."""
        return max(0.0, self._lost_at - self._monotonic())

    def check(self) -> None:
        """Raise Cancelled or SliceLost when the slice should stop; extend its lease when that is due."""
        instant = self._monotonic()
        self.looked_at = time.monotonic()
        if instant >= self._lost_at:
            raise SliceLost
        if instant >= self._renew_at:
            cancelled = slices.renew(self._held, now=self.now())
            self.renewed(instant)
        elif instant >= self._looked + TRANSFERS.check_seconds:
            cancelled = slices.is_ours(self._held)
        else:
            return
        self._looked = instant
        if cancelled:
            raise Cancelled

    def check_lease(self) -> None:
        """Raise SliceLost unless the lease surely still holds: asked before each file is moved into place."""
        if self._monotonic() >= self._lost_at:
            raise SliceLost

    def give_up(self) -> None:
        """Let the slice stop at its next check: it is no longer ours."""
        self._renew_at = self._lost_at = float("-inf")

    def renewed(self, instant: float | None = None) -> None:
        """Note that the lease was extended, at that moment of this process's clock."""
        instant = self._monotonic() if instant is None else instant
        self._renew_at = instant + TRANSFERS.renew_seconds
        self._lost_at = instant + TRANSFERS.lease.total_seconds() - MARGIN
