"""POST /timers/{id}/run."""

from __future__ import annotations

import pytest

from tests.api.conftest import Caller
from timers.models import Execution, Timer


def test_an_execution_is_made_now(owner_calls: Caller, timer: Timer) -> None:
    answer = owner_calls.post(f"/timers/{timer.pk}/run")

    assert answer.status_code == 202
    execution = answer.json()["execution"]
    assert execution["trigger"] == "manual"
    assert execution["status"] == "pending"
    assert execution["timer_id"] == str(timer.pk)
    assert execution == owner_calls.get(f"/executions/{execution['id']}").json()


def test_each_call_is_one_more(owner_calls: Caller, timer: Timer) -> None:
    ids = {owner_calls.post(f"/timers/{timer.pk}/run").json()["execution"]["id"] for _ in range(3)}

    assert len(ids) == Execution.objects.count() == 3


def test_it_runs_while_paused(owner_calls: Caller, timer: Timer) -> None:
    owner_calls.post(f"/timers/{timer.pk}/pause")

    assert owner_calls.post(f"/timers/{timer.pk}/run").status_code == 202


def test_a_deleted_timer_does_not_run(owner_calls: Caller, timer: Timer) -> None:
    owner_calls.delete(f"/timers/{timer.pk}")

    assert owner_calls.post(f"/timers/{timer.pk}/run").status_code == 409
    assert not Execution.objects.exists()


@pytest.mark.parametrize("path", ["run", "run/"])
def test_a_stranger_cannot_run_it(stranger_calls: Caller, timer: Timer, path: str) -> None:
    assert stranger_calls.post(f"/timers/{timer.pk}/{path}").status_code == 404
    assert not Execution.objects.exists()
