"""A thread that renews the lease and watches for cancellation while a slice waits for a store that does not answer."""

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
from timers.services.transfers.slices import Slice, SliceLost, SliceRequest

CHECK_INTERVAL_SECONDS = 0.3
STALLED_AFTER_SECONDS = 0.5
"""Seconds without a check by the slice itself, after which the slice counts as stalled."""
MAX_STALL_SECONDS = 120.0
"""Seconds that a stalled slice keeps its lease; then its transfer may be taken over."""

log = logging.getLogger(__name__)


class LeaseKeeper:
    """A thread beside a slice's own. It does nothing while the slice checks by itself; a context manager."""

    def __init__(self, transfer_slice: Slice, monitor: SliceMonitor) -> None:
        self._transfer_slice, self._monitor = transfer_slice, monitor
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="lease-keeper", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()

    def _run(self) -> None:
        try:
            while not self._stopped.wait(CHECK_INTERVAL_SECONDS):
                idle = time.monotonic() - self._monitor.checked_at
                if STALLED_AFTER_SECONDS < idle < MAX_STALL_SECONDS and self._renew_or_cancel():
                    return
        except SliceLost:
            self._monitor.give_up()
        except Exception:  # the slice itself continues
            log.exception("The lease keeper failed.", extra={"transfer": str(self._transfer_slice.transfer_id)})
        finally:
            connections.close_all()

    def _renew_or_cancel(self) -> bool:
        """Renew the lease; cancel the transfer in place of the slice when that was requested.

        Return whether it was cancelled.

        Raises SliceLost.
        """
        now = self._monitor.now()
        if slices.renew(self._transfer_slice, now=now) is not SliceRequest.CANCEL:
            self._monitor.renewed()
            return False
        self._monitor.give_up()
        with suppress(SliceLost):  # the slice ended it first
            slices.end(self._transfer_slice, TransferStatus.CANCELLED, now=now, message="Cancelled.")
        return True
