"""Threads for actions: as many as are needed, none held up by another."""

from __future__ import annotations

import threading
import time

from timers.engine.worker.thread_group import ActionTimedOut
from timers.engine.worker.thread_pool import ThreadPool

PATIENCE = 8.0


def tend_until(pool: ThreadPool[object], condition: threading.Event) -> bool:
    end = time.monotonic() + PATIENCE
    while not condition.wait(0.002) and time.monotonic() < end:
        pool.grow()
    return condition.is_set()


def test_quick_work_is_done_by_few_threads() -> None:
    done: list[int] = []
    finished = threading.Event()

    def work(callback: int) -> bool:
        done.append(callback)
        if len(done) == 1000:
            finished.set()
        return True

    pool: ThreadPool[int] = ThreadPool(work, most=200)
    pool.submit(range(1000))

    assert finished.wait(PATIENCE)
    assert sorted(done) == list(range(1000))
    assert pool._threads.number <= 16


def test_slow_work_gets_more_threads_up_to_the_limit() -> None:
    gate, all_there = threading.Event(), threading.Event()
    running: list[int] = []

    def work(callback: int) -> bool:
        running.append(callback)
        if len(running) == 20:
            all_there.set()
        return gate.wait(PATIENCE)

    pool: ThreadPool[int] = ThreadPool(work, most=20)
    pool.submit(range(50))

    assert tend_until(pool, all_there)  # type: ignore[arg-type]
    pool.grow()
    assert (pool._threads.number, pool.has_backlog()) == (20, True)
    gate.set()


def test_a_thread_that_is_given_up_is_stopped_and_makes_room() -> None:
    began, stopped, next_one = threading.Event(), threading.Event(), threading.Event()
    threads: list[int] = []

    def work(callback: str) -> bool:
        if callback == "next":
            next_one.set()
            return True
        threads.append(threading.get_ident())
        began.set()
        try:
            while True:
                time.sleep(0.005)
        except ActionTimedOut:
            stopped.set()
            raise

    pool: ThreadPool[str] = ThreadPool(work, most=1)
    pool.submit(["endless"])
    assert began.wait(PATIENCE)

    pool.give_up(threads[0])
    pool.submit(["next"])

    assert stopped.wait(PATIENCE)
    assert next_one.wait(PATIENCE)


def test_a_thread_that_has_left_is_not_stopped() -> None:
    threads: list[int] = []
    done = threading.Event()

    def work(callback: int) -> bool:
        threads.append(threading.get_ident())
        done.set()
        return False

    pool: ThreadPool[int] = ThreadPool(work, most=1)
    pool.submit([1])
    assert done.wait(PATIENCE)
    while pool._threads.number:
        time.sleep(0.002)

    pool.give_up(threads[0])

    assert pool._threads.number == 0


def test_a_defect_in_one_piece_does_not_stop_the_next() -> None:
    done = threading.Event()

    def work(callback: int) -> bool:
        if callback == 1:
            raise RuntimeError("broken")
        done.set()
        return True

    pool: ThreadPool[int] = ThreadPool(work, most=1)
    pool.submit([1])
    while pool._threads.number:
        time.sleep(0.002)
    pool.submit([2])

    assert done.wait(PATIENCE)
