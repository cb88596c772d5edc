"""Steps of workflows in one worker process: one thread speaks to the database, several carry out.

No connection is held while a step is carried out, and what ends together is written together.
"""

from __future__ import annotations

import logging
import multiprocessing.util
import os
import threading
import time
from collections.abc import Iterable
from contextlib import suppress
from datetime import timedelta
from queue import Empty, SimpleQueue
from uuid import UUID

from django.db import DatabaseError, InterfaceError, connection

from timers.actions.base import Context, Outcome
from timers.clock import Clock
from timers.engine.worker.execute import perform, too_long
from timers.engine.worker.thread_pool import BACKLOG_CHECK_SECONDS, ThreadPool
from timers.process_name import process_name
from timers.services.workflows import steps as service
from timers.services.workflows import wakeups
from timers.services.workflows.steps import HeldStep, StepResult

log = logging.getLogger(__name__)

MAX_THREADS = 50
MAX_BATCH = 50
"""Steps begun or ended in one transaction."""

RENEW_SECONDS = service.STEPS.renew_seconds
GRACE = 1.0
"""Seconds beyond its time after which a step is given up: actions that watch their deadline say themselves how."""

PAUSE = 0.5
END_GRACE = 3.0


class _RunningStep:
    """A step that this process carries out."""

    def __init__(self, held: HeldStep) -> None:
        self.held = held
        self.thread: int | None = None
        self.is_lost = False
        self.gives_up_at = float("inf")

    def cancelled(self) -> bool:
        return self.is_lost


class Steps:
    """Takes what messages name, has it carried out, and writes how it ended."""

    def __init__(self, clock: Clock, *, most: int = MAX_THREADS) -> None:
        self._clock = clock
        self._owner = process_name()
        self._most = most
        self._inbox: SimpleQueue[str | tuple[_RunningStep, Outcome] | None] = SimpleQueue()
        self._waiting: dict[str, None] = {}
        self._unwritten: list[tuple[_RunningStep, Outcome]] = []
        self._running: dict[UUID, _RunningStep] = {}
        self._pool: ThreadPool[_RunningStep] = ThreadPool(self._carry_out, most=most)
        self._ending = threading.Event()
        self._renewed_at = time.monotonic()
        self._thread = threading.Thread(target=self._live, name="timers-steps", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def put(self, step_ids: Iterable[str]) -> None:
        """Take the steps that a message named; returns at once."""
        for step_id in step_ids:
            self._inbox.put(step_id)

    def stop(self) -> None:
        """Write what has ended, and requeue the rest."""
        self._ending.set()
        self._inbox.put(None)
        self._thread.join(END_GRACE)

    # The thread that speaks to the database

    def _live(self) -> None:
        while not self._ending.is_set():
            try:
                self._gather()
                self._write()
                self._begin()
                self._keep_running()
            except (DatabaseError, InterfaceError) as error:
                log.warning("Steps of workflows wait for the database: %s", error)
                connection.close()
                self._ending.wait(PAUSE)
            except Exception:
                log.exception("The steps of workflows met a defect and go on.")
                self._ending.wait(PAUSE)
        with suppress(DatabaseError, InterfaceError):
            self._gather(wait=False)
            self._write()
            service.requeue(self._held(), owner=self._owner, now=self._clock.now())
        connection.close()

    def _gather(self, *, wait: bool = True) -> None:
        """Sort what has come in; wait for something unless there is work left."""
        idle = wait and not self._unwritten and not (self._waiting and self._has_room())
        seconds = self._idle_seconds() if idle else 0.0
        with suppress(Empty):
            self._sort_in(self._inbox.get(timeout=seconds) if seconds else self._inbox.get_nowait())
            for _ in range(self._inbox.qsize()):
                self._sort_in(self._inbox.get_nowait())

    def _idle_seconds(self) -> float:
        if self._pool.has_backlog():
            return BACKLOG_CHECK_SECONDS
        return GRACE / 2 if self._running else RENEW_SECONDS

    def _sort_in(self, item: str | tuple[_RunningStep, Outcome] | None) -> None:
        if isinstance(item, str):
            self._waiting[item] = None
        elif item is not None:
            self._unwritten.append(item)

    def _has_room(self) -> bool:
        return len(self._running) < self._most

    def _write(self) -> None:
        batch = self._unwritten[:MAX_BATCH]
        if not batch:
            return
        try:
            self._finish(batch)
        except (DatabaseError, InterfaceError):
            raise
        except Exception:
            log.exception("Steps that ended could not be written together; they are written one by one.")
            for result in batch:
                self._finish_alone(result)
        del self._unwritten[: len(batch)]
        for running, _ in batch:
            self._running.pop(running.held.step_id, None)

    def _finish(self, batch: Iterable[tuple[_RunningStep, Outcome]]) -> None:
        ended = [StepResult(running.held, outcome) for running, outcome in batch]
        service.finish(ended, owner=self._owner, now=self._clock.now())

    def _finish_alone(self, one: tuple[_RunningStep, Outcome]) -> None:
        try:
            self._finish([one])
        except (DatabaseError, InterfaceError):
            raise
        except Exception:
            log.exception("The end of a step could not be written.", extra={"step": str(one[0].held.step_id)})

    def _begin(self) -> None:
        room = min(MAX_BATCH, self._most - len(self._running))
        step_ids = list(self._waiting)[:room]
        if not step_ids:
            return
        for step_id in step_ids:
            del self._waiting[step_id]
        now = self._clock.now()
        try:
            held = service.take(step_ids, owner=self._owner, now=now)
            if len(held) < len(step_ids):
                wakeups.advance_woken(set(step_ids) - {str(step.step_id) for step in held}, now=now)
        except (DatabaseError, InterfaceError):
            self._waiting.update(dict.fromkeys(step_ids))
            raise
        running = [_RunningStep(step) for step in held]
        self._running.update((step.held.step_id, step) for step in running)
        self._pool.submit(running)

    def _held(self) -> list[HeldStep]:
        return [running.held for running in self._running.values()]

    def _keep_running(self) -> None:
        """Keep the leases, stop what is no longer ours, give up what takes too long, add threads."""
        if self._pool.has_backlog():
            self._pool.grow()
        moment = time.monotonic()
        for running in list(self._running.values()):
            if running.gives_up_at <= moment:
                self._give_up(running)
        if moment < self._renewed_at + RENEW_SECONDS:
            return
        self._renewed_at = moment
        for step_id in service.renew(self._held(), owner=self._owner, now=self._clock.now()):
            lost = self._running.get(step_id)
            if lost is not None:
                lost.is_lost = True

    def _give_up(self, running: _RunningStep) -> None:
        running.gives_up_at = float("inf")
        self._unwritten.append((running, too_long(running.held.seconds)))
        if running.thread is not None:
            self._pool.give_up(running.thread)

    # The threads that carry out

    def _carry_out(self, running: _RunningStep) -> bool:
        held = running.held
        if held.problem is not None:
            self._inbox.put((running, Outcome.failed(held.problem, reason="invalid")))
            return True
        started = self._clock.now()
        running.thread = threading.get_ident()
        running.gives_up_at = time.monotonic() + held.seconds + GRACE
        context = Context(
            execution_id=held.step_id,
            timer_id=held.timer_id,
            owner_id=held.owner_id,
            name=held.name,
            parameters=held.parameters,
            attempt=held.attempt,
            scheduled_for=held.scheduled_at,
            started_at=started,
            deadline=started + timedelta(seconds=held.seconds),
            cancelled=running.cancelled,
            is_step=True,
        )
        outcome = perform(held.action, context)
        if running.gives_up_at == float("inf"):
            return False
        running.gives_up_at = float("inf")
        self._inbox.put((running, outcome))
        return True


_present: tuple[int, Steps] | None = None
_making = threading.Lock()


def of_this_process() -> Steps:
    """Return the steps of this worker process; one per process, as threads do not survive a fork."""
    global _present  # noqa: PLW0603
    with _making:
        if _present is None or _present[0] != os.getpid():
            steps = Steps(Clock())
            steps.start()
            multiprocessing.util.Finalize(None, steps.stop, exitpriority=90)
            _present = (os.getpid(), steps)
    return _present[1]
