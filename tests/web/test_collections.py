"""Collections: the places that transfers copy between."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from django.test import Client

from timers.models import Collection

pytestmark = pytest.mark.django_db
Places = tuple[Collection, Collection]


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
