"""A pool of threads that carry out actions. It has as many as there is work that waits, within a limit."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from queue import Empty, SimpleQueue
from typing import Generic, TypeVar

from timers.engine.worker.thread_group import ThreadGroup

T = TypeVar("T")

MAX_THREADS = 200
IDLE_SECONDS = 30.0

BACKLOG_CHECK_SECONDS = 0.003
"""Seconds between two checks whether work that waits moves on or needs more threads."""


class ThreadPool(Generic[T]):
    """A queue of work, and threads that take from it. They hold nothing from one piece of work to the next.

    `carry_out` returns whether its thread goes on: false when it was given up meanwhile.
    """

    def __init__(self, carry_out: Callable[[T], bool], *, most: int = MAX_THREADS) -> None:
        self._carry_out = carry_out
        self._most = most
        self._work: SimpleQueue[T] = SimpleQueue()
        self._lock = threading.Lock()
        self._threads = ThreadGroup(self._live, name="timers-action")
        self._idle = 0
        self._taken = 0
        self._taken_before = 0

    def submit(self, callbacks: Iterable[T]) -> None:
        """Have these carried out, in this order as far as there are threads."""
        for callback in callbacks:
            self._work.put(callback)
        number = self._threads.number
        if self._idle == 0 and number < self._most:
            self._start(1 if number else min(4, self._work.qsize()))

    def has_backlog(self) -> bool:
        return not self._work.empty()

    def grow(self) -> None:
        """Start more threads when work waits and the present ones are held up; to be called while work waits."""
        taken, self._taken_before = self._taken - self._taken_before, self._taken
        waiting, number = self._work.qsize(), self._threads.number
        if waiting and not self._idle and taken < number:
            self._start(min(waiting, number, self._most - number))

    def give_up(self, thread: int) -> None:
        """Count this thread as gone: another may take its place, and it is stopped as soon as it runs Python."""
        self._threads.give_up(thread)

    def _start(self, number: int) -> None:
        for _ in range(number):
            self._threads.start()

    def _live(self) -> None:
        while (callback := self._take()) is not None and self._carry_out(callback):
            pass

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
