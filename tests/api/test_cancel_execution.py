"""POST /executions/{id}/cancel and /rerun."""

from __future__ import annotations

from datetime import datetime

import pytest

from tests.api.conftest import Caller, record, skip
from timers.models import Execution, Timer


def test_what_waits_is_cancelled_at_once(owner_calls: Caller, timer: Timer) -> None:
    execution = owner_calls.post(f"/timers/{timer.pk}/run").json()["execution"]

    answer = owner_calls.post(f"/executions/{execution['id']}/cancel")

    assert answer.status_code == 202
    assert (answer.json()["id"], answer.json()["status"]) == (execution["id"], "cancelled")


def test_what_runs_is_asked_to_stop(owner_calls: Caller, timer: Timer, now: datetime) -> None:
    execution = record(timer, now, status="running", finished_at=None, lease_until=now, lease_owner="somebody")

    answer = owner_calls.post(f"/executions/{execution.pk}/cancel")

    assert answer.status_code == 202
    assert answer.json()["status"] == "running"
    execution.refresh_from_db()
    assert execution.cancel_requested


def test_what_has_finished_cannot_be_cancelled(owner_calls: Caller, timer: Timer, now: datetime) -> None:
    answer = owner_calls.post(f"/executions/{record(timer, now).pk}/cancel")

    assert answer.status_code == 409
    assert answer.json()["error"]["code"] == "conflict"


@pytest.mark.parametrize("make", [record, skip])
def test_a_rerun_is_a_new_execution(owner_calls: Caller, timer: Timer, now: datetime, make: type) -> None:
    execution = make(timer, now)

    answer = owner_calls.post(f"/executions/{execution.pk}/rerun")

    assert answer.status_code == 202
    assert answer.json()["id"] != str(execution.pk)
    assert (answer.json()["trigger"], answer.json()["status"]) == ("rerun", "pending")


def test_a_deleted_timer_reruns_nothing(owner_calls: Caller, timer: Timer, now: datetime) -> None:
    execution = record(timer, now)
    owner_calls.delete(f"/timers/{timer.pk}")

    assert owner_calls.post(f"/executions/{execution.pk}/rerun").status_code == 409


@pytest.mark.parametrize("verb", ["cancel", "rerun"])
def test_a_stranger_can_do_neither(stranger_calls: Caller, timer: Timer, now: datetime, verb: str) -> None:
    execution = record(timer, now, status="pending", started_at=None, finished_at=None)

    assert stranger_calls.post(f"/executions/{execution.pk}/{verb}").status_code == 404
    assert [each.status for each in Execution.objects.all()] == ["pending"]
