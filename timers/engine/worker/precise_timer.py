"""Plays pieces at their instants, as exactly as a sleeping thread can be.

One thread, the leader, waits for the next instant and plays what is due by itself: no other thread has to be woken
for it. A deputy looks on. When a piece takes long, the deputy becomes the leader and another thread the deputy.
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
from timers.engine.worker.thread_pool import ActionTimedOut

T = TypeVar("T")

log = logging.getLogger(__name__)

NEAR, AWAKE = 0.002, 0.0003
"""Seconds before an instant from which on the leader sleeps without listening for changes, and no longer sleeps."""

GRACE = 0.002
"""Seconds that a piece may take before the deputy takes over."""

MAX_THREADS = 100
IDLE = 30.0
PR_SET_TIMERSLACK = 29


class PreciseTimer(Generic[T]):
    """A heap of pieces by instant (microseconds), and the threads that play them.

    What `fire` returns is called when nothing more is due: it may wait, the next piece may not.
    """

    def __init__(self, clock: Clock, fire: Callable[[T], Callable[[], object] | None]) -> None:
        self._clock = clock
        self._play = fire
        self._changed = threading.Condition(threading.Lock())
        self._heap: list[tuple[int, int, T]] = []
        self._after: deque[Callable[[], object]] = deque()
        self._numbers = itertools.count()
        self._leader: int | None = None
        self._playing_since: float | None = None
        self._members: set[int] = set()
        self._threads = 0
        self._lookers = 0
        self._ending = False

    def put(self, callbacks: Iterable[tuple[int, T]]) -> None:
        """Have pieces played, each at its instant."""
        with self._changed:
            first = self._heap[0][0] if self._heap else None
            for at, callback in callbacks:
                heapq.heappush(self._heap, (at, next(self._numbers), callback))
            while self._threads < 2:
                self._start()
            if self._heap and self._heap[0][0] != first:
                self._changed.notify_all()

    def take_out(self, wanted: Callable[[T], bool]) -> list[T]:
        """Take pieces that were not begun out again; return them."""
        with self._changed:
            taken = [entry[2] for entry in self._heap if wanted(entry[2])]
            self._heap = [entry for entry in self._heap if not wanted(entry[2])]
            heapq.heapify(self._heap)
        return taken

    def next_instant(self) -> int | None:
        """Return when the next piece is due, in microseconds."""
        with self._changed:
            return self._heap[0][0] if self._heap else None

    def stop(self) -> list[T]:
        """Begin no more; return what was not begun."""
        with self._changed:
            self._ending = True
            self._changed.notify_all()
        return self.take_out(lambda _: True)

    def give_up(self, thread: int) -> None:
        """Ask a thread to stop as soon as it runs Python, if it is one of these; another one takes its place."""
        with self._changed:
            if thread in self._members:
                self._members.discard(thread)
                self._threads -= 1
                ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread), ctypes.py_object(ActionTimedOut))

    def _start(self) -> None:
        self._threads += 1
        threading.Thread(target=self._live, name="timers-metronome", daemon=True).start()

    def _live(self) -> None:
        me = threading.get_ident()
        with self._changed:
            self._members.add(me)
        _be_exact()
        try:
            while not self._ending and me in self._members:
                if self._leads(me):
                    self._lead(me)
                elif not self._look_on():
                    break
        except ActionTimedOut:
            pass
        except BaseException:
            log.exception("A thread of the metronome died.")
        finally:
            with self._changed:
                if me in self._members:
                    self._members.discard(me)
                    self._threads -= 1
                if self._leader == me:
                    self._leader = self._playing_since = None
                self._changed.notify_all()

    def _leads(self, me: int) -> bool:
        """Return whether this thread is the leader, or is now: there is none, or it is held up."""
        with self._changed:
            if self._leader == me:
                return True
            since = self._playing_since
            if self._leader is not None and (since is None or time.monotonic() - since < GRACE):
                return False
            self._leader, self._playing_since = me, None
            if not self._lookers and self._threads < MAX_THREADS:
                self._start()
            return True

    def _lead(self, me: int) -> None:
        """Wait for the next instant and play what is due then."""
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
                if (after := self._play(callback)) is not None:
                    self._after.append(after)
            except Exception:
                log.exception("A piece could not be played.")
        self._tidy_up()
        with self._changed:
            if self._leader == me:
                self._playing_since = None

    def _tidy_up(self) -> None:
        """Do what the pieces have left, also those that a leader before this one played."""
        while self._after:
            try:
                self._after.popleft()()
            except IndexError:  # another thread was quicker
                return
            except Exception:
                log.exception("What a piece left could not be done.")

    def _take_due(self, me: int) -> T | None:
        """Take the next piece if it is due and this thread still leads."""
        with self._changed:
            if self._ending or self._leader != me or not self._heap:
                return None
            if self._heap[0][0] > to_us(self._clock.now()):
                return None
            self._playing_since = time.monotonic()
            return heapq.heappop(self._heap)[2]

    def _look_on(self) -> bool:
        """Wait until the leader may be held up; return whether this thread is still needed: one deputy is enough."""
        with self._changed:
            if self._lookers:
                return False
            if self._playing_since is not None:
                seconds = GRACE
            elif self._heap:
                seconds = max(0.0, (self._heap[0][0] - to_us(self._clock.now())) / 1e6) + GRACE
            else:
                seconds = IDLE
            self._lookers += 1
            try:
                self._changed.wait(seconds)
            finally:
                self._lookers -= 1
            return True


def _be_exact() -> None:
    """Have the system wake this thread without the slack that it gives to timers otherwise."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_TIMERSLACK, 1, 0, 0, 0)
