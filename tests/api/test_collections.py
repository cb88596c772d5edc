"""/collections."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.api.conftest import Caller
from tests.factories import make_collection
from tests.loopback import free_port
from tests.storages.sftp_server import Server
from timers.api import examples
from timers.api.serializers.collections import CollectionSerializer
from timers.models import Collection, Event
from timers.services.collections import commands as collections
from timers.storages.local import LocalStorage
from timers.targets import parse_networks

HOST_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHnNhPuxHhE2K2SYhTVkYTGJEpXW9OSGTRjDJxxS1B1X"


@pytest.fixture
def root(tmp_path: Path, settings: Any) -> Path:
    """A folder inside the local roots, with a file and a folder."""
    settings.TIMERS_LOCAL_ROOTS = (tmp_path,)
    folder = tmp_path / "files"
    (folder / "inner").mkdir(parents=True)
    (folder / "a.txt").write_text("four")
    return folder


@pytest.fixture
def collection(owner: Any, root: Path) -> Collection:
    return make_collection(owner, root)


def test_an_administrator_creates_a_local_one(admin_calls: Caller, root: Path) -> None:
    wish = {"display_name": "Files", "storage": {"kind": "local", "root": str(root)}, "high_assurance": True}

    answer = admin_calls.post("/collections", wish)

    assert answer.status_code == 201
    document = answer.json()
    assert document["display_name"] == "Files"
    assert document["storage"] == {"kind": "local", "root": str(root)}
    assert document["default_directory"] == "/"
    assert document["entity_type"] == "GCSv5_guest_collection"
    assert document["high_assurance"] is True
    assert document["owner"] == "admin"
    assert document == admin_calls.get(f"/collections/{document['id']}").json()


def test_others_may_not_create_a_local_one(owner_calls: Caller, root: Path) -> None:
    wish = {"display_name": "Files", "storage": {"kind": "local", "root": str(root)}}

    answer = owner_calls.post("/collections", wish)

    assert answer.status_code == 403
    assert not Collection.objects.exists()


def test_the_example_has_the_fields_of_the_document() -> None:
    assert list(examples.COLLECTION) == CollectionSerializer.names()


def test_secrets_are_left_out(owner_calls: Caller, owner: Any) -> None:
    stored = Collection.objects.create(
        owner=owner,
        display_name="Archive",
        kind="s3",
        storage={"bucket": "archive"},
        secrets={"secret_access_key": "hidden"},
        created_at=owner.date_joined,
        updated_at=owner.date_joined,
    )

    answer = owner_calls.get(f"/collections/{stored.pk}")

    assert answer.json()["storage"] == {"kind": "s3", "bucket": "archive"}
    assert b"hidden" not in answer.content


@pytest.mark.parametrize(
    ("document", "field"),
    [
        ({}, "display_name"),
        ({"display_name": "x"}, "storage"),
        ({"display_name": "x", "storage": 5}, "storage"),
        ({"display_name": "x", "storage": {"kind": "tape"}}, "storage.kind"),
        ({"display_name": "x", "storage": {"kind": ["local"]}}, "storage.kind"),
        ({"display_name": "x", "storage": {"kind": "local", "root": "/etc"}}, "storage.root"),
        ({"display_name": "x", "storage": {"kind": "local"}, "colour": 1}, "colour"),
    ],
)
def test_what_cannot_work_is_refused_by_its_name(
    admin_calls: Caller, root: Path, document: dict[str, Any], field: str
) -> None:
    answer = admin_calls.post("/collections", document)

    assert answer.status_code == 400
    assert list(answer.json()["error"]["fields"]) == [field]
    assert not Collection.objects.exists()


def test_any_field_can_be_changed(owner_calls: Caller, collection: Collection) -> None:
    changes = {"display_name": "New", "description": "Old files", "default_directory": "/inner"}

    answer = owner_calls.patch(f"/collections/{collection.pk}", changes)

    assert answer.status_code == 200
    assert (answer.json()["display_name"], answer.json()["description"]) == ("New", "Old files")
    assert answer.json()["default_directory"] == "/inner/"
    assert owner_calls.patch(f"/collections/{collection.pk}", {"high_assurance": 1}).status_code == 400


def test_a_deleted_one_is_gone(owner_calls: Caller, collection: Collection) -> None:
    assert owner_calls.delete(f"/collections/{collection.pk}").status_code == 200

    assert owner_calls.get(f"/collections/{collection.pk}").status_code == 404
    assert owner_calls.get("/collections").json() == {"collections": [], "marker": None}


def test_a_folder_is_listed(owner_calls: Caller, collection: Collection) -> None:
    listing = owner_calls.get(f"/collections/{collection.pk}/ls", path="/").json()

    assert listing["path"] == "/"
    assert [(entry["name"], entry["type"]) for entry in listing["entries"]] == [("a.txt", "file"), ("inner", "dir")]
    assert listing["entries"][0]["size"] == 4
    assert listing["entries"][0]["modified_at"].endswith("+00:00")
    assert listing["truncated"] is False


def test_a_listing_says_when_there_is_more(owner_calls: Caller, collection: Collection) -> None:
    listing = owner_calls.get(f"/collections/{collection.pk}/ls", limit=1).json()

    assert len(listing["entries"]) == 1
    assert listing["truncated"] is True


@pytest.mark.parametrize(
    ("path", "status"), [("/missing", 404), ("/../..", 400), ("/a.txt", 400), ("/\0", 400), ("/~/inner", 200)]
)
def test_a_path_that_cannot_be_listed_says_why(
    owner_calls: Caller, collection: Collection, path: str, status: int
) -> None:
    assert owner_calls.get(f"/collections/{collection.pk}/ls", path=path).status_code == status


@pytest.fixture
def silent(owner: Any, now: Any, settings: Any) -> Collection:
    """A collection on a server that is down."""
    settings.TIMERS_WEBHOOK_NETWORKS = parse_networks("127.0.0.0/8")
    return collections.create(owner=owner, fields={"display_name": "Far", "storage": sftp(free_port())}, now=now)


def sftp(port: int) -> dict[str, Any]:
    address = {"host": "127.0.0.1", "port": port, "username": "owner", "password": "correct horse"}
    return {"kind": "sftp", **address, "host_key": HOST_KEY}


def test_a_storage_out_of_reach_is_not_the_callers_fault(owner_calls: Caller, silent: Collection) -> None:
    answer = owner_calls.get(f"/collections/{silent.pk}/ls")

    assert answer.status_code == 502
    assert answer.json()["error"]["code"] == "external_error"
    assert "Connection refused" in answer.json()["error"]["message"]


def test_a_refused_login_is_not_about_the_path(owner_calls: Caller, silent: Collection, sftp_running: Server) -> None:
    storage = {**sftp(sftp_running.port), "host_key": sftp_running.host_key, "password": "wrong"}
    owner_calls.patch(f"/collections/{silent.pk}", {"storage": storage})

    answer = owner_calls.get(f"/collections/{silent.pk}/ls")

    assert answer.status_code == 502
    assert "wrong user name or password" in answer.json()["error"]["message"]


def test_it_says_what_it_can_do(owner_calls: Caller, collection: Collection) -> None:
    document = owner_calls.get(f"/collections/{collection.pk}").json()

    assert document["abilities"]["rename"] is True
    assert document["abilities"]["checksums"] == []
    assert document["health"] is None


def test_a_test_tells_what_was_found_and_the_collection_remembers(
    owner_calls: Caller, collection: Collection, root: Path
) -> None:
    answer = owner_calls.post(f"/collections/{collection.pk}/test")

    assert answer.status_code == 200
    found = answer.json()
    assert list(found) == list(examples.COLLECTION_TEST)
    assert (found["read"], found["write"], found["status"]) == (True, True, "reachable")
    health = owner_calls.get(f"/collections/{collection.pk}").json()["health"]
    assert set(health) == set(examples.HEALTH)
    assert (health["readable"], health["writable"], health["message"]) == (True, True, found["message"])
    assert sorted(path.name for path in root.iterdir()) == ["a.txt", "inner"]


def test_what_cannot_be_reached_is_an_answer_and_no_error(owner_calls: Caller, silent: Collection) -> None:
    answer = owner_calls.post(f"/collections/{silent.pk}/test", {})

    assert answer.status_code == 200
    found = answer.json()
    assert (found["status"], found["reason"]) == ("unreachable", "connection_error")
    assert (found["read"], found["write"], found["error"]) == (False, False, found["message"])
    assert b"correct horse" not in answer.content


def test_a_place_that_can_only_be_read_is_not_written_and_that_is_no_error(
    owner_calls: Caller, collection: Collection, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(LocalStorage, "abilities", replace(LocalStorage.abilities, write=False))

    found = owner_calls.post(f"/collections/{collection.pk}/test").json()

    assert (found["read"], found["write"], "error" in found) == (True, False, False)
    assert found["message"] == "Files can be read. Nothing can be written: the place is read-only."


def test_a_repeated_test_answers_as_the_first_did(owner_calls: Caller, collection: Collection, root: Path) -> None:
    key = {"Idempotency-Key": "once"}
    first = owner_calls.post(f"/collections/{collection.pk}/test", **key)
    root.rename(root.with_name("gone"))

    again = owner_calls.post(f"/collections/{collection.pk}/test/", **key)

    assert again.content == first.content
    assert Event.objects.filter(verb="collection_tested").count() == 1


def test_secrets_stay_when_masked_but_not_for_another_host(owner_calls: Caller, silent: Collection) -> None:
    masked = {**sftp(silent.storage["port"]), "password": "***"}

    assert owner_calls.patch(f"/collections/{silent.pk}", {"storage": {**masked, "root": "/x"}}).status_code == 200
    answer = owner_calls.patch(f"/collections/{silent.pk}", {"storage": {**masked, "host": "files.example.org"}})

    assert answer.status_code == 400
    assert answer.json()["error"]["fields"] == {"storage.password": ["Give it again: the host changed."]}
    silent.refresh_from_db()
    assert (silent.storage["root"], silent.secrets) == ("/x", {"password": "correct horse"})


def test_lists_come_in_pages_newest_first_at_a_fixed_cost(
    owner_calls: Caller, owner: Any, root: Path, now: Any, django_assert_num_queries: Any
) -> None:
    made = [str(make_collection(owner, root, display_name=f"{n}").pk) for n in range(5)]
    owner_calls.get("/collections")  # notes the use of the token

    seen: list[str] = []
    query: dict[str, Any] = {"limit": 2}
    while "marker" not in query or query["marker"] is not None:
        with django_assert_num_queries(2):  # the token, the rows
            answer = owner_calls.get("/collections", **query).json()
        seen += [each["id"] for each in answer["collections"]]
        query["marker"] = answer["marker"]

    assert seen == sorted(made)  # all made at the same instant: their ids decide


@pytest.mark.parametrize(
    ("method", "end"), [("GET", ""), ("PATCH", ""), ("DELETE", ""), ("GET", "/ls"), ("POST", "/test")]
)
def test_a_stranger_does_not_learn_that_it_exists(
    stranger_calls: Caller, collection: Collection, method: str, end: str
) -> None:
    assert stranger_calls.send(method, f"/collections/{collection.pk}{end}", {}).status_code == 404
    assert stranger_calls.get("/collections").json()["collections"] == []
    assert Collection.objects.get().deleted_at is None
