"""/transfers."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from tests.api.conftest import Caller
from timers import clock
from timers.models import Transfer, TransferEvent, TransferFile


def test_a_submitted_transfer_is_a_bare_document(owner_calls: Caller, wish: dict[str, Any]) -> None:
    answer = owner_calls.post("/transfers", wish)

    assert answer.status_code == 201
    document = answer.json()
    assert document["status"] == "pending"
    assert document["label"] == "Copy"
    assert document["source_endpoint"] == wish["source_endpoint"]
    assert document["destination_endpoint"] == wish["destination_endpoint"]
    assert (document["files"], document["bytes_total"], document["bytes_per_second"], document["faults"]) == (0,) * 4
    assert document["completion_time"] is None
    assert document["execution_id"] is None
    assert (document["type"], document["dry_run"], document["symlinks"], document["current"]) == (
        "transfer",
        False,
        0,
        [],
    )
    assert document["seconds_left"] is None
    assert document["options"]["verify_checksum"] is True
    assert document["options"]["recursive_symlinks"] == "ignore"
    assert list(document["plan"]) == ["add", "change", "delete", "same", "error"]
    assert document["plan"]["add"] == {"files": 0, "bytes": 0}
    assert document == owner_calls.get(f"/transfers/{document['id']}").json()


def test_the_same_submission_id_is_the_same_transfer(owner_calls: Caller, wish: dict[str, Any]) -> None:
    wish["submission_id"] = "eeeeeeee-0000-4000-8000-000000000001"

    first, second = (owner_calls.post("/transfers", wish) for _ in range(2))

    assert first.json()["id"] == second.json()["id"]
    assert Transfer.objects.count() == 1


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"source_endpoint": None}, "source_endpoint"),
        ({"source_endpoint": "aaaaaaaa-0000-4000-8000-000000000009"}, "source_endpoint"),
        ({"DATA": []}, "DATA"),
        ({"sync_level": 9}, "sync_level"),
        ({"colour": "blue"}, "colour"),
        ({"dry_run": "yes"}, "dry_run"),
        ({"max_bytes_per_second": 1000}, "max_bytes_per_second"),
        ({"max_concurrency": 65}, "max_concurrency"),
    ],
)
def test_what_cannot_work_is_refused_by_its_name(
    owner_calls: Caller, wish: dict[str, Any], change: dict[str, Any], field: str
) -> None:
    answer = owner_calls.post("/transfers", {**wish, **change})

    assert answer.status_code == 400
    assert field in answer.json()["error"]["fields"]
    assert not Transfer.objects.exists()


def test_a_stranger_cannot_use_the_collections(stranger_calls: Caller, wish: dict[str, Any]) -> None:
    assert stranger_calls.post("/transfers", wish).status_code == 400
    assert not Transfer.objects.exists()


def test_speed_is_told_once_something_was_copied(owner_calls: Caller, transfer: Transfer, now: datetime) -> None:
    finished = now + timedelta(seconds=4)
    Transfer.objects.update(started_at=now, finished_at=finished, bytes_transferred=1000, status="succeeded")

    document = owner_calls.get(f"/transfers/{transfer.pk}").json()

    assert document["bytes_per_second"] == 250
    assert document["completion_time"] == finished.isoformat()


def test_transfers_are_listed_newest_first_and_by_status(
    owner_calls: Caller, wish: dict[str, Any], django_assert_num_queries: Any
) -> None:
    ids = [owner_calls.post("/transfers", wish).json()["id"] for _ in range(3)]
    Transfer.objects.filter(pk=ids[1]).update(status="active")

    def listed(**query: Any) -> list[str]:
        with django_assert_num_queries(2):  # the token, the rows
            answer = owner_calls.get("/transfers", **query)
        return [each["id"] for each in answer.json()["transfers"]]

    assert listed() == ids[::-1]
    assert listed(status="active") == [ids[1]]
    assert listed(status="failed,cancelled") == []
    first = owner_calls.get("/transfers", limit=2).json()
    assert listed(limit=2, marker=first["marker"]) == [ids[0]]
    assert owner_calls.get("/transfers", status="done").status_code == 400


def test_what_goes_on_says_what_is_at_work_and_how_long_it_will_take(
    owner_calls: Caller, transfer: Transfer, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(clock, "now", lambda: now)
    samples = [(clock.to_us(now - timedelta(seconds=10)), 0, 0), (clock.to_us(now), 1000, 1)]
    current = [{"path": "/copy/a", "bytes_done": 10, "size": 20}]
    going = {"status": "active", "phase": "copy", "started_at": now - timedelta(seconds=100)}
    Transfer.objects.update(samples=samples, current=current, bytes_total=3000, bytes_transferred=1000, **going)

    document = owner_calls.get(f"/transfers/{transfer.pk}").json()

    assert (document["bytes_per_second"], document["seconds_left"], document["current"]) == (100, 20.0, current)


def test_events_are_listed_newest_first_or_only_faults(owner_calls: Caller, transfer: Transfer, now: datetime) -> None:
    for number in range(3):
        TransferEvent.objects.create(
            transfer=transfer, at=now + timedelta(seconds=number), code="STARTED", is_fault=number == 1
        )

    events = owner_calls.get(f"/transfers/{transfer.pk}/events").json()["events"]
    faults = owner_calls.get(f"/transfers/{transfer.pk}/events", faults="true").json()["events"]

    assert [each["time"] for each in events] == [(now + timedelta(seconds=n)).isoformat() for n in (2, 1, 0)]
    assert faults == [events[1]]
    assert owner_calls.get(f"/transfers/{transfer.pk}/events", faults="no").status_code == 400


def test_a_deletion_has_no_destination(owner_calls: Caller, wish: dict[str, Any]) -> None:
    document = {"DATA_TYPE": "delete", "endpoint": wish["source_endpoint"], "DATA": [{"path": "/data"}]}

    answer = owner_calls.post("/transfers", document)

    assert answer.status_code == 201
    made = answer.json()
    assert (made["type"], made["source_endpoint"], made["destination_endpoint"]) == (
        "delete",
        document["endpoint"],
        None,
    )
    assert owner_calls.get("/transfers").json()["transfers"][0]["id"] == made["id"]


def test_a_transfer_is_run_again_with_changes(owner_calls: Caller, wish: dict[str, Any]) -> None:
    first = owner_calls.post("/transfers", {**wish, "dry_run": True, "delete_destination_extra": True}).json()

    same = owner_calls.post(f"/transfers/{first['id']}/rerun")
    real = owner_calls.post(f"/transfers/{first['id']}/rerun", {"dry_run": False, "max_delete": 1312})

    assert (same.status_code, real.status_code) == (201, 201)
    assert same.json()["dry_run"] is True
    assert same.json()["id"] != first["id"]
    assert (real.json()["dry_run"], real.json()["options"]["max_delete"]) == (False, 1312)


@pytest.mark.parametrize(("body", "field"), [({"max_delete": -1}, "max_delete"), ({"label": "x"}, "label")])
def test_what_cannot_be_changed_is_refused_by_its_name(
    owner_calls: Caller, transfer: Transfer, body: dict[str, Any], field: str
) -> None:
    answer = owner_calls.post(f"/transfers/{transfer.pk}/rerun", body)

    assert answer.status_code == 400
    assert list(answer.json()["error"]["fields"]) == [field]


def test_a_waiting_transfer_is_cancelled_and_a_finished_one_is_not(owner_calls: Caller, transfer: Transfer) -> None:
    answer = owner_calls.post(f"/transfers/{transfer.pk}/cancel")

    assert answer.status_code == 202
    assert answer.json()["status"] == "cancelled"
    assert owner_calls.post(f"/transfers/{transfer.pk}/cancel").status_code == 409


@pytest.mark.parametrize(
    ("method", "end"),
    [
        ("GET", ""),
        ("GET", "/files"),
        ("GET", "/manifest"),
        ("GET", "/events"),
        ("POST", "/cancel"),
        ("POST", "/rerun"),
    ],
)
def test_a_stranger_does_not_learn_that_it_exists(
    stranger_calls: Caller, transfer: Transfer, method: str, end: str
) -> None:
    assert stranger_calls.send(method, f"/transfers/{transfer.pk}{end}", None).status_code == 404
    assert stranger_calls.get("/transfers").json()["transfers"] == []
    assert Transfer.objects.get().status == "pending"


def test_a_transfer_is_paused_and_goes_on(owner_calls: Caller, transfer: Transfer) -> None:
    path = f"/transfers/{transfer.pk}"

    paused = owner_calls.post(f"{path}/pause")

    assert paused.status_code == 200
    assert paused.json()["status"] == "paused"
    assert paused.json()["paused_at"] is not None
    assert [each["id"] for each in owner_calls.get("/transfers", status="paused").json()["transfers"]] == [
        str(transfer.pk)
    ]
    again = owner_calls.post(f"{path}/pause")
    assert (again.status_code, again.json()["error"]["message"]) == (409, "The transfer is paused already.")
    resumed = owner_calls.post(f"{path}/resume")
    assert (resumed.status_code, resumed.json()["status"], resumed.json()["paused_at"]) == (200, "pending", None)
    assert owner_calls.post(f"{path}/resume").status_code == 409


@pytest.mark.parametrize("verb", ["pause", "resume"])
def test_a_stranger_pauses_and_resumes_nothing(stranger_calls: Caller, transfer: Transfer, verb: str) -> None:
    assert stranger_calls.post(f"/transfers/{transfer.pk}/{verb}").status_code == 404


def test_just_what_failed_runs_again(owner_calls: Caller, transfer: Transfer) -> None:
    path = f"/transfers/{transfer.pk}/rerun"
    Transfer.objects.update(status="failed")
    assert owner_calls.post(path, {"only": "failed"}).status_code == 409
    failed = {"step": "copy", "state": "failed", "source_path": "/data/a", "destination_path": "/copy/a"}
    TransferFile.objects.create(transfer=transfer, item=0, **failed)

    answer = owner_calls.post(path, {"only": "failed"})

    assert answer.status_code == 201
    new = Transfer.objects.get(pk=answer.json()["id"])
    assert [(item.source_path, item.destination_path) for item in new.items.all()] == [("/data/a", "/copy/a")]
    refused = owner_calls.post(path, {"only": "good"})
    assert (refused.status_code, list(refused.json()["error"]["fields"])) == (400, ["only"])


def test_warnings_are_a_number(owner_calls: Caller, transfer: Transfer) -> None:
    Transfer.objects.update(status="succeeded", warnings=3)

    assert owner_calls.get(f"/transfers/{transfer.pk}").json()["warnings"] == 3


def test_options_are_answered_as_they_were_given(owner_calls: Caller, wish: dict[str, Any]) -> None:
    given = {"delete_source": True, "min_size": 1, "keep_replaced": {"path": "/old/"}, "skip_destination_errors": True}

    document = owner_calls.post("/transfers", {**wish, **given}).json()

    assert document["options"].items() >= {**given, "keep_replaced": {"path": "/old", "folder": "/old"}}.items()


def test_dates_stand_in_paths_and_label(
    owner_calls: Caller, wish: dict[str, Any], now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(clock, "now", lambda: now)
    wish["DATA"][0]["destination_path"] = '/copy/{{ planned_at|date:"%Y/%m/%d" }}/'
    wish["label"] = "{{ planned_at }}"

    document = owner_calls.post("/transfers", wish).json()

    assert document["label"] == now.isoformat(timespec="seconds")
    item = Transfer.objects.get().items.get()
    assert item.destination_path == f"/copy/{now:%Y/%m/%d}/"
