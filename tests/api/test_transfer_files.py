"""/transfers/{id}/files and /manifest."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import subprocess
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from tests.api.conftest import Caller
from timers.clock import to_us
from timers.copying.bundles import Member, encode
from timers.models import Transfer, TransferFile

NAMES = ("plain.txt", "two\nlines", "back\\slash", "carriage\rreturn", "-dash", " blank ", 'ü,"q"')


def digest(name: str) -> str:
    return hashlib.sha256(name.encode()).hexdigest()


@pytest.fixture
def copied(transfer: Transfer, now: datetime) -> Transfer:
    """A transfer with a folder, a pack of odd names, a file that was the same, one that failed and one deleted."""

    def add(step: str, name: str, state: str, **fields: Any) -> None:
        paths = {"source_path": f"/data{name}", "destination_path": f"/copy{name}"}
        TransferFile.objects.create(
            **{"transfer": transfer, "item": 0, "step": step, "state": state, **paths, **fields}
        )

    members = [Member(name, len(name.encode()), to_us(now), None, None, digest(name)) for name in NAMES]
    add("mkdir", "/d", "done", verdict="add")
    add("copy", "/d", "done", verdict="add", verified="checksum", members=encode(members), count=len(members))
    add("copy", "/same", "skipped", verdict="same", level="size", size=4, there_size=4, there_modified_at=now)
    add("copy", "/bad", "failed", error_message="No.")
    add("delete", "/old", "done", verdict="delete", source_path="", there_size=3)
    Transfer.objects.update(status="succeeded", files_transferred=len(NAMES), files_skipped=1)
    return transfer


def listed(caller: Caller, transfer: Transfer, **query: Any) -> list[str]:
    """Return the destination paths of all pages."""
    found, marker = [], ""
    while marker is not None:
        page = caller.get(f"/transfers/{transfer.pk}/files", limit=3, **query, **({"marker": marker} if marker else {}))
        found += [each["destination_path"] for each in page.json()["files"]]
        marker = page.json()["marker"]
    return found


def test_packs_are_listed_file_by_file(owner_calls: Caller, copied: Transfer, now: datetime) -> None:
    files = owner_calls.get(f"/transfers/{copied.pk}/files").json()["files"]

    assert [each["source_path"] for each in files[1:3]] == ["/data/d/plain.txt", "/data/d/two\nlines"]
    assert files[1] == {
        "step": "copy",
        "source_path": "/data/d/plain.txt",
        "destination_path": "/copy/d/plain.txt",
        "size": 9,
        "modified_at": now.isoformat(),
        "destination_size": None,
        "destination_modified_at": None,
        "status": "done",
        "verdict": "add",
        "level": None,
        "verified": "checksum",
        "checksum": digest("plain.txt"),
        "bytes_transferred": 9,
        "faults": 0,
        "error_message": None,
        "failure_reason": None,
        "completion_time": None,
    }
    assert listed(owner_calls, copied) == [each["destination_path"] for each in files]


@pytest.mark.parametrize(
    ("query", "paths"),
    [
        ({"status": "skipped,failed"}, ["/copy/same", "/copy/bad"]),
        ({"verdict": "error"}, ["/copy/bad"]),
        ({"verdict": "same,delete"}, ["/copy/same", "/copy/old"]),
        ({"q": "DASH"}, ["/copy/d/-dash"]),
        ({"q": "ü"}, ['/copy/d/ü,"q"']),
        ({"status": "done", "q": "old"}, ["/copy/old"]),
    ],
)
def test_files_are_found_by_state_verdict_and_name(
    owner_calls: Caller, copied: Transfer, query: dict[str, str], paths: list[str]
) -> None:
    assert listed(owner_calls, copied, **query) == paths


@pytest.mark.parametrize(
    ("name", "value"),
    [("status", "ready"), ("verdict", "add,new"), ("marker", "x"), ("limit", "0"), ("q", "x" * 300)],
)
def test_a_parameter_that_cannot_work_is_named(owner_calls: Caller, copied: Transfer, name: str, value: str) -> None:
    answer = owner_calls.get(f"/transfers/{copied.pk}/files", **{name: value})

    assert answer.status_code == 400
    assert list(answer.json()["error"]["fields"]) == [name]


def test_the_plan_counts_files_and_bytes(owner_calls: Caller, copied: Transfer) -> None:
    plan = owner_calls.get(f"/transfers/{copied.pk}").json()["plan"]

    assert {name: amount["files"] for name, amount in plan.items()} == {
        "add": len(NAMES),
        "change": 0,
        "delete": 1,
        "same": 1,
        "error": 1,
    }
    assert plan["same"]["bytes"] == 4


# Manifests


def manifest(caller: Caller, transfer: Transfer, way: str) -> Any:
    return caller.get(f"/transfers/{transfer.pk}/manifest", **{"as": way} if way else {})


@pytest.mark.parametrize("way", ["", "json"])
def test_a_manifest_is_one_json_document(owner_calls: Caller, copied: Transfer, way: str) -> None:
    answer = manifest(owner_calls, copied, way)

    document = json.loads(answer.getvalue())
    assert answer.streaming
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.headers["Content-Disposition"] == f'attachment; filename="transfer-{copied.pk}.json"'
    assert document["transfer"]["id"] == str(copied.pk)
    paths = [each["destination_path"] for each in document["files"]]
    assert paths == [*(f"/copy/d/{name}" for name in NAMES), "/copy/same"]


def test_a_manifest_as_csv_has_the_same_rows_and_a_header(owner_calls: Caller, copied: Transfer) -> None:
    answer = manifest(owner_calls, copied, "csv")

    rows = list(csv.DictReader(io.StringIO(answer.getvalue().decode(), newline="")))
    assert [row["destination_path"] for row in rows] == [*(f"/copy/d/{name}" for name in NAMES), "/copy/same"]
    assert (rows[0]["checksum"], rows[-1]["level"]) == (digest("plain.txt"), "size")


def test_a_manifest_of_digests_is_checked_by_sha256sum(owner_calls: Caller, copied: Transfer, tmp_path: Path) -> None:
    folder = tmp_path / "root" / "copy" / "d"
    folder.mkdir(parents=True)
    for name in NAMES:
        (folder / name).write_bytes(name.encode())
    text = manifest(owner_calls, copied, "sha256").getvalue()

    checked = subprocess.run(
        ["sha256sum", "--check", "--strict"], cwd=tmp_path / "root", input=text, capture_output=True, check=False
    )

    assert checked.returncode == 0, checked.stderr
    assert checked.stdout.count(b": OK\n") == len(NAMES)
    assert text.decode().splitlines()[-1] == "# 1 more without a known SHA-256 digest"


def test_digests_that_nobody_knows_are_refused(owner_calls: Caller, copied: Transfer) -> None:
    TransferFile.objects.filter(transfer=copied, members__isnull=False).delete()

    answer = manifest(owner_calls, copied, "sha256")

    assert answer.status_code == 409
    assert "digest" in answer.json()["error"]["message"]


def test_another_kind_of_manifest_is_refused(owner_calls: Caller, copied: Transfer) -> None:
    answer = manifest(owner_calls, copied, "xml")

    assert answer.status_code == 400
    assert list(answer.json()["error"]["fields"]) == ["as"]


def test_the_manifest_of_a_deletion_lists_what_is_gone(owner_calls: Caller, copied: Transfer) -> None:
    Transfer.objects.update(kind="delete", destination=None)

    document = json.loads(manifest(owner_calls, copied, "json").getvalue())

    assert [each["destination_path"] for each in document["files"]] == ["/copy/old"]


def test_what_was_left_out_is_a_warning_and_what_waits_is_waiting(
    owner_calls: Caller, transfer: Transfer, now: datetime
) -> None:
    for name, state, reason in (
        ("same", "skipped", None),
        ("odd", "skipped", "bad_name"),
        ("later", "deferred", None),
        ("todo", "pending", "storage_error"),
    ):
        TransferFile.objects.create(
            transfer=transfer,
            item=0,
            step="copy",
            state=state,
            failure_reason=reason,
            source_path=f"/data/{name}",
            destination_path=f"/{name}",
        )

    def states(**query: Any) -> dict[str, str]:
        files = owner_calls.get(f"/transfers/{transfer.pk}/files", **query).json()["files"]
        return {each["destination_path"]: each["status"] for each in files}

    assert states() == {"/same": "skipped", "/odd": "warning", "/later": "waiting", "/todo": "pending"}
    assert states(status="warning") == {"/odd": "warning"}
    assert states(status="skipped") == {"/same": "skipped"}
    assert states(status="waiting,pending") == {"/later": "waiting", "/todo": "pending"}
