"""Collections: who may have which, what is kept of them, and browsing."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from timers.errors import Forbidden, Invalid, NotFound
from timers.models import Collection, Event
from timers.services.collections import commands as collections

pytestmark = pytest.mark.django_db


@pytest.fixture
def root(tmp_path: Path, settings: Any) -> Path:
    settings.TIMERS_LOCAL_ROOTS = (tmp_path,)
    folder = tmp_path / "lab"
    folder.mkdir()
    return folder


@pytest.fixture
def create(root: Path, admin: Any, now: Any) -> Callable[..., Collection]:
    def _create(**fields: Any) -> Collection:
        given = {"display_name": "Lab", "storage": {"kind": "local", "root": str(root)}, **fields}
        return collections.create(owner=admin, fields=given, now=now)

    return _create


def invalid(field: str) -> Any:
    return pytest.raises(Invalid, check=lambda error: list(error.fields) == [field])


def test_an_administrator_offers_a_folder(create: Any, root: Path, admin: Any) -> None:
    collection = create(description="All of it", default_directory="/home")

    collection.refresh_from_db()
    assert collection.kind == "local"
    assert collections.storage_document(collection) == {"kind": "local", "root": str(root)}
    assert collection.default_directory == "/home/"
    assert collection.entity_type == "GCSv5_guest_collection"
    assert Event.objects.get().verb == "collection_created"
    assert collections.abilities(collection)["rename"] is True


def test_an_id_may_be_given(root: Path, admin: Any, now: Any) -> None:
    wanted = uuid4()

    collection = collections.create(
        owner=admin, fields={"display_name": "x", "storage": {"kind": "local", "root": str(root)}}, now=now, id=wanted
    )

    assert collection.pk == wanted


def test_others_may_not_offer_folders_of_the_machine(root: Path, owner: Any, now: Any) -> None:
    with pytest.raises(Forbidden):
        collections.create(
            owner=owner, fields={"display_name": "x", "storage": {"kind": "local", "root": str(root)}}, now=now
        )
    assert not Collection.objects.exists()


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"display_name": ""}, "display_name"),
        ({"display_name": "a\nb"}, "display_name"),
        ({"display_name": "x" * 256}, "display_name"),
        ({"description": 7}, "description"),
        ({"storage": "local"}, "storage"),
        ({"storage": {}}, "storage.kind"),
        ({"storage": {"kind": ["local"]}}, "storage.kind"),
        ({"storage": {"kind": "local"}}, "storage.root"),
        ({"storage": {"kind": "local", "root": "/etc"}}, "storage.root"),
        ({"storage": {"kind": "local", "root": "/etc", "port": 1}}, "storage.port"),
        ({"default_directory": "/a/../b"}, "default_directory"),
        ({"default_directory": "~/x"}, "default_directory"),
        ({"entity_type": "folder"}, "entity_type"),
        ({"entity_type": []}, "entity_type"),
        ({"high_assurance": "yes"}, "high_assurance"),
        ({"owner": 1}, "owner"),
    ],
)
def test_a_bad_field_is_named(create: Any, fields: dict[str, Any], field: str) -> None:
    with invalid(field):
        create(**fields)


@pytest.mark.parametrize("kind", ["s3x", "ftp", "memory"])
def test_an_unknown_kind_is_answered_with_the_known_ones(create: Any, kind: str) -> None:
    with pytest.raises(Invalid, match=r"known: .*local") as caught:
        create(storage={"kind": kind})

    assert caught.value.code == "unknown_kind"


@pytest.mark.parametrize("missing", ["display_name", "storage"])
def test_name_and_storage_are_required(root: Path, admin: Any, now: Any, missing: str) -> None:
    fields = {"display_name": "x", "storage": {"kind": "local", "root": str(root)}}
    del fields[missing]

    with invalid(missing):
        collections.create(owner=admin, fields=fields, now=now)


def test_a_change_leaves_the_rest(create: Any, admin: Any, now: Any, root: Path) -> None:
    collection = create(description="old")

    collections.update(collection, changes={"display_name": "New"}, by=admin, now=now)

    collection.refresh_from_db()
    assert (collection.display_name, collection.description) == ("New", "old")
    assert collection.storage == {"root": str(root)}


def test_a_change_that_cannot_work_changes_nothing(create: Any, admin: Any, now: Any) -> None:
    collection = create()

    with invalid("storage.root"):
        collections.update(
            collection, changes={"display_name": "New", "storage": {"kind": "local", "root": "/"}}, by=admin, now=now
        )

    collection.refresh_from_db()
    assert collection.display_name == "Lab"


def test_a_deleted_collection_is_gone_and_its_files_stay(create: Any, admin: Any, now: Any, root: Path) -> None:
    (root / "f").touch()
    collection = create()

    collections.delete(collection, by=admin, now=now)
    collections.delete(collection, by=admin, now=now)

    with pytest.raises(NotFound):
        collections.get_for(admin, collection.pk)
    assert (root / "f").exists()
    assert Event.objects.filter(verb="collection_deleted").count() == 1


def test_strangers_know_nothing_of_it(create: Any, stranger: Any, admin: Any) -> None:
    collection = create()

    assert collections.get_for(admin, str(collection.pk)) == collection
    for unknown in (collection.pk, uuid4(), "no id", ""):
        with pytest.raises(NotFound):
            collections.get_for(stranger, unknown)
        assert collections.find(stranger, unknown) is None


# Browsing


def test_a_folder_is_listed_by_name(create: Any, root: Path) -> None:
    (root / "home" / "b").mkdir(parents=True)
    (root / "home" / "a.txt").write_text("hello")
    (root / "home" / ".timers-0123456789ab-1-1.part").touch()
    collection = create(default_directory="/home")

    for path in (None, "", "~", "/~/", "/home", "/home/"):
        listing = collections.list_directory(collection, path)
        assert listing.path == "/home"
        assert listing.entries[0][:3] == ("a.txt", "file", 5)
        assert [entry.name for entry in listing.entries] == ["a.txt", "b"]


def test_a_long_listing_says_that_it_was_cut(create: Any, root: Path) -> None:
    for number in range(5):
        (root / str(number)).touch()
    collection = create()

    assert collections.list_directory(collection, "/", limit=3).truncated
    assert not collections.list_directory(collection, "/", limit=5).truncated


@pytest.mark.parametrize(
    ("path", "error"),
    [("/no", NotFound), ("/file", Invalid), ("/../x", Invalid), ("/link", Forbidden), ("/link/sub", Forbidden)],
)
def test_what_cannot_be_listed_says_why(create: Any, root: Path, path: str, error: type[Exception]) -> None:
    (root / "file").touch()
    (root / "link").symlink_to("/etc")
    collection = create()

    with pytest.raises(error):
        collections.list_directory(collection, path)


def test_one_path_is_described(create: Any, root: Path) -> None:
    (root / "f").write_text("123")
    collection = create()

    assert collections.stat(collection, "/f").size == 3
    assert collections.stat(collection, "/").kind == "dir"
    with pytest.raises(NotFound):
        collections.stat(collection, "/g")


def test_folders_are_made_and_entries_moved(create: Any, root: Path) -> None:
    collection = create()

    assert collections.make_directory(collection, "~/new") == "/new"
    with invalid("path"):
        collections.make_directory(collection, "/new")
    collections.rename(collection, "/new", "/newer")
    with pytest.raises(NotFound):
        collections.rename(collection, "/new", "/x")
    with invalid("new_path"):
        collections.rename(collection, "/newer", "/newer/inside")

    assert [path.name for path in root.iterdir()] == ["newer"]
