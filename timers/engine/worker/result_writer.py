"""Writes results and heartbeats of one worker process, in batches, from one thread."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from queue import Empty, SimpleQueue

from django.db import DatabaseError, InterfaceError, OperationalError, connection

from timers.actions.base import Outcome
from timers.clock import Clock
from timers.engine.worker.execute import RunningAttempt
from timers.services import processes
from timers.services.attempt_values import AttemptResult
from timers.services.executions import complete, leases
from timers.services.executions.leases import Heartbeat

log = logging.getLogger(__name__)

GATHER = 0.02
"""Seconds between two writes at least; a lone result is written at once."""

GATHER_WHEN_BEHIND = 0.2
"""The same while executions are due that were not begun: those come first."""

MAX_BATCH = 500
BEAT_EVERY = 5.0
LOOK_EVERY = 1.0
CHECK_CLOCK_EVERY = 60.0
FIRST_PAUSE, LONGEST_PAUSE = 0.1, 3.0


class ResultWriter:
    """Takes results from a queue and keeps the leases of what `running` returns."""

    def __init__(
        self,
        clock: Clock,
        owner: str,
        *,
        running: Callable[[], Sequence[RunningAttempt]],
        tell_to_stop: Callable[[RunningAttempt], None],
        is_behind: Callable[[], bool],
    ) -> None:
        self._clock = clock
        self._owner = owner
        self._running = running
        self._tell_to_stop = tell_to_stop
        self._is_behind = is_behind
        self._results: SimpleQueue[AttemptResult | None] = SimpleQueue()
        self._written_at = self._beaten_at = self._looked_at = 0.0
        self._clock_checked_at = -CHECK_CLOCK_EVERY
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._live, name="timers-writer", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def record(self, finished: AttemptResult) -> None:
        """Have this written soon."""
        self._results.put(finished)

    def wake(self) -> None:
        """Say that something runs whose lease is to be kept."""
        self._results.put(None)

    def end(self, seconds: float) -> None:
        """Write what there is and stop; wait for that no longer than so many seconds."""
        self._ending.set()
        self.wake()
        self._thread.join(seconds)

    def _live(self) -> None:
        while True:
            try:
                batch = self._gather()
                if batch:
                    self._write(batch)
                self._keep_leases()
                if self._ending.is_set() and self._results.empty():
                    break
            except (DatabaseError, InterfaceError) as error:
                log.warning("The worker's heartbeat did not reach the database: %s", error)
                connection.close()
                time.sleep(FIRST_PAUSE)
            except Exception:
                log.exception("The writer failed and goes on.")
        connection.close()

    def _gather(self) -> list[AttemptResult]:
        """Wait for results, or for the next heartbeat; return all that there is within reason."""
        try:
            batch = [self._results.get(timeout=LOOK_EVERY if self._running() else None)]
        except Empty:
            return []
        self._let_more_come()
        while len(batch) < MAX_BATCH:
            try:
                batch.append(self._results.get_nowait())
            except Empty:
                break
        return [each for each in batch if each is not None]

    def _let_more_come(self) -> None:
        began = time.monotonic()
        while (gap := self._written_at + GATHER - time.monotonic()) > 0 or (
            self._is_behind() and time.monotonic() < began + GATHER_WHEN_BEHIND and not self._ending.is_set()
        ):
            time.sleep(max(gap, GATHER / 4))

    def _write(self, batch: Sequence[AttemptResult]) -> None:
        """Write results, however long the database stays away; one that cannot be stored does not stop the others."""
        pause = FIRST_PAUSE
        while True:
            try:
                complete.finish(batch, owner=self._owner, now=self._clock.now())
                self._written_at = time.monotonic()
                return
            except (OperationalError, InterfaceError) as error:
                log.warning("Results wait for the database: %s", error)
                connection.close()
                if self._ending.wait(pause) and pause >= 1.0:
                    return
                pause = min(LONGEST_PAUSE, pause * 2)
            except Exception as error:
                if len(batch) > 1:
                    for each in batch:
                        self._write([each])
                else:
                    self._write_unstorable(batch[0], error)
                return

    def _write_unstorable(self, finished: AttemptResult, error: Exception) -> None:
        """Record at least that there was a result which could not be stored."""
        log.exception("A result could not be stored.", extra={"execution": str(finished.begun.execution_id)})
        outcome = Outcome.failed(f"The result could not be stored ({type(error).__name__}).", reason="error")
        replaced = AttemptResult(finished.begun, outcome, finished.started_at, finished.finished_at)
        try:
            complete.finish([replaced], owner=self._owner, now=self._clock.now())
        except Exception:
            log.exception("Nor could that be recorded; the reaper will find the execution.")

    def _keep_leases(self) -> None:
        """Extend leases every few seconds; look every second at whether somebody cancelled or took over."""
        running = [each for each in self._running() if not each.is_lost]
        moment = time.monotonic()
        if moment - self._clock_checked_at >= CHECK_CLOCK_EVERY:
            self._clock.offset = processes.clock_offset()
            self._clock_checked_at = moment
        pairs = [(each.begun.execution_id, each.begun.attempt) for each in running]
        if moment - self._beaten_at >= BEAT_EVERY:
            self._beaten_at = self._looked_at = moment
            self._apply_heartbeat(running, leases.renew(pairs, owner=self._owner, now=self._clock.now()))
        elif moment - self._looked_at >= LOOK_EVERY:
            self._looked_at = moment
            self._apply_heartbeat(running, leases.check(pairs, owner=self._owner))

    def _apply_heartbeat(self, running: Sequence[RunningAttempt], heartbeat: Heartbeat) -> None:
        for attempt in running:
            attempt.is_lost = attempt.begun.execution_id in heartbeat.lost
            if attempt.is_lost or attempt.begun.execution_id in heartbeat.cancelled:
                self._tell_to_stop(attempt)
