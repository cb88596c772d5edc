"""Definitions, runs, and tasks for workers, by URL."""

from __future__ import annotations

import uuid
from typing import Any

import pytest

from tests.conductor.conftest import BASE, Caller
from tests.services.workflows.factories import simple, wait
from timers.conductor import tasks
from timers.models import WorkflowRun

pytestmark = pytest.mark.django_db


def workflow(*tasks: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"name": "flow", "version": 1, "tasks": list(tasks) or [simple()], "schemaVersion": 2, **more}


@pytest.fixture
def run_id(calls: Caller) -> str:
    """A run that waits for a worker."""
    calls.post("/metadata/workflow", workflow(simple(who="${workflow.input.who}")))
    answer = calls.post("/workflow", {"name": "flow", "input": {"who": "you"}, "correlationId": "c-1"})
    assert answer.headers["Content-Type"].startswith("text/plain")
    return str(uuid.UUID(answer.content.decode()))


def poll(calls: Caller, **query: Any) -> Any:
    return calls.get("/tasks/poll/batch/ask", **{"workerid": "w1", "count": 5, **query}).json()


def result(task: dict[str, Any], status: str = "COMPLETED", **more: Any) -> dict[str, Any]:
    ids = {"workflowInstanceId": task["workflowInstanceId"], "taskId": task["taskId"]}
    return {**ids, "workerId": "w1", "status": status, "outputData": {"said": "hi"}, **more}


def test_definitions_are_kept_with_keys_that_nobody_knows(calls: Caller) -> None:
    document = workflow(ownerEmail="a@example.org", restartable=True)
    assert calls.post("/metadata/workflow?overwrite=True", document).content == b""

    read = calls.get("/metadata/workflow/flow").json()

    assert {name: read[name] for name in document} == document
    assert calls.post("/metadata/workflow?overwrite=False", document).status_code == 409
    assert calls.put("/metadata/workflow?overwrite=True", [document, workflow(version=2)]).status_code == 200
    assert calls.get("/metadata/workflow/flow").json()["version"] == 2
    assert calls.get("/metadata/workflow/flow", version=1).json()["version"] == 1
    assert [each["version"] for each in calls.get("/metadata/workflow").json()] == [1, 2]
    assert calls.delete("/metadata/workflow/flow/2").status_code == 200
    assert calls.delete("/metadata/workflow/flow/2").status_code == 404


def test_all_or_none_of_an_array_is_registered(calls: Caller) -> None:
    bad = workflow({**simple(), "type": "FORK_JOIN"}, version=2)

    answer = calls.put("/metadata/workflow", [workflow(), bad])

    assert answer.status_code == 400
    assert "FORK_JOIN" in answer.json()["message"] and "1.tasks.0.type" in answer.json()["message"]
    assert calls.get("/metadata/workflow").json() == []


def test_task_definitions_come_and_go(calls: Caller) -> None:
    assert calls.post("/metadata/taskdefs", [{"name": "ask", "retryCount": 2, "ownerEmail": "x"}]).status_code == 200
    assert calls.put("/metadata/taskdefs", {"name": "ask", "retryCount": 5}).status_code == 200
    assert calls.get("/metadata/taskdefs/ask").json()["retryCount"] == 5
    assert len(calls.get("/metadata/taskdefs").json()) == 1
    assert calls.post("/metadata/taskdefs", [{"name": "ask", "retryCount": -1}]).status_code == 400
    assert calls.delete("/metadata/taskdefs/ask").status_code == 200
    assert calls.get("/metadata/taskdefs/ask").status_code == 404


def test_a_worker_carries_a_task_out(calls: Caller, run_id: str) -> None:
    (task,) = poll(calls)
    assert poll(calls) == [], "it is locked"
    running = calls.get(f"/workflow/{run_id}").json()
    answer = calls.post("/tasks/update-v2", result(task))

    assert (task["taskType"], task["inputData"], task["status"]) == ("ask", {"who": "you"}, "IN_PROGRESS")
    assert (running["status"], running["tasks"][0]["workerId"]) == ("RUNNING", "w1")
    assert (answer.status_code, answer.content) == (200, b"")
    done = calls.get(f"/workflow/{run_id}", includeTasks="true").json()
    assert (done["status"], done["output"], done["correlationId"]) == ("COMPLETED", {"said": "hi"}, "c-1")
    assert done["tasks"][0]["status"] == "COMPLETED"
    assert calls.get(f"/workflow/{run_id}", includeTasks="false").json()["tasks"] == []


def test_a_result_brings_the_next_task_of_that_type(calls: Caller, run_id: str) -> None:
    second = calls.post("/workflow/flow?version=1&priority=3", {"who": "me"}).content.decode()
    (task,) = poll(calls, count=1)

    following = calls.post("/tasks/update-v2", result(task)).json()

    assert following["workflowInstanceId"] == second
    assert (following["inputData"], following["workflowPriority"]) == ({"who": "me"}, 3)


def test_the_older_way_of_reporting_answers_the_bare_id(calls: Caller, run_id: str) -> None:
    task = calls.get("/tasks/poll/ask", workerid="w1").json()

    answer = calls.post("/tasks", result(task, "FAILED", reasonForIncompletion="No."), Accept="text/plain")

    assert answer.content.decode() == task["taskId"]
    failed = calls.get(f"/workflow/{run_id}").json()
    assert failed["status"] == "FAILED" and "No." in failed["reasonForIncompletion"]
    assert calls.get("/tasks/poll/ask").status_code == 204


def test_a_heartbeat_is_no_result(calls: Caller, run_id: str) -> None:
    (task,) = poll(calls)

    assert calls.post("/tasks/update-v2", result(task, "IN_PROGRESS", extendLease=True)).content == b""
    assert calls.get(f"/tasks/{task['taskId']}").json()["status"] == "IN_PROGRESS"
    assert poll(calls) == []


def test_a_task_is_reported_on_by_its_reference_name(calls: Caller) -> None:
    calls.post("/metadata/workflow", workflow(wait("hold"), simple()))
    run = calls.post("/workflow", {"name": "flow"}).content.decode()

    answer = calls.post(f"/tasks/{run}/hold/COMPLETED/sync", {"ok": True})

    assert [task["status"] for task in answer.json()["tasks"]] == ["COMPLETED", "SCHEDULED"]
    assert calls.post(f"/tasks/{run}/hold/COMPLETED", {}).status_code == 404
    assert calls.post(f"/tasks/{run}/ask/NEVER", {}).status_code == 400


def test_logs_and_queue_sizes(calls: Caller, run_id: str) -> None:
    assert calls.get("/tasks/queue/sizes", taskType=["ask", "other"]).json() == {"ask": 1, "other": 0}
    (task,) = poll(calls)
    log = f"/tasks/{task['taskId']}/log"

    for kind, line in (
        ("text/plain", rb"C:\new"),
        ("application/json", rb"as the \"client\" \u00fc"),
        ("application/json", b'as the \\"client\\'),
        ("", b'"quoted"'),
    ):
        calls.client.generic("POST", BASE + log, line, content_type=kind)

    assert [each["log"] for each in calls.get(log).json()] == [
        r"C:\new",
        'as the "client" ü',
        'as the "client"',
        "quoted",
    ]


def test_a_run_is_terminated_once_and_removed_when_it_has_ended(calls: Caller, run_id: str) -> None:
    assert calls.delete(f"/workflow/{run_id}/remove").status_code == 409
    assert calls.delete(f"/workflow/{run_id}?reason=wrong+day").status_code == 200
    assert calls.delete(f"/workflow/{run_id}").status_code == 200
    ended = calls.get(f"/workflow/{run_id}").json()
    assert (ended["status"], ended["reasonForIncompletion"]) == ("TERMINATED", "wrong day")
    assert ended["tasks"][0]["status"] == "CANCELED"
    assert calls.get(f"/workflow/{run_id}/status").json()["status"] == "TERMINATED"
    assert calls.delete(f"/workflow/{run_id}/remove").status_code == 200
    assert not WorkflowRun.objects.exists()


def test_runs_are_searched(calls: Caller, run_id: str) -> None:
    def hits(**query: Any) -> int:
        return int(calls.get("/workflow/search", **query).json()["totalHits"])

    assert hits() == hits(query="*", freeText="*") == 1
    assert hits(query="workflowType='flow' AND status IN (RUNNING, FAILED)") == 1
    assert hits(query=f"workflowId={run_id} AND correlationId='c-1' AND version=1 AND startTime>5") == 1
    assert hits(query="status=COMPLETED") == hits(freeText="nothing") == 0
    assert calls.get("/workflow/search", query="status=HAPPY").status_code == 400
    (summary,) = calls.get("/workflow/search", sort="startTime:DESC").json()["results"]
    assert (summary["workflowId"], summary["workflowType"]) == (run_id, "flow")
    assert (summary["input"], summary["output"]) == ('{"who": "you"}', "{}")
    assert calls.get("/workflow/running/flow").json() == [run_id]
    assert len(calls.get("/workflow/flow/correlated/c-1").json()) == 1


def test_a_workflow_can_be_waited_for(calls: Caller) -> None:
    end = {
        "name": "end",
        "taskReferenceName": "end",
        "type": "TERMINATE",
        "inputParameters": {"workflowOutput": {"x": 1}},
    }
    calls.post("/metadata/workflow", workflow(end))

    answer = calls.post("/workflow/execute/flow/1?waitForSeconds=1", {"name": "flow", "version": 1}).json()

    assert (answer["status"], answer["output"]) == ("COMPLETED", {"x": 1})


def test_strangers_see_nothing_of_it(stranger_calls: Caller, calls: Caller, run_id: str) -> None:
    assert stranger_calls.get(f"/workflow/{run_id}").status_code == 404
    assert stranger_calls.get("/metadata/workflow/flow").status_code == 404
    assert stranger_calls.delete(f"/workflow/{run_id}").status_code == 404
    assert poll(stranger_calls) == []
    (task,) = poll(calls)
    assert stranger_calls.post("/tasks", result(task)).status_code == 404
    assert stranger_calls.get(f"/tasks/{task['taskId']}").status_code == 404


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("POST", "/workflow", {}, 400),
        ("POST", "/workflow", {"name": "nothing"}, 404),
        ("POST", "/workflow/nothing", {}, 404),
        ("GET", "/workflow/no-id", None, 404),
        ("POST", "/metadata/workflow", {"name": "a/b", "tasks": []}, 400),
        ("GET", "/metadata/workflow/nothing", None, 404),
        ("GET", "/metadata/workflow/flow?version=x", None, 400),
        ("PUT", "/metadata/workflow", [], 400),
        ("POST", "/metadata/taskdefs", [5], 400),
        ("POST", "/tasks", {"status": "COMPLETED"}, 400),
        ("POST", "/tasks", {"status": "COMPLETED", "taskId": "x", "workflowInstanceId": "y"}, 404),
        ("GET", "/tasks/poll/batch/ask?count=x", None, 400),
        ("GET", "/tasks/poll/batch/a%00b", None, 404),
        ("GET", "/tasks/no-id", None, 404),
    ],
)
def test_bad_input_gets_a_clear_answer(calls: Caller, method: str, path: str, body: Any, status: int) -> None:
    answer = calls.send(method, path, body)

    assert (answer.status_code, bool(answer.json()["message"])) == (status, True)


def test_a_long_poll_answers_as_soon_as_there_is_a_task(calls: Caller, run_id: str, monkeypatch: Any) -> None:
    (first,) = poll(calls)
    slept: list[float] = []

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        if len(slept) == 2:
            calls.post("/workflow", {"name": "flow", "input": {"who": "late"}})

    monkeypatch.setattr(tasks.time, "sleep", sleep)

    assert poll(calls, timeout=100) == [] and slept == [], "who comes ten times a second is answered at once"
    (late,) = poll(calls, timeout=3000)
    assert (late["inputData"], len(slept)) == ({"who": "late"}, 2)
    assert late["taskId"] != first["taskId"]
