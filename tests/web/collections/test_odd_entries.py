"""Folders that hold whatever a disk can hold: every call and page shows them, and none fails."""

from __future__ import annotations

import os
import stat
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from django.test import Client

from tests.factories import make_collection
from timers import clock
from timers.models import Collection, Transfer, TransferFile
from timers.services.people import tokens
from timers.services.transfers import commands as transfers

pytestmark = pytest.mark.django_db

LATIN = b"ma\xf1ana.txt"
READABLE = r"ma\xf1ana.txt"
ENTRIES = 12
FAR_NS = 916_000_000_000 * 10**9
"""Nanoseconds of a time in the year 30,996; a disk that keeps no such time keeps its own last one."""


@pytest.fixture
def odd(tmp_path: Path, settings: Any, owner: Any) -> Collection:
    """A collection over a folder of odd entries."""
    settings.TIMERS_LOCAL_ROOTS = (tmp_path,)
    root = tmp_path / "odd"
    root.mkdir()
    for name in (LATIN, b"two\nlines", b"<b>\"'&%2F", b"  blank ", b"old", b"far", b"private", b"x" * 255):
        (root / os.fsdecode(name)).write_bytes(b"four")
    (root / os.fsdecode(b"f\xf6lder")).mkdir()
    os.mkfifo(root / "pipe")
    os.mknod(root / "socket", stat.S_IFSOCK | 0o600)
    (root / "dangling").symlink_to("nowhere")
    os.utime(root / "far", ns=(FAR_NS, FAR_NS))
    os.utime(root / "old", ns=(-(2**31) * 10**9, -(2**31) * 10**9))
    (root / "private").chmod(0)
    return make_collection(owner, root)


@pytest.fixture
def bearer(owner: Any) -> Client:
    _, token = tokens.create_token(owner=owner, name="tests", now=clock.now())
    return Client(headers={"Authorization": f"Bearer {token}"})


def test_the_api_lists_every_entry_with_its_kind(bearer: Client, odd: Collection) -> None:
    listing = bearer.get(f"/api/v1/collections/{odd.pk}/ls").json()

    entries = {entry["name"]: (entry["type"], entry["addressable"]) for entry in listing["entries"]}
    assert len(entries) == ENTRIES
    assert entries[READABLE] == ("file", False)
    assert entries[r"f\xf6lder"] == ("dir", False)
    assert entries["two\nlines"] == entries["far"] == entries["private"] == ("file", True)
    assert entries["pipe"] == entries["socket"] == ("other", True)
    assert entries["dangling"] == ("symlink", True)
    assert listing["truncated"] is False


@pytest.mark.parametrize("path", ["", "/f%F6lder", quote(r"/f\xf6lder"), "/pipe", "/socket/x", "/dangling", "/%00"])
def test_no_path_into_it_is_a_server_error(bearer: Client, owners_browser: Client, odd: Collection, path: str) -> None:
    query = f"?path={path}" if path else ""

    answers = [
        bearer.get(f"/api/v1/collections/{odd.pk}/ls{query}"),
        bearer.get(f"/globus/v0.10/operation/endpoint/{odd.pk}/ls{query}"),
        bearer.get(f"/globus/v0.10/operation/endpoint/{odd.pk}/stat{query}"),
        owners_browser.get(f"/collections/{odd.pk}/{query}"),
    ]

    assert all(answer.status_code < 500 or answer.json()["code"].startswith("ExternalError") for answer in answers)
    assert answers[3].status_code == 200


@pytest.mark.parametrize("order", ["", "name", "size", "type", "last_modified DESC", "type,last_modified"])
def test_globus_clients_list_every_entry_in_any_order(bearer: Client, odd: Collection, order: str) -> None:
    answer = bearer.get(f"/globus/v0.10/operation/endpoint/{odd.pk}/ls", {"orderby": order})

    assert answer.status_code == 200
    names = [entry["name"] for entry in answer.json()["DATA"]]
    assert len(names) == ENTRIES
    assert READABLE in names


def test_the_page_shows_what_cannot_be_opened_without_a_link(owners_browser: Client, odd: Collection) -> None:
    page = owners_browser.get(f"/collections/{odd.pk}/").content.decode()

    assert READABLE in page
    assert page.count("name cannot be used") == 2
    assert quote(r"/f\xf6lder") not in page
    assert "special" in page


def test_the_file_browser_offers_only_what_can_be_named(owners_browser: Client, odd: Collection) -> None:
    fields = {"source": str(odd.pk), "files": "open:source:/", "action": "transfer"}

    part = owners_browser.post("/timers/new/files/", fields, headers={"HX-Request": "true"}).content.decode()

    assert READABLE in part
    assert f"Add {READABLE}" not in part
    assert "Add far" in part


@pytest.mark.parametrize("zone", ["Pacific/Kiritimati", "America/New_York", "UTC"])
def test_a_transfer_of_any_size_time_and_name_is_shown(
    bearer: Client, owners_browser: Client, owner: Any, odd: Collection, zone: str
) -> None:
    ends = {"source_endpoint": str(odd.pk), "destination_endpoint": str(odd.pk)}
    items = [{"source_path": "/f", "destination_path": "/t/", "recursive": True}]
    transfer = transfers.submit(owner=owner, body={**ends, "DATA": items}, now=clock.now())
    for number, at in enumerate((datetime.max.replace(tzinfo=UTC), datetime.min.replace(tzinfo=UTC))):
        TransferFile.objects.create(
            transfer=transfer,
            item=0,
            step="copy",
            state=("failed", "skipped")[number],
            source_path=f"/f/in//out {READABLE}",
            destination_path=f'/t/a\r\n,"{number}',
            size=2**63 - 1 if number else 0,
            modified_at=at,
            there_size=2**62,
            there_modified_at=at,
            failure_reason="bad_name",
            error_message="The name cannot be used.",
        )
    Transfer.objects.update(status="succeeded", warnings=1, files_skipped=1)
    owners_browser.post("/account/", {"timezone": zone})

    addresses = [
        f"/api/v1/transfers/{transfer.pk}{end}"
        for end in ("", "/files", "/files?status=warning", "/manifest?as=csv", "/manifest?as=json", "/events")
    ]
    for address in addresses:
        answer = bearer.get(address)
        assert answer.status_code == 200
        assert b"".join(answer) if answer.streaming else answer.content
    for query in ("", "?files=warning", "?files=all", "?files=faults"):
        assert owners_browser.get(f"/transfers/{transfer.pk}/{query}").status_code == 200
    assert bearer.get(f"/globus/v0.10/task/{transfer.pk}/skipped_errors").status_code == 200
