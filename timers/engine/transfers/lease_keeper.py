"""Somebody who stays awake while a slice waits for a store that does not answer: for its lease, and for who cancels."""

from __future__ import annotations

import logging
import threading
import time
from contextlib import suppress
from typing import Self

from django.db import connections

from timers.engine.transfers.slice_monitor import SliceMonitor
from timers.lifecycle import TransferStatus
from timers.services.transfers import slices
from timers.services.transfers.slices import Slice, SliceLost

LOOK_EVERY = 0.3
HELD_UP_AFTER = 0.5
"""Seconds without a look of the slice's own, after which it counts as held up."""
MAX_HELD_SECONDS = 120.0
"""How long a slice that is held up keeps its lease; then its transfer may be taken over."""

log = logging.getLogger(__name__)


class LeaseKeeper:
    """A thread beside a slice's own. It does nothing while that one looks after itself; a context manager."""

    def __init__(self, held: Slice, watch: SliceMonitor) -> None:
        self._held, self._watch = held, watch
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._stay_awake, name="guard", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()

    def _stay_awake(self) -> None:
        try:
            while not self._over.wait(LOOK_EVERY):
                idle = time.monotonic() - self._watch.looked_at
                if HELD_UP_AFTER < idle < MAX_HELD_SECONDS and self._ended():
                    return
        except SliceLost:
            self._watch.give_up()
        except Exception:  # the slice itself goes on
            log.exception("A guard failed.", extra={"transfer": str(self._held.transfer_id)})
        finally:
            connections.close_all()

    def _ended(self) -> bool:
        """Extend the lease; end the transfer in the slice's stead when somebody cancelled it. Raises SliceLost."""
        now = self._watch.now()
        if not slices.renew(self._held, now=now):
            self._watch.renewed()
            return False
        self._watch.give_up()
        with suppress(SliceLost):  # the slice was quicker
            slices.end(self._held, TransferStatus.CANCELLED, now=now, message="Cancelled.")
        return True
