"""Callbacks are fired at their instants: not before, in order, and not held up by one another for long."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from timers.clock import Clock, to_us
from timers.engine.worker.precise_timer import PreciseTimer

PATIENCE = 8.0


class Stand:
    """A precise timer, and what it has fired when."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.fired: list[tuple[Any, int]] = []
        self.doings: dict[Any, Any] = {}
        self.timer: PreciseTimer[Any] = PreciseTimer(self.clock, self._fire)

    def in_(self, seconds: float) -> int:
        return to_us(self.clock.now()) + round(seconds * 1e6)

    def wait_for(self, number: int) -> None:
        end = time.monotonic() + PATIENCE
        while len(self.fired) < number and time.monotonic() < end:
            time.sleep(0.002)
        assert len(self.fired) >= number

    def _fire(self, callback: Any) -> None:
        self.fired.append((callback, to_us(self.clock.now())))
        if callback in self.doings:
            self.doings[callback]()


@pytest.fixture
def stand() -> Iterator[Stand]:
    made = Stand()
    yield made
    made.timer.stop()


def test_callbacks_are_fired_in_order_and_never_early(stand: Stand) -> None:
    at = [stand.in_(0.05 + number * 0.01) for number in range(10)]
    stand.timer.put([(at[number], number) for number in (7, 3, 9, 0, 1, 2, 8, 4, 5, 6)])

    stand.wait_for(10)

    assert [callback for callback, _ in stand.fired] == list(range(10))
    assert all(moment >= at[callback] for callback, moment in stand.fired)


def test_an_earlier_callback_that_comes_later_is_fired_first(stand: Stand) -> None:
    stand.timer.put([(stand.in_(0.3), "late")])
    stand.timer.put([(stand.in_(0.05), "early")])

    stand.wait_for(2)

    assert [callback for callback, _ in stand.fired] == ["early", "late"]


def test_a_callback_that_takes_long_is_passed_by_a_deputy(stand: Stand) -> None:
    gate = threading.Event()
    stand.doings = {"long": lambda: gate.wait(PATIENCE), "longer": lambda: gate.wait(PATIENCE)}
    at = stand.in_(0.03)
    stand.timer.put([(at, "long"), (at + 1, "longer"), (at + 2, "next")])

    stand.wait_for(3)

    assert [callback for callback, _ in stand.fired] == ["long", "longer", "next"]
    gate.set()
    stand.timer.put([(stand.in_(0.01), "after")])
    stand.wait_for(4)


def test_a_callback_that_fails_stops_no_other(stand: Stand) -> None:
    stand.doings = {"broken": lambda: 1 // 0}
    stand.timer.put([(stand.in_(0.01), "broken"), (stand.in_(0.02), "good")])

    stand.wait_for(2)


def test_what_was_taken_out_is_not_fired(stand: Stand) -> None:
    stand.timer.put([(stand.in_(0.1), number) for number in range(10)])

    taken = stand.timer.take_out(lambda callback: callback % 2 == 0)
    stand.wait_for(5)

    assert sorted(taken) == [0, 2, 4, 6, 8]
    assert sorted(callback for callback, _ in stand.fired) == [1, 3, 5, 7, 9]


def test_a_thread_that_is_given_up_is_stopped_and_replaced(stand: Stand) -> None:
    threads: list[int] = []

    def dawdle() -> None:
        threads.append(threading.get_ident())
        while True:
            time.sleep(0.002)

    stand.doings = {"endless": dawdle}
    stand.timer.put([(stand.in_(0.01), "endless"), (stand.in_(0.03), "next")])
    stand.wait_for(2)

    stand.timer.give_up(threads[0])
    stand.timer.put([(stand.in_(0.01), "after")])

    stand.wait_for(3)
