"""Transfers as they go on, and the places they copy between."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.test import Client

from timers.models import Collection, Transfer, TransferEvent, TransferFile, TransferItem

pytestmark = pytest.mark.django_db
Places = tuple[Collection, Collection]


def make_transfer(owner: Any, places: Places, now: datetime, **fields: Any) -> Transfer:
    transfer = Transfer.objects.create(
        **{
            "owner": owner,
            "source": places[0],
            "destination": places[1],
            "label": "Nightly",
            "status": "active",
            "phase": "copy",
            "requested_at": now - timedelta(minutes=1),
            "started_at": now - timedelta(minutes=1),
            "files": 8,
            "files_transferred": 5,
            "bytes_total": 1_000_000,
            "bytes_transferred": 620_000,
            "faults": 1,
            **fields,
        }
    )
    TransferItem.objects.create(transfer=transfer, number=1, source_path="/home/", destination_path="/copy/")
    return transfer


def test_an_empty_list_says_what_a_transfer_is(owners_browser: Client) -> None:
    assert "A transfer makes a folder match another one" in owners_browser.get("/transfers/").content.decode()


def test_the_list_shows_progress_to_its_owner_alone(
    owners_browser: Client, strangers_browser: Client, owner: Any, places: Places, now: datetime
) -> None:
    transfer = make_transfer(owner, places, now)

    page = owners_browser.get("/transfers/").content.decode()

    assert "raw → archive" in page
    assert '<progress class="thin" max="100" value="62"' in page
    assert str(transfer.pk) not in strangers_browser.get("/transfers/").content.decode()
    assert strangers_browser.get(f"/transfers/{transfer.pk}/").status_code == 404
    assert strangers_browser.post(f"/transfers/{transfer.pk}/cancel/").status_code == 404


def test_the_list_takes_the_same_few_queries_for_many_rows(
    owners_browser: Client, owner: Any, places: Places, now: datetime, django_assert_num_queries: Callable[..., Any]
) -> None:
    for _ in range(7):
        make_transfer(owner, places, now)

    with django_assert_num_queries(6):
        owners_browser.get("/transfers/")


def test_one_transfer_shows_phases_files_faults_and_what_is_left(
    owners_browser: Client, owner: Any, places: Places, now: datetime
) -> None:
    transfer = make_transfer(owner, places, now)
    TransferFile.objects.create(
        transfer=transfer,
        item=1,
        step="copy",
        source_path="/home/a",
        destination_path="/copy/a",
        size=8_100_000,
        state="done",
        level="checksum",
    )
    TransferEvent.objects.create(
        transfer=transfer, at=now, code="fault", is_fault=True, text="connection reset", path="/home/b"
    )

    page = owners_browser.get(f"/transfers/{transfer.pk}/").content.decode()

    assert '<progress max="100" value="62" aria-label="Transfer">' in page
    assert '<li aria-current="step">' in page
    assert "620\u00a0kB of 1.0\u00a0MB" in page
    assert "about" in page
    assert "/copy/a" in page
    assert "connection reset" in page
    assert "checksum" in page
    assert ">Cancel</button>" in page


def test_a_failed_transfer_says_why_in_an_alert(
    owners_browser: Client, owner: Any, places: Places, now: datetime
) -> None:
    transfer = make_transfer(
        owner, places, now, status="failed", error_message="/home/x does not exist.", finished_at=now
    )

    page = owners_browser.get(f"/transfers/{transfer.pk}/").content.decode()

    assert 'role="alert"' in page
    assert "/home/x does not exist." in page
    assert ">Cancel</button>" not in page
    assert "data-live" not in page


def test_a_transfer_can_be_cancelled(owners_browser: Client, owner: Any, places: Places, now: datetime) -> None:
    transfer = make_transfer(owner, places, now, status="pending", started_at=None)

    owners_browser.post(f"/transfers/{transfer.pk}/cancel/")

    transfer.refresh_from_db()
    assert transfer.status == "cancelled" or transfer.cancel_requested


def test_collections_are_listed_for_those_who_may_use_them(
    owners_browser: Client, strangers_browser: Client, places: Places
) -> None:
    assert "archive" in owners_browser.get("/collections/").content.decode()
    assert "archive" not in strangers_browser.get("/collections/").content.decode()
    assert strangers_browser.get(f"/collections/{places[0].pk}/").status_code == 404


def test_a_collection_can_be_looked_into(owners_browser: Client, places: Places) -> None:
    root = owners_browser.get(f"/collections/{places[0].pk}/").content.decode()
    folder = owners_browser.get(f"/collections/{places[0].pk}/?path=/home").content.decode()

    assert 'href="?path=/home"' in root
    assert "run-1.h5" in folder
    assert "2.0\u00a0kB" in folder
    assert '<li aria-current="page">home</li>' in folder


@pytest.mark.parametrize("path", ["/nowhere/", "/../../etc/", "/home/run-1.h5"])
def test_a_folder_that_cannot_be_shown_is_explained(owners_browser: Client, places: Places, path: str) -> None:
    response = owners_browser.get(f"/collections/{places[0].pk}/", {"path": path})

    assert response.status_code == 200
    assert 'role="alert"' in response.content.decode()


def test_administrators_make_local_collections(admins_browser: Client, settings: Any, tmp_path: Path) -> None:
    settings.TIMERS_LOCAL_ROOTS = (tmp_path,)
    (tmp_path / "data").mkdir()

    response = admins_browser.post("/collections/new/", {"display_name": "Data", "root": str(tmp_path / "data")})

    assert response.status_code == 302
    assert Collection.objects.get().display_name == "Data"


def test_a_folder_outside_the_allowed_ones_is_refused_at_its_field(
    admins_browser: Client, settings: Any, tmp_path: Path
) -> None:
    settings.TIMERS_LOCAL_ROOTS = (tmp_path / "allowed",)

    page = admins_browser.post("/collections/new/", {"display_name": "Data", "root": "/etc"}).content.decode()

    assert 'href="#root"' in page
    assert 'id="root_error"' in page
    assert not Collection.objects.exists()


def test_others_may_not_make_local_collections(owners_browser: Client) -> None:
    assert owners_browser.get("/collections/new/").status_code == 403
    assert "New collection" not in owners_browser.get("/collections/").content.decode()
