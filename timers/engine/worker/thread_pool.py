"""Threads that carry out actions. There are as many as there is waiting to be done, within a limit."""

from __future__ import annotations

import ctypes
import logging
import threading
from collections.abc import Callable, Iterable
from queue import Empty, SimpleQueue
from typing import Generic, TypeVar

T = TypeVar("T")

log = logging.getLogger(__name__)

MAX_THREADS = 200
IDLE_SECONDS = 30.0

LOOK_AGAIN = 0.003
"""Seconds between two looks at whether work moves on or needs more threads."""


class ActionTimedOut(BaseException):
    """Raised inside an action whose time is over. The attempt is recorded already, whatever becomes of the thread."""


class ThreadPool(Generic[T]):
    """A queue of work, and threads that take from it. They hold nothing from one piece of work to the next.

    `carry_out` returns whether its thread goes on: false when it was given up meanwhile.
    """

    def __init__(self, carry_out: Callable[[T], bool], *, most: int = MAX_THREADS) -> None:
        self._carry_out = carry_out
        self._most = most
        self._work: SimpleQueue[T] = SimpleQueue()
        self._lock = threading.Lock()
        self._threads = 0
        self._idle = 0
        self._taken = 0
        self._taken_before = 0
        self._members: set[int] = set()

    def submit(self, callbacks: Iterable[T]) -> None:
        """Have these carried out, in this order as far as there are threads."""
        for callback in callbacks:
            self._work.put(callback)
        if self._idle == 0 and self._threads < self._most:
            self._start(1 if self._threads else min(4, self._work.qsize()))

    def has_backlog(self) -> bool:
        return not self._work.empty()

    def grow(self) -> None:
        """Start more threads when work waits and the present ones are held up; to be called while work waits."""
        taken, self._taken_before = self._taken - self._taken_before, self._taken
        waiting = self._work.qsize()
        if waiting and not self._idle and taken < self._threads:
            self._start(min(waiting, self._threads, self._most - self._threads))

    def give_up(self, thread: int) -> None:
        """Count this thread as gone: another may take its place, and it is asked to stop as soon as it runs Python."""
        with self._lock:
            if thread in self._members:  # else it has left, and its number may be another thread's by now
                self._members.discard(thread)
                self._threads -= 1
                ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread), ctypes.py_object(ActionTimedOut))

    def _start(self, number: int) -> None:
        for _ in range(number):
            with self._lock:
                self._threads += 1
            threading.Thread(target=self._live, name="timers-action", daemon=True).start()

    def _live(self) -> None:
        me = threading.get_ident()
        with self._lock:
            self._members.add(me)
        try:
            while (callback := self._take()) is not None and self._carry_out(callback):
                pass
        except ActionTimedOut:
            pass
        except BaseException:
            log.exception("A thread of the pool died.")
        finally:
            with self._lock:
                if me in self._members:
                    self._members.discard(me)
                    self._threads -= 1

    def _take(self) -> T | None:
        with self._lock:
            self._idle += 1
        try:
            return self._work.get(timeout=IDLE_SECONDS)
        except Empty:
            return None
        finally:
            with self._lock:
                self._idle -= 1
                self._taken += 1
