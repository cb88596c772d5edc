"""From due to claimed: which occurrences get a row, and how the schedule moves on."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest
from django.db import IntegrityError, transaction
from django_q.models import OrmQ
from django_q.signing import SignedPackage

from tests.engine.steps import claim_at, planned, seconds, statuses
from tests.factories import make_webhook_timer
from timers.engine.dispatch.claim_intervals import claim, next_instant
from timers.lifecycle import SkipReason, Trigger
from timers.messaging import queue
from timers.models import Definition, Event, Execution, Schedule, Timer
from timers.services.timers import schedules

pytestmark = pytest.mark.django_db


def every(number: float, **more: Any) -> dict[str, Any]:
    return {"type": "recurring", "interval_seconds": number, **more}


def messages() -> list[dict[str, Any]]:
    return [SignedPackage.loads(payload) for payload in OrmQ.objects.order_by("id").values_list("payload", flat=True)]


def test_a_due_timer_gets_one_execution_and_moves_to_the_next_instant(owner: Any, now: datetime) -> None:
    timer = make_webhook_timer(owner, schedule=every(60))

    claimed = claim_at(now)

    row = Schedule.objects.get(pk=timer.pk)
    execution = Execution.objects.get()
    assert claimed.executions == 1
    assert (execution.scheduled_for, execution.run_at, execution.status) == (now, now, "pending")
    assert (execution.trigger, execution.serial, execution.definition_id) == ("schedule", 0, row.definition_id)
    assert (row.next_planned_at, row.next_run_at, row.watermark_at) == (now + seconds(60), now + seconds(60), now)
    assert row.fired_count == 1


def test_what_is_not_due_is_left_alone(owner: Any, now: datetime) -> None:
    make_webhook_timer(owner, schedule=every(60, start=(now + seconds(1)).isoformat()))

    assert claim_at(now).executions == 0
    assert next_instant() == now + seconds(1)


def test_claiming_twice_changes_nothing_the_second_time(owner: Any, now: datetime) -> None:
    make_webhook_timer(owner, schedule=every(60))

    assert [claim_at(now).executions, claim_at(now).executions] == [1, 0]
    assert Execution.objects.count() == 1


def test_a_doubled_occurrence_is_refused_by_the_database(owner: Any, now: datetime) -> None:
    make_webhook_timer(owner, schedule=every(60))
    claim_at(now)
    first = Execution.objects.get()

    with pytest.raises(IntegrityError), transaction.atomic():
        Execution.objects.create(
            timer_id=first.timer_id,
            definition_id=first.definition_id,
            scheduled_for=first.scheduled_for,
            run_at=now,
            created_at=now,
        )


def test_a_schedule_that_was_put_back_does_not_fire_an_occurrence_again(owner: Any, now: datetime) -> None:
    timer = make_webhook_timer(owner, schedule=every(60))
    claim_at(now)
    Schedule.objects.filter(pk=timer.pk).update(next_planned_at=now, next_run_at=now)

    claimed = claim_at(now)

    assert claimed.executions == 0
    assert planned(timer) == [now]


def test_a_fast_timer_gets_all_occurrences_up_to_the_horizon_at_once(owner: Any, now: datetime) -> None:
    timer = make_webhook_timer(owner, schedule=every(0.1))

    claim_at(now, ahead=0.5)

    assert planned(timer) == [now + seconds(0.1 * number) for number in range(6)]
    assert Schedule.objects.get(pk=timer.pk).next_run_at == now + seconds(0.6)


def test_no_more_are_claimed_than_runs_are_left(owner: Any, now: datetime) -> None:
    timer = make_webhook_timer(owner, schedule=every(0.1, end={"condition": "iterations", "n": 3}))

    claim_at(now, ahead=0.5)

    row = Schedule.objects.get(pk=timer.pk)
    assert len(planned(timer)) == 3
    assert (row.next_planned_at, row.next_run_at, row.fired_count) == (None, None, 3)


def test_the_end_is_inclusive_and_nothing_is_claimed_past_it(owner: Any, now: datetime) -> None:
    end = (now + seconds(0.2)).isoformat()
    timer = make_webhook_timer(owner, schedule=every(0.1, end={"condition": "time", "datetime": end}))

    claim_at(now, ahead=0.5)

    assert planned(timer) == [now, now + seconds(0.1), now + seconds(0.2)]
    assert Schedule.objects.get(pk=timer.pk).next_run_at is None


def test_a_paused_timer_is_not_claimed(owner: Any, now: datetime) -> None:
    make_webhook_timer(owner, schedule=every(60), paused=True)

    assert claim_at(now + seconds(600)).executions == 0


def test_a_late_occurrence_simply_runs_while_no_later_one_is_due(owner: Any, now: datetime) -> None:
    timer = make_webhook_timer(owner, schedule=every(3600))

    claim_at(now + seconds(50))

    assert planned(timer) == [now]
    assert Execution.objects.get().trigger == Trigger.SCHEDULE


def test_of_missed_ones_the_newest_runs_and_the_others_share_a_row(owner: Any, now: datetime) -> None:
    timer = make_webhook_timer(owner, schedule=every(60))

    claimed = claim_at(now + seconds(301))

    skipped, run = Execution.objects.order_by("scheduled_for")
    assert (skipped.status, skipped.skip_reason) == ("skipped", SkipReason.CATCHUP_COALESCED)
    assert (skipped.occurrences, skipped.scheduled_for, skipped.scheduled_until) == (5, now, now + seconds(240))
    assert (run.status, run.scheduled_for) == ("pending", now + seconds(300))
    assert claimed.skipped == 5
    assert Schedule.objects.get(pk=timer.pk).fired_count == 1


def test_without_catch_up_all_missed_ones_are_left_out(owner: Any, now: datetime) -> None:
    make_webhook_timer(owner, schedule=every(600), policies={"catch_up": "none"})

    claim_at(now + seconds(600 * 3 + 70))

    skipped = Execution.objects.get()
    assert (skipped.skip_reason, skipped.occurrences) == (SkipReason.CATCHUP_NONE, 4)


def test_with_catch_up_all_every_missed_one_runs(owner: Any, now: datetime) -> None:
    timer = make_webhook_timer(owner, schedule=every(600), policies={"catch_up": "all", "overlap": "queue_all"})

    claim_at(now + seconds(600 * 3 + 70))

    assert len(planned(timer)) == 4
    assert set(Execution.objects.values_list("trigger", flat=True)) == {Trigger.CATCH_UP}


def test_what_is_older_than_the_window_is_left_out(owner: Any, now: datetime) -> None:
    make_webhook_timer(
        owner,
        schedule=every(600),
        policies={"catch_up": "all", "overlap": "queue_all", "catch_up_window_seconds": 700},
    )

    claim_at(now + seconds(600 * 3 + 70))

    assert Execution.objects.get(status="skipped").skip_reason == SkipReason.CATCHUP_WINDOW
    assert Execution.objects.filter(status="pending").count() == 2


def test_neighbouring_rows_with_one_reason_become_one(owner: Any, now: datetime) -> None:
    make_webhook_timer(owner, schedule=every(600), policies={"catch_up": "none"})
    claim_at(now + seconds(600 + 70))

    claim_at(now + seconds(1800 + 70))

    skipped = Execution.objects.get()
    assert (skipped.occurrences, skipped.scheduled_until) == (4, now + seconds(1800))


def test_a_single_instant_in_the_past_runs_at_once(owner: Any, now: datetime) -> None:
    past = now - seconds(86_400 * 30)
    timer = make_webhook_timer(owner, schedule={"type": "once", "datetime": past.isoformat()})

    claim_at(now)

    execution = Execution.objects.get()
    assert (execution.scheduled_for, execution.trigger, execution.status) == (past, Trigger.SCHEDULE, "pending")
    assert Schedule.objects.get(pk=timer.pk).next_run_at is None


def test_a_cron_timer_moves_to_its_next_match(owner: Any, now: datetime) -> None:
    timer = make_webhook_timer(owner, schedule={"type": "cron", "expression": "*/10 * * * *"})

    claim_at(now + seconds(600))

    assert planned(timer)[-1] == now + seconds(600)
    assert Schedule.objects.get(pk=timer.pk).next_run_at == now + seconds(1200)


def test_jitter_moves_the_start_but_not_the_planned_time(owner: Any, now: datetime) -> None:
    timer = make_webhook_timer(owner, schedule=every(3600), policies={"jitter_seconds": 600})
    due = Schedule.objects.get(pk=timer.pk).next_run_at

    assert claim_at(due - seconds(0.001)).executions == 0
    claim_at(due)

    execution = Execution.objects.get()
    assert (execution.scheduled_for, execution.run_at) == (now, due)
    assert now <= due <= now + seconds(600)


def test_a_timer_that_cannot_be_planned_is_set_aside_and_its_neighbours_go_on(owner: Any, now: datetime) -> None:
    bad = make_webhook_timer(owner, schedule={"type": "cron", "expression": "* * * * *"})
    good = make_webhook_timer(owner, schedule={"type": "cron", "expression": "* * * * *"})
    Definition.objects.filter(timer=bad).update(schedule={"type": "cron", "expression": "nonsense"})
    due = now + seconds(60)

    claimed = claim_at(due)

    row = Schedule.objects.get(pk=bad.pk)
    assert (claimed.timers_failed, statuses(good), statuses(bad)) == (1, ["pending"], [])
    assert (row.planning_failures, row.next_run_at) == (1, due + seconds(5))
    assert Timer.objects.get(pk=bad.pk).status == "active"
    assert Event.objects.get(timer_id=bad.pk, verb="planning_failed").text


def test_a_timer_set_aside_rests_longer_each_time_and_recovers(owner: Any, now: datetime) -> None:
    timer = make_webhook_timer(owner, schedule={"type": "cron", "expression": "* * * * *"})
    document = Definition.objects.get(timer=timer).schedule
    Definition.objects.filter(timer=timer).update(schedule={"type": "cron", "expression": "nonsense"})
    due = now + seconds(60)
    claim_at(due)
    claim_at(due + seconds(5))
    assert Schedule.objects.get(pk=timer.pk).next_run_at == due + seconds(15)
    Definition.objects.filter(timer=timer).update(schedule=document)

    claim_at(due + seconds(15))

    row = Schedule.objects.get(pk=timer.pk)
    assert (row.planning_failures, row.next_run_at) == (0, due + seconds(60))
    assert planned(timer) == [due]


def test_a_schedule_that_somebody_else_moved_is_not_moved_again(
    owner: Any, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    timer = make_webhook_timer(owner, schedule={"type": "cron", "expression": "* * * * *"})
    due = now + seconds(60)
    plan = schedules.plan_due

    def plan_and_lose_the_race(rows: Any, **more: Any) -> Any:
        moves = plan(rows, **more)
        Schedule.objects.filter(pk=timer.pk).update(next_planned_at=due + seconds(60), next_run_at=due + seconds(60))
        return moves

    monkeypatch.setattr("timers.engine.dispatch.claim_planned.plan_due", plan_and_lose_the_race)

    assert claim_at(due).executions == 0
    assert planned(timer) == []


def test_one_execution_travels_alone_and_many_in_groups(owner: Any, now: datetime) -> None:
    for _ in range(30):
        make_webhook_timer(owner, schedule=every(60))

    claim(now=now, horizon=now)

    groups = [message["args"][0] for message in messages()]
    assert all(message["func"] == queue.RUN_GROUP for message in messages())
    assert sum(len(group) for group in groups) == 30
    assert len(groups) < 30


def test_a_message_names_id_instant_and_definition(owner: Any, now: datetime) -> None:
    make_webhook_timer(owner, schedule=every(60))

    claim_at(now)

    execution = Execution.objects.get()
    ((item,),) = (message["args"][0] for message in messages())
    assert type(item) is tuple  # a class of ours would have to be imported to read the message
    assert item[0] == execution.pk.hex
    assert item[2] == execution.definition_id


def test_what_fails_leaves_neither_executions_nor_messages(
    owner: Any, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    timer = make_webhook_timer(owner, schedule=every(60))

    def fail(_: Any) -> None:
        raise RuntimeError("no messages today")

    monkeypatch.setattr("timers.messaging.queue.enqueue_executions", fail)
    with pytest.raises(RuntimeError):
        claim_at(now)

    assert Execution.objects.count() == OrmQ.objects.count() == 0
    assert Schedule.objects.get(pk=timer.pk).next_run_at == now


def test_a_burst_is_claimed_in_batches_oldest_first(owner: Any, now: datetime) -> None:
    starts = [now - seconds(number) for number in (3, 1, 2)]
    for start in starts:
        make_webhook_timer(owner, schedule=every(60, start=start.isoformat()), now=start)

    first = claim(now=now, horizon=now, batch=2)

    assert first.full
    assert set(Execution.objects.values_list("scheduled_for", flat=True)) == {starts[0], starts[2]}
    assert not claim(now=now, horizon=now, batch=2).full


def test_a_schedule_that_is_over_without_a_run_ends_its_timer(owner: Any, now: datetime) -> None:
    end = (now + seconds(600)).isoformat()
    timer = make_webhook_timer(
        owner, schedule=every(600, end={"condition": "time", "datetime": end}), policies={"catch_up": "none"}
    )

    claim_at(now + seconds(7200))

    assert statuses(timer) == ["skipped"]
    assert Timer.objects.get(pk=timer.pk).status == "ended"
