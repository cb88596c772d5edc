"""Timers and jobs at the Globus interface."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import transaction
from pytest_django import DjangoAssertNumQueries

from tests.factories import make_code_timer, make_webhook_timer
from tests.globus.conftest import Caller
from tests.globus.running import copy_all, run_due
from timers import clock
from timers.globus.timers import views
from timers.lifecycle import TimerStatus
from timers.messaging import queue
from timers.models import Execution, Timer
from timers.services.timers import commands as timers
from timers.services.timers import completion
from timers.services.workflows import definitions as workflow_definitions

pytestmark = pytest.mark.django_db

EVERY_HOUR = {"type": "recurring", "interval_seconds": 3600}
TASKS = [{"name": "set", "taskReferenceName": "set", "type": "SET_VARIABLE", "inputParameters": {"a": 1}}]
ITEMS = [{"source_path": "/file.txt", "destination_path": "/~/copy.txt", "recursive": False}]


@pytest.fixture
def made(owner_calls: Caller, transfer_body: dict[str, Any]) -> dict[str, Any]:
    """A transfer timer of every hour, as its creation answered."""
    return create(owner_calls, transfer_body)


def create(caller: Caller, body: dict[str, Any], **fields: Any) -> dict[str, Any]:
    document = {"timer_type": "transfer", "name": "nightly copy", "schedule": EVERY_HOUR, "body": body, **fields}
    response = caller.post("/v2/timer", {"timer": document})
    assert response.status_code == 201, response.content
    return response.json()["timer"]


def job(caller: Caller, job_id: str) -> Any:
    return caller.get(f"/jobs/{job_id}").json()


def test_creation_answers_the_newer_document_and_reading_the_older(owner_calls: Caller, made: dict[str, Any]) -> None:
    read = job(owner_calls, made["job_id"])

    assert (made["status"], made["number_of_runs"], made["number_of_errors"]) == ("new", 0, 0)
    assert (read["status"], read["n_runs"], read["n_errors"]) == ("loaded", 0, 0)
    assert made["schedule"] == {**EVERY_HOUR, "start": made["next_run"]} == read["schedule"]
    assert (read["start"], read["interval"], read["stop_after"]) == (made["next_run"], 3600, None)
    assert read["callback_url"] == "https://actions.automate.globus.org/transfer/transfer/run"
    assert made["body"]["verify_checksum"] is False
    assert read["callback_body"] == {"body": made["body"]}
    assert read["activity"]["code"] == "awaiting_next_run"
    assert read["results"] == {"data": [], "page_next": None}
    assert datetime.fromisoformat(made["submitted_at"]).utcoffset() == timedelta(0)


def test_timers_are_saved_with_the_policies_of_this_door(made: dict[str, Any]) -> None:
    timer = Timer.objects.get(pk=made["job_id"])

    assert timer.definition is not None
    policies = timer.definition.policies
    assert (policies["overlap"], policies["catch_up"]) == ("skip", "latest")
    assert policies["catch_up_window_seconds"] is None
    assert policies["pause_after_failures"] == 0


def test_a_run_that_ends_while_it_is_read_is_counted_once(owner_calls: Caller, made: dict[str, Any]) -> None:
    run_due(clock.now())

    timer = views.rows().get(pk=made["job_id"])
    copy_all()
    document = views.document(timer)

    assert document["n_runs"] == 1
    assert [each["run_status"] for each in document["results"]["data"]] == ["succeeded"]


def test_a_run_shows_the_task_that_it_made(owner_calls: Caller, made: dict[str, Any], tmp_path: Path) -> None:
    run_due(clock.now())
    begun = job(owner_calls, made["job_id"])
    copy_all()
    read = job(owner_calls, made["job_id"])

    assert (begun["n_runs"], begun["activity"]["code"]) == (1, "run_in_progress")
    assert (begun["results"]["data"][0]["status"], begun["results"]["data"][0]["run_status"]) == (202, "running")
    (result,) = read["results"]["data"]
    assert (result["status"], result["run_status"], result["errors"]) == (202, "succeeded", None)
    assert result["data"]["details"]["task_id"] == result["resource_id"]
    assert result["data"]["details"]["files_transferred"] == 1
    assert (read["n_runs"], read["n_errors"], read["last_ran_at"]) == (1, 0, result["ran_at"])
    assert (tmp_path / "there" / "copy.txt").read_text() == "four"


def test_a_transfer_that_fails_keeps_the_status_of_its_submission(
    owner_calls: Caller, transfer_body: dict[str, Any]
) -> None:
    transfer_body["DATA"][0]["source_path"] = "/missing.txt"
    made = create(owner_calls, transfer_body, schedule={"type": "once"})

    run_due(clock.now())
    copy_all()

    read = job(owner_calls, made["job_id"])
    (result,) = read["results"]["data"]
    assert (result["status"], result["run_status"]) == (202, "failed")
    assert "/missing.txt" in result["errors"][0]
    assert result["data"]["details"]["fatal_error"]["code"] == "FILE_NOT_FOUND"
    assert (read["status"], read["next_run"], read["activity"]) == ("ended", None, None)
    assert (read["n_runs"], read["n_errors"], read["stop_after"]) == (1, 1, {"date": None, "n_runs": 1})


def test_results_come_newest_first_in_pages(owner_calls: Caller, made: dict[str, Any], now: datetime) -> None:
    timer = Timer.objects.get(pk=made["job_id"])
    for hour in range(12):
        at = now + timedelta(hours=hour)
        Execution.objects.create(
            timer=timer,
            definition_id=timer.definition_id or 0,
            status="completed",
            scheduled_for=at,
            run_at=at,
            created_at=at,
            started_at=at,
            finished_at=at,
            attempt=1,
        )

    first = owner_calls.get(f"/jobs/{timer.pk}", page_size=5).json()["results"]
    second = owner_calls.get(f"/jobs/{timer.pk}", page_size=5, results_pt=first["page_next"]).json()["results"]
    third = owner_calls.get(f"/jobs/{timer.pk}", page_size=5, results_pt=second["page_next"]).json()["results"]

    ran = [each["ran_at"] for page in (first, second, third) for each in page["data"]]
    assert ran == [(now + timedelta(hours=hour)).isoformat() for hour in reversed(range(12))]
    assert third["page_next"] is None
    assert len(job(owner_calls, made["job_id"])["results"]["data"]) == 10
    (listed,) = owner_calls.get("/jobs/", result_count=3).json()["jobs"]
    assert [each["ran_at"] for each in listed["results"]["data"]] == ran[:3]


def test_lists_are_filtered_and_ordered(owner: Any, owner_calls: Caller, transfer_body: dict[str, Any]) -> None:
    ids = [create(owner_calls, transfer_body, name=name)["job_id"] for name in ("Beta", "alpha", "gamma")]
    owner_calls.post(f"/jobs/{ids[1]}/pause")
    owner_calls.delete(f"/jobs/{ids[2]}")
    once = create(owner_calls, transfer_body, name="over", schedule={"type": "once"})["job_id"]
    completion.end_finished([once], now=clock.now())
    Timer.objects.filter(pk=once).update(status=TimerStatus.ENDED)

    def names(**query: str) -> list[str]:
        return [each["name"] for each in owner_calls.get("/jobs/", **query).json()["jobs"]]

    assert names() == names(order="submitted_at asc") == ["Beta", "alpha", "over"]
    assert names(order="submitted_at desc") == ["over", "alpha", "Beta"]
    assert names(filter_name="ALP") == ["alpha"]
    assert names(filter_status="active") == ["Beta"]
    assert names(filter_status="inactive,ended") == ["alpha", "over"]
    assert names(filter_active="false") == ["alpha", "over"]
    assert names(submitted_after=clock.now().isoformat()) == []
    assert names(submitted_before=clock.now().isoformat(), filter_status="new") == ["Beta"]


def test_what_this_dialect_has_no_words_for_is_not_there(owner: Any, owner_calls: Caller) -> None:
    cron = {"type": "cron", "expression": "0 0 7 * * ?"}
    hidden = [make_code_timer(owner), make_webhook_timer(owner, schedule=cron)]
    shown = make_webhook_timer(owner, schedule={"type": "recurring", "interval_seconds": 0.5})

    listed = owner_calls.get("/jobs/").json()["jobs"]

    assert [(each["job_id"], each["interval"]) for each in listed] == [(str(shown.pk), 0.5)]
    assert [owner_calls.get(f"/jobs/{timer.pk}").status_code for timer in hidden] == [404, 404]


def test_a_list_takes_a_fixed_number_of_queries(
    owner: Any, owner_calls: Caller, transfer_body: dict[str, Any], django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    for name in ("one", "two", "three"):
        create(owner_calls, transfer_body, name=name)
    run_due(clock.now())
    owner_calls.get("/jobs/")  # notes the use of the token

    with django_assert_num_queries(6):
        assert len(owner_calls.get("/jobs/").json()["jobs"]) == 3


def test_a_timer_is_renamed_and_as_an_extension_redefined(owner_calls: Caller, made: dict[str, Any]) -> None:
    path = f"/jobs/{made['job_id']}"

    renamed = owner_calls.send("PATCH", path, {"name": "weekly copy"}).json()
    changed = owner_calls.send("PATCH", path, {"schedule": {**EVERY_HOUR, "interval_seconds": 7200}}).json()
    refused = owner_calls.send("PATCH", path, {"schedule": {**EVERY_HOUR, "interval_seconds": 59}})
    unknown = owner_calls.send("PATCH", path, {"status": "ended"})

    assert (renamed["name"], changed["interval"]) == ("weekly copy", 7200)
    assert refused.json()["detail"][0]["loc"] == ["body", "schedule", "interval_seconds"]
    assert (unknown.status_code, unknown.json()["detail"][0]["loc"]) == (422, ["body", "status"])


def test_pausing_and_resuming_says_why_and_makes_up_the_missed_run(
    owner_calls: Caller, made: dict[str, Any], now: datetime
) -> None:
    path = f"/jobs/{made['job_id']}"
    paused = owner_calls.post(f"{path}/pause")
    again = owner_calls.post(f"{path}/pause/")
    read = job(owner_calls, made["job_id"])

    resumed = owner_calls.post(f"{path}/resume", {"update_credentials": False})

    assert paused.json() == again.json() == {"message": f"Successfully paused job {made['job_id']}."}
    assert (read["status"], read["inactive_reason"]) == ("inactive", {"cause": "user", "detail": None})
    assert (read["activity"]["code"], read["next_run"]) == ("paused", None)
    assert resumed.json() == {"message": f"Successfully resumed job {made['job_id']}."}
    assert list(Execution.objects.values_list("trigger", flat=True)) == ["catch_up"]
    assert job(owner_calls, made["job_id"])["inactive_reason"] is None


def test_a_once_timer_that_was_missed_in_a_pause_runs_on_resume(
    owner_calls: Caller, transfer_body: dict[str, Any], tmp_path: Path
) -> None:
    made = create(owner_calls, transfer_body, schedule={"type": "once"})
    owner_calls.post(f"/jobs/{made['job_id']}/pause")

    owner_calls.post(f"/jobs/{made['job_id']}/resume")
    run_due(clock.now())
    copy_all()

    assert (tmp_path / "there" / "copy.txt").exists()
    assert job(owner_calls, made["job_id"])["status"] == "ended"


def test_a_deleted_timer_is_gone(owner_calls: Caller, made: dict[str, Any]) -> None:
    path = f"/jobs/{made['job_id']}"

    deleted = owner_calls.delete(path)

    assert (deleted.status_code, deleted.json()["status"]) == (200, "deleted")
    gone = [
        owner_calls.get(path),
        owner_calls.delete(path),
        owner_calls.post(f"{path}/pause"),
        owner_calls.post(f"{path}/resume"),
        owner_calls.send("PATCH", path, {"name": "x"}),
    ]
    assert {response.status_code for response in gone} == {404}
    error = gone[0].json()["error"]
    assert (error["code"], error["status"]) == ("NOT_FOUND", 404)
    assert owner_calls.get("/jobs/").json() == {"jobs": []}


def test_an_ended_timer_is_neither_paused_nor_resumed(owner_calls: Caller, transfer_body: dict[str, Any]) -> None:
    start = clock.now() - timedelta(days=3)
    over = {**EVERY_HOUR, "start": start.isoformat()}
    over["end"] = {"condition": "time", "datetime": (start + timedelta(days=1)).isoformat()}
    made = create(owner_calls, transfer_body, schedule=over)

    refused = [owner_calls.post(f"/jobs/{made['job_id']}/{verb}") for verb in ("pause", "resume")]

    assert made["status"] == "ended"
    assert [(each.status_code, each.json()["error"]["code"]) for each in refused] == [(409, "CONFLICT")] * 2


def test_strangers_know_of_nothing(stranger_calls: Caller, made: dict[str, Any]) -> None:
    path = f"/jobs/{made['job_id']}"

    answers = [stranger_calls.get(path), stranger_calls.post(f"{path}/pause"), stranger_calls.delete(path)]

    assert {each.status_code for each in answers} == {404}
    assert stranger_calls.get("/jobs/").json() == {"jobs": []}


@pytest.mark.parametrize(
    ("schedule", "field"),
    [
        ({"type": "recurring", "interval_seconds": 59.9}, "interval_seconds"),
        ({"type": "recurring", "interval_seconds": 366 * 86_400}, "interval_seconds"),
        ({"type": "recurring", "interval_seconds": 60, "start": "2999-01-01T00:00:00"}, "start"),
        ({"type": "recurring", "interval_seconds": 60, "start": "1969-01-01T00:00:00"}, "start"),
        ({"type": "once", "interval_seconds": 60}, "interval_seconds"),
        ({"type": "recurring", "interval_seconds": 60, "end": {"condition": "iterations"}}, "end.count"),
        ({"type": "recurring", "interval_seconds": 60, "end": {"condition": "never"}}, "end.condition"),
        ({"type": "cron", "expression": "* * * * *"}, "type"),
    ],
)
def test_a_schedule_that_the_service_does_not_know_is_refused(
    owner_calls: Caller, transfer_body: dict[str, Any], schedule: dict[str, Any], field: str
) -> None:
    document = {"timer_type": "transfer", "schedule": schedule, "body": transfer_body}

    response = owner_calls.post("/v2/timer", {"timer": document})

    assert response.status_code == 422
    assert response.json()["detail"][0]["loc"] == ["body", "timer", "schedule", *field.split(".")]


def test_what_is_missing_is_named_in_the_words_that_clients_know(owner_calls: Caller) -> None:
    response = owner_calls.post("/jobs/", {"name": "x"})

    assert response.status_code == 422
    assert response.json()["detail"] == [
        {"loc": ["body", name], "msg": "field required", "type": "value_error.missing"}
        for name in ("start", "callback_url")
    ]


def test_a_job_comes_back_as_it_was_sent(owner_calls: Caller, transfer_body: dict[str, Any]) -> None:
    url = "https://default.actions.automate.globus.org/transfer/transfer/run"
    ends = {f"{name}_id": transfer_body[name] for name in ("source_endpoint", "destination_endpoint")}
    content = {"body": {**ends, "transfer_items": ITEMS, "label": None, "verify_checksum": False}}
    sent = {"name": "old", "start": clock.now().isoformat(), "interval": 86400.0, "stop_after_n": 3, "scope": "any"}

    response = owner_calls.post("/jobs/", {**sent, "callback_url": url, "callback_body": content})

    made = response.json()
    assert (response.status_code, made["status"], made["timer_type"]) == (201, "new", "transfer")
    assert (made["callback_url"], made["callback_body"], made["scope"]) == (url, content, "any")
    assert (made["interval"], made["stop_after"]) == (86400, {"date": None, "n_runs": 3})
    body = {**content["body"], "transfer_items": [{**ITEMS[0], "source_path": "/other.txt"}]}
    changed = {"source_endpoint": ends["source_endpoint_id"], "destination_endpoint": ends["destination_endpoint_id"]}
    read = owner_calls.send(
        "PATCH", f"/jobs/{made['job_id']}", {"body": {**changed, "DATA": body["transfer_items"]}}
    ).json()
    assert read["callback_body"]["body"]["DATA"][0]["source_path"] == "/other.txt"


@pytest.mark.django_db(transaction=True)
def test_the_answer_to_creation_shows_the_timer_before_it_ran(
    owner_calls: Caller, transfer_body: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queue, "notify", lambda _: transaction.on_commit(lambda: run_due(clock.now())))
    sent = {"start": clock.now().isoformat(), "interval": 60, "callback_url": "https://x.example.org/transfer/run"}

    made = create(owner_calls, transfer_body)
    old = owner_calls.post("/jobs/", {**sent, "callback_body": {"body": transfer_body}}).json()

    assert (made["status"], made["last_ran_at"], made["next_run"]) == ("new", None, made["schedule"]["start"])
    assert (old["status"], old["n_runs"], old["next_run"], old["results"]["data"]) == ("new", 0, old["start"], [])
    assert [job(owner_calls, each["job_id"])["n_runs"] for each in (made, old)] == [1, 1]


def test_errors_in_a_job_use_its_own_spelling(owner_calls: Caller, transfer_body: dict[str, Any]) -> None:
    content = {"body": {"source_endpoint_id": "x", "destination_endpoint_id": "y", "transfer_items": ITEMS}}
    sent = {"start": "2026-12-01T00:00:00", "interval": 30, "callback_body": content}
    transfer = "https://actions.automate.globus.org/transfer/transfer/run"

    short = owner_calls.post("/jobs/", {**sent, "callback_url": transfer}).json()
    unknown = owner_calls.post("/jobs/", {**sent, "interval": 60, "callback_url": transfer}).json()
    refused = owner_calls.post("/jobs/", {**sent, "interval": 60, "callback_url": "ftp://example.org/"}).json()
    ends = {"body": {"destination_endpoint_id": transfer_body["destination_endpoint"], "transfer_items": ITEMS}}
    half = {**sent, "interval": 60, "callback_url": transfer, "callback_body": ends}
    (missing,) = owner_calls.post("/jobs/", half).json()["detail"]
    flow = {**sent, "callback_url": "https://flows.automate.globus.org/flows/bbbbbbbb-0000-4000-8000-000000000003/run"}
    nowhere = owner_calls.post("/jobs/", {**flow, "interval": 60}).json()
    no_input = owner_calls.post("/jobs/", {**flow, "interval": 60, "callback_body": {"body": 1}}).json()

    assert short["detail"][0]["loc"] == ["body", "interval"]
    assert unknown["detail"][0]["loc"] == ["body", "callback_body", "body", "source_endpoint_id"]
    assert refused["detail"][0]["loc"] == ["body", "callback_url"]
    assert missing == {
        "loc": ["body", "callback_body", "body", "source_endpoint_id"],
        "msg": "field required",
        "type": "value_error.missing",
    }
    assert nowhere["detail"][0]["loc"] == ["body", "callback_url"]
    assert no_input["detail"][0]["loc"] == ["body", "callback_body", "body"]


def test_another_callback_is_a_webhook(owner_calls: Caller) -> None:
    sent = {"name": "hook", "start": clock.now().isoformat(), "interval": None}
    callback = {"callback_url": "https://hooks.example.org/run", "callback_body": {"any": "thing"}}

    made = owner_calls.post("/jobs/", {**sent, **callback}).json()

    assert {name: made[name] for name in callback} == callback
    assert (made["timer_type"], made["interval"]) == ("webhook", None)
    definition = Timer.objects.get(pk=made["job_id"]).definition
    assert definition is not None
    assert definition.body == {"url": "https://hooks.example.org/run", "method": "POST", "json": {"any": "thing"}}


def test_a_flow_is_looked_up_and_started_by_a_timer(owner: Any, owner_calls: Caller, stranger_calls: Caller) -> None:
    hook = make_webhook_timer(
        owner, name="the flow", body={"url": "https://hooks.example.org/", "headers": {"X-Key": "s"}}
    )
    content = {"body": {"input": 1}, "run_managers": ["urn:globus:auth:identity:x"]}
    document = {"timer_type": "flow", "flow_id": str(hook.pk), "schedule": EVERY_HOUR, "body": content}

    made = owner_calls.post("/v2/timer", {"timer": document}).json()["timer"]

    assert owner_calls.get(f"/flows/{hook.pk}").json()["title"] == "the flow"
    assert (made["timer_type"], made["flow_id"], made["body"]) == ("flow", str(hook.pk), content)
    timer = Timer.objects.select_related("definition").get(pk=made["job_id"])
    assert timer.definition is not None
    assert timer.definition.body["json"] == {"input": 1}
    assert timer.definition.secrets == {"headers.X-Key": "s"}
    read = job(owner_calls, made["job_id"])
    assert (read["callback_url"], read["timer_type"]) == (
        f"https://flows.automate.globus.org/flows/{hook.pk}/run",
        "flow",
    )
    assert stranger_calls.get(f"/flows/{hook.pk}").status_code == 404
    unknown = stranger_calls.post("/v2/timer", {"timer": document})
    assert (unknown.status_code, unknown.json()["detail"][0]["loc"]) == (422, ["body", "timer", "flow_id"])


def test_workflows_are_flows_and_so_are_their_timers(owner: Any, owner_calls: Caller, stranger_calls: Caller) -> None:
    for version in (1, 2):
        document = {"name": "weekly", "version": version, "description": f"version {version}", "tasks": TASKS}
        workflow_definitions.register(owner=owner, document=document, overwrite=False, now=clock.now())
    once = {"type": "once", "datetime": clock.now() + timedelta(days=1)}
    given = {"owner": owner, "name": "first", "schedule": once, "by": owner, "now": clock.now()}
    body = {"name": "weekly", "version": 1, "input": {"old": 1}}
    timer = timers.create(action="workflow", body=body, **given)

    (flow,) = owner_calls.get("/flows").json()["flows"]

    assert (flow["title"], flow["description"]) == ("weekly", "version 2")
    assert owner_calls.get(f"/flows/{flow['id']}").json() == flow
    for flow_id, starts in ((flow["id"], {"name": "weekly"}), (str(timer.pk), {"name": "weekly", "version": 1})):
        document = {"timer_type": "flow", "flow_id": flow_id, "schedule": EVERY_HOUR, "body": {"body": {"new": 2}}}
        made = owner_calls.post("/v2/timer", {"timer": document}).json()["timer"]
        definition = Timer.objects.get(pk=made["job_id"]).definition
        assert definition is not None
        assert definition.body == {**starts, "input": {"new": 2}}
        assert stranger_calls.get(f"/flows/{flow_id}").status_code == 404
    assert stranger_calls.get("/flows").json()["flows"] == []
