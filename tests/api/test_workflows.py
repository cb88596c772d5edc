"""Workflows by the native API."""

from __future__ import annotations

from typing import Any

import pytest

from tests.api.conftest import Caller
from tests.services.workflows.factories import simple

pytestmark = pytest.mark.django_db


def definition(**more: Any) -> dict[str, Any]:
    return {"name": "flow", "version": 1, "inputParameters": ["x"], "tasks": [simple(x="${workflow.input.x}")], **more}


@pytest.fixture
def registered(owner_calls: Caller) -> Any:
    return owner_calls.post("/workflows", {"definition": definition()}).json()


def test_a_workflow_is_registered_read_listed_and_taken_out(owner_calls: Caller, registered: Any) -> None:
    assert (registered["name"], registered["version"], registered["input_parameters"]) == ("flow", 1, ["x"])
    assert owner_calls.post("/workflows", {"definition": definition()}).status_code == 409
    again = owner_calls.post("/workflows", {"definition": definition(description="new"), "overwrite": True})
    assert again.json()["description"] == "new"
    owner_calls.post("/workflows", {"definition": definition(version=2)})

    assert owner_calls.get("/workflows/flow").json()["version"] == 2
    assert [each["version"] for each in owner_calls.get("/workflows", q="FLO").json()["workflows"]] == [2, 1]
    assert owner_calls.delete("/workflows/flow?version=2").json()["version"] == 2
    assert owner_calls.get("/workflows/flow", version=2).status_code == 404


def test_an_unknown_type_is_refused_by_field(owner_calls: Caller) -> None:
    answer = owner_calls.post("/workflows", {"definition": definition(tasks=[{**simple(), "type": "SWITCH"}])})

    assert answer.status_code == 400
    assert "SWITCH" in answer.json()["error"]["fields"]["tasks.0.type"][0]


def test_a_run_is_started_read_with_its_tasks_and_terminated(owner_calls: Caller, registered: Any) -> None:
    run = owner_calls.post("/workflow-runs", {"name": "flow", "input": {"x": 5}, "correlationId": "c"})

    document = run.json()
    assert (run.status_code, document["status"], document["tasks"][0]["input"]) == (201, "running", {"x": 5})
    listed = owner_calls.get("/workflow-runs", status="running", workflow="flow", correlation_id="c").json()
    assert [each["id"] for each in listed["workflow_runs"]] == [document["id"]]
    ended = owner_calls.post(f"/workflow-runs/{document['id']}/terminate", {"reason": "Wrong day"})
    assert (ended.status_code, ended.json()["status"], ended.json()["reason"]) == (202, "terminated", "Wrong day")
    assert owner_calls.post(f"/workflow-runs/{document['id']}/terminate").status_code == 409
    assert owner_calls.post("/workflow-runs", {"name": "nothing"}).status_code == 404


def test_a_start_is_done_once_with_an_idempotency_key(owner_calls: Caller, registered: Any) -> None:
    first, again = (
        owner_calls.post("/workflow-runs", {"name": "flow"}, **{"Idempotency-Key": "once"}).json() for _ in range(2)
    )

    assert first["id"] == again["id"]


def test_strangers_know_of_nothing(owner_calls: Caller, stranger_calls: Caller, registered: Any) -> None:
    run = owner_calls.post("/workflow-runs", {"name": "flow"}).json()

    assert stranger_calls.get("/workflows").json()["workflows"] == []
    assert stranger_calls.get("/workflow-runs").json()["workflow_runs"] == []
    for method, path in (
        ("GET", "/workflows/flow"),
        ("DELETE", "/workflows/flow"),
        ("GET", f"/workflow-runs/{run['id']}"),
        ("POST", f"/workflow-runs/{run['id']}/terminate"),
    ):
        assert stranger_calls.send(method, path, None).status_code == 404


def test_a_timer_of_type_workflow_is_made_like_any_other(owner_calls: Caller) -> None:
    timer = {"timer_type": "workflow", "name": "t", "schedule": {"type": "once"}, "body": {"name": "flow"}}

    made = owner_calls.post("/timers", {"timer": timer})
    refused = owner_calls.post("/timers", {"timer": {**timer, "body": {}}})

    assert (made.status_code, made.json()["timer"]["policies"]["max_attempts"]) == (201, 1)
    assert list(refused.json()["error"]["fields"]) == ["body.name"]
