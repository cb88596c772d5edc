"""Executions as people handle them: by hand, cancelled, repeated; and taken back when a timer changes."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest
from django_q.models import OrmQ

from tests.engine.steps import OK, begin_due, claim_at, end, run_due, seconds, statuses
from tests.factories import make_webhook_timer
from timers.actions.webhook import WebhookAction
from timers.errors import Conflict
from timers.lifecycle import SkipReason
from timers.models import Event, Execution, Schedule, Timer
from timers.scheduling.catchup import SkippedRun
from timers.services import occurrences
from timers.services.executions import commands as executions
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


def test_a_rerun_is_a_new_execution(owner: Any, now: datetime) -> None:
    make_webhook_timer(owner)
    run_due(now)
    first = Execution.objects.get()

    again = executions.rerun(first, by=owner, now=now + seconds(1))

    assert again.pk != first.pk
    assert (again.trigger, again.scheduled_for) == ("rerun", now + seconds(1))
    assert Event.objects.filter(verb="reran", object_id=again.pk).exists()


def test_executions_of_a_deleted_timer_cannot_be_repeated(owner: Any, now: datetime) -> None:
    timer = make_webhook_timer(owner)
    run_due(now)
    timers.delete(timer, by=owner, now=now)

    with pytest.raises(Conflict):
        executions.rerun(Execution.objects.get(), by=owner, now=now)


def test_what_waits_is_cancelled_at_once(owner: Any, now: datetime) -> None:
    timer = make_webhook_timer(owner)
    claim_at(now)

    cancelled = executions.cancel(Execution.objects.get(), by=owner, now=now)

    assert (cancelled.status, cancelled.finished_at) == ("cancelled", now)
    assert begin_due(now) == []
    assert statuses(timer) == ["cancelled"]


def test_what_runs_is_asked_to_stop(owner: Any, now: datetime) -> None:
    make_webhook_timer(owner)
    claim_at(now)
    begin_due(now)

    asked = executions.cancel(Execution.objects.get(), by=owner, now=now)

    assert (asked.status, asked.cancel_requested) == ("running", True)


def test_what_has_finished_cannot_be_cancelled(owner: Any, now: datetime) -> None:
    make_webhook_timer(owner)
    run_due(now)

    with pytest.raises(Conflict):
        executions.cancel(Execution.objects.get(), by=owner, now=now)


def test_cancelling_the_last_execution_ends_the_timer(owner: Any, now: datetime) -> None:
    make_webhook_timer(owner, schedule={"type": "once", "datetime": now.isoformat()})
    claim_at(now)

    executions.cancel(Execution.objects.get(), by=owner, now=now)

    assert Timer.objects.get().status == "ended"


def test_cancelling_one_that_waits_elsewhere_stops_that_work(
    owner: Any, now: datetime, monkeypatch: pytest.MonkeyPatch, on_commit: Any
) -> None:
    stopped = []
    monkeypatch.setattr(WebhookAction, "cancel", lambda self, context: stopped.append(context.execution_id))
    make_webhook_timer(owner)
    claim_at(now)
    begin_due(now)
    Execution.objects.update(lease_until=None)
    execution = Execution.objects.get()

    with on_commit():
        executions.cancel(execution, by=owner, now=now)

    assert stopped == [execution.pk]


def test_what_was_claimed_ahead_is_taken_back(owner: Any, now: datetime) -> None:
    timer = make_webhook_timer(owner, schedule=FAST)
    claim_at(now, ahead=0.5)

    taken = occurrences.withdraw(timer.pk, now=now + seconds(0.2))

    assert taken == [now + seconds(0.3), now + seconds(0.4), now + seconds(0.5)]
    assert len(statuses(timer)) == 3
    assert Schedule.objects.get(pk=timer.pk).fired_count == 3


def test_what_was_taken_back_does_not_run_although_its_message_comes(owner: Any, now: datetime) -> None:
    timer = make_webhook_timer(owner, schedule={"type": "recurring", "interval_seconds": 60})
    claim_at(now - seconds(0.3), ahead=0.5)
    ids = list(Execution.objects.values_list("pk", flat=True))
    timers.pause(timer, by=owner, now=now - seconds(0.1))

    assert begin(ids, owner="w1", now=now) == []
    assert Schedule.objects.get(pk=timer.pk).fired_count == 0


def test_deleting_cancels_what_waits_and_lets_run_what_runs(owner: Any, now: datetime) -> None:
    timer = make_webhook_timer(owner, policies={"overlap": "queue_all"}, schedule=FAST)
    claim_at(now)
    ours = begin_due(now)
    claim_at(now + seconds(0.1))
    begin_due(now + seconds(0.1))

    timers.delete(timer, by=owner, now=now + seconds(0.15))
    end(ours, OK, now + seconds(1))

    assert statuses(timer) == ["completed", "cancelled"]


def test_a_run_of_left_out_occurrences_is_one_row(owner: Any, now: datetime) -> None:
    timer = make_webhook_timer(owner)
    run = SkippedRun(now, now + seconds(7200), 3, SkipReason.PAUSED)

    occurrences.record_skipped(timer.pk, timer.definition_id, run, now=now + seconds(9000))

    row = Execution.objects.get()
    assert (row.status, row.skip_reason, row.occurrences) == ("skipped", "paused", 3)
    assert (row.scheduled_for, row.scheduled_until) == (now, now + seconds(7200))
