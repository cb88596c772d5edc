"""Fires callbacks at their instants, as exactly as a sleeping thread can.

One thread, the leader, waits for the next instant and fires what is due by itself: no other thread has to be woken
for it. A deputy watches it. When a callback takes long, the deputy becomes the leader and another thread the deputy.
"""

from __future__ import annotations

import ctypes
import heapq
import itertools
import logging
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from typing import Generic, TypeVar

from timers.clock import Clock, to_us
from timers.engine.worker.thread_group import ThreadGroup

T = TypeVar("T")

log = logging.getLogger(__name__)

NEAR, AWAKE = 0.002, 0.0003
"""Seconds before an instant at which the leader stops listening for changes, and at which it stops sleeping."""

GRACE = 0.002
"""Seconds that a callback may take before the deputy takes over."""

MAX_THREADS = 100
IDLE = 30.0
PR_SET_TIMERSLACK = 29


class PreciseTimer(Generic[T]):
    """A heap of callbacks by instant (microseconds), and the threads that fire them.

    What `fire` returns is called when nothing more is due: it may wait, the next callback may not.
    """

    def __init__(self, clock: Clock, fire: Callable[[T], Callable[[], object] | None]) -> None:
        self._clock = clock
        self._fire = fire
        self._changed = threading.Condition(threading.Lock())
        self._heap: list[tuple[int, int, T]] = []
        self._after: deque[Callable[[], object]] = deque()
        self._numbers = itertools.count()
        self._leader: int | None = None
        self._firing_since: float | None = None
        self._threads = ThreadGroup(self._live, name="timers-precise-timer")
        self._deputies = 0
        self._ending = False

    def put(self, callbacks: Iterable[tuple[int, T]]) -> None:
        """Have callbacks fired, each at its instant."""
        with self._changed:
            first = self._heap[0][0] if self._heap else None
            for at, callback in callbacks:
                heapq.heappush(self._heap, (at, next(self._numbers), callback))
            while self._threads.number < 2:
                self._threads.start()
            if self._heap and self._heap[0][0] != first:
                self._changed.notify_all()

    def take_out(self, condition: Callable[[T], bool]) -> list[T]:
        """Take out the callbacks that meet the condition and were not fired; return them."""
        taken: list[T] = []
        kept: list[tuple[int, int, T]] = []
        with self._changed:
            for entry in self._heap:
                if condition(entry[2]):
                    taken.append(entry[2])
                else:
                    kept.append(entry)
            self._heap = kept
            heapq.heapify(self._heap)
        return taken

    def next_instant(self) -> int | None:
        """Return when the next callback is due, in microseconds."""
        with self._changed:
            return self._heap[0][0] if self._heap else None

    def stop(self) -> list[T]:
        """Fire no more; return what was not fired."""
        with self._changed:
            self._ending = True
            self._changed.notify_all()
        return self.take_out(lambda _: True)

    def give_up(self, thread: int) -> None:
        """Stop a thread as soon as it runs Python, if it is one of these; another one takes its place."""
        self._threads.give_up(thread)

    def _live(self) -> None:
        me = threading.get_ident()
        _be_exact()
        try:
            while not self._ending and me in self._threads:
                if self._leads(me):
                    self._lead(me)
                elif not self._watch_leader():
                    break
        finally:
            with self._changed:
                if self._leader == me:
                    self._leader = self._firing_since = None
                self._changed.notify_all()

    def _leads(self, me: int) -> bool:
        """Return whether this thread is the leader, or is now: there is none, or it is held up."""
        with self._changed:
            if self._leader == me:
                return True
            since = self._firing_since
            if self._leader is not None and (since is None or time.monotonic() - since < GRACE):
                return False
            self._leader, self._firing_since = me, None
            if not self._deputies and self._threads.number < MAX_THREADS:
                self._threads.start()
            return True

    def _lead(self, me: int) -> None:
        """Wait for the next instant and fire what is due then."""
        with self._changed:
            if not self._heap:
                self._changed.wait(IDLE)
                return
            seconds = (self._heap[0][0] - to_us(self._clock.now())) / 1e6
            if seconds > NEAR:
                self._changed.wait(seconds - NEAR)
                return
        if seconds > AWAKE:
            time.sleep(seconds - AWAKE)
        until = time.monotonic() + min(seconds, AWAKE)
        while time.monotonic() < until:
            pass
        while (callback := self._take_due(me)) is not None:
            try:
                if (after := self._fire(callback)) is not None:
                    self._after.append(after)
            except Exception:
                log.exception("A callback of the precise timer failed.")
        self._call_returned()
        with self._changed:
            if self._leader == me:
                self._firing_since = None

    def _call_returned(self) -> None:
        """Call what the callbacks have returned, also those that a leader before this one fired."""
        while self._after:
            try:
                self._after.popleft()()
            except IndexError:  # another thread was quicker
                return
            except Exception:
                log.exception("What a callback of the precise timer returned failed.")

    def _take_due(self, me: int) -> T | None:
        """Return the next callback if it is due and this thread still leads."""
        with self._changed:
            if self._ending or self._leader != me or not self._heap:
                return None
            if self._heap[0][0] > to_us(self._clock.now()):
                return None
            self._firing_since = time.monotonic()
            return heapq.heappop(self._heap)[2]

    def _watch_leader(self) -> bool:
        """Wait until the leader may be held up; return whether this thread is still needed: one deputy is enough."""
        with self._changed:
            if self._deputies:
                return False
            if self._firing_since is not None:
                seconds = GRACE
            elif self._heap:
                seconds = max(0.0, (self._heap[0][0] - to_us(self._clock.now())) / 1e6) + GRACE
            else:
                seconds = IDLE
            self._deputies += 1
            try:
                self._changed.wait(seconds)
            finally:
                self._deputies -= 1
            return True


def _be_exact() -> None:
    """Have the system wake this thread without the slack that it gives to timers otherwise."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_TIMERSLACK, 1, 0, 0, 0)
