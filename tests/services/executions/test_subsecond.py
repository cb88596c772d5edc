"""Timers of less than a second: begun ahead by the worker that holds them, each occurrence with its one record."""

from __future__ import annotations

import sys
from datetime import datetime, timedelta
from typing import Any

import pytest

from tests.engine.steps import OK, claim_at, end
from tests.factories import make_code_timer
from timers import timer
from timers.models import Execution, Timer
from timers.services.attempt_values import AttemptResult
from timers.services.executions import leases, subsecond
from timers.services.executions.begin import begin
from timers.services.timers import code_timers, pause_all
from timers.services.timers import commands as timers

pytestmark = pytest.mark.django_db

AHEAD = timedelta(seconds=2)


@timer(name="rapid", allow="all")
def rapid() -> None: ...


@pytest.fixture
def made(owner: Any, now: datetime, monkeypatch: pytest.MonkeyPatch) -> Timer:
    (entry,) = code_timers.declared_in(_module())
    monkeypatch.setattr(code_timers, "registered", lambda: {"rapid": entry})
    return make_code_timer(
        owner, function="rapid", now=now, schedule={"type": "recurring", "interval_seconds": 0.1}, policies={}
    )


def _module() -> Any:
    return sys.modules[__name__]


def step(made: Timer, now: datetime, *, owner: str = "w1", finished: Any = ()) -> subsecond.BatchStep:
    held = {made.pk: made.definition_id}
    return subsecond.step(held, finished=finished, owner=owner, now=now, horizon=now + AHEAD)


def instants(made: Timer, **filters: Any) -> list[float]:
    found = Execution.objects.filter(timer=made, **filters).order_by("scheduled_for")
    return [round((each.scheduled_for - made.created_at).total_seconds(), 1) for each in found]


def test_a_step_begins_what_comes_and_the_next_one_goes_on_there(made: Timer, now: datetime) -> None:
    soon = now - timedelta(milliseconds=50)
    first = step(made, soon)
    second = step(made, soon + timedelta(seconds=0.5))

    assert [len(first.begun), len(second.begun)] == [20, 5]
    assert instants(made, status="running", lease_owner="w1", attempt=1) == [number / 10 for number in range(25)]
    assert {each.started_at for each in Execution.objects.all()} == {None}
    made.schedule.refresh_from_db()
    assert made.schedule.next_run_at == now + timedelta(seconds=2.5)
    assert made.schedule.fired_count == 25


def test_what_the_dispatcher_has_claimed_is_taken_over(made: Timer, now: datetime) -> None:
    claim_at(now, ahead=0.5)

    done = step(made, now + timedelta(seconds=0.05))

    assert instants(made, status="pending") == [0.0]
    assert sorted(round((each.scheduled_for - now).total_seconds(), 1) for each in done.begun)[:6] == [
        number / 10 for number in range(1, 7)
    ]
    assert Execution.objects.count() == 21


def test_the_ends_are_written_with_the_next_step(made: Timer, now: datetime) -> None:
    first = step(made, now - timedelta(milliseconds=50))
    at = now + timedelta(milliseconds=1)

    step(made, now + timedelta(seconds=0.45), finished=[AttemptResult(first.begun[0], OK, at, at)])

    execution = Execution.objects.get(pk=first.begun[0].execution_id)
    assert (execution.status, execution.started_at, execution.finished_at) == ("completed", at, at)


def test_two_workers_never_hold_one_timer(made: Timer, now: datetime) -> None:
    step(made, now - timedelta(milliseconds=50))

    other = step(made, now + timedelta(milliseconds=500), owner="w2")

    assert (other.begun, other.released) == ([], {made.pk: "active"})


@pytest.mark.parametrize("what", ["pause", "delete"])
def test_a_timer_that_is_stopped_is_released_and_what_was_begun_ahead_does_not_run(
    made: Timer, owner: Any, now: datetime, what: str
) -> None:
    first = step(made, now - timedelta(milliseconds=50))
    later = now + timedelta(milliseconds=420)
    ran, waiting = first.begun[:5], first.begun[5:]
    getattr(timers, what)(made, by=owner, now=later)

    done = step(made, later, finished=[AttemptResult(each, OK, later, later) for each in ran])
    subsecond.withdraw(waiting, status=done.released[made.pk], owner="w1", now=later)

    reason = {"pause": "paused", "delete": "ended"}[what]
    assert instants(made, status="completed") == [0.0, 0.1, 0.2, 0.3, 0.4]
    assert instants(made, status="skipped", skip_reason=reason) == [number / 10 for number in range(5, 20)]
    made.schedule.refresh_from_db()
    assert made.schedule.fired_count == 5


def test_when_everything_is_paused_it_is_released_and_what_was_begun_ahead_does_not_run(
    made: Timer, owner: Any, now: datetime
) -> None:
    first = step(made, now - timedelta(milliseconds=50))
    later = now + timedelta(milliseconds=420)
    pause_all.pause_all(owner=owner, by=owner, now=later)

    done = step(made, later, finished=[AttemptResult(each, OK, later, later) for each in first.begun[:5]])
    subsecond.withdraw(first.begun[5:], status=done.released[made.pk], owner="w1", now=later)
    claim_at(now + timedelta(seconds=2.1), ahead=0)

    assert done.begun == []
    assert instants(made, status="completed") == [0.0, 0.1, 0.2, 0.3, 0.4]
    left_out = Execution.objects.filter(timer=made, status="skipped", skip_reason="paused")
    assert sum(each.occurrences for each in left_out) == len(range(5, 22))
    assert Execution.objects.filter(timer=made).count() == 5 + left_out.count()


def test_a_changed_timer_is_released_and_what_was_begun_goes_on(made: Timer, owner: Any, now: datetime) -> None:
    step(made, now - timedelta(milliseconds=50))
    timers.update(made, changes={"name": "other"}, by=owner, now=now)

    done = step(made, now + timedelta(milliseconds=450))

    assert (done.begun, done.released) == ([], {made.pk: "active"})
    assert len(instants(made, status="running")) == 20


def test_what_a_dead_worker_began_ahead_is_taken_back_with_its_lease(made: Timer, owner: Any, now: datetime) -> None:
    step(made, now - timedelta(milliseconds=50))
    later = now + timedelta(seconds=16)

    leases.reap(now=later)
    begun = begin([each.pk for each in Execution.objects.all()], owner="w2", now=later)
    end(begun, OK, later, owner="w2")

    rows = list(Execution.objects.filter(timer=made).order_by("scheduled_for").values_list("status", "lost_attempts"))
    assert rows == [("completed", 1), *[("skipped", 1)] * 19]


@pytest.mark.parametrize(
    "changes",
    [
        {"schedule": {"type": "recurring", "interval_seconds": 1}},
        {"policies": {"overlap": "queue_one"}},
        {"schedule": {"type": "recurring", "interval_seconds": 0.1, "end": {"condition": "iterations", "n": 9}}},
        {"schedule": {"type": "recurring", "interval_seconds": 0.2, "window": {"weekdays": "MON"}}},
    ],
)
def test_only_the_plain_ones_are_held(made: Timer, owner: Any, now: datetime, changes: dict[str, Any]) -> None:
    changed = timers.update(made, changes=changes, by=owner, now=now)

    assert step(changed, now - timedelta(milliseconds=50)).begun == []
