"""Transfers, deletions and collections at the Globus interface."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from tests.globus.conftest import Caller
from tests.globus.running import copy_all
from timers import clock
from timers.engine.transfers.slice_runner import run_slice
from timers.models import Collection, Transfer, TransferFile
from timers.services.transfers import pausing

pytestmark = pytest.mark.django_db

V = "/v0.10"


def submit(caller: Caller, body: dict[str, Any], **fields: Any) -> str:
    """Submit a transfer, with a submission id as the SDK gets one; return its task's id."""
    submission = caller.get(f"{V}/submission_id").json()["value"]
    response = caller.post(f"{V}/transfer", {"submission_id": submission, **body, **fields})
    assert response.status_code == 202, response.content
    return response.json()["task_id"]


def read(caller: Caller, task_id: str) -> dict[str, Any]:
    return caller.get(f"{V}/task/{task_id}").json()


def test_a_transfer_is_accepted_once_and_copies(
    owner_calls: Caller, transfer_body: dict[str, Any], tmp_path: Path
) -> None:
    sent = {**transfer_body, "submission_id": str(uuid4()), "label": "nightly", "deadline": "2999-01-01 00:00:00"}
    first, again = (owner_calls.post(f"{V}/transfer", sent) for _ in range(2))
    waiting = read(owner_calls, first.json()["task_id"])
    copy_all()

    done = read(owner_calls, first.json()["task_id"])

    assert (first.status_code, first.json()["code"], again.json()["code"]) == (202, "Accepted", "Duplicate")
    assert first.json()["task_id"] == again.json()["task_id"]
    assert first.json()["task_link"]["href"] == f"/v0.10/task/{done['task_id']}?format=json"
    assert (waiting["status"], waiting["completion_time"], waiting["nice_status"]) == ("ACTIVE", None, "Queued")
    assert waiting["is_ok"] is True
    assert (done["status"], done["is_ok"], done["nice_status"]) == ("SUCCEEDED", None, None)
    assert (done["files"], done["files_transferred"], done["bytes_transferred"]) == (1, 1, 4)
    assert (done["type"], done["label"], done["deadline"]) == ("TRANSFER", "nightly", "2999-01-01T00:00:00+00:00")
    assert (tmp_path / "there" / "copy.txt").read_text() == "four"


def test_files_left_alone_count_as_skipped(owner_calls: Caller, transfer_body: dict[str, Any]) -> None:
    submit(owner_calls, transfer_body)
    copy_all()

    task_id = submit(owner_calls, transfer_body, sync_level=3)
    copy_all()

    task = read(owner_calls, task_id)
    assert (task["files_transferred"], task["files_skipped"], task["sync_level"]) == (0, 1, 3)


def test_what_arrived_is_listed_with_its_digest(owner_calls: Caller, transfer_body: dict[str, Any]) -> None:
    task_id = submit(owner_calls, transfer_body, verify_checksum=True)
    copy_all()

    listed = owner_calls.get(f"{V}/task/{task_id}/successful_transfers").json()
    events = owner_calls.get(f"{V}/task/{task_id}/event_list", limit=2).json()

    (file,) = listed["DATA"]
    assert (file["source_path"], file["destination_path"], file["size"]) == ("/file.txt", "/copy.txt", 4)
    assert file["checksum_algorithm"] == "SHA256"
    assert (listed["marker"], listed["next_marker"]) == (0, None)
    assert events["DATA"][0]["code"] == "SUCCEEDED"
    assert (events["length"], events["limit"], events["offset"]) == (2, 2, 0)
    assert events["total"] > 2


def test_nothing_holds_a_task_back(owner_calls: Caller, transfer_body: dict[str, Any]) -> None:
    task_id = submit(owner_calls, transfer_body)

    answer = owner_calls.get(f"{V}/task/{task_id}/pause_info")

    assert (answer.status_code, answer.json()["pause_rules"]) == (200, [])
    assert answer.json()["source_pause_message"] is None


def test_a_paused_task_is_active_and_says_that_it_is_paused(
    owner_calls: Caller, owner: Any, transfer_body: dict[str, Any]
) -> None:
    task_id = submit(owner_calls, transfer_body)
    pausing.pause(Transfer.objects.get(pk=task_id), by=owner, now=clock.now())
    run_slice(task_id, now=clock.now())

    task = read(owner_calls, task_id)

    assert (task["status"], task["is_paused"], task["nice_status"]) == ("ACTIVE", True, "PAUSED")
    assert (task["is_ok"], task["completion_time"]) == (True, None)
    listed = owner_calls.get(f"{V}/task_list", filter="status:ACTIVE").json()
    assert [found["task_id"] for found in listed["DATA"]] == [task_id]
    assert owner_calls.post(f"{V}/task/{task_id}/cancel").json()["code"] == "Canceled"


def test_what_was_left_out_is_a_skipped_error(owner_calls: Caller, transfer_body: dict[str, Any]) -> None:
    task_id = submit(owner_calls, transfer_body)
    left_out = {"state": "skipped", "failure_reason": "bad_name", "error_message": "No name.", "step": "copy"}
    paths = {"source_path": "/odd", "destination_path": "/odd"}
    TransferFile.objects.create(transfer_id=task_id, item=0, **left_out, **paths)
    Transfer.objects.filter(pk=task_id).update(status="succeeded", files=2, files_transferred=1, warnings=1)

    task = read(owner_calls, task_id)
    (error,) = owner_calls.get(f"{V}/task/{task_id}/skipped_errors").json()["DATA"]

    assert (task["subtasks_skipped_errors"], task["subtasks_failed"]) == (1, 0)
    assert (error["source_path"], error["error_code"], error["error_details"]) == ("/odd", "BAD_NAME", "No name.")


def test_a_missing_source_fails_with_an_error_event(owner_calls: Caller, transfer_body: dict[str, Any]) -> None:
    transfer_body["DATA"][0]["source_path"] = "/missing.txt"
    task_id = submit(owner_calls, transfer_body)
    copy_all()

    task = read(owner_calls, task_id)
    errors = owner_calls.get(f"{V}/task/{task_id}/event_list", filter="is_error:1").json()["DATA"]

    assert (task["status"], task["fatal_error"]["code"]) == ("FAILED", "FILE_NOT_FOUND")
    assert errors
    assert all(each["is_error"] for each in errors)
    assert not any(
        each["is_error"]
        for each in owner_calls.get(f"{V}/task/{task_id}/event_list", filter="is_error:0").json()["DATA"]
    )


def test_skipped_errors_are_listed(owner_calls: Caller, transfer_body: dict[str, Any], tmp_path: Path) -> None:
    transfer_body["DATA"].append({"source_path": "/missing.txt", "destination_path": "/missing.txt"})
    task_id = submit(owner_calls, transfer_body, skip_source_errors=True)
    copy_all()

    task = read(owner_calls, task_id)
    (skipped,) = owner_calls.get(f"{V}/task/{task_id}/skipped_errors").json()["DATA"]

    assert (task["status"], task["subtasks_skipped_errors"]) == ("SUCCEEDED", 1)
    assert task["request_time"] <= skipped["error_time"] <= task["completion_time"]
    assert (skipped["source_path"], skipped["error_code"]) == ("/missing.txt", "FILE_NOT_FOUND")


def test_a_deletion_is_a_task_too(owner_calls: Caller, collections: tuple[Collection, ...], tmp_path: Path) -> None:
    here = collections[0]
    document = {"DATA_TYPE": "delete", "endpoint": str(here.pk), "recursive": False, "DATA": [{"path": "/file.txt"}]}

    answer = owner_calls.post(f"{V}/delete", document).json()
    copy_all()

    task = read(owner_calls, answer["task_id"])
    assert (answer["DATA_TYPE"], answer["code"]) == ("delete_result", "Accepted")
    assert (task["type"], task["status"], task["destination_endpoint_id"]) == ("DELETE", "SUCCEEDED", None)
    assert not (tmp_path / "here" / "file.txt").exists()


def test_what_cannot_work_is_refused_in_the_words_of_the_service(
    owner_calls: Caller, stranger_calls: Caller, transfer_body: dict[str, Any]
) -> None:
    def code(caller: Caller, **changes: Any) -> tuple[int, str]:
        response = caller.post(f"{V}/transfer", {**transfer_body, **changes})
        assert {"code", "message", "request_id", "resource"} <= response.json().keys()
        return response.status_code, response.json()["code"]

    assert code(owner_calls, DATA=[]) == (400, "ClientError.BadRequest.NoTransferItems")
    assert code(owner_calls, source_endpoint=str(uuid4())) == (404, "EndpointNotFound")
    assert code(stranger_calls) == (404, "EndpointNotFound")
    assert code(owner_calls, sync_level=9) == (400, "ClientError.BadRequest")
    assert code(owner_calls, DATA_TYPE="delete") == (400, "ClientError.BadRequest")
    assert not Transfer.objects.exists()


def test_a_task_is_relabelled_and_cancelled_while_it_goes_on(
    owner_calls: Caller, stranger_calls: Caller, transfer_body: dict[str, Any]
) -> None:
    task_id = submit(owner_calls, transfer_body)
    path = f"{V}/task/{task_id}"
    deadline = (clock.now() + timedelta(hours=1)).isoformat()

    updated = owner_calls.send("PUT", path, {"DATA_TYPE": "task", "label": "other", "deadline": deadline})
    late = owner_calls.send("PUT", path, {"DATA_TYPE": "task", "deadline": "2000-01-01T00:00:00"})
    foreign = stranger_calls.post(f"{path}/cancel")
    cancelled, again = (owner_calls.post(f"{path}/cancel") for _ in range(2))
    after = owner_calls.send("PUT", path, {"DATA_TYPE": "task", "label": "third"})

    task = read(owner_calls, task_id)
    assert (updated.json()["code"], task["label"], task["deadline"]) == ("Updated", "other", deadline)
    assert (late.status_code, foreign.status_code, after.status_code) == (400, 404, 409)
    assert (cancelled.json()["code"], again.json()["code"]) == ("Canceled", "TaskComplete")
    assert (task["status"], task["fatal_error"]["code"]) == ("FAILED", "CANCELED")


def test_tasks_are_filtered_ordered_and_paged(owner_calls: Caller, transfer_body: dict[str, Any]) -> None:
    ids = {label: submit(owner_calls, transfer_body, label=label) for label in ("nightly one", "Nightly two", "other")}
    owner_calls.post(f"{V}/task/{ids['other']}/cancel")

    def labels(**query: Any) -> list[str]:
        return [each["label"] for each in owner_calls.get(f"{V}/task_list", **query).json()["DATA"]]

    assert labels() == ["other", "Nightly two", "nightly one"]
    assert labels(orderby="request_time ASC") == ["nightly one", "Nightly two", "other"]
    assert labels(orderby="status ASC,label DESC", filter="type:TRANSFER,DELETE")[0] == "other"
    assert labels(filter="label:~NIGHT*") == ["Nightly two", "nightly one"]
    assert labels(filter="label:nightly one,=other") == ["other", "nightly one"]
    assert labels(filter="label:!~*night*") == ["other"]
    assert labels(filter="label:!other/status:ACTIVE,INACTIVE") == ["Nightly two", "nightly one"]
    assert labels(filter=f"task_id:{ids['other']},nonsense/status:FAILED") == ["other"]
    assert labels(filter="type:DELETE") == []
    assert labels(filter="request_time:2000-01-01,2001-01-01") == []
    assert labels(filter=f"request_time:2000-01-01,/completion_time:,{(clock.now() + timedelta(days=1)).date()}") == [
        "other"
    ]
    assert labels(filter="label:~*ly*o?e,~*[*") == ["nightly one"]
    page = owner_calls.get(f"{V}/task_list", limit=1, offset=2, filter="").json()
    assert (page["length"], page["total"], page["DATA"][0]["label"]) == (1, 3, "nightly one")


def test_a_pattern_of_many_stars_is_judged_at_once(owner_calls: Caller, transfer_body: dict[str, Any]) -> None:
    submit(owner_calls, transfer_body, label="a" * 120)

    def found(pattern: str) -> int:
        return owner_calls.get(f"{V}/task_list", filter=f"label:~{pattern}").json()["total"]

    assert (found("*a" * 50), found("*a" * 50 + "b"), found("*" * 50 + "b")) == (1, 0, 0)


def test_a_collection_is_an_endpoint(
    owner: Any, owner_calls: Caller, stranger_calls: Caller, collections: tuple[Collection, ...]
) -> None:
    here = collections[0]

    document = owner_calls.get(f"{V}/endpoint/{here.pk}").json()
    unknown = stranger_calls.get(f"{V}/endpoint/{here.pk}")

    assert (document["display_name"], document["entity_type"]) == ("here", "GCSv5_guest_collection")
    assert (document["owner_string"], document["activated"], document["host_endpoint"]) == ("owner", True, None)
    assert (unknown.status_code, unknown.json()["code"]) == (404, "EndpointNotFound")
    assert owner_calls.post(f"{V}/endpoint/{here.pk}/autoactivate").json()["code"] == "AlreadyActivated"


def test_endpoints_are_searched(
    owner_calls: Caller, stranger_calls: Caller, collections: tuple[Collection, ...]
) -> None:
    def found(caller: Caller, **query: Any) -> list[str]:
        return [each["display_name"] for each in caller.get(f"{V}/endpoint_search", **query).json()["DATA"]]

    assert found(owner_calls, filter_fulltext="HERE", filter_scope="all") == ["here", "there"]
    assert found(owner_calls, filter_fulltext="there owner") == ["there"]
    assert found(owner_calls, filter_fulltext=str(collections[0].pk)) == ["here"]
    assert found(owner_calls, filter_scope="my-endpoints") == ["here", "there"]
    assert found(owner_calls, filter_scope="shared-with-me") == []
    assert found(owner_calls, filter_entity_type="GCSv5_mapped_collection") == []
    assert found(stranger_calls, filter_fulltext="here") == []
    page = owner_calls.get(f"{V}/endpoint_search", limit=1).json()
    assert (page["has_next_page"], page["limit"], page["offset"]) == (True, 1, 0)


def test_a_folder_is_listed(owner_calls: Caller, collections: tuple[Collection, ...], tmp_path: Path) -> None:
    folder = tmp_path / "here"
    (folder / ".hidden").write_text("")
    (folder / "sub").mkdir()
    (folder / "notes.TXT").write_text("longer than four")
    path = f"{V}/operation/endpoint/{collections[0].pk}/ls"

    def names(**query: Any) -> list[str]:
        return [each["name"] for each in owner_calls.get(path, **query).json()["DATA"]]

    whole = owner_calls.get(path, path="/~/").json()
    assert (whole["path"], whole["absolute_path"], whole["total"]) == ("/~/", "/", 4)
    file = next(each for each in whole["DATA"] if each["name"] == "file.txt")
    assert (file["type"], file["size"], file["last_modified"][10]) == ("file", 4, " ")
    assert names(show_hidden=0) == ["file.txt", "notes.TXT", "sub"]
    assert names(filter="name:~*.txt") == ["file.txt", "notes.TXT"]
    assert names(filter="name:!~*.txt/type:dir") == ["sub"]
    assert names(filter="type:file/size:>4") == ["notes.TXT"]
    assert names(orderby="type DESC,name DESC") == ["notes.TXT", "file.txt", ".hidden", "sub"]
    assert names(limit=1, offset=1, show_hidden=0) == ["notes.TXT"]
    either = owner_calls.get(path, filter=["type:dir", "name:~n*.txt"]).json()["DATA"]
    assert [each["name"] for each in either] == ["notes.TXT", "sub"]


def test_what_stands_at_a_path_is_told_made_and_renamed(
    owner_calls: Caller, collections: tuple[Collection, ...], tmp_path: Path
) -> None:
    path = f"{V}/operation/endpoint/{collections[0].pk}"

    made = owner_calls.post(f"{path}/mkdir", {"DATA_TYPE": "mkdir", "path": "/~/new/"})
    again = owner_calls.post(f"{path}/mkdir", {"DATA_TYPE": "mkdir", "path": "/~/new/"})
    moved = owner_calls.post(f"{path}/rename", {"DATA_TYPE": "rename", "old_path": "/new", "new_path": "/newer"})
    clash = owner_calls.post(f"{path}/rename", {"DATA_TYPE": "rename", "old_path": "/newer", "new_path": "/file.txt"})

    assert (made.status_code, made.json()["code"], made.json()["DATA_TYPE"]) == (
        202,
        "DirectoryCreated",
        "mkdir_result",
    )
    assert (again.status_code, again.json()["code"]) == (502, "ExternalError.MkdirFailed.Exists")
    assert moved.json()["code"] == "FileRenamed"
    assert (clash.status_code, clash.json()["code"]) == (409, "ExternalError.RenameFailed.Exists")
    assert (tmp_path / "here" / "newer").is_dir()
    assert owner_calls.get(f"{path}/stat", path="/newer").json()["type"] == "dir"
    assert owner_calls.get(f"{path}/stat", path="/nothing").json()["code"] == "NotFound"
    assert owner_calls.get(f"{path}/ls", path="/nothing").json()["code"] == "ClientError.NotFound"
    assert owner_calls.get(f"{path}/ls", path="/../x").status_code == 400
    assert owner_calls.get(f"{path}/ls", path="/file.txt").status_code == 400
