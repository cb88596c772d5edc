"""A worker with sub-second timers: real threads, real time, a real database."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from itertools import pairwise
from typing import Any

import pytest

from tests.codetimers.conftest import module_of
from tests.engine.steps import claim_at
from tests.engine.test_runner import eventually
from timers import clock, timer
from timers.clock import Clock, to_us
from timers.engine.runner import Runner
from timers.models import Execution, Timer
from timers.services import codetimers, timers

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def runner() -> Iterator[Runner]:
    made = Runner(Clock(), most_threads=8, in_cluster=False)
    made.start()
    yield made
    made.stop()


@pytest.fixture
def start(settings: Any, admin: Any, runner: Runner, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Timer]]:
    def start(function: Any) -> Timer:
        module = module_of(function)
        monkeypatch.setitem(sys.modules, module.__name__, module)
        settings.TIMERS_CODE_MODULES = (module.__name__,)
        codetimers._load.cache_clear()
        (made,) = codetimers.sync(now=clock.now()).declared
        claim_at(clock.now(), ahead=0.5)
        items = Execution.objects.values_list("pk", "run_at", "definition_id")
        runner.put([(pk.hex, to_us(run_at), definition) for pk, run_at, definition in items])
        return made

    yield start
    settings.TIMERS_CODE_MODULES = ()
    codetimers._load.cache_clear()


def completed(made: Timer) -> int:
    return Execution.objects.filter(timer=made, status="completed").count()


def assert_gapless(made: Timer) -> None:
    rows = Execution.objects.filter(timer=made).order_by("scheduled_for").values_list("scheduled_for", flat=True)
    steps = {later - earlier for earlier, later in pairwise(rows)}
    assert steps == {timedelta(seconds=0.1)}


def test_it_goes_on_by_itself_until_the_timer_is_paused(start: Any, admin: Any) -> None:
    runs: list[Any] = []

    @timer(interval=0.1)
    def sample() -> None:
        runs.append(clock.now())

    made = start(sample)
    eventually(lambda: completed(made) >= 12)
    paused_at = clock.now()
    timers.pause(made, by=admin, now=paused_at)
    eventually(lambda: not Execution.objects.filter(timer=made, status__in=["pending", "running"]).exists())

    assert_gapless(made)
    assert all(each < paused_at + timedelta(seconds=1.5) for each in runs)
    assert completed(made) == len(runs)
    assert Execution.objects.filter(timer=made, status="skipped", skip_reason="paused").exists()
    began = Execution.objects.filter(timer=made, status="completed").values_list("scheduled_for", "started_at")
    assert all(timedelta(0) <= started - planned for planned, started in began)


def test_an_occurrence_that_finds_the_one_before_at_work_is_left_out(start: Any, runner: Runner) -> None:
    gate, runs = threading.Event(), []

    @timer(interval=0.1)
    def dawdle() -> None:
        runs.append(clock.now())
        if len(runs) == 8:
            gate.wait(8)

    made = start(dawdle)
    eventually(lambda: Execution.objects.filter(timer=made, skip_reason="overlap").count() >= 5)
    gate.set()
    eventually(lambda: completed(made) >= 10)
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
