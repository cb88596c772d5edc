"""POST /timers."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from tests.api.conftest import Caller
from timers import clock
from timers.models import Timer

WEBHOOK = {
    "timer_type": "webhook",
    "name": "Tell the hook",
    "schedule": {"type": "recurring", "interval_seconds": 3600},
    "body": {"url": "https://hooks.example.org/timers", "json": {"hello": "there"}},
}


def test_a_new_timer_is_answered_with_its_whole_document(owner_calls: Caller) -> None:
    answer = owner_calls.post("/timers", {"timer": {**WEBHOOK, "tags": {"team": "data"}, "description": "Hourly."}})

    assert answer.status_code == 201
    timer = answer.json()["timer"]
    assert timer["id"] == timer["job_id"] == str(Timer.objects.get().pk)
    assert timer["name"] == "Tell the hook"
    assert timer["description"] == "Hourly."
    assert timer["timer_type"] == "webhook"
    assert timer["status"] == "active"
    assert timer["status_reason"] is None
    assert timer["schedule"]["interval_seconds"] == 3600
    assert timer["body"]["url"] == "https://hooks.example.org/timers"
    assert timer["tags"] == {"team": "data"}
    assert timer["policies"]["overlap"] == "skip"
    assert timer["owner"] == "owner"
    assert timer["last_run_at"] is None
    assert (timer["run_count"], timer["failure_count"], timer["consecutive_failures"]) == (0, 0, 0)
    assert timer["results"] == []


def test_the_first_run_is_now_when_no_start_is_given(owner_calls: Caller) -> None:
    before = clock.now()

    timer = owner_calls.post("/timers", {"timer": WEBHOOK}).json()["timer"]

    assert timer["next_run"] == timer["next_run_time"]
    assert timer["next_run"].endswith("+00:00")
    assert before <= datetime.fromisoformat(timer["next_run"]) <= clock.now()


def test_a_timer_can_be_made_paused(owner_calls: Caller) -> None:
    timer = owner_calls.post("/timers", {"timer": {**WEBHOOK, "paused": True}}).json()["timer"]

    assert timer["status"] == "paused"
    assert timer["next_run"] is None


def test_a_schedule_that_is_over_gives_an_ended_timer(owner_calls: Caller) -> None:
    long_ago = (clock.now() - timedelta(days=2)).isoformat()
    schedule = {
        "type": "recurring",
        "interval_seconds": 60,
        "start": long_ago,
        "end": {"condition": "time", "datetime": long_ago},
    }

    timer = owner_calls.post("/timers", {"timer": {**WEBHOOK, "schedule": schedule}}).json()["timer"]

    assert timer["status"] == "ended"
    assert timer["next_run"] is None


def test_secret_headers_are_answered_as_stars(owner_calls: Caller) -> None:
    body = {**WEBHOOK["body"], "headers": {"Authorization": "Bearer hidden", "X-Plain": "seen"}}  # type: ignore[dict-item]

    answer = owner_calls.post("/timers", {"timer": {**WEBHOOK, "body": body}})

    assert answer.json()["timer"]["body"]["headers"] == {"Authorization": "***", "X-Plain": "seen"}
    assert b"hidden" not in answer.content


def test_the_fields_may_stand_bare(owner_calls: Caller) -> None:
    assert owner_calls.post("/timers", WEBHOOK).status_code == 201


def test_a_slash_at_the_end_is_no_redirect(owner_calls: Caller) -> None:
    assert owner_calls.post("/timers/", {"timer": WEBHOOK}).status_code == 201


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"name": ""}, "name"),
        ({"name": "a" * 256}, "name"),
        ({"name": "line\nbreak"}, "name"),
        ({"name": 5}, "name"),
        ({"timer_type": "teapot"}, "timer_type"),
        ({"timer_type": None}, "timer_type"),
        ({"timer_type": ["webhook"]}, "timer_type"),
        ({"schedule": None}, "schedule"),
        ({"schedule": {"type": "recurring", "interval_seconds": 0.01}}, "schedule.interval_seconds"),
        ({"schedule": {"type": "recurring", "interval_seconds": 1e300}}, "schedule.interval_seconds"),
        ({"schedule": {"type": "recurring", "interval_seconds": True}}, "schedule.interval_seconds"),
        ({"schedule": {"type": "cron", "expression": "61 * * * * *"}}, "schedule.expression"),
        ({"schedule": {"type": "once", "datetime": "yesterday"}}, "schedule.datetime"),
        ({"body": None}, "body"),
        ({"body": {"url": "ftp://example.org"}}, "body.url"),
        ({"body": {"url": "http://127.0.0.1/"}}, "body.url"),
        ({"policies": {"overlap": "maybe"}}, "policies.overlap"),
        ({"policies": [1]}, "policies"),
        ({"tags": "urgent"}, "tags"),
        ({"tags": {"key": 5}}, "tags.key"),
        ({"paused": "yes"}, "paused"),
        ({"description": 5}, "description"),
        ({"scheduel": {}}, "scheduel"),
    ],
)
def test_what_cannot_work_is_refused_by_its_name(owner_calls: Caller, change: dict[str, Any], field: str) -> None:
    answer = owner_calls.post("/timers", {"timer": {**WEBHOOK, **change}})

    assert answer.status_code == 400
    error = answer.json()["error"]
    assert error["code"] in {"invalid", "unknown_kind"}
    assert field in error["fields"]
    assert Timer.objects.count() == 0


def test_every_missing_field_is_named_at_once(owner_calls: Caller) -> None:
    fields = owner_calls.post("/timers", {"timer": {}}).json()["error"]["fields"]

    assert {"name", "schedule", "timer_type"} <= set(fields)


def test_the_timer_belongs_to_who_made_it(owner_calls: Caller, stranger_calls: Caller, admin_calls: Caller) -> None:
    timer_id = owner_calls.post("/timers", {"timer": WEBHOOK}).json()["timer"]["id"]

    assert stranger_calls.get(f"/timers/{timer_id}").status_code == 404
    assert admin_calls.get(f"/timers/{timer_id}").status_code == 200
