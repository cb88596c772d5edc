"""DELETE /timers/{id}."""

from __future__ import annotations

from tests.api.conftest import Caller
from timers.models import Timer


def test_a_deleted_timer_is_answered_and_gone_from_lists(owner_calls: Caller, timer: Timer) -> None:
    answer = owner_calls.delete(f"/timers/{timer.pk}")

    assert answer.status_code == 200
    assert answer.json()["timer"]["status"] == "deleted"
    assert answer.json()["timer"]["next_run"] is None
    assert owner_calls.get("/timers").json()["timers"] == []


def test_deleting_it_again_changes_nothing(owner_calls: Caller, timer: Timer) -> None:
    first = owner_calls.delete(f"/timers/{timer.pk}")

    assert owner_calls.delete(f"/timers/{timer.pk}").json() == first.json()


def test_what_waits_is_cancelled(owner_calls: Caller, timer: Timer) -> None:
    execution = owner_calls.post(f"/timers/{timer.pk}/run").json()["execution"]

    owner_calls.delete(f"/timers/{timer.pk}")

    assert owner_calls.get(f"/executions/{execution['id']}").json()["status"] == "cancelled"


def test_a_stranger_cannot_delete_it(stranger_calls: Caller, timer: Timer) -> None:
    assert stranger_calls.delete(f"/timers/{timer.pk}").status_code == 404
    assert Timer.objects.get().status == "active"
