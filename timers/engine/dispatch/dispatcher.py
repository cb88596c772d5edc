"""The loop that fires timers: tick, wait, tick. Any number of dispatchers may run at once."""

from __future__ import annotations

import gc
import logging
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import DatabaseError, InterfaceError, connection

from timers.clock import Clock
from timers.engine.dispatch.claim_intervals import BATCH, claim, next_instant
from timers.engine.dispatch.maintenance import Every, Reaper, earliest
from timers.messaging import notifier, queue
from timers.process_name import process_name
from timers.services import processes
from timers.services.executions.leases import Reaped

log = logging.getLogger(__name__)

AHEAD = 0.5
"""Seconds before its instant that a timer is claimed: the transaction and the message are paid by then."""

MAX_WAIT_SECONDS = 4.0
"""Seconds between two ticks at most: well within what `readyz` calls alive."""

MIN_WAIT_SECONDS = 0.01
"""Seconds between two ticks at least, so that a dense stream of timers is gathered into batches."""

MAX_BATCHES = 20
"""Batches that one tick claims, so that maintenance and signs of life are not put off for long."""

REPORT_EVERY = timedelta(seconds=10)
"""Shortest time between two log lines about claims."""

INITIAL_PAUSE_SECONDS, MAX_PAUSE_SECONDS = 0.1, 5.0
"""Seconds between two attempts to reach a database that went away."""


NOTHING = Reaped()


@dataclass(frozen=True, slots=True)
class Tick:
    """Numbers of one tick, and the instant of the next thing that is known to be due."""

    claimed: int = 0
    skipped: int = 0
    reaped: Reaped = NOTHING
    next_instant: datetime | None = None


class Dispatcher:
    """Claims what is due and does the chores around it."""

    def __init__(self, clock: Clock, *, ahead: float = AHEAD, batch: int = BATCH) -> None:
        self.clock = clock
        self.ahead = timedelta(seconds=ahead)
        self.batch = batch
        self.reaper = Reaper()
        self._name = process_name()
        self._sign_of_life = Every(timedelta(seconds=3))
        self._clock_check = Every(timedelta(minutes=1))
        self._report_due = Every(REPORT_EVERY)
        self._claimed = self._skipped = 0
        self._notifier: notifier.Notifier | None = None
        self._pause = INITIAL_PAUSE_SECONDS

    def tick(self, now: datetime) -> Tick:
        """Do everything that is due: claim, repeat what was lost, say that we are alive; return what that was."""
        claimed = skipped = 0
        for _ in range(MAX_BATCHES):
            batch = claim(now=now, horizon=now + self.ahead, batch=self.batch)
            claimed += batch.executions
            skipped += batch.skipped
            if not batch.full or self.clock.stopped.is_set():
                break
        self._count(claimed, skipped, now)
        reaped = self.reaper.run_due(now, horizon=now + self.ahead)
        if self._sign_of_life.is_due(now):
            processes.record_heartbeat(processes.DISPATCHER, self._name, now=now)
        return Tick(claimed, skipped, reaped, self._next())

    def run(self) -> None:
        """Tick until stopped. A database that goes away is waited for."""
        log.info("A dispatcher started.", extra={"event": "service.start", **self._about})
        gc.freeze()  # what is there by now stays: going through it again and again would make ticks late
        while not self.clock.stopped.is_set():
            try:
                self._listen()
                began = self.clock.monotonic()
                tick = self.tick(self.clock.now())
                self._pause = INITIAL_PAUSE_SECONDS
                self._wait(tick, began)
            except (DatabaseError, InterfaceError, OSError) as error:
                self._recover(error)
            except Exception:
                log.exception("A tick failed; the next one follows.")
                self.clock.wait(1.0)
        self._leave()

    def stop(self) -> None:
        """End `run` soon; may be called by a signal handler."""
        self.clock.stop()
        if self._notifier is not None:
            self._notifier.interrupt()

    @property
    def _about(self) -> dict[str, str]:
        return {"role": processes.DISPATCHER, "process_name": self._name}

    def _count(self, claimed: int, skipped: int, now: datetime) -> None:
        """Add to what was claimed since the last report, and report that when it is time."""
        self._claimed += claimed
        self._skipped += skipped
        if (self._claimed or self._skipped) and self._report_due.is_due(now):
            self._report()

    def _report(self) -> None:
        about = {"event": "claim", "executions": self._claimed, "skipped": self._skipped, **self._about}
        log.info("Claimed what was due.", extra=about)
        self._claimed = self._skipped = 0

    def _next(self) -> datetime | None:
        """Return when the next timer is to be claimed, the next retry or step is due or the next pause ends."""
        claimed = earliest(next_instant(), self.reaper.next_snooze)
        claim_at = None if claimed is None else claimed - self.ahead
        return earliest(claim_at, self.reaper.next_retry, self.reaper.next_step)

    def _listen(self) -> None:
        if self._notifier is None:
            self._notifier = notifier.subscribe(queue.CHANGES)
        if self._clock_check.is_due(self.clock.now()):
            self.clock.offset = processes.clock_offset()

    def _wait(self, tick: Tick, began: float) -> None:
        """Wait until something is due or a notification comes, but keep the least gap since the last tick began.

        Workers that hold sub-second timers, and other dispatchers, move schedules on without a notification: so at the
        instant that was waited for the next one is read again, which is far cheaper than a tick.
        """
        gap = began + MIN_WAIT_SECONDS - self.clock.monotonic()
        if gap > 0 and self.clock.wait(gap):
            return
        latest, following = self.clock.monotonic() + MAX_WAIT_SECONDS, tick.next_instant
        while self._notifier is not None and (seconds := self._idle_seconds(following, latest)) > 0:
            if self._notifier.wait(seconds):
                self.reaper.note_change(self.clock.now())
                return
            following = self._next()

    def _idle_seconds(self, following: datetime | None, latest: float) -> float:
        """Return for how long there is nothing to do: until that instant or the latest moment; 0 when stopped."""
        if self.clock.stopped.is_set():
            return 0.0
        seconds = latest - self.clock.monotonic()
        return seconds if following is None else min(seconds, (following - self.clock.now()).total_seconds())

    def _recover(self, error: Exception) -> None:
        about = {"event": "database.lost", **self._about}
        log.warning("The dispatcher lost the database and tries again: %s", error, extra=about)
        if self._notifier is not None:
            self._notifier.close()
            self._notifier = None
        connection.close()
        self._clock_check.last = None
        self.clock.wait(self._pause)
        self._pause = min(MAX_PAUSE_SECONDS, self._pause * 2)

    def _leave(self) -> None:
        if self._claimed or self._skipped:
            self._report()
        log.info("A dispatcher stopped.", extra={"event": "service.stop", **self._about})
        try:
            processes.unregister(processes.DISPATCHER, self._name)
        except DatabaseError:
            log.warning("The dispatcher stopped without a database to say so.")
        if self._notifier is not None:
            self._notifier.close()
