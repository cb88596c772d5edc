"""Executions as rows of a timer: created by hand, withdrawn, recorded as left out."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest
from django_q.models import OrmQ

from tests.engine.steps import begin_due, claim_at, seconds, statuses
from tests.factories import make_webhook_timer
from timers.lifecycle import SkipReason
from timers.models import Execution, Schedule
from timers.scheduling.catchup import SkippedRun
from timers.services import occurrences
from timers.services.executions.begin import begin
from timers.services.timers import commands as timers

pytestmark = pytest.mark.django_db

FAST = {"type": "recurring", "interval_seconds": 0.1}


def test_a_manual_run_has_a_row_and_a_message(owner: Any, now: datetime) -> None:
    timer = make_webhook_timer(owner)

    made = occurrences.create_manual(timer, by=owner, now=now)

    assert (made.trigger, made.status, made.scheduled_for) == ("manual", "pending", now)
    assert made.serial > 0
    assert OrmQ.objects.count() == 1


def test_two_manual_runs_of_one_instant_are_two(owner: Any, now: datetime) -> None:
    timer = make_webhook_timer(owner)

    occurrences.create_manual(timer, by=owner, now=now)
    occurrences.create_manual(timer, by=owner, now=now)

    assert len(begin_due(now)) == 2


def test_what_was_claimed_ahead_is_withdrawn(owner: Any, now: datetime) -> None:
    timer = make_webhook_timer(owner, schedule=FAST)
    claim_at(now, ahead=0.5)

    taken = occurrences.withdraw(timer.pk, now=now + seconds(0.2))

    assert taken == [now + seconds(0.3), now + seconds(0.4), now + seconds(0.5)]
    assert len(statuses(timer)) == 3
    assert Schedule.objects.get(pk=timer.pk).fired_count == 3


def test_what_was_withdrawn_does_not_run_although_its_message_comes(owner: Any, now: datetime) -> None:
    timer = make_webhook_timer(owner, schedule={"type": "recurring", "interval_seconds": 60})
    claim_at(now - seconds(0.3), ahead=0.5)
    ids = list(Execution.objects.values_list("pk", flat=True))
    timers.pause(timer, by=owner, now=now - seconds(0.1))

    assert begin(ids, owner="w1", now=now) == []
    assert Schedule.objects.get(pk=timer.pk).fired_count == 0


def test_a_run_of_left_out_occurrences_is_one_row(owner: Any, now: datetime) -> None:
    timer = make_webhook_timer(owner)
    run = SkippedRun(now, now + seconds(7200), 3, SkipReason.PAUSED)

    occurrences.record_skipped(timer.pk, timer.definition_id, run, now=now + seconds(9000))

    row = Execution.objects.get()
    assert (row.status, row.skip_reason, row.occurrences) == ("skipped", "paused", 3)
    assert (row.scheduled_for, row.scheduled_until) == (now, now + seconds(7200))
