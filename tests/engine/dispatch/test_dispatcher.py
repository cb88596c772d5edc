"""One tick does everything that is due; the loop around it only waits."""

from __future__ import annotations

import threading
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import DatabaseError

from tests.engine.steps import BROKEN, begin_due, end, planned, seconds
from tests.factories import make_webhook_timer
from timers import clock
from timers.clock import Clock
from timers.engine.dispatch import dispatcher as room
from timers.engine.dispatch.dispatcher import Dispatcher
from timers.engine.dispatch.maintenance import Every
from timers.messaging import notifier, queue
from timers.models import Execution, Process, Schedule, Timer
from timers.process_name import process_name
from timers.services import processes
from timers.services.timers import commands as timers

pytestmark = pytest.mark.django_db


def test_a_tick_claims_what_is_due_within_the_next_moment(owner: Any, now: datetime) -> None:
    timer = make_webhook_timer(owner, schedule={"type": "recurring", "interval_seconds": 1})

    tick = Dispatcher(Clock(), ahead=0.5).tick(now - seconds(0.4))

    assert tick.claimed == 1
    assert planned(timer) == [now]
    assert tick.next_instant == now + seconds(0.5)


def test_two_dispatchers_do_not_double_anything(owner: Any, now: datetime) -> None:
    make_webhook_timer(owner)
    first, second = Dispatcher(Clock()), Dispatcher(Clock())

    assert first.tick(now).claimed + second.tick(now).claimed == 1
    assert Execution.objects.count() == 1


def test_a_tick_repeats_batches_until_one_is_not_full(owner: Any, now: datetime) -> None:
    for _ in range(5):
        make_webhook_timer(owner)

    assert Dispatcher(Clock(), batch=2).tick(now).claimed == 5


def test_the_log_says_every_ten_seconds_how_many_were_claimed(owner: Any, now: datetime, caplog: Any) -> None:
    caplog.set_level("INFO", "timers")
    make_webhook_timer(owner, schedule={"type": "recurring", "interval_seconds": 1})
    dispatcher = Dispatcher(Clock())

    for number in range(12):
        dispatcher.tick(now + seconds(number))

    claims = [record for record in caplog.records if getattr(record, "event", "") == "claim"]
    assert [record.executions for record in claims] == [1, 10]
    assert {(record.role, record.process_name) for record in claims} == {(processes.DISPATCHER, process_name())}


def test_the_log_says_what_was_taken_over(owner: Any, now: datetime, caplog: Any) -> None:
    caplog.set_level("INFO", "timers")
    make_webhook_timer(owner)
    dispatcher = Dispatcher(Clock())
    dispatcher.tick(now)
    (begun,) = begin_due(now)

    dispatcher.tick(now + seconds(60))

    (record,) = [record for record in caplog.records if getattr(record, "event", "") == "take_over"]
    assert (record.executions, record.execution_ids) == (1, (begun.execution_id,))


def test_a_tick_gives_a_sign_of_life(owner: Any, now: datetime) -> None:
    Dispatcher(Clock()).tick(now)

    process = Process.objects.get(role=processes.DISPATCHER)
    assert (process.name, process.seen_at) == (process_name(), now)


def test_a_tick_forgets_processes_that_died(owner: Any, now: datetime) -> None:
    processes.record_heartbeat(processes.CLUSTER, "elsewhere:1", now=now - seconds(3600))

    Dispatcher(Clock()).tick(now)

    assert not Process.objects.filter(name="elsewhere:1").exists()


def test_a_tick_releases_retries_and_knows_the_next_one(owner: Any, now: datetime) -> None:
    make_webhook_timer(owner, schedule={"type": "once", "datetime": now.isoformat()})
    dispatcher = Dispatcher(Clock())
    dispatcher.tick(now)
    end(begin_due(now), BROKEN, now)
    due = Execution.objects.get().lease_until

    assert dispatcher.tick(now + seconds(1)).next_instant == due
    dispatcher.tick(due)
    assert Execution.objects.get().status == "pending"


def test_a_tick_takes_back_lost_attempts(owner: Any, now: datetime) -> None:
    make_webhook_timer(owner)
    dispatcher = Dispatcher(Clock())
    dispatcher.tick(now)
    begin_due(now)

    assert dispatcher.tick(now + seconds(20)).reaped.lost == 1


def test_a_tick_resumes_a_timer_whose_pause_has_ended(owner: Any, now: datetime) -> None:
    timer = make_webhook_timer(owner)
    timers.pause(timer, by=owner, now=now, until=now + seconds(60))
    dispatcher = Dispatcher(Clock())

    dispatcher.tick(now + seconds(59))
    assert Timer.objects.get().status == "paused"
    dispatcher.tick(now + seconds(60))
    assert Timer.objects.get().status == "active"


def test_a_clock_that_jumps_back_neither_doubles_nor_loses(owner: Any, now: datetime) -> None:
    timer = make_webhook_timer(owner, schedule={"type": "recurring", "interval_seconds": 60})
    dispatcher = Dispatcher(Clock())
    for instant in (0, 60, -3600, 0, 60, 120):
        dispatcher.tick(now + seconds(instant))

    assert planned(timer) == [now, now + seconds(60), now + seconds(120)]


def test_chores_are_done_once_in_a_while_also_when_the_clock_jumps_back(now: datetime) -> None:
    chore = Every(seconds(5))

    done = [chore.is_due(now + seconds(step)) for step in (0, 4, 5, 6, -100, -99, -95)]

    assert done == [True, False, True, False, True, False, True]


def test_the_loop_ends_when_it_is_stopped(owner: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    dispatcher = Dispatcher(Clock())
    ticks = []

    def tick(now: datetime) -> room.Tick:
        ticks.append(now)
        threading.Timer(0.05, dispatcher.stop).start()
        return room.Tick()

    monkeypatch.setattr(dispatcher, "tick", tick)
    dispatcher.run()

    assert len(ticks) == 1


def test_the_loop_outlives_a_database_that_goes_away(owner: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    dispatcher = Dispatcher(Clock())
    monkeypatch.setattr(room, "INITIAL_PAUSE_SECONDS", 0.0)
    monkeypatch.setattr(dispatcher, "_recover", lambda error: reasons.append(str(error)))
    reasons: list[str] = []
    failures = iter([DatabaseError("gone"), ValueError("odd")])

    def tick(now: datetime) -> room.Tick:
        for failure in failures:
            monkeypatch.setattr(dispatcher.clock, "wait", lambda seconds: False)
            raise failure
        dispatcher.stop()
        return room.Tick()

    monkeypatch.setattr(dispatcher, "tick", tick)
    dispatcher.run()

    assert reasons == ["gone"]


def test_a_bell_makes_it_look_again_at_once_but_not_all_the_time(owner: Any, now: datetime) -> None:
    dispatcher = Dispatcher(Clock())
    make_webhook_timer(owner, schedule={"type": "once", "datetime": now.isoformat()})
    dispatcher.tick(now)
    end(begin_due(now), BROKEN, now)
    due = Execution.objects.get().lease_until

    assert dispatcher.tick(now + seconds(0.1)).next_instant is None, "it looked a moment ago and knows of nothing"
    dispatcher.reaper.note_change(now + seconds(0.1))
    assert dispatcher.tick(now + seconds(0.1)).next_instant == due
    for late in (0.11, 0.12):
        dispatcher.reaper.note_change(now + seconds(late))
        assert dispatcher.tick(now + seconds(late)).next_instant == now + seconds(0.15)


def test_a_timer_that_somebody_else_moved_on_costs_no_tick(owner: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    timer = make_webhook_timer(owner, schedule={"type": "once", "datetime": (clock.now() + seconds(2)).isoformat()})
    dispatcher, ticks, waits = Dispatcher(Clock()), [], []

    class Ear(notifier.NullNotifier):
        def wait(self, seconds: float) -> bool:
            waits.append(round(seconds, 1))
            if len(waits) == 2:
                dispatcher.stop()
            Schedule.objects.filter(timer=timer).update(next_run_at=clock.now() + timedelta(seconds=3))
            return False

    def tick(now: datetime) -> room.Tick:
        ticks.append(now)
        return Dispatcher.tick(dispatcher, now)

    monkeypatch.setattr(notifier, "subscribe", lambda channel: Ear())
    monkeypatch.setattr(dispatcher, "tick", tick)
    dispatcher.run()

    assert len(ticks) == 1
    assert waits == [pytest.approx(1.5, abs=0.9), pytest.approx(2.5, abs=0.9)]  # real clocks: a busy machine is late


@pytest.mark.django_db(transaction=True)
def test_a_change_wakes_the_loop(owner: Any, now: datetime) -> None:
    ear = notifier.subscribe(queue.CHANGES)

    queue.wake_dispatchers()

    assert ear.wait(5)
    assert not ear.wait(0.01)
    ear.close()
