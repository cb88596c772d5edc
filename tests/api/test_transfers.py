"""/transfers."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.api.conftest import Caller
from tests.factories import make_collection
from timers.models import Transfer, TransferEvent, TransferFile


@pytest.fixture
def wish(owner: Any, tmp_path: Path, settings: Any) -> dict[str, Any]:
    """A transfer between two collections of the owner."""
    settings.TIMERS_LOCAL_ROOTS = (tmp_path,)
    ids = []
    for name in ("here", "there"):
        (tmp_path / name).mkdir()
        ids.append(str(make_collection(owner, tmp_path / name).pk))
    item = {"source_path": "/data/", "destination_path": "/copy/", "recursive": True}
    return {"source_endpoint": ids[0], "destination_endpoint": ids[1], "label": "Copy", "DATA": [item]}


@pytest.fixture
def transfer(owner_calls: Caller, wish: dict[str, Any]) -> Transfer:
    return Transfer.objects.get(pk=owner_calls.post("/transfers", wish).json()["id"])


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


def test_files_and_events_are_listed(owner_calls: Caller, transfer: Transfer, now: datetime) -> None:
    TransferEvent.objects.filter(transfer=transfer).delete()
    for number in range(3):
        TransferFile.objects.create(
            transfer=transfer,
            item=0,
            step="copy",
            source_path=f"/data/{number}",
            destination_path=f"/copy/{number}",
            size=number,
        )
        TransferEvent.objects.create(transfer=transfer, at=now + timedelta(seconds=number), code="STARTED")

    first = owner_calls.get(f"/transfers/{transfer.pk}/files", limit=2).json()
    second = owner_calls.get(f"/transfers/{transfer.pk}/files", limit=2, marker=first["marker"]).json()
    events = owner_calls.get(f"/transfers/{transfer.pk}/events").json()

    paths = [each["source_path"] for each in first["files"] + second["files"]]
    assert paths == ["/data/0", "/data/1", "/data/2"]
    assert second["marker"] is None
    assert first["files"][1]["status"] == "pending"
    assert [each["time"] for each in events["events"]] == [(now + timedelta(seconds=n)).isoformat() for n in (2, 1, 0)]


def test_a_waiting_transfer_is_cancelled_and_a_finished_one_is_not(owner_calls: Caller, transfer: Transfer) -> None:
    answer = owner_calls.post(f"/transfers/{transfer.pk}/cancel")

    assert answer.status_code == 202
    assert answer.json()["status"] == "cancelled"
    assert owner_calls.post(f"/transfers/{transfer.pk}/cancel").status_code == 409


@pytest.mark.parametrize(("method", "end"), [("GET", ""), ("GET", "/files"), ("GET", "/events"), ("POST", "/cancel")])
def test_a_stranger_does_not_learn_that_it_exists(
    stranger_calls: Caller, transfer: Transfer, method: str, end: str
) -> None:
    assert stranger_calls.send(method, f"/transfers/{transfer.pk}{end}", None).status_code == 404
    assert stranger_calls.get("/transfers").json()["transfers"] == []
    assert Transfer.objects.get().status == "pending"
