"""The sub-second timers that this process holds: begun ahead in batches, fired one by one, written in batches.

Every half second one transaction (services/subsecond.py) writes what ended and begins what comes. Whether an occurrence
starts or is left out, because the one before is still at it, is decided here, in memory, at its instant.
"""

from __future__ import annotations

import logging
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from datetime import timedelta
from uuid import UUID

from django.db import DatabaseError, InterfaceError, connection

from timers.actions.base import Outcome
from timers.clock import Clock, to_us
from timers.engine.worker.execute import RunningAttempt
from timers.engine.worker.precise_timer import PreciseTimer
from timers.lifecycle import SkipReason, TimerStatus
from timers.services.attempt_values import AttemptResult, StartedAttempt
from timers.services.executions import requeue, subsecond

log = logging.getLogger(__name__)

PERIOD = 0.5
AHEAD = timedelta(seconds=2)
"""Time by which occurrences are begun ahead: a step may be a second late before a dispatcher takes over."""

QUICK = 0.001
"""Seconds: a function that returned within them is called by the precise timer's own thread the next time."""

QUIET = 0.03
"""Seconds that a step keeps away from the next instant, if it can: the two compete for the processor."""

SWITCH_INTERVAL = 0.0001
LEFT_OUT = Outcome.skipped("The run before was still at it.", reason=SkipReason.OVERLAP)


class SubsecondKeeper:
    """Holds sub-second timers. `enter` carries an attempt's start into the runner's books, runs it in this thread and
    returns what is left to do, `hand_over` runs it in another one, and `wake` has the leases of what takes long kept.
    """

    def __init__(
        self,
        clock: Clock,
        owner: str,
        *,
        enter: Callable[[RunningAttempt], Callable[[], object] | None],
        hand_over: Callable[[RunningAttempt], None],
        wake: Callable[[], None],
    ) -> None:
        self._clock, self._owner = clock, owner
        self._enter, self._hand_over, self._wake = enter, hand_over, wake
        self._timer: PreciseTimer[RunningAttempt] = PreciseTimer(clock, self._fire)
        self._lock = threading.Lock()
        self._held: dict[UUID, int] = {}
        self._busy: dict[UUID, RunningAttempt] = {}
        self._quick: set[UUID] = set()
        self._unknown: set[UUID] = set()
        self._finished: deque[AttemptResult] = deque()
        self._needed = threading.Event()
        self._ending = False
        self._thread: threading.Thread | None = None

    def adopt(self, begun: Iterable[RunningAttempt]) -> None:
        """Hold the timers of these attempts from now on, where that is possible."""
        rapid = [
            attempt
            for attempt in begun
            if attempt.begun.instructions.is_rapid and attempt.begun.timer_id not in self._unknown
        ]
        if not rapid or self._ending:
            return
        with self._lock:
            for attempt in rapid:
                self._busy[attempt.begun.timer_id] = attempt
                self._held[attempt.begun.timer_id] = attempt.begun.instructions.definition_id
            if self._thread is None:
                sys.setswitchinterval(SWITCH_INTERVAL)
                self._thread = threading.Thread(target=self._live, name="timers-keeper", daemon=True)
                self._thread.start()
        self._needed.set()

    def ended(self, attempt: RunningAttempt) -> None:
        """Note that an attempt is over."""
        timer_id = attempt.begun.timer_id
        if self._busy.get(timer_id) is attempt:
            del self._busy[timer_id]

    def record(self, finished: AttemptResult) -> None:
        """Have this written with the next step."""
        self._finished.append(finished)

    def note_unknown(self, timer_id: UUID) -> None:
        """Note that this process does not know the function of a timer: others have to hold it."""
        self._unknown.add(timer_id)

    def give_up(self, thread: int) -> None:
        self._timer.give_up(thread)

    def stop(self) -> list[StartedAttempt]:
        """Begin nothing more; return what was begun ahead and is to be requeued."""
        self._ending = True
        self._needed.set()
        waiting = [attempt.begun for attempt in self._timer.stop()]
        if self._thread is not None:
            self._thread.join(PERIOD * 4)
        waiting += [attempt.begun for attempt in self._timer.stop()]
        return waiting

    def flush(self) -> None:
        """Write what has ended since the last step."""
        if self._finished:
            self._step({})

    # At the instant

    def _fire(self, attempt: RunningAttempt) -> Callable[[], object] | None:
        begun = attempt.begun
        if begun.timer_id in self._busy:
            now = self._clock.now()
            self.record(AttemptResult(begun, LEFT_OUT, now, now))
            return None
        self._busy[begun.timer_id] = attempt
        if begun.timer_id not in self._quick:
            self._hand_over(attempt)
            return None
        return self._enter(attempt)

    def note_duration(self, attempt: RunningAttempt, seconds: float) -> None:
        """Note how long a run took, for where the next one is called."""
        if seconds < QUICK:
            self._quick.add(attempt.begun.timer_id)
        else:
            self._quick.discard(attempt.begun.timer_id)

    # Every half second

    def _live(self) -> None:
        next_step = time.monotonic()
        while not self._ending:
            self._needed.clear()
            if not self._held and not self._finished:
                self._needed.wait(60.0)
            self._wait_until(next_step)
            next_step = time.monotonic() + PERIOD
            try:
                self._leave_unknown()
                with self._lock:
                    held = dict(self._held)
                self._step(held)
            except (DatabaseError, InterfaceError) as error:
                log.warning("Sub-second timers wait for the database: %s", error)
                connection.close()
            except Exception:
                log.exception("The keeper of sub-second timers failed and goes on.")
        connection.close()

    def _wait_until(self, moment: float) -> None:
        """Wait for the next step, and for a quiet moment soon after."""
        while not self._ending and (seconds := moment - time.monotonic()) > 0:
            time.sleep(min(seconds, 0.1))
        following = self._timer.next_instant()
        if following is not None and not self._ending:
            seconds = (following - to_us(self._clock.now())) / 1e6
            if seconds < QUIET:
                time.sleep(max(0.0, seconds) + 0.003)

    def _step(self, held: dict[UUID, int]) -> None:
        finished = [self._finished.popleft() for _ in range(len(self._finished))]
        now = self._clock.now()
        at_work = [
            (attempt.begun.execution_id, attempt.started_at)
            for attempt in list(self._busy.values())
            if attempt.is_rapid and attempt.started_at is not None
        ]
        try:
            done = subsecond.step(
                held, finished=finished, at_work=at_work, owner=self._owner, now=now, horizon=now + AHEAD
            )
        except BaseException:
            self._finished.extendleft(reversed(finished))
            raise
        self._timer.put((to_us(begun.scheduled_for), RunningAttempt(begun, is_rapid=True)) for begun in done.begun)
        if any(now - started_at > AHEAD for _, started_at in at_work):
            self._wake()
        self._release(done.released)

    def _leave_unknown(self) -> None:
        with self._lock:
            leaving = self._unknown & self._held.keys()
            for timer_id in leaving:
                del self._held[timer_id]
        taken = self._timer.take_out(lambda attempt: attempt.begun.timer_id in leaving) if leaving else []
        if taken:
            ids = [attempt.begun.execution_id for attempt in taken]
            requeue.requeue(ids, owner=self._owner, now=self._clock.now())

    def _release(self, released: dict[UUID, str]) -> None:
        """Hold these timers no longer; what was begun of those that are paused or over does not run."""
        with self._lock:
            for timer_id in released:
                self._held.pop(timer_id, None)
        stopped = {timer_id: status for timer_id, status in released.items() if status != TimerStatus.ACTIVE}
        taken = self._timer.take_out(lambda attempt: attempt.begun.timer_id in stopped) if stopped else []
        by_status: dict[str, list[StartedAttempt]] = {}
        for attempt in taken:
            by_status.setdefault(stopped[attempt.begun.timer_id], []).append(attempt.begun)
        for status, begun in by_status.items():
            subsecond.withdraw(begun, status=status, owner=self._owner, now=self._clock.now())
