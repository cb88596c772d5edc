"""GET /timers/{id}."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from tests.api.conftest import Caller, record, skip
from timers.models import Timer


def test_the_last_ten_executions_that_ran_are_shown_newest_first(
    owner_calls: Caller, timer: Timer, now: datetime
) -> None:
    for hour in range(12):
        record(timer, now + timedelta(hours=hour))
    skip(timer, now + timedelta(hours=12))
    record(timer, now + timedelta(hours=13), status="pending", started_at=None, finished_at=None)

    results = owner_calls.get(f"/timers/{timer.pk}").json()["timer"]["results"]

    expected = [(now + timedelta(hours=hour)).isoformat() for hour in range(11, 1, -1)]
    assert [result["scheduled_for"] for result in results] == expected


def test_a_deleted_timer_stays_readable_with_its_results(owner_calls: Caller, timer: Timer, now: datetime) -> None:
    record(timer, now)
    owner_calls.delete(f"/timers/{timer.pk}")

    answer = owner_calls.get(f"/timers/{timer.pk}")

    assert answer.status_code == 200
    assert answer.json()["timer"]["status"] == "deleted"
    assert len(answer.json()["timer"]["results"]) == 1


@pytest.mark.parametrize("spelling", [str, lambda pk: str(pk).upper(), lambda pk: pk.hex])
def test_an_id_may_be_spelled_in_any_usual_way(owner_calls: Caller, timer: Timer, spelling: Any) -> None:
    assert owner_calls.get(f"/timers/{spelling(timer.pk)}").status_code == 200


@pytest.mark.parametrize(
    "timer_id", ["7e0ab4a6-1f3e-4c0c-9a35-0b7e6f1d2c33", "nothing", "%00", "..%2f", "é", "1" * 500]
)
def test_an_id_that_nobody_has_is_not_found(owner_calls: Caller, timer_id: str) -> None:
    answer = owner_calls.get(f"/timers/{timer_id}")

    assert answer.status_code == 404
    assert answer.json()["error"]["code"] == "not_found"


def test_a_stranger_does_not_learn_that_it_exists(stranger_calls: Caller, admin_calls: Caller, timer: Timer) -> None:
    assert stranger_calls.get(f"/timers/{timer.pk}").status_code == 404
    assert admin_calls.get(f"/timers/{timer.pk}").json()["timer"]["owner"] == "owner"
