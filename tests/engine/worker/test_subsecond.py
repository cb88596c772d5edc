"""A worker with sub-second timers: real threads, real time, a real database."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from itertools import pairwise
from typing import Any

import pytest
from django.db import connection
from django.db.models import QuerySet
from django.db.models.functions import Coalesce

from tests.codetimers.conftest import module_of
from tests.engine.worker.test_runner import eventually
from timers import clock, timer
from timers.clock import Clock, to_us
from timers.engine.dispatch.dispatcher import Dispatcher
from timers.engine.worker.runner import Runner
from timers.engine.worker.subsecond import AHEAD
from timers.models import Execution, Timer
from timers.services.timers import code_timers
from timers.services.timers import commands as timers

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def runner() -> Iterator[Runner]:
    made = Runner(Clock(), most_threads=8, in_cluster=False)
    made.start()
    yield made
    made.stop()


@pytest.fixture
def dispatching(runner: Runner) -> Iterator[Callable[[], None]]:
    """A dispatcher that gives the worker what is due, also what it was too late to begin ahead; call it to stop it."""
    dispatcher, over = Dispatcher(Clock()), threading.Event()

    def dispatch() -> None:
        while not over.wait(0.05):
            dispatcher.tick(clock.now())
            waiting = Execution.objects.filter(status="pending").values_list("pk", "run_at", "definition_id")
            runner.put([(pk.hex, to_us(run_at), definition) for pk, run_at, definition in waiting])
        connection.close()

    thread = threading.Thread(target=dispatch)

    def stop() -> None:
        over.set()
        thread.join()

    thread.start()
    yield stop
    stop()


@pytest.fixture
def start(
    settings: Any, admin: Any, dispatching: Any, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[[Any], Timer]]:
    def start(function: Any) -> Timer:
        module = module_of(function)
        monkeypatch.setitem(sys.modules, module.__name__, module)
        settings.TIMERS_CODE_MODULES = (module.__name__,)
        code_timers._load.cache_clear()
        return code_timers.sync(now=clock.now()).declared[0]

    yield start
    settings.TIMERS_CODE_MODULES = ()
    code_timers._load.cache_clear()


def completed(made: Timer) -> int:
    return Execution.objects.filter(timer=made, status="completed").count()


def begun_ahead(made: Timer) -> QuerySet[Execution]:
    soon = clock.now() + timedelta(seconds=1)
    return Execution.objects.filter(timer=made, status="running", started_at=None, scheduled_for__gt=soon)


def assert_gapless(made: Timer) -> None:
    """Each occurrence has one row, or is counted by one that stands for several."""
    rows = Execution.objects.filter(timer=made).order_by("scheduled_for")
    spans = rows.values_list("scheduled_for", Coalesce("scheduled_until", "scheduled_for"), "occurrences")
    step = timedelta(seconds=0.1)
    assert all(last - first == (number - 1) * step for first, last, number in spans)
    assert {later[0] - earlier[1] for earlier, later in pairwise(spans)} == {step}


def test_it_goes_on_by_itself_until_the_timer_is_paused(start: Any, admin: Any) -> None:
    runs: list[Any] = []

    @timer(interval=0.1)
    def sample() -> None:
        runs.append(clock.now())

    made = start(sample)
    eventually(lambda: completed(made) >= 12)
    eventually(lambda: begun_ahead(made).exists())
    paused_at = clock.now()
    timers.pause(made, by=admin, now=paused_at)
    eventually(lambda: not Execution.objects.filter(timer=made, status__in=["pending", "running"]).exists())

    assert_gapless(made)
    assert completed(made) == len(runs)
    assert Execution.objects.filter(timer=made, status="skipped", skip_reason="paused").exists()
    began = Execution.objects.filter(timer=made, status="completed").values_list("scheduled_for", "started_at")
    assert all(planned <= started and planned < paused_at + AHEAD for planned, started in began)


def test_an_occurrence_that_finds_the_one_before_at_work_is_left_out(
    start: Any, runner: Runner, dispatching: Callable[[], None]
) -> None:
    gate, runs = threading.Event(), []

    @timer(interval=0.1)
    def dawdle() -> None:
        runs.append(clock.now())
        if len(runs) == 8:
            gate.wait(60)

    made = start(dawdle)
    eventually(lambda: Execution.objects.filter(timer=made, skip_reason="overlap").count() >= 5)
    gate.set()
    eventually(lambda: completed(made) >= 10)
    dispatching()
    runner.stop()

    assert_gapless(made)
    assert completed(made) == len(runs)
    assert not Execution.objects.filter(status="running").exists()


def test_a_function_that_the_worker_does_not_know_is_not_held(
    start: Any, settings: Any, runner: Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs: list[int] = []

    @timer(interval=0.1)
    def vanished() -> None:
        runs.append(1)

    monkeypatch.setattr("timers.actions.code._entry", lambda name: None)
    made = start(vanished)
    eventually(lambda: Execution.objects.filter(timer=made, error_message__startswith="Waits for a worker").exists())
    eventually(lambda: not runner._keeper._held)
    eventually(lambda: not Execution.objects.filter(timer=made, status="running").exists())

    assert runs == []
