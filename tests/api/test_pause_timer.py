"""POST /timers/{id}/pause and /resume."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from tests.api.conftest import Caller
from timers import clock
from timers.models import Timer


def test_a_paused_timer_has_a_reason_and_no_next_run(owner_calls: Caller, timer: Timer) -> None:
    answer = owner_calls.post(f"/timers/{timer.pk}/pause", {"reason": "The disk is full."})

    assert answer.status_code == 200
    paused = answer.json()["timer"]
    assert (paused["status"], paused["status_reason"]) == ("paused", "The disk is full.")
    assert paused["next_run"] is None
    assert paused["next_run_time"] is None


def test_neither_body_nor_content_type_is_needed(owner_calls: Caller, timer: Timer) -> None:
    assert owner_calls.post(f"/timers/{timer.pk}/pause").json()["timer"]["status"] == "paused"
    assert owner_calls.post(f"/timers/{timer.pk}/resume").json()["timer"]["status"] == "active"


def test_repeated_it_changes_nothing(owner_calls: Caller, timer: Timer) -> None:
    first = owner_calls.post(f"/timers/{timer.pk}/pause", {"reason": "First."})

    assert owner_calls.post(f"/timers/{timer.pk}/pause", {"reason": "Second."}).json() == first.json()

    resumed = owner_calls.post(f"/timers/{timer.pk}/resume")
    assert owner_calls.post(f"/timers/{timer.pk}/resume").json() == resumed.json()


def test_a_pause_may_have_an_end(owner_calls: Caller, timer: Timer) -> None:
    until = (clock.now() + timedelta(hours=2)).replace(microsecond=0)

    answer = owner_calls.post(f"/timers/{timer.pk}/pause", {"until": until.isoformat()})

    assert answer.json()["timer"]["paused_until"] == until.isoformat()


def test_resuming_gives_a_next_run_and_clears_the_reason(owner_calls: Caller, timer: Timer) -> None:
    owner_calls.post(f"/timers/{timer.pk}/pause", {"reason": "A while."})

    resumed = owner_calls.post(f"/timers/{timer.pk}/resume").json()["timer"]

    assert resumed["status"] == "active"
    assert resumed["status_reason"] is None
    assert resumed["next_run"] is not None


def test_the_last_missed_occurrence_runs_when_asked(owner_calls: Caller, timer: Timer) -> None:
    owner_calls.post(f"/timers/{timer.pk}/pause")

    owner_calls.post(f"/timers/{timer.pk}/resume", {"run_missed": True})

    executions = owner_calls.get(f"/timers/{timer.pk}/executions").json()["executions"]
    assert [(each["trigger"], each["status"]) for each in executions] == [("catch_up", "pending")]


@pytest.mark.parametrize("verb", ["pause", "resume"])
def test_a_deleted_timer_can_be_neither(owner_calls: Caller, timer: Timer, verb: str) -> None:
    owner_calls.delete(f"/timers/{timer.pk}")

    answer = owner_calls.post(f"/timers/{timer.pk}/{verb}")

    assert answer.status_code == 409
    assert answer.json()["error"]["code"] == "conflict"


@pytest.mark.parametrize(
    ("verb", "document", "field"),
    [
        ("pause", {"reason": 5}, "reason"),
        ("pause", {"until": "2001-01-01T00:00:00Z"}, "until"),
        ("pause", {"until": "soon"}, "until"),
        ("pause", {"untill": "2031-01-01T00:00:00Z"}, "untill"),
        ("resume", {"run_missed": "yes"}, "run_missed"),
    ],
)
def test_what_cannot_work_is_refused_by_its_name(
    owner_calls: Caller, timer: Timer, verb: str, document: dict[str, Any], field: str
) -> None:
    answer = owner_calls.post(f"/timers/{timer.pk}/{verb}", document)

    assert answer.status_code == 400
    assert list(answer.json()["error"]["fields"]) == [field]


@pytest.mark.parametrize("verb", ["pause", "resume"])
def test_a_stranger_can_do_neither(stranger_calls: Caller, timer: Timer, verb: str) -> None:
    assert stranger_calls.post(f"/timers/{timer.pk}/{verb}").status_code == 404
    assert Timer.objects.get().status == "active"
