"""The database itself refuses what must never be."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import IntegrityError

from tests.factories import make_collection, make_webhook_timer
from timers.lifecycle import ExecutionStatus, TimerStatus, Trigger
from timers.models import Definition, Execution, Schedule, Timer, TimerTag, Token, Transfer

pytestmark = pytest.mark.django_db


def _execution(timer: Timer, at: datetime, **fields: Any) -> Execution:
    given = {
        "timer": timer,
        "definition_id": timer.definition_id,
        "scheduled_for": at,
        "run_at": at,
        "created_at": at,
        **fields,
    }
    return Execution.objects.create(**given)


@pytest.mark.parametrize("trigger", [Trigger.SCHEDULE, Trigger.CATCH_UP])
def test_an_occurrence_has_one_execution(owner: Any, now: datetime, trigger: str) -> None:
    timer = make_webhook_timer(owner)
    _execution(timer, now)

    with pytest.raises(IntegrityError):
        _execution(timer, now, trigger=trigger)


def test_a_run_by_hand_may_fall_on_the_same_instant(owner: Any, now: datetime) -> None:
    timer = make_webhook_timer(owner)
    _execution(timer, now)

    assert _execution(timer, now, trigger=Trigger.MANUAL, serial=7).pk


@pytest.mark.parametrize(("trigger", "serial"), [(Trigger.SCHEDULE, 7), (Trigger.MANUAL, 0), (Trigger.RERUN, 0)])
def test_only_planned_executions_count_as_occurrences(owner: Any, now: datetime, trigger: str, serial: int) -> None:
    timer = make_webhook_timer(owner)

    with pytest.raises(IntegrityError):
        _execution(timer, now, trigger=trigger, serial=serial)


def test_a_skipped_execution_has_a_reason(owner: Any, now: datetime) -> None:
    timer = make_webhook_timer(owner)

    with pytest.raises(IntegrityError):
        _execution(timer, now, status=ExecutionStatus.SKIPPED)


def test_a_definition_has_one_number(owner: Any, now: datetime) -> None:
    timer = make_webhook_timer(owner)

    with pytest.raises(IntegrityError):
        Definition.objects.create(
            timer=timer, number=1, name="x", action="webhook", schedule={}, body={}, policies={}, created_at=now
        )


def test_a_tag_stands_once(owner: Any) -> None:
    timer = make_webhook_timer(owner, tags={"site": "north"})

    with pytest.raises(IntegrityError):
        TimerTag.objects.create(timer=timer, key="site", value="north")


def test_a_next_run_has_a_planned_time(owner: Any, now: datetime) -> None:
    timer = make_webhook_timer(owner)

    with pytest.raises(IntegrityError):
        Schedule.objects.filter(pk=timer.pk).update(next_planned_at=None, next_run_at=now)


def test_no_more_runs_begin_than_were_asked_for(owner: Any) -> None:
    timer = make_webhook_timer(owner)

    with pytest.raises(IntegrityError):
        Schedule.objects.filter(pk=timer.pk).update(max_runs=2, fired_count=3)


def test_an_interval_is_at_least_a_tenth_of_a_second(owner: Any) -> None:
    timer = make_webhook_timer(owner)

    with pytest.raises(IntegrityError):
        Schedule.objects.filter(pk=timer.pk).update(interval_us=99_999)


def test_a_timer_has_a_known_status(owner: Any) -> None:
    timer = make_webhook_timer(owner)

    with pytest.raises(IntegrityError):
        Timer.objects.filter(pk=timer.pk).update(status="asleep")


def test_a_token_is_unique(owner: Any, now: datetime) -> None:
    Token.objects.create(owner=owner, name="a", digest="d", prefix="p", created_at=now)

    with pytest.raises(IntegrityError):
        Token.objects.create(owner=owner, name="b", digest="d", prefix="p", created_at=now)


def test_a_submission_gives_one_transfer(owner: Any, now: datetime, tmp_path: Any) -> None:
    place = make_collection(owner, tmp_path)
    fields = {"owner": owner, "source": place, "destination": place, "requested_at": now}
    given = "11111111-2222-4333-8444-555555555555"
    Transfer.objects.create(**fields, submission_id=given)

    with pytest.raises(IntegrityError):
        Transfer.objects.create(**fields, submission_id=given)


def test_a_move_is_made_once(owner: Any) -> None:
    timer = make_webhook_timer(owner)

    first = Timer.objects.move(timer.pk, TimerStatus.ACTIVE, TimerStatus.PAUSED)
    second = Timer.objects.move(timer.pk, TimerStatus.ACTIVE, TimerStatus.PAUSED)

    assert (first, second) == (True, False)


def test_a_move_that_does_not_exist_is_a_defect(owner: Any) -> None:
    timer = make_webhook_timer(owner)

    with pytest.raises(ValueError, match="No move"):
        Timer.objects.move(timer.pk, TimerStatus.DELETED, TimerStatus.ACTIVE)


def test_an_instant_comes_back_exactly(owner: Any, now: datetime) -> None:
    at = now + timedelta(microseconds=123_457)
    timer = make_webhook_timer(owner)

    stored = Execution.objects.get(pk=_execution(timer, at).pk)

    assert stored.scheduled_for == at
    assert Execution.objects.filter(scheduled_for__lte=at, scheduled_for__gt=now).count() == 1
