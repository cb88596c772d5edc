"""How an attempt ends, and what its timer learns of it."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import uuid4

import pytest

from tests.engine.steps import BROKEN, HOPELESS, OK, begin_due, claim_at, end, reloaded, seconds, statuses
from tests.factories import make_webhook_timer
from timers.actions.base import Outcome
from timers.models import Attempt, Execution, Schedule, Timer
from timers.services.attempt_values import StartedAttempt
from timers.services.executions import commands as executions
from timers.services.executions import complete, leases
from timers.services.timers import commands as timers

pytestmark = pytest.mark.django_db

HOURLY = {"type": "recurring", "interval_seconds": 3600}


def begun(owner: Any, now: datetime, **fields: Any) -> list[StartedAttempt]:
    make_webhook_timer(owner, **fields)
    claim_at(now)
    return begin_due(now)


def test_a_completed_attempt_leaves_its_result_and_one_attempt_row(owner: Any, now: datetime) -> None:
    ours = begun(owner, now)

    end(ours, Outcome.completed({"status": 200}, details={"answer": "fine"}), now + seconds(2))

    execution, attempt = Execution.objects.get(), Attempt.objects.get()
    assert (execution.status, execution.result) == ("completed", {"status": 200})
    assert (execution.finished_at, execution.lease_until, execution.lease_owner) == (now + seconds(2), None, None)
    assert (attempt.execution_id, attempt.number, attempt.outcome) == (execution.pk, 1, "completed")
    assert (attempt.worker, attempt.details) == ("w1", {"answer": "fine"})


def test_the_log_names_an_execution_that_failed_for_good_once_that_is_committed(
    owner: Any, now: datetime, caplog: Any, on_commit: Any
) -> None:
    caplog.set_level("INFO", "timers")
    (ours,) = begun(owner, now)

    with on_commit():
        end([ours], HOPELESS, now)
        assert "execution.failed" not in [getattr(record, "event", "") for record in caplog.records]

    (record,) = [record for record in caplog.records if getattr(record, "event", "") == "execution.failed"]
    assert (record.execution_id, record.timer_id) == (str(ours.execution_id), str(ours.timer_id))
    assert (record.attempt, record.reason) == (1, HOPELESS.failure_reason)


def test_the_log_does_not_name_an_execution_that_is_tried_again(
    owner: Any, now: datetime, caplog: Any, on_commit: Any
) -> None:
    caplog.set_level("INFO", "timers")
    ours = begun(owner, now, schedule=HOURLY)

    with on_commit():
        end(ours, BROKEN, now)

    assert Execution.objects.get().status == "retrying"
    assert "execution.failed" not in [getattr(record, "event", "") for record in caplog.records]


def test_a_result_of_an_attempt_that_was_given_up_changes_nothing(owner: Any, now: datetime) -> None:
    ours = begun(owner, now)
    Execution.objects.update(attempt=2)

    assert end(ours, OK, now) == set()
    assert Execution.objects.get().status == "running"
    assert Attempt.objects.count() == 0


def test_a_result_of_a_worker_that_lost_its_lease_changes_nothing(owner: Any, now: datetime) -> None:
    ours = begun(owner, now)

    assert end(ours, OK, now, owner="w2") == set()
    assert Execution.objects.get().status == "running"


def test_a_result_delivered_twice_counts_once(owner: Any, now: datetime) -> None:
    ours = begun(owner, now)
    end(ours, OK, now)

    assert end(ours, OK, now) == set()
    assert Schedule.objects.get().run_count == 1


def test_a_fault_that_may_heal_is_tried_again_later(owner: Any, now: datetime) -> None:
    ours = begun(owner, now)

    end(ours, BROKEN, now)

    execution = Execution.objects.get()
    assert (execution.status, execution.failure_reason, execution.finished_at) == ("retrying", "http_500", None)
    assert now + seconds(15) <= execution.lease_until <= now + seconds(30)
    assert Schedule.objects.get().run_count == 0


def test_after_its_last_attempt_it_has_failed(owner: Any, now: datetime) -> None:
    timer = make_webhook_timer(owner, policies={"max_attempts": 2, "backoff_seconds": 1})
    claim_at(now)
    end(begin_due(now), BROKEN, now)
    later = now + seconds(10)
    assert leases.release_retries(now=later)[0] == 1

    (again,) = begin_due(later)
    end([again], BROKEN, later)

    assert again.attempt == 2
    assert statuses(timer) == ["failed"]
    assert list(Attempt.objects.order_by("number").values_list("outcome", flat=True)) == ["failed", "failed"]


def test_what_cannot_heal_is_not_tried_again(owner: Any, now: datetime) -> None:
    end(begun(owner, now), HOPELESS, now)

    assert Execution.objects.get().status == "failed"


def test_the_other_side_says_when_to_come_back(owner: Any, now: datetime) -> None:
    ours = begun(owner, now)
    outcome = Outcome.failed("Slow down.", reason="http_429", retryable=True, retry_after=1200)

    end(ours, outcome, now)

    assert Execution.objects.get().lease_until == now + seconds(1200)


def test_but_not_later_than_in_a_day(owner: Any, now: datetime) -> None:
    ours = begun(owner, now, schedule={"type": "recurring", "interval_seconds": 86_400 * 30})
    outcome = Outcome.failed("Slow down.", reason="http_429", retryable=True, retry_after=1e9)

    end(ours, outcome, now)

    assert Execution.objects.get().lease_until == now + seconds(86_400)


def test_a_retry_that_would_reach_into_the_next_occurrence_is_not_made(owner: Any, now: datetime) -> None:
    ours = begun(owner, now, schedule={"type": "recurring", "interval_seconds": 10})

    end(ours, BROKEN, now)

    assert Execution.objects.get().status == "failed"


def test_nor_one_that_would_reach_into_an_occurrence_claimed_already(owner: Any, now: datetime) -> None:
    timer = make_webhook_timer(owner, schedule={"type": "recurring", "interval_seconds": 0.2})
    claim_at(now, ahead=0.5)
    ours = begin_due(now)

    end(ours, BROKEN, now)

    assert statuses(timer)[0] == "failed"


def test_other_policies_retry_into_the_next_occurrence(owner: Any, now: datetime) -> None:
    schedule = {"type": "recurring", "interval_seconds": 10}
    end(begun(owner, now, schedule=schedule, policies={"overlap": "queue_one"}), BROKEN, now)

    assert Execution.objects.get().status == "retrying"


def test_a_pause_does_not_stop_retries_but_deleting_does(owner: Any, now: datetime) -> None:
    paused, deleted = make_webhook_timer(owner), make_webhook_timer(owner)
    claim_at(now)
    ours = begin_due(now)
    timers.pause(paused, by=owner, now=now)
    timers.delete(deleted, by=owner, now=now)

    end(ours, BROKEN, now)

    assert (statuses(paused), statuses(deleted)) == (["retrying"], ["failed"])


def test_a_cancel_that_comes_while_it_fails_leaves_no_retry(owner: Any, now: datetime) -> None:
    ours = begun(owner, now)
    executions.cancel(Execution.objects.get(), by=owner, now=now)

    end(ours, BROKEN, now)

    execution = Execution.objects.get()
    assert (execution.status, execution.finished_at, execution.lease_until) == ("cancelled", now, None)


def test_a_timer_ends_with_its_last_execution(owner: Any, now: datetime) -> None:
    timer = make_webhook_timer(owner, schedule={"type": "once", "datetime": now.isoformat()})
    claim_at(now)
    ours = begin_due(now)
    assert Timer.objects.get().status == "active"

    end(ours, OK, now)

    timer.refresh_from_db()
    assert timer.status == "ended"


def test_an_execution_whose_work_goes_on_elsewhere_stays_running_without_a_lease(owner: Any, now: datetime) -> None:
    ours, transfer_id = begun(owner, now), uuid4()

    end(ours, Outcome.waiting(transfer_id=transfer_id), now)

    execution = Execution.objects.get()
    assert (execution.status, execution.transfer_id) == ("running", transfer_id)
    assert (execution.lease_until, execution.finished_at) == (None, None)
    assert Schedule.objects.get().run_count == 0


def test_whoever_carries_it_on_ends_it(owner: Any, now: datetime) -> None:
    ours = begun(owner, now)
    end(ours, Outcome.waiting(), now)

    ended = complete.finish_elsewhere(ours[0].execution_id, attempt=1, outcome=OK, now=now + seconds(60))

    execution, attempt = Execution.objects.get(), Attempt.objects.get()
    assert ended
    assert (execution.status, execution.finished_at) == ("completed", now + seconds(60))
    assert (attempt.outcome, attempt.finished_at) == ("completed", now + seconds(60))
    assert Schedule.objects.get().run_count == 1


def test_the_end_may_come_before_the_wait_was_written(owner: Any, now: datetime) -> None:
    ours = begun(owner, now)

    assert complete.finish_elsewhere(ours[0].execution_id, attempt=1, outcome=OK, now=now)
    assert end(ours, Outcome.waiting(), now) == set()
    assert Execution.objects.get().status == "completed"


def test_an_older_attempt_ends_nothing_elsewhere(owner: Any, now: datetime) -> None:
    ours = begun(owner, now)
    Execution.objects.update(attempt=2)

    assert not complete.finish_elsewhere(ours[0].execution_id, attempt=1, outcome=OK, now=now)
    assert reloaded(ours[0]).status == "running"


def test_letters_that_a_database_refuses_are_left_out(owner: Any, now: datetime) -> None:
    ours = begun(owner, now)

    end(ours, Outcome.completed({"text": "a\x00b", "path": "\\u0000"}, details={"log": "\x00"}), now)

    assert Execution.objects.get().result == {"text": "ab", "path": "\\u0000"}


def test_many_end_together(owner: Any, now: datetime) -> None:
    for _ in range(5):
        make_webhook_timer(owner)
    claim_at(now)
    ours = begin_due(now)

    end(ours[:3], OK, now)
    end(ours[3:], HOPELESS, now)

    assert sorted(Execution.objects.values_list("status", flat=True)) == ["completed"] * 3 + ["failed"] * 2
    assert set(Schedule.objects.values_list("run_count", flat=True)) == {1}
