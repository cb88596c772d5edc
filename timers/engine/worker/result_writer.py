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
RENEW_SECONDS = leases.EXECUTIONS.renew_seconds
CHECK_SECONDS = leases.EXECUTIONS.check_seconds
CLOCK_CHECK_SECONDS = 60.0
INITIAL_PAUSE_SECONDS, MAX_PAUSE_SECONDS = 0.1, 3.0


class ResultWriter:
    """Takes results from a queue and keeps the leases of what `running` returns."""

    def __init__(
        self,
        clock: Clock,
        owner: str,
        *,
        running: Callable[[], Sequence[RunningAttempt]],
        ask_to_stop: Callable[[RunningAttempt], None],
        is_behind: Callable[[], bool],
    ) -> None:
        self._clock = clock
        self._owner = owner
        self._running = running
        self._ask_to_stop = ask_to_stop
        self._is_behind = is_behind
        self._results: SimpleQueue[AttemptResult | None] = SimpleQueue()
        self._written_at = self._renewed_at = self._checked_at = 0.0
        self._clock_checked_at = -CLOCK_CHECK_SECONDS
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
                time.sleep(INITIAL_PAUSE_SECONDS)
            except Exception:
                log.exception("The writer failed and goes on.")
        connection.close()

    def _gather(self) -> list[AttemptResult]:
        """Wait for results, or for the next heartbeat; return all that there is within reason."""
        try:
            batch = [self._results.get(timeout=CHECK_SECONDS if self._running() else None)]
        except Empty:
            return []
        self._let_more_come()
        while len(batch) < MAX_BATCH:
            try:
                batch.append(self._results.get_nowait())
            except Empty:
                break
        return [result for result in batch if result is not None]

    def _let_more_come(self) -> None:
        began = time.monotonic()
        while (gap := self._written_at + GATHER - time.monotonic()) > 0 or (
            self._is_behind() and time.monotonic() < began + GATHER_WHEN_BEHIND and not self._ending.is_set()
        ):
            time.sleep(max(gap, GATHER / 4))

    def _write(self, batch: Sequence[AttemptResult]) -> None:
        """Write results, however long the database stays away; one that cannot be stored does not stop the others."""
        pause = INITIAL_PAUSE_SECONDS
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
                pause = min(MAX_PAUSE_SECONDS, pause * 2)
            except Exception as error:
                if len(batch) > 1:
                    for result in batch:
                        self._write([result])
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
        """Renew leases every few seconds; check every second whether attempts were cancelled or taken over."""
        running = [attempt for attempt in self._running() if not attempt.is_lost]
        moment = time.monotonic()
        if moment - self._clock_checked_at >= CLOCK_CHECK_SECONDS:
            self._clock.offset = processes.clock_offset()
            self._clock_checked_at = moment
        pairs = [(attempt.begun.execution_id, attempt.begun.attempt) for attempt in running]
        if moment - self._renewed_at >= RENEW_SECONDS:
            self._renewed_at = self._checked_at = moment
            self._apply_heartbeat(running, leases.renew(pairs, owner=self._owner, now=self._clock.now()))
        elif moment - self._checked_at >= CHECK_SECONDS:
            self._checked_at = moment
            self._apply_heartbeat(running, leases.check(pairs, owner=self._owner))

    def _apply_heartbeat(self, running: Sequence[RunningAttempt], heartbeat: Heartbeat) -> None:
        for attempt in running:
            attempt.is_lost = attempt.begun.execution_id in heartbeat.lost
            if attempt.is_lost or attempt.begun.execution_id in heartbeat.cancelled:
                self._ask_to_stop(attempt)
