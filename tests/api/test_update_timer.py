"""PATCH /timers/{id}."""

from __future__ import annotations

from typing import Any

import pytest

from tests.api.conftest import Caller
from tests.factories import make_webhook_timer
from timers import clock
from timers.models import Timer

OVER = {"type": "recurring", "interval_seconds": 60, "start": "2001-01-01T00:00:00Z"} | {
    "end": {"condition": "time", "datetime": "2001-01-02T00:00:00Z"}
}


@pytest.mark.parametrize("wrap", [lambda changes: changes, lambda changes: {"timer": changes}])
def test_changes_stand_bare_or_inside_timer(owner_calls: Caller, timer: Timer, wrap: Any) -> None:
    answer = owner_calls.patch(f"/timers/{timer.pk}", wrap({"name": "New name"}))

    assert answer.status_code == 200
    assert answer.json()["timer"]["name"] == "New name"
    assert answer.json()["timer"]["body"]["url"] == "https://hooks.example.org/timers"


def test_policies_are_merged_by_key(owner_calls: Caller, timer: Timer) -> None:
    owner_calls.patch(f"/timers/{timer.pk}", {"policies": {"max_attempts": 7}})

    answer = owner_calls.patch(f"/timers/{timer.pk}", {"policies": {"overlap": "allow"}})

    policies = answer.json()["timer"]["policies"]
    assert (policies["max_attempts"], policies["overlap"]) == (7, "allow")


def test_an_ended_timer_with_a_next_run_is_active_again(owner_calls: Caller, owner: Any) -> None:
    ended = make_webhook_timer(owner, schedule=OVER, now=clock.now())
    assert owner_calls.get(f"/timers/{ended.pk}").json()["timer"]["status"] == "ended"

    answer = owner_calls.patch(f"/timers/{ended.pk}", {"schedule": {"type": "recurring", "interval_seconds": 60}})

    assert answer.json()["timer"]["status"] == "active"
    assert answer.json()["timer"]["next_run"] is not None


def test_paused_can_be_changed_like_any_field(owner_calls: Caller, timer: Timer) -> None:
    assert owner_calls.patch(f"/timers/{timer.pk}", {"paused": True}).json()["timer"]["status"] == "paused"
    assert owner_calls.patch(f"/timers/{timer.pk}", {"paused": False}).json()["timer"]["status"] == "active"


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"name": ""}, "name"),
        ({"status": "paused"}, "status"),
        ({"tags": None}, "tags"),
        ({"paused": 1}, "paused"),
        ({"schedule": {"type": "recurring", "interval_seconds": 0}}, "schedule.interval_seconds"),
        ({"timer": "x"}, "timer"),
        ({"timer": {"name": "x"}, "name": "y"}, "name"),
    ],
)
def test_what_cannot_work_changes_nothing(
    owner_calls: Caller, timer: Timer, changes: dict[str, Any], field: str
) -> None:
    before = owner_calls.get(f"/timers/{timer.pk}").json()

    answer = owner_calls.patch(f"/timers/{timer.pk}", changes)

    assert answer.status_code == 400
    assert field in answer.json()["error"]["fields"]
    assert owner_calls.get(f"/timers/{timer.pk}").json() == before


def test_a_deleted_timer_cannot_be_changed(owner_calls: Caller, timer: Timer) -> None:
    owner_calls.delete(f"/timers/{timer.pk}")

    assert owner_calls.patch(f"/timers/{timer.pk}", {"name": "New name"}).status_code == 409


def test_a_stranger_cannot_change_it(stranger_calls: Caller, timer: Timer) -> None:
    assert stranger_calls.patch(f"/timers/{timer.pk}", {"name": "Mine"}).status_code == 404
    assert Timer.objects.get().name == "Tell the hook"
