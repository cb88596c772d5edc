"""POST /schedules/preview and GET /timers/{id}/next."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from tests.api.conftest import Caller
from tests.factories import make_webhook_timer
from timers.models import Timer

DAILY = {"type": "cron", "expression": "0 30 2 * * *", "timezone": "America/New_York"}


def test_the_next_instants_are_told_with_a_description(owner_calls: Caller) -> None:
    asked = {"schedule": DAILY, "limit": 3, "after": "2026-03-06T12:00:00Z"}

    answer = owner_calls.post("/schedules/preview", asked)

    assert answer.status_code == 200
    assert answer.json()["next"] == [
        "2026-03-07T07:30:00+00:00",
        "2026-03-08T07:00:00+00:00",  # 02:30 does not exist; 03:00 comes instead
        "2026-03-09T06:30:00+00:00",
    ]
    assert answer.json()["description"]
    assert isinstance(answer.json()["warnings"], list)


def test_ten_instants_unless_the_limit_says_otherwise(owner_calls: Caller) -> None:
    hourly = {"type": "recurring", "interval_seconds": 3600}

    assert len(owner_calls.post("/schedules/preview", {"schedule": hourly}).json()["next"]) == 10
    assert len(owner_calls.post("/schedules/preview", {"schedule": hourly, "limit": 1000}).json()["next"]) == 1000


def test_a_rule_that_never_fires_has_a_warning(owner_calls: Caller) -> None:
    never = {"type": "cron", "expression": "0 0 0 30 2 *"}

    answer = owner_calls.post("/schedules/preview", {"schedule": never})

    assert answer.status_code == 200
    assert answer.json()["next"] == []
    assert answer.json()["warnings"]


@pytest.mark.parametrize(
    ("document", "field"),
    [
        ({}, "schedule"),
        ({"schedule": None}, "schedule"),
        ({"schedule": "daily"}, "schedule"),
        ({"schedule": {"type": "lunar"}}, "schedule.type"),
        ({"schedule": {"type": ["cron"]}}, "schedule.type"),
        ({"schedule": {"type": "cron", "expression": "* * *"}}, "schedule.expression"),
        ({"schedule": {**DAILY, "timezone": "Mars/Olympus"}}, "schedule.timezone"),
        ({"schedule": {**DAILY, "timezone": "../../etc/passwd"}}, "schedule.timezone"),
        ({"schedule": DAILY, "limit": 0}, "limit"),
        ({"schedule": DAILY, "limit": 1001}, "limit"),
        ({"schedule": DAILY, "limit": "3"}, "limit"),
        ({"schedule": DAILY, "after": "noon"}, "after"),
        ({"schedule": DAILY, "count": 3}, "count"),
    ],
)
def test_what_cannot_work_is_refused_by_its_name(owner_calls: Caller, document: dict[str, Any], field: str) -> None:
    answer = owner_calls.post("/schedules/preview", document)

    assert answer.status_code == 400
    assert list(answer.json()["error"]["fields"]) == [field]


def test_a_timer_tells_its_next_instants(owner_calls: Caller, owner: Any, now: datetime) -> None:
    start = now + timedelta(days=3650)
    timer = make_webhook_timer(
        owner,
        now=now,
        schedule={"type": "recurring", "interval_seconds": 60, "start": start.isoformat()}
        | {"end": {"condition": "iterations", "n": 3}},
    )

    expected = [(start + timedelta(minutes=n)).isoformat() for n in range(3)]
    assert owner_calls.get(f"/timers/{timer.pk}/next").json() == {"next": expected}
    assert owner_calls.get(f"/timers/{timer.pk}/next", limit=2).json() == {"next": expected[:2]}
    assert owner_calls.get(f"/timers/{timer.pk}/next", limit=0).status_code == 400


def test_a_paused_timer_has_no_next_instants(owner_calls: Caller, timer: Timer) -> None:
    owner_calls.post(f"/timers/{timer.pk}/pause")

    assert owner_calls.get(f"/timers/{timer.pk}/next").json() == {"next": []}


def test_a_stranger_learns_nothing_of_a_timers_instants(stranger_calls: Caller, timer: Timer) -> None:
    assert stranger_calls.get(f"/timers/{timer.pk}/next").status_code == 404
