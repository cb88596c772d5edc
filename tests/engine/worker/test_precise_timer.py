"""Pieces are played at their instants: not before, in order, and not held up by one another for long."""

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
    """A metronome, and what it has played when."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.played: list[tuple[Any, int]] = []
        self.doings: dict[Any, Any] = {}
        self.metronome: PreciseTimer[Any] = PreciseTimer(self.clock, self._play)

    def in_(self, seconds: float) -> int:
        return to_us(self.clock.now()) + round(seconds * 1e6)

    def wait_for(self, number: int) -> None:
        end = time.monotonic() + PATIENCE
        while len(self.played) < number and time.monotonic() < end:
            time.sleep(0.002)
        assert len(self.played) >= number

    def _play(self, callback: Any) -> None:
        self.played.append((callback, to_us(self.clock.now())))
        if callback in self.doings:
            self.doings[callback]()


@pytest.fixture
def stand() -> Iterator[Stand]:
    made = Stand()
    yield made
    made.metronome.stop()


def test_pieces_are_played_in_order_and_never_early(stand: Stand) -> None:
    at = [stand.in_(0.05 + number * 0.01) for number in range(10)]
    stand.metronome.put([(at[number], number) for number in (7, 3, 9, 0, 1, 2, 8, 4, 5, 6)])

    stand.wait_for(10)

    assert [callback for callback, _ in stand.played] == list(range(10))
    assert all(moment >= at[callback] for callback, moment in stand.played)


def test_an_earlier_piece_that_comes_later_is_played_first(stand: Stand) -> None:
    stand.metronome.put([(stand.in_(0.3), "late")])
    stand.metronome.put([(stand.in_(0.05), "early")])

    stand.wait_for(2)

    assert [callback for callback, _ in stand.played] == ["early", "late"]


def test_a_piece_that_takes_long_is_passed_by_a_deputy(stand: Stand) -> None:
    gate = threading.Event()
    stand.doings = {"long": lambda: gate.wait(PATIENCE), "longer": lambda: gate.wait(PATIENCE)}
    at = stand.in_(0.03)
    stand.metronome.put([(at, "long"), (at + 1, "longer"), (at + 2, "next")])

    stand.wait_for(3)

    assert [callback for callback, _ in stand.played] == ["long", "longer", "next"]
    gate.set()
    stand.metronome.put([(stand.in_(0.01), "after")])
    stand.wait_for(4)


def test_a_piece_that_fails_stops_no_other(stand: Stand) -> None:
    stand.doings = {"broken": lambda: 1 // 0}
    stand.metronome.put([(stand.in_(0.01), "broken"), (stand.in_(0.02), "good")])

    stand.wait_for(2)


def test_what_was_taken_out_is_not_played(stand: Stand) -> None:
    stand.metronome.put([(stand.in_(0.1), number) for number in range(10)])

    taken = stand.metronome.take_out(lambda callback: callback % 2 == 0)
    stand.wait_for(5)

    assert sorted(taken) == [0, 2, 4, 6, 8]
    assert sorted(callback for callback, _ in stand.played) == [1, 3, 5, 7, 9]


def test_a_thread_that_is_given_up_is_stopped_and_replaced(stand: Stand) -> None:
    threads: list[int] = []

    def dawdle() -> None:
        threads.append(threading.get_ident())
        while True:
            time.sleep(0.002)

    stand.doings = {"endless": dawdle}
    stand.metronome.put([(stand.in_(0.01), "endless"), (stand.in_(0.03), "next")])
    stand.wait_for(2)

    stand.metronome.give_up(threads[0])
    stand.metronome.put([(stand.in_(0.01), "after")])

    stand.wait_for(3)
