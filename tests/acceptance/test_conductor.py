"""Unmodified Conductor clients against a running installation, and workflows that survive a power cut."""

from __future__ import annotations

import json
import random
import subprocess
import sys
import time
from typing import Any

import pytest

from tests.acceptance.conductor_client import ConductorClient, newest_client, older_client
from tests.acceptance.killing import ALONE, Ordeal
from tests.acceptance.running import ROOT, Installation, Receiver, until

pytestmark = pytest.mark.acceptance

__all__ = ["newest_client", "older_client"]


@pytest.fixture
def key(running: Installation) -> dict[str, str]:
    """A client key, made as the manual says."""
    made = subprocess.run(
        [sys.executable, "manage.py", "createkey", "admin", "--name", "tests"],
        cwd=ROOT,
        env=running.variables(),
        capture_output=True,
        check=True,
    )
    found: dict[str, str] = json.loads(made.stdout)
    return found


def test_every_method_of_the_scheduler_client_works_and_slots_fire_in_time(
    newest_client: ConductorClient, running: Installation, key: dict[str, str]
) -> None:
    said = newest_client.run("scheduling", url=running.base_url, key=key)

    assert said["typed_errors"] and said["records"] >= 2
    assert said["latest_ms"] < 2000


def test_the_older_client_works_too(older_client: ConductorClient, running: Installation, key: dict[str, str]) -> None:
    if running.database_url:
        pytest.skip("What differs between the clients does not depend on the database.")
    assert older_client.run("scheduling", url=running.base_url, key=key)["done"]


def test_real_workers_carry_out_workflows(
    newest_client: ConductorClient, running: Installation, key: dict[str, str]
) -> None:
    if not running.database_url:
        pytest.skip("Once is enough: the scheduler's test runs on both databases.")
    said = newest_client.run("working", url=running.base_url, key=key)

    assert said["status"] == ["COMPLETED"] * 3, said["reason"]
    assert said["output"][1] == {"text": "Hello you 1", "trip": "COMPLETED_WITH_ERRORS"}
    assert said["tasks"] == [
        ["hello", "COMPLETED", 0],
        ["pause", "COMPLETED", 0],
        ["trip", "FAILED", 0],
        ["trip", "COMPLETED_WITH_ERRORS", 1],
        ["again", "COMPLETED", 0],
    ]


# Workflows by the native API


def test_a_workflow_uses_what_the_house_can_do(live_timers: Any, receiver: Receiver) -> None:
    (live_timers.source_root / "a.txt").write_text("content")
    transfer = {
        "source_endpoint": live_timers.source_collection,
        "destination_endpoint": live_timers.destination_collection,
        "DATA": [{"source_path": "/a.txt", "destination_path": "/${workflow.input.name}"}],
    }
    _register(
        live_timers,
        "all",
        _task(
            "HTTP", http_request={"uri": f"{receiver.url}/${{workflow.input.name}}", "method": "POST", "body": {"a": 1}}
        ),
        _task("TRANSFER", **transfer),
        _task("CODE", function="timers.last_hour"),
        outputParameters={
            "status": "${HTTP.output.response.statusCode}",
            "files": "${TRANSFER.output.files_transferred}",
        },
    )
    timer = live_timers.call(
        "POST",
        "/timers",
        {
            "timer": {
                "timer_type": "workflow",
                "name": "all",
                "schedule": {"type": "once"},
                "body": {"name": "all", "input": {"name": "b.txt"}},
            }
        },
    )["timer"]

    execution = until(
        lambda: next((each for each in live_timers.executions(timer["id"]) if each["completion_time"]), None),
        seconds=20,
        what="the end of the execution",
    )
    run = live_timers.call("GET", f"/workflow-runs/{execution['workflow_id']}")

    assert (execution["status"], run["status"], run["reason"]) == ("completed", "completed", None)
    assert run["output"] == {"status": 200, "files": 1}
    assert (live_timers.destination_root / "b.txt").read_text() == "content"
    (delivery,) = receiver.to("/b.txt")
    assert (delivery.body, delivery.headers["idempotency-key"]) == (b'{"a":1}', run["tasks"][0]["id"])
    assert [task["type"] for task in run["tasks"]] == ["HTTP", "TRANSFER", "CODE"]


def test_runs_go_on_where_they_were_whatever_is_killed(running: Installation, receiver: Receiver) -> None:
    if running.database_url:
        pytest.skip("Its length is that of a lease; the services' tests show the same on both databases.")
    ordeal = Ordeal(running, receiver, seed=random.randrange(10**6))
    print(f"seed {ordeal.seed}")
    receiver.answer = lambda delivery: (200, 0.7)
    ordeal.begin()

    for part in ordeal.random.sample(ALONE, 2):
        ordeal.start(2)
        time.sleep(ordeal.random.uniform(0, 1))
        ordeal.kill(part)
    ordeal.start(1)
    until(lambda: receiver.to(f"/{ordeal.run_ids[-1]}/before"), seconds=20, what="a call that goes on")
    ordeal.kill("everything")

    ordeal.check(ordeal.end())
    assert ordeal.repeated_calls, "a call that nobody saw the end of is made again"


def _task(kind: str, **inputs: Any) -> dict[str, Any]:
    return {"name": kind.lower(), "taskReferenceName": kind, "type": kind, "inputParameters": inputs}


def _register(running: Installation, name: str, *tasks: dict[str, Any], **more: Any) -> None:
    running.call("POST", "/workflows", {"definition": {"name": name, "tasks": tasks, **more}, "overwrite": True})
