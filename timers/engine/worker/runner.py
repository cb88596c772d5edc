"""The runner of one worker process: it holds executions until their instant, begins them, has them carried out.

Three kinds of thread share an attempt: one keeps time, several carry out actions (thread_pool.py), one writes
(result_writer.py).
No database connection is held while an action runs, and a slow action holds back neither its neighbours nor the queue.
"""

from __future__ import annotations

import gc
import heapq
import logging
import multiprocessing.util
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from datetime import datetime
from functools import partial
from types import FrameType
from uuid import UUID

from django.db import DatabaseError, InterfaceError, OperationalError, connection

from timers.actions.base import Outcome, OutcomeKind
from timers.clock import Clock, to_us
from timers.engine.worker.execute import RunningAttempt, carry_out, release_connections, timed_out
from timers.engine.worker.result_writer import ResultWriter
from timers.engine.worker.subsecond import SubsecondKeeper
from timers.engine.worker.thread_pool import BACKLOG_CHECK_SECONDS, MAX_THREADS, ThreadPool
from timers.messaging import cluster_name
from timers.process_name import process_name
from timers.services import processes
from timers.services.attempt_values import StartedAttempt
from timers.services.executions import cluster_routing, requeue
from timers.services.executions.begin import begin
from timers.services.timers import definition_cache, signing_secrets

log = logging.getLogger(__name__)

BATCH = 100
"""Executions begun in one transaction: the first of a thousand that are due together start early."""

MAX_HELD = 1_000
"""Waiting executions from which on messages are taken more slowly, so that other processes get them."""

HOLD_BACK = 1.0
STOP_GRACE = 30.0
"""Seconds that a cancelled action has to stop by itself."""

END_GRACE = 3.0
"""Seconds that running actions have when the process ends."""

PAUSE = 0.5
FULL_PAUSE = 0.02
SWITCH_INTERVAL = 0.001

Item = tuple[str, int, int]
"""An execution as a message names it: id as hex, instant to start at in microseconds, definition."""


class Runner:
    """Holds, begins and carries out executions of this process."""

    def __init__(self, clock: Clock, *, most_threads: int = MAX_THREADS, in_cluster: bool = True) -> None:
        self.clock = clock
        self.owner = process_name()
        self.cluster = cluster_name.name() if in_cluster else None
        self._most = most_threads
        self._changed = threading.Condition()
        self._heap: list[tuple[int, str, int]] = []
        self._held: set[str] = set()
        self._unread: set[int] = set()
        self._running: dict[UUID, RunningAttempt] = {}
        self._gives_up_at = float("inf")
        self._is_full = False
        self._ending = False
        self._pool: ThreadPool[RunningAttempt] = ThreadPool(self._carry_out, most=most_threads)
        self._writer = ResultWriter(
            clock,
            self.owner,
            running=self._attempts,
            ask_to_stop=self._ask_to_stop,
            is_behind=self._is_behind,
        )
        self._keeper = SubsecondKeeper(
            clock, self.owner, enter=self._enter, hand_over=self._hand_over, wake=self._writer.wake
        )
        self._timekeeper = threading.Thread(target=self._keep_time, name="timers-timekeeper", daemon=True)

    def start(self) -> None:
        self._writer.start()
        self._timekeeper.start()
        if self.cluster is not None:
            log.info("A worker started.", extra={"event": "service.start", **self._about})

    def put(self, items: Iterable[Sequence[object]]) -> None:
        """Take executions that a message named. Returns at once unless this process already holds many."""
        with self._changed:
            for execution_id, run_at, definition_id in items:
                if execution_id not in self._held:
                    self._held.add(execution_id)  # type: ignore[arg-type]
                    heapq.heappush(self._heap, (run_at, execution_id, definition_id))  # type: ignore[misc]
                    self._unread.add(definition_id)  # type: ignore[arg-type]
            self._changed.notify_all()
            if len(self._heap) > MAX_HELD:
                self._changed.wait_for(lambda: len(self._heap) <= MAX_HELD or self._ending, HOLD_BACK)

    @property
    def _about(self) -> dict[str, str | None]:
        return {"role": "worker", "process_name": self.owner, "cluster": self.cluster}

    def stop(self) -> None:
        """Requeue what was not begun, let what runs end for some seconds, requeue the rest."""
        with self._changed:
            self._ending = True
            self._changed.notify_all()
        self._timekeeper.join(END_GRACE / 2)
        self._requeue([attempt.execution_id.hex for attempt in self._keeper.stop()])
        self._requeue([execution_id for _, execution_id, _ in self._heap])
        self._requeue(self._take_out(attempt for attempt in self._attempts() if attempt.thread is None))
        with self._changed:
            self._changed.wait_for(lambda: not self._running, END_GRACE)
        self._give_up_for_good(attempt for attempt in self._attempts() if attempt.begun.instructions.at_most_once)
        self._requeue(self._take_out(self._attempts()))
        self._flush()
        self._writer.end(END_GRACE / 2)
        release_connections()
        self._leave()

    def cancel_all(self) -> None:
        """Record all that runs as cancelled; what does not stop by itself ends with the process."""
        for attempt in self._attempts():
            self._finish(attempt, Outcome.cancelled("Interrupted."))

    # Keeping time

    def _keep_time(self) -> None:
        while not self._ending:
            try:
                self._step()
            except (DatabaseError, InterfaceError) as error:
                log.warning("The worker cannot begin what is due and tries again: %s", error)
                connection.close()
                self._pause(PAUSE)
            except Exception:
                log.exception("The timekeeper failed and goes on.")
                self._pause(PAUSE)
        connection.close()

    def _step(self) -> None:
        """Wait for the next task of this thread: begin what is due, give up what takes too long, add threads."""
        with self._changed:
            seconds = self._seconds_to_wait()
            if seconds > 0 and not self._ending:
                self._changed.wait(seconds)
            due = [] if self._ending else self._take_due()
        if due:
            self._begin(due)
        elif self._unread:
            self._read_ahead()
        if self.clock.monotonic() >= self._gives_up_at:
            self._give_up_late_ones()
        if self._pool.has_backlog():
            self._pool.grow()

    def _is_behind(self) -> bool:
        """Return whether more is due than was begun, and there is room to begin it."""
        first = next(iter(self._heap), None)
        return first is not None and not self._is_full and first[0] <= to_us(self.clock.now())

    def _seconds_to_wait(self) -> float:
        waits = [60.0, self._gives_up_at - self.clock.monotonic()]
        if self._heap:
            due_in = (self._heap[0][0] - to_us(self.clock.now())) / 1e6
            waits.append(max(due_in, FULL_PAUSE) if self._is_full else due_in)
        if self._unread:
            waits.append(0.0)
        if self._running:
            waits.append(BACKLOG_CHECK_SECONDS if self._pool.has_backlog() else 60.0)
        return min(waits)

    def _take_due(self) -> list[Item]:
        """Take what is due off the heap, as much as can be started."""
        room = min(BATCH, self._most - len(self._running))
        now = to_us(self.clock.now())
        due: list[Item] = []
        while self._heap and len(due) < room and self._heap[0][0] <= now:
            run_at, execution_id, definition_id = heapq.heappop(self._heap)
            due.append((execution_id, run_at, definition_id))
        self._is_full = len(self._running) + len(due) >= self._most
        if due:
            self._changed.notify_all()
        return due

    def _begin(self, due: Sequence[Item]) -> None:
        try:
            begun = begin(
                [execution_id for execution_id, _, _ in due],
                owner=self.owner,
                now=self.clock.now(),
                definitions={definition_id for _, _, definition_id in due},
                cluster=self.cluster,
            )
        except (OperationalError, InterfaceError):
            self._put_back(due)
            raise
        except Exception:
            if len(due) == 1:
                self._held.discard(due[0][0])
                raise
            log.exception("A batch could not be begun; its executions are begun one by one.")
            for item in due:
                self._begin([item])
            return
        self._held.difference_update(execution_id for execution_id, _, _ in due)
        if begun:
            self._submit(begun)

    def _put_back(self, due: Iterable[Item]) -> None:
        with self._changed:
            for execution_id, run_at, definition_id in due:
                heapq.heappush(self._heap, (run_at, execution_id, definition_id))

    def _submit(self, begun: Sequence[StartedAttempt]) -> None:
        attempts = [RunningAttempt(started, self._secrets(started)) for started in begun]
        was_idle = not self._running
        self._running.update((attempt.begun.execution_id, attempt) for attempt in attempts)
        if was_idle:
            self._writer.wake()
        self._keeper.adopt(attempts)
        self._pool.submit(attempts)

    def _secrets(self, begun: StartedAttempt) -> tuple[bytes, ...]:
        if not begun.instructions.signs_deliveries:
            return ()
        return signing_secrets.keys_of_late(begun.timer_id, now=self.clock.now())

    def _read_ahead(self) -> None:
        """Read the definitions of what is not due yet, so that nothing has to be read when it is."""
        with self._changed:
            some = [self._unread.pop() for _ in range(min(BATCH, len(self._unread)))]
        definition_cache.read(some)

    # Carrying out

    def _attempts(self) -> list[RunningAttempt]:
        return list(self._running.values())

    def _enter(self, attempt: RunningAttempt) -> Callable[[], object] | None:
        """Carry out an attempt that was begun ahead, in the thread that waited for its instant.

        Returns the rest: the call that records its end.
        """
        self._running[attempt.begun.execution_id] = attempt
        return partial(self._conclude, attempt, *self._perform(attempt))

    def _hand_over(self, attempt: RunningAttempt) -> None:
        """Have an attempt that was begun ahead carried out by a thread of the pool, as it may take its time."""
        self._running[attempt.begun.execution_id] = attempt
        self._pool.submit([attempt])
        if self._pool.has_backlog():
            with self._changed:
                self._changed.notify_all()

    def _carry_out(self, attempt: RunningAttempt) -> bool:
        """Carry out one attempt, in a thread of the pool, and have its end recorded; false when it was given up."""
        if attempt.begun.execution_id not in self._running:
            return True
        return self._conclude(attempt, *self._perform(attempt))

    def _perform(self, attempt: RunningAttempt) -> tuple[Outcome, float, datetime]:
        """Return how the attempt ended, how many seconds it took, and when that was."""
        context = attempt.begin(self.clock)
        self._watch(attempt)
        began = self.clock.monotonic()
        outcome = carry_out(attempt, context)
        return outcome, self.clock.monotonic() - began, self.clock.now()

    def _conclude(self, attempt: RunningAttempt, outcome: Outcome, seconds: float, now: datetime) -> bool:
        if outcome.ending is OutcomeKind.NOT_HERE:
            self._keeper.note_unknown(attempt.begun.timer_id)
        elif attempt.begun.instructions.is_rapid:
            self._keeper.note_duration(attempt, seconds)
        return self._finish(attempt, outcome, now)

    def _finish(self, attempt: RunningAttempt, outcome: Outcome, now: datetime | None = None) -> bool:
        """Have the end of an attempt recorded; false when somebody else has done that."""
        if self._running.pop(attempt.begun.execution_id, None) is not attempt:
            return False
        if self.cluster is None:  # the person who watches decides whether to try again
            outcome = replace(outcome, retryable=False)
        (self._keeper if attempt.is_rapid else self._writer).record(attempt.finished(outcome, now or self.clock.now()))
        self._keeper.ended(attempt)
        if self._is_full and len(self._running) <= self._most // 2:
            with self._changed:
                self._is_full = False
                self._changed.notify_all()
        return True

    def _give_up_late_ones(self) -> None:
        """Record as timed out what takes too long, as cancelled what does not stop; their threads are left alone."""
        moment = self.clock.monotonic()
        with self._changed:
            self._gives_up_at = float("inf")
        for attempt in self._attempts():
            if attempt.gives_up_at <= moment:
                self._give_up(attempt)
            else:
                self._watch(attempt)

    def _give_up(self, attempt: RunningAttempt) -> None:
        outcome = Outcome.cancelled("It did not stop and was given up.") if attempt.cancelled() else timed_out(attempt)
        if self._finish(attempt, outcome) and attempt.thread is not None:
            self._pool.give_up(attempt.thread)
            self._keeper.give_up(attempt.thread)

    def _watch(self, attempt: RunningAttempt) -> None:
        """See to it that the attempt is given up at its time."""
        if attempt.gives_up_at < self._gives_up_at:
            with self._changed:
                self._gives_up_at = min(self._gives_up_at, attempt.gives_up_at)
                self._changed.notify_all()

    def _ask_to_stop(self, attempt: RunningAttempt) -> None:
        """Let the action know that it was cancelled; it has a while to end by itself."""
        if not attempt.cancelled():
            attempt.is_cancelled = True
            attempt.gives_up_at = min(attempt.gives_up_at, self.clock.monotonic() + STOP_GRACE)
            self._watch(attempt)

    # Ending

    def _pause(self, seconds: float) -> None:
        with self._changed:
            self._changed.wait_for(lambda: self._ending, seconds)

    def _take_out(self, attempts: Iterable[RunningAttempt]) -> list[str]:
        """Forget attempts; return the executions of those that were still running."""
        attempts = list(attempts)
        for attempt in attempts:
            self._keeper.ended(attempt)
        ids = [attempt.begun.execution_id for attempt in attempts]
        return [execution_id.hex for execution_id in ids if self._running.pop(execution_id, None) is not None]

    def _give_up_for_good(self, attempts: Iterable[RunningAttempt]) -> None:
        """Record as lost what did not end in time and must not be repeated."""
        for attempt in attempts:
            self._finish(attempt, Outcome.failed("Its worker stopped before it ended.", reason="lost"))

    def _flush(self) -> None:
        try:
            self._keeper.flush()
        except (DatabaseError, InterfaceError) as error:
            log.warning("Results of sub-second timers could not be written; they are repeated: %s", error)

    def _leave(self) -> None:
        if self.cluster is None:
            return
        log.info("A worker stopped.", extra={"event": "service.stop", **self._about})
        try:
            cluster_routing.leave(self.cluster)
        except (DatabaseError, InterfaceError):
            log.warning("The worker stopped without a database to say so.")

    def _requeue(self, ids: Sequence[str]) -> None:
        if not ids:
            return
        try:
            requeue.requeue(ids, owner=self.owner, now=self.clock.now())
        except (DatabaseError, InterfaceError) as error:
            log.warning("Executions could not be requeued; their leases will run out: %s", error)


_present: tuple[int, Runner] | None = None


def of_this_process() -> Runner:
    """Return this process's runner, started when first asked for: threads do not survive a fork."""
    global _present  # noqa: PLW0603  one per process is the point
    if _present is None or _present[0] != os.getpid():
        runner = Runner(Clock())
        runner.clock.offset = processes.clock_offset()
        sys.setswitchinterval(SWITCH_INTERVAL)
        gc.freeze()  # what is there by now stays: going through it again and again would stop all threads for long
        runner.start()
        multiprocessing.util.Finalize(None, runner.stop, exitpriority=100)
        _end_in_order_when_terminated()
        _present = (os.getpid(), runner)
    return _present[1]


def _end_in_order_when_terminated() -> None:
    """Let SIGTERM end the process the way it ends by itself, which requeues its attempts."""
    in_main_thread = threading.current_thread() is threading.main_thread()
    if in_main_thread and signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
        signal.signal(signal.SIGTERM, _exit)


def _exit(_signal: int, _frame: FrameType | None) -> None:
    sys.exit(0)
