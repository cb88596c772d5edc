"""Collections: the places that transfers copy between."""

from __future__ import annotations

from datetime import datetime
from html import unescape
from pathlib import Path
from typing import Any

import pytest
from django.test import Client

from tests.factories import make_webhook_timer
from tests.loopback import free_port
from tests.storages.s3_server import KEYS
from tests.storages.sftp_server import PASSWORD, Server
from tests.web.transfers import factories
from timers.models import Collection
from timers.services.collections import commands as collections
from timers.targets import parse_networks

pytestmark = pytest.mark.django_db
Places = tuple[Collection, Collection]


@pytest.fixture
def loopback_is_open(settings: Any) -> None:
    settings.TIMERS_WEBHOOK_NETWORKS = parse_networks("127.0.0.0/8")


@pytest.fixture
def far(owner: Any, now: datetime, sftp_running: Server, loopback_is_open: None) -> Collection:
    """A collection on a running SFTP server."""
    storage = {"kind": "sftp", **sftp_running.parameters()}
    return collections.create(owner=owner, fields={"display_name": "far", "storage": storage}, now=now)


def text(browser: Client, address: str, **query: Any) -> str:
    return unescape(browser.get(address, query).content.decode())


def copying(owner: Any, places: Places, name: str, **fields: Any) -> None:
    make_webhook_timer(
        owner,
        name=name,
        action="transfer",
        body={
            "source_endpoint": str(places[0].pk).upper(),
            "destination_endpoint": str(places[1].pk),
            "DATA": [{"source_path": "/home/", "destination_path": "/copy/", "recursive": True}],
        },
        **fields,
    )


# The list


def test_collections_are_listed_for_those_who_may_use_them(
    owners_browser: Client, strangers_browser: Client, places: Places
) -> None:
    assert "archive" in text(owners_browser, "/collections/")
    assert "archive" not in text(strangers_browser, "/collections/")
    for end in ("", "edit/", "delete/"):
        assert strangers_browser.get(f"/collections/{places[0].pk}/{end}").status_code == 404
    for end in ("edit/", "delete/", "test/", "folder/"):
        assert strangers_browser.post(f"/collections/{places[0].pk}/{end}", {"name": "x"}).status_code == 404


def test_the_list_tells_abilities_health_and_use_at_a_fixed_cost(
    owners_browser: Client, owner: Any, places: Places, now: datetime, django_assert_num_queries: Any
) -> None:
    copying(owner, places, "Nightly copy")
    copying(owner, (places[0], places[0]), "Inside")
    collections.create(
        owner=owner, fields={"display_name": "bucket", "storage": {"kind": "s3", "bucket": "archive", **KEYS}}, now=now
    )
    owners_browser.post(f"/collections/{places[0].pk}/test/")
    owners_browser.get("/collections/")

    with django_assert_num_queries(8):  # session and user, the shell's three, collections, timers
        page = text(owners_browser, "/collections/")

    assert "2 timers" in page
    assert "1 timer<" in page
    assert "no timer<" in page
    assert "</svg>reachable</span>" in page
    assert page.count("</svg>not checked</span>") == 2
    assert "no rename" in page
    assert "no checksum" in page


def test_a_check_is_asked_for_in_the_list_and_answered_there(
    owners_browser: Client, places: Places, tmp_path: Path
) -> None:
    good = owners_browser.post(f"/collections/{places[0].pk}/test/", {"next": "/collections/"}, follow=True)
    (tmp_path / "archive").rename(tmp_path / "gone")
    bad = owners_browser.post(f"/collections/{places[1].pk}/test/", {"next": "/collections/"}, follow=True)

    assert good.redirect_chain == [("/collections/", 302)]
    assert "raw is reachable. Files can be read and written." in good.content.decode()
    assert 'role="alert"' in bad.content.decode()
    assert "archive is unreachable. / does not exist." in bad.content.decode()
    assert owners_browser.get(f"/collections/{places[0].pk}/test/").status_code == 405


# Making


@pytest.mark.parametrize("kind", ["local", "s3", "gcs", "sftp", "webdav", "smb", "azure", "http"])
def test_everybody_is_offered_the_kinds_that_they_may_make(
    owners_browser: Client, admins_browser: Client, kind: str
) -> None:
    assert admins_browser.get("/collections/new/", {"kind": kind}).status_code == 200
    assert owners_browser.get("/collections/new/", {"kind": kind}).status_code == (403 if kind == "local" else 200)
    assert f'href="?kind={kind}"' in text(admins_browser, "/collections/new/")
    assert ('href="?kind=local"' in text(owners_browser, "/collections/new/")) is False


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


def test_others_may_not_make_local_collections(owners_browser: Client, settings: Any, tmp_path: Path) -> None:
    settings.TIMERS_LOCAL_ROOTS = (tmp_path,)
    fields = {"display_name": "Data", "root": str(tmp_path)}

    assert owners_browser.post("/collections/new/?kind=local", fields).status_code == 403
    assert not Collection.objects.exists()


def test_an_sftp_server_is_added_and_its_secrets_are_never_shown(
    owners_browser: Client, sftp_running: Server, loopback_is_open: None
) -> None:
    fields = {"display_name": "far", "default_directory": "/", **sftp_running.parameters()}

    made = owners_browser.post("/collections/new/?kind=sftp", fields, follow=True)

    stored = Collection.objects.get()
    assert stored.secrets == {"password": PASSWORD}
    assert made.redirect_chain == [(f"/collections/{stored.pk}/", 302)]
    assert PASSWORD not in made.content.decode() + text(owners_browser, f"/collections/{stored.pk}/edit/")


def test_a_share_is_added_and_its_encryption_can_be_switched_off_and_on(owners_browser: Client) -> None:
    fields = {"display_name": "NAS", "host": "nas.example.org", "port": "445", "share": "documents"}
    account = {"username": "tests", "password": "tests only: secret"}
    assert 'name="encrypt"' in text(owners_browser, "/collections/new/", kind="smb")

    owners_browser.post("/collections/new/?kind=smb", {**fields, **account})
    stored = Collection.objects.get()
    assert (stored.storage["encrypt"], stored.secrets) == (False, {"password": account["password"]})

    owners_browser.post(f"/collections/{stored.pk}/edit/", {**fields, "username": "tests", "encrypt": "on"})
    stored.refresh_from_db()
    assert (stored.storage["encrypt"], stored.secrets) == (True, {"password": account["password"]})


def test_every_field_that_cannot_work_is_named_and_secrets_are_not_sent_back(
    owners_browser: Client, sftp_running: Server
) -> None:
    fields = {"display_name": "", "host": "sftp://x/", "port": "22", "username": "a", "password": "battery staple"}
    key = sftp_running.keys["ours"]

    page = unescape(owners_browser.post("/collections/new/?kind=sftp", {**fields, "private_key": key}).content.decode())

    for name in ("display_name", "host", "host_key"):
        assert f'href="#{name}"' in page
        assert f'id="{name}_error"' in page
    assert "The collection was not created." in page
    assert "Enter them again" in page
    assert "sftp://x/" in page
    assert "battery staple" not in page
    assert "PRIVATE KEY-----" not in page
    assert not Collection.objects.exists()


def test_a_bucket_is_added(owners_browser: Client) -> None:
    fields = {"display_name": "archive", "bucket": "archive", "endpoint_url": "https://s3.example.org/", **KEYS}

    assert owners_browser.post("/collections/new/?kind=s3", fields).status_code == 302

    stored = Collection.objects.get()
    endpoint = {"endpoint_url": "https://s3.example.org", "access_key_id": KEYS["access_key_id"]}
    assert stored.storage == {"bucket": "archive", **endpoint}
    assert stored.default_directory == "/"


# Changing, deleting


def test_secrets_left_empty_stay_as_they_are(owners_browser: Client, far: Collection) -> None:
    fields = {**far.storage, "display_name": "further", "default_directory": "/", "root": "/", "password": ""}

    response = owners_browser.post(f"/collections/{far.pk}/edit/", fields)

    assert response.status_code == 302
    far.refresh_from_db()
    assert (far.display_name, far.storage["root"], far.secrets) == ("further", "/", {"password": PASSWORD})


def test_a_key_takes_the_place_of_a_password(owners_browser: Client, far: Collection, sftp_running: Server) -> None:
    key = sftp_running.keys["ours"]

    response = owners_browser.post(
        f"/collections/{far.pk}/edit/",
        {**far.storage, "display_name": "far", "default_directory": "/", "private_key": key},
    )

    assert response.status_code == 302
    far.refresh_from_db()
    assert list(far.secrets) == ["private_key"]
    assert "far is reachable." in owners_browser.post(f"/collections/{far.pk}/test/", follow=True).content.decode()


def test_another_host_needs_the_password_again(owners_browser: Client, far: Collection) -> None:
    fields = {**far.storage, "display_name": "far", "default_directory": "/", "host": "files.example.org"}

    page = owners_browser.post(f"/collections/{far.pk}/edit/", fields).content.decode()

    assert 'id="password_error"' in page
    assert "Give it again: the host changed." in page
    far.refresh_from_db()
    assert far.storage["host"] == "127.0.0.1"


def test_the_owner_of_a_local_collection_renames_it_but_cannot_move_it(
    owners_browser: Client, places: Places, tmp_path: Path
) -> None:
    fields = {"display_name": "Raw data", "default_directory": "/home/", "root": str(tmp_path)}

    assert owners_browser.post(f"/collections/{places[0].pk}/edit/", fields).status_code == 302

    places[0].refresh_from_db()
    assert (places[0].display_name, places[0].default_directory) == ("Raw data", "/home/")
    assert places[0].storage == {"root": str(tmp_path / "raw")}


def test_deleting_asks_first_and_says_what_uses_it(
    owners_browser: Client, owner: Any, places: Places, now: datetime
) -> None:
    copying(owner, places, "Nightly copy")
    copying(owner, (places[1], places[1]), "Another one")
    factories.make_transfer(owner, places, now)
    path = f"/collections/{places[0].pk}/delete/"

    asked = text(owners_browser, path)

    assert "Used by 1 timer, which will fail" in asked
    assert "Nightly copy" in asked
    assert "Another one" not in asked
    assert "1 transfer under way uses it and goes on" in asked
    assert Collection.objects.visible_to(owner).count() == 2
    owners_browser.post(path)
    assert [each.display_name for each in Collection.objects.visible_to(owner)] == ["archive"]


# Looking into one


def test_a_collection_can_be_looked_into(owners_browser: Client, places: Places, tmp_path: Path) -> None:
    (tmp_path / "raw" / "home" / "latest").symlink_to("run-1.h5")

    root = text(owners_browser, f"/collections/{places[0].pk}/")
    folder = text(owners_browser, f"/collections/{places[0].pk}/", path="/home")

    assert 'href="?path=/home"' in root
    assert "run-1.h5" in folder
    assert "2.0\u00a0kB" in folder
    assert '<li aria-current="page">home</li>' in folder
    assert 'href="?path=/"' in folder
    assert 'latest</span><span class="tag">link</span>' in folder
    assert "2 items, 2.0\u00a0kB" in folder


def test_a_collection_tells_what_was_found_and_what_uses_it(owners_browser: Client, owner: Any, places: Places) -> None:
    copying(owner, places, "Nightly copy")
    before = text(owners_browser, f"/collections/{places[0].pk}/")
    owners_browser.post(f"/collections/{places[0].pk}/test/")

    after = text(owners_browser, f"/collections/{places[0].pk}/")

    assert "Not checked yet." in before
    assert "Nightly copy</a>" in before
    assert "Files can be read and written." in after
    assert "<dt>Reading</dt>" in after
    assert "12:00 UTC" in after


@pytest.mark.parametrize("path", ["/nowhere/", "/../../etc/", "/home/run-1.h5"])
def test_a_folder_that_cannot_be_shown_is_explained(owners_browser: Client, places: Places, path: str) -> None:
    response = owners_browser.get(f"/collections/{places[0].pk}/", {"path": path})

    assert response.status_code == 200
    assert 'role="alert"' in response.content.decode()


def test_a_server_that_is_down_is_explained(owners_browser: Client, far: Collection) -> None:
    far.storage = {**far.storage, "port": free_port()}
    far.save()

    page = text(owners_browser, f"/collections/{far.pk}/")

    assert "The connection to 127.0.0.1" in page
    assert "Nothing can be shown." in page


def test_a_long_folder_is_shown_page_by_page(owners_browser: Client, places: Places, tmp_path: Path) -> None:
    for number in range(500):
        (tmp_path / "raw" / "home" / f"part-{number}").touch()

    address = f"/collections/{places[0].pk}/"
    first = text(owners_browser, address, path="/home")
    assert "Page 1 of 2" in first
    assert 'page=2">Next</a>' in first
    last = text(owners_browser, address, path="/home", page="2")
    assert 'page=1">Previous</a>' in last
    assert "501 items" in last
    assert "Page 1 of 2" in text(owners_browser, address, path="/home", page="odd")


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("new", "/home/new was created."),
        ("run-1.h5", "is not a folder"),
        ("", "Give the folder a name"),
        ("a/b", "slash"),
    ],
)
def test_a_folder_is_made_where_one_looks(
    owners_browser: Client, places: Places, tmp_path: Path, name: str, said: str
) -> None:
    here = f"/collections/{places[0].pk}/?path=/home"

    page = owners_browser.post(
        f"/collections/{places[0].pk}/folder/", {"path": "/home", "name": name, "next": here}, follow=True
    )

    assert page.redirect_chain == [(here, 302)]
    assert said in page.content.decode()
    assert (tmp_path / "raw" / "home" / "new").is_dir() == (name == "new")
