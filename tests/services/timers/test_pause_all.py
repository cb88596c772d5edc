"""While everything is paused nothing fires, and each occurrence is on record as left out."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest

from tests.engine.steps import claim_at, run_due, seconds, statuses
from tests.factories import make_webhook_timer
from timers.errors import Forbidden
from timers.lifecycle import SkipReason
from timers.models import Event, Execution, Schedule, Timer
from timers.services.timers import commands as timers
from timers.services.timers import pause_all

pytestmark = pytest.mark.django_db

MINUTELY = {"type": "recurring", "interval_seconds": 60}
CRON = {"type": "cron", "expression": "0 * * * * *"}


@pytest.mark.parametrize("schedule", [MINUTELY, CRON])
def test_occurrences_of_a_paused_owner_become_one_skipped_row(
    owner: Any, now: datetime, schedule: dict[str, Any]
) -> None:
    timer = make_webhook_timer(owner, schedule=schedule, now=now - seconds(1))
    pause_all.pause_all(owner=owner, by=owner, reason="Moving house.", now=now - seconds(1))

    for minute in range(3):
        assert claim_at(now + seconds(60 * minute)).executions == 0

    row = Execution.objects.get(timer=timer)
    assert (row.status, row.skip_reason) == ("skipped", SkipReason.PAUSED)
    assert row.scheduled_until is not None
    assert row.occurrences == 1 + (row.scheduled_until - row.scheduled_for) // seconds(60)
    assert Timer.objects.get(pk=timer.pk).status == "active"
    assert Schedule.objects.get(pk=timer.pk).fired_count == 0


def test_other_owners_go_on_and_everybodys_pause_stops_them_too(
    owner: Any, stranger: Any, admin: Any, now: datetime
) -> None:
    mine, theirs = (make_webhook_timer(who, schedule=MINUTELY) for who in (owner, stranger))
    pause_all.pause_all(owner=owner, by=owner, now=now)

    claim_at(now)
    assert (statuses(mine), statuses(theirs)) == (["skipped"], ["pending"])

    pause_all.pause_all(owner=None, by=admin, now=now)
    claim_at(now + seconds(60))
    assert statuses(theirs) == ["pending", "skipped"]


def test_resuming_goes_on_with_the_next_occurrence_and_wakes_no_timer_that_is_paused_itself(
    owner: Any, now: datetime
) -> None:
    timer = make_webhook_timer(owner, schedule=MINUTELY)
    asleep = make_webhook_timer(owner, schedule=MINUTELY)
    timers.pause(asleep, by=owner, now=now)
    pause_all.pause_all(owner=owner, by=owner, now=now)
    claim_at(now + seconds(120))

    assert pause_all.resume_all(owner=owner, by=owner, now=now + seconds(130)) is True
    run_due(now + seconds(180))

    assert statuses(timer) == ["skipped", "completed"]
    assert statuses(asleep) == []
    assert pause_all.resume_all(owner=owner, by=owner, now=now + seconds(190)) is False


def test_what_was_claimed_ahead_does_not_run_and_its_run_is_refunded(owner: Any, now: datetime) -> None:
    timer = make_webhook_timer(
        owner,
        schedule={**MINUTELY, "start": (now + seconds(0.4)).isoformat(), "end": {"condition": "iterations", "n": 1}},
    )
    claim_at(now, ahead=0.5)
    assert statuses(timer) == ["pending"]

    pause_all.pause_all(owner=owner, by=owner, now=now)

    row = Schedule.objects.get(pk=timer.pk)
    assert statuses(timer) == ["skipped"]
    assert (row.fired_count, row.next_planned_at) == (0, now + seconds(60.4))


def test_runs_by_hand_work_while_everything_is_paused(owner: Any, now: datetime) -> None:
    timer = make_webhook_timer(owner, schedule={**MINUTELY, "start": (now + seconds(30)).isoformat()})
    pause_all.pause_all(owner=owner, by=owner, now=now)

    timers.run_now(timer, by=owner, now=now)
    run_due(now)

    assert statuses(timer) == ["completed"]


def test_pausing_twice_keeps_the_first_reason_and_one_event(owner: Any, now: datetime) -> None:
    first = pause_all.pause_all(owner=owner, by=owner, reason="First.", now=now)
    again = pause_all.pause_all(owner=owner, by=owner, reason="Second.", now=now + seconds(5))

    assert (again.pk, again.reason, again.since) == (first.pk, "First.", now)
    assert Event.objects.filter(verb="paused_all").count() == 1


def test_only_administrators_pause_for_everybody_and_for_others(
    owner: Any, stranger: Any, admin: Any, now: datetime
) -> None:
    for whose in (None, owner):
        with pytest.raises(Forbidden):
            pause_all.pause_all(owner=whose, by=stranger, now=now)
        pause_all.pause_all(owner=whose, by=admin, now=now)
        with pytest.raises(Forbidden):
            pause_all.resume_all(owner=whose, by=stranger, now=now)

    assert pause_all.is_paused(stranger)
    pause_all.resume_all(owner=None, by=admin, now=now)
    assert pause_all.is_paused(owner)
    assert not pause_all.is_paused(stranger)
