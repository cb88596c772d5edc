"""A worker process: real threads over a real database, with actions that the test holds in its hand."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import connections

from tests.factories import make_webhook_timer
from timers import clock
from timers.actions.base import Context, Outcome
from timers.clock import Clock, to_us
from timers.engine.worker import result_writer
from timers.engine.worker import runner as room
from timers.engine.worker.runner import Runner
from timers.errors import ExternalError
from timers.models import Attempt, Execution, Timer
from timers.services.executions import commands as executions
from timers.services.timers import commands as timers

pytestmark = pytest.mark.django_db(transaction=True)

PATIENCE = 8.0


@pytest.fixture
def runner(probe: Any) -> Iterator[Runner]:
    made = Runner(Clock(), most_threads=8)
    made.start()
    yield made
    made.stop()


def eventually(condition: Callable[[], Any]) -> Any:
    """Return what the condition says once it is true; fail when that takes too long."""
    end = time.monotonic() + PATIENCE
    while not (value := condition()):
        assert time.monotonic() < end, "It did not come true."
        time.sleep(0.005)
    return value


def make(owner: Any, do: str, **fields: Any) -> Timer:
    start = (clock.now() + timedelta(hours=1)).isoformat()
    return make_webhook_timer(
        owner,
        action="probe",
        body={"do": do},
        schedule={"type": "recurring", "interval_seconds": 86_400, "start": start},
        now=clock.now(),
        **fields,
    )


def run_now(timer: Timer, owner: Any, runner: Runner, *, in_seconds: float = 0.0) -> Execution:
    execution = timers.run_now(timer, by=owner, now=clock.now())
    run_at = to_us(clock.now()) + round(in_seconds * 1e6)
    runner.put([(execution.pk.hex, run_at, execution.definition_id)])
    return execution


def ended(execution: Execution) -> Execution:
    return eventually(lambda: Execution.objects.filter(pk=execution.pk, finished_at__isnull=False).first())


def test_it_carries_out_what_it_is_given(owner: Any, runner: Runner, probe: Any) -> None:
    told: list[Context] = []
    probe.doings["tell"] = told.append
    timer = make(owner, "tell")

    execution = ended(run_now(timer, owner, runner))

    assert (execution.status, execution.attempt) == ("completed", 1)
    assert (told[0].execution_id, told[0].timer_id, told[0].owner_id) == (execution.pk, timer.pk, owner.pk)
    assert told[0].deadline is not None
    assert Attempt.objects.get().worker == runner.owner


def test_it_waits_for_the_exact_instant(owner: Any, runner: Runner, probe: Any) -> None:
    started: list[datetime] = []
    probe.doings["note"] = lambda context: started.append(clock.now())
    timer = make(owner, "note")
    before = clock.now()

    ended(run_now(timer, owner, runner, in_seconds=0.3))

    assert 0.3 <= (started[0] - before).total_seconds() < 5  # never early; how late is the benchmark's matter


def test_a_group_delivered_twice_runs_once(owner: Any, runner: Runner, probe: Any) -> None:
    runs: list[Context] = []
    probe.doings["count"] = runs.append
    execution = run_now(make(owner, "count"), owner, runner)
    runner.put([(execution.pk.hex, 0, execution.definition_id)] * 3)
    ended(execution)
    runner.put([(execution.pk.hex, 0, execution.definition_id)])
    ended(run_now(make(owner, "count"), owner, runner))

    assert len(runs) == 2


def test_a_slow_action_holds_back_nothing(owner: Any, runner: Runner, probe: Any) -> None:
    gate = threading.Event()
    probe.doings["wait"] = lambda context: gate.wait(PATIENCE) and None
    probe.doings["pass"] = lambda context: None
    slow = [run_now(make(owner, "wait"), owner, runner) for _ in range(5)]

    ended(run_now(make(owner, "pass"), owner, runner))

    assert not Execution.objects.filter(pk__in=[each.pk for each in slow], finished_at__isnull=False).exists()
    gate.set()
    for each in slow:
        ended(each)


def test_what_finds_no_thread_waits_as_pending(owner: Any, runner: Runner, probe: Any) -> None:
    gate = threading.Event()
    probe.doings["wait"] = lambda context: gate.wait(PATIENCE) and None
    all_of_them = [run_now(make(owner, "wait"), owner, runner) for _ in range(10)]
    eventually(lambda: Execution.objects.filter(status="running").count() == 8)

    assert Execution.objects.filter(status="pending").count() == 2
    gate.set()
    for each in all_of_them:
        ended(each)


def test_a_defect_is_recorded_with_its_traceback(owner: Any, runner: Runner, probe: Any) -> None:
    probe.doings["break"] = lambda context: 1 // 0  # type: ignore[return-value]

    execution = ended(run_now(make(owner, "break"), owner, runner))

    assert (execution.status, execution.failure_reason) == ("failed", "error")
    assert "ZeroDivisionError" in (execution.error_message or "")
    assert "Traceback" in Attempt.objects.get().details["traceback"]


def test_a_fault_of_the_outside_says_whether_to_try_again(owner: Any, runner: Runner, probe: Any) -> None:
    def fail(context: Context) -> Outcome:
        raise ExternalError("Nobody answers.", retryable=True, reason="connect_error", retry_after=120)

    probe.doings["fail"] = fail
    execution = run_now(make(owner, "fail", policies={"max_attempts": 2}), owner, runner)

    retrying = eventually(lambda: Execution.objects.filter(pk=execution.pk, status="retrying").first())
    assert retrying.failure_reason == "connect_error"


def test_an_action_that_takes_too_long_is_recorded_as_timed_out(owner: Any, runner: Runner, probe: Any) -> None:
    stopped = threading.Event()

    def dawdle(context: Context) -> None:
        try:
            while True:
                time.sleep(0.01)
        finally:
            stopped.set()

    probe.doings["dawdle"] = dawdle
    execution = ended(run_now(make(owner, "dawdle", policies={"timeout_seconds": 0.2}), owner, runner))

    attempt = Attempt.objects.get()
    assert (execution.status, execution.failure_reason) == ("failed", "timed_out")
    assert 0.2 <= (attempt.finished_at - attempt.started_at).total_seconds() < 5
    assert stopped.wait(PATIENCE)


def test_the_late_end_of_a_timed_out_action_changes_nothing(owner: Any, runner: Runner, probe: Any) -> None:
    gate, left = threading.Event(), threading.Event()

    def ignore(context: Context) -> Outcome:
        gate.wait(PATIENCE)  # a wait in C, which no exception interrupts
        left.set()
        return Outcome.completed({"late": True})

    probe.doings["ignore"] = ignore
    execution = ended(run_now(make(owner, "ignore", policies={"timeout_seconds": 0.1}), owner, runner))
    gate.set()
    probe.doings["pass"] = lambda context: None
    ended(run_now(make(owner, "pass"), owner, runner))

    execution.refresh_from_db()
    assert (execution.failure_reason, execution.result) == ("timed_out", None)


def test_a_cancelled_action_is_told_and_recorded_as_cancelled(
    owner: Any, runner: Runner, probe: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(result_writer, "CHECK_SECONDS", 0.05)
    probe.doings["obey"] = lambda context: eventually(context.cancelled) and None
    execution = run_now(make(owner, "obey"), owner, runner)
    eventually(lambda: Execution.objects.filter(status="running").exists())

    executions.cancel(execution, by=owner, now=clock.now())

    assert ended(execution).status == "cancelled"


def test_an_action_that_does_not_stop_is_given_up(
    owner: Any, runner: Runner, probe: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(result_writer, "CHECK_SECONDS", 0.05)
    monkeypatch.setattr(room, "STOP_GRACE", 0.1)
    gate = threading.Event()
    probe.doings["ignore"] = lambda context: gate.wait(PATIENCE) and None
    execution = run_now(make(owner, "ignore"), owner, runner)
    eventually(lambda: Execution.objects.filter(status="running").exists())

    executions.cancel(execution, by=owner, now=clock.now())

    assert ended(execution).status == "cancelled"
    gate.set()


def test_a_long_action_keeps_its_lease(owner: Any, runner: Runner, probe: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(result_writer, "RENEW_SECONDS", 0.1)
    monkeypatch.setattr(result_writer, "CHECK_SECONDS", 0.05)
    gate = threading.Event()
    probe.doings["wait"] = lambda context: gate.wait(PATIENCE) and None
    execution = run_now(make(owner, "wait"), owner, runner)
    first = eventually(lambda: Execution.objects.filter(pk=execution.pk, status="running").first()).lease_until

    eventually(lambda: Execution.objects.get(pk=execution.pk).lease_until > first)
    gate.set()
    ended(execution)


def test_a_worker_that_stops_hands_back_what_waits_and_what_does_not_end(
    owner: Any, probe: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(room, "END_GRACE", 0.2)
    runner = Runner(Clock(), most_threads=8)
    runner.start()
    gate = threading.Event()
    probe.doings["wait"] = lambda context: gate.wait(PATIENCE) and None
    running = run_now(make(owner, "wait"), owner, runner)
    waiting = run_now(make(owner, "wait"), owner, runner, in_seconds=60)
    eventually(lambda: Execution.objects.filter(pk=running.pk, status="running").exists())

    runner.stop()

    assert set(Execution.objects.values_list("status", "attempt", "lost_attempts")) == {("pending", 0, 0)}
    assert Execution.objects.get(pk=waiting.pk).lease_until is not None
    gate.set()


def test_a_worker_that_stops_writes_what_ends_in_time(owner: Any, probe: Any) -> None:
    runner = Runner(Clock(), most_threads=8)
    runner.start()
    probe.doings["wait"] = lambda context: time.sleep(0.2)
    execution = run_now(make(owner, "wait"), owner, runner)
    eventually(lambda: Execution.objects.filter(pk=execution.pk, status="running").exists())

    runner.stop()

    execution.refresh_from_db()
    assert execution.status == "completed"


def test_a_result_that_cannot_be_stored_is_a_failure_and_stops_no_other(owner: Any, runner: Runner, probe: Any) -> None:
    probe.doings["odd"] = lambda context: Outcome.completed({"number": float("nan"), "text": "\ud800"})
    probe.doings["pass"] = lambda context: None

    odd, good = run_now(make(owner, "odd"), owner, runner), run_now(make(owner, "pass"), owner, runner)

    assert ended(good).status == "completed"
    assert (ended(odd).status, ended(odd).failure_reason) == ("failed", "error")


def test_an_action_leaves_no_connection_open(owner: Any, runner: Runner, probe: Any) -> None:
    used: list[Any] = []

    def ask(context: Context) -> None:
        Timer.objects.count()
        used.append(connections["default"])

    probe.doings["ask"] = ask
    assert ended(run_now(make(owner, "ask"), owner, runner)).status == "completed"

    assert used[0].connection is None
