"""When the instant comes: what starts, what waits, what is left out."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest

from tests.engine.steps import HOPELESS, OK, begin_due, claim_at, end, reloaded, seconds, statuses
from tests.factories import make_webhook_timer
from timers.lifecycle import SkipReason
from timers.models import Execution, Schedule, Timer
from timers.services.executions.begin import begin
from timers.services.timers import commands as timers

pytestmark = pytest.mark.django_db

MINUTELY = {"type": "recurring", "interval_seconds": 60}


def make(owner: Any, overlap: str, **fields: Any) -> Timer:
    return make_webhook_timer(owner, **{"schedule": MINUTELY, "policies": {"overlap": overlap}, **fields})


def test_a_begun_execution_is_ours_for_the_time_of_a_lease(owner: Any, now: datetime) -> None:
    timer = make(owner, "skip")
    claim_at(now)

    (begun,) = begin_due(now + seconds(0.01))

    execution = reloaded(begun)
    assert (execution.status, execution.attempt, execution.lease_owner) == ("running", 1, "w1")
    assert execution.started_at == now + seconds(0.01)
    assert execution.lease_until == now + seconds(15.01)
    assert (begun.timer_id, begun.scheduled_for, begun.attempt) == (timer.pk, now, 1)
    assert begun.instructions.parameters["url"] == "https://hooks.example.org/timers"


def test_a_message_delivered_twice_does_nothing(owner: Any, now: datetime) -> None:
    make(owner, "allow")
    claim_at(now)
    ids = list(Execution.objects.values_list("pk", flat=True))

    assert len(begin(ids, owner="w1", now=now)) == 1
    assert begin(ids, owner="w2", now=now) == []
    assert Execution.objects.get().lease_owner == "w1"


def test_unknown_executions_are_nothing_to_begin(owner: Any, now: datetime) -> None:
    assert begin([owner.pk and "0" * 32], owner="w1", now=now) == []


@pytest.mark.parametrize("known", [True, False])
def test_knowing_the_definitions_changes_nothing(owner: Any, now: datetime, known: bool) -> None:
    make(owner, "skip")
    claim_at(now)
    execution = Execution.objects.get()

    begun = begin([execution.pk], owner="w1", now=now, definitions=[execution.definition_id] if known else None)

    assert len(begun) == 1


def test_skip_leaves_out_what_comes_while_one_runs(owner: Any, now: datetime) -> None:
    timer = make(owner, "skip")
    claim_at(now)
    begin_due(now)
    claim_at(now + seconds(60))

    assert begin_due(now + seconds(60)) == []
    assert statuses(timer) == ["running", "skipped"]
    assert Execution.objects.get(status="skipped").skip_reason == SkipReason.OVERLAP
    assert Schedule.objects.get(pk=timer.pk).fired_count == 1


def test_skip_decides_among_occurrences_of_one_group(owner: Any, now: datetime) -> None:
    timer = make(owner, "skip", schedule={"type": "recurring", "interval_seconds": 0.1})
    claim_at(now, ahead=0.2)

    begun = begin_due(now + seconds(0.3))

    assert [each.scheduled_for for each in begun] == [now]
    assert statuses(timer) == ["running", "skipped", "skipped"]


def test_a_retry_that_waits_counts_as_active(owner: Any, now: datetime) -> None:
    timer = make(owner, "skip")
    claim_at(now)
    begin_due(now)
    Execution.objects.update(status="retrying", lease_until=now + seconds(90))
    claim_at(now + seconds(60))

    begin_due(now + seconds(60))

    assert statuses(timer) == ["retrying", "skipped"]


def test_allow_starts_beside_what_runs(owner: Any, now: datetime) -> None:
    timer = make(owner, "allow")
    for minute in range(3):
        claim_at(now + seconds(60 * minute))
        assert len(begin_due(now + seconds(60 * minute))) == 1

    assert statuses(timer) == ["running"] * 3


def test_cancel_previous_asks_the_running_one_to_stop_and_waits_for_it(owner: Any, now: datetime) -> None:
    timer = make(owner, "cancel_previous")
    claim_at(now)
    first = begin_due(now)
    claim_at(now + seconds(60))

    assert begin_due(now + seconds(60)) == []
    assert reloaded(first[0]).cancel_requested
    end(first, HOPELESS, now + seconds(62))
    assert len(begin_due(now + seconds(62))) == 1
    assert statuses(timer) == ["failed", "running"]


def test_cancel_previous_takes_the_place_of_what_waits_and_retries(owner: Any, now: datetime) -> None:
    timer = make(owner, "cancel_previous")
    claim_at(now)
    begin_due(now)
    Execution.objects.update(status="retrying", lease_until=now + seconds(600))
    claim_at(now + seconds(60))

    assert len(begin_due(now + seconds(60))) == 1
    assert statuses(timer) == ["cancelled", "running"]


def test_of_several_that_replace_only_the_newest_starts(owner: Any, now: datetime) -> None:
    timer = make(owner, "cancel_previous")
    claim_at(now)
    first = begin_due(now)
    for minute in (1, 2):
        claim_at(now + seconds(60 * minute))
        begin_due(now + seconds(60 * minute))

    assert statuses(timer) == ["running", "skipped", "pending"]
    end(first, OK, now + seconds(121))
    begin_due(now + seconds(121))
    assert statuses(timer) == ["completed", "skipped", "running"]
    assert Schedule.objects.get(pk=timer.pk).fired_count == 2


@pytest.mark.parametrize("overlap", ["skip", "queue_one", "queue_all", "cancel_previous", "allow"])
def test_run_now_starts_whatever_the_policy_and_then_counts_as_active(owner: Any, now: datetime, overlap: str) -> None:
    timer = make(owner, overlap)
    claim_at(now)
    begin_due(now)
    timers.run_now(timer, by=owner, now=now + seconds(1))

    assert len(begin_due(now + seconds(1))) == 1
    assert statuses(timer) == ["running", "running"]


def test_an_occurrence_is_left_out_while_a_manual_run_is_active(owner: Any, now: datetime) -> None:
    timer = make(owner, "skip", schedule={**MINUTELY, "start": (now + seconds(60)).isoformat()})
    timers.run_now(timer, by=owner, now=now)
    begin_due(now)
    claim_at(now + seconds(60))

    begin_due(now + seconds(60))

    assert statuses(timer) == ["running", "skipped"]


@pytest.mark.parametrize("overlap", ["skip", "allow"])
def test_what_comes_due_in_a_pause_is_left_out(owner: Any, now: datetime, overlap: str) -> None:
    timer = make(owner, overlap)
    claim_at(now)
    timers.pause(timer, by=owner, now=now + seconds(0.001))

    assert begin_due(now + seconds(0.002)) == []
    assert Execution.objects.get().skip_reason == SkipReason.PAUSED


def test_manual_runs_and_retries_go_on_in_a_pause(owner: Any, now: datetime) -> None:
    timer = make(owner, "skip")
    claim_at(now)
    begin_due(now)
    Execution.objects.update(status="pending", lease_until=now)
    timers.pause(timer, by=owner, now=now)
    timers.run_now(timer, by=owner, now=now)

    assert len(begin_due(now)) == 2


def test_started_at_is_the_start_of_the_first_attempt(owner: Any, now: datetime) -> None:
    make(owner, "skip")
    claim_at(now)
    begin_due(now)
    Execution.objects.update(status="pending")

    (begun,) = begin_due(now + seconds(30))

    assert (reloaded(begun).started_at, begun.attempt) == (now, 2)
