"""Reading a transfer's document: what is known, what it means, what contradicts itself."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from tests.factories import make_collection
from timers.errors import Invalid
from timers.models import Collection
from timers.services.transfers import commands as transfers
from timers.services.transfers.submissions import RunValues, Submission, read

pytestmark = pytest.mark.django_db


@pytest.fixture
def places(tmp_path: Path, settings: Any, owner: Any) -> tuple[Collection, Collection]:
    settings.TIMERS_LOCAL_ROOTS = (tmp_path,)
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    return make_collection(owner, tmp_path / "a"), make_collection(owner, tmp_path / "b", default_directory="/home/")


@pytest.fixture
def body(places: tuple[Collection, Collection]) -> Callable[..., dict[str, Any]]:
    def _body(*items: dict[str, Any], **more: Any) -> dict[str, Any]:
        source, destination = places
        return {
            "source_endpoint": str(source.pk),
            "destination_endpoint": str(destination.pk),
            "DATA": list(items) or [{"source_path": "/f", "destination_path": "/f"}],
            **more,
        }

    return _body


@pytest.fixture
def understood(body: Any, owner: Any) -> Callable[..., Submission]:
    return lambda *items, **more: read(body(*items, **more), owner=owner, values=RunValues())


@pytest.fixture
def within(body: Any, places: tuple[Collection, Collection], owner: Any) -> Callable[..., Submission]:
    """Read a transfer inside one collection."""
    return lambda *items: read(body(*items, destination_endpoint=str(places[0].pk)), owner=owner, values=RunValues())


def item(source: str = "/s", destination: str = "/d", **more: Any) -> dict[str, Any]:
    return {"DATA_TYPE": "transfer_item", "source_path": source, "destination_path": destination, **more}


def invalid(field: str) -> Any:
    return pytest.raises(
        Invalid,
        check=lambda error: list(error.fields) == [field] and all(t[0].endswith(".") for t in error.fields.values()),
    )


def test_everything_that_globus_clients_send_is_understood(body: Any, owner: Any) -> None:
    document = body(
        item("/~/x", "~/y", recursive=True, external_checksum=None),
        DATA_TYPE="transfer",
        submission_id=str(uuid4()),
        label="nightly",
        sync_level="checksum",
        verify_checksum=True,
        preserve_timestamp=True,
        encrypt_data=False,
        deadline="2030-01-01 00:00:00",
        skip_source_errors=True,
        fail_on_quota_errors=True,
        delete_destination_extra=True,
        notify_on_succeeded=False,
        notify_on_failed=False,
        notify_on_inactive=False,
        store_base_path_info=False,
        recursive_symlinks="ignore",
        source_local_user=None,
        destination_local_user="alice",
        filter_rules=[{"DATA_TYPE": "filter_rule", "method": "exclude", "name": "*.tmp"}],
        additional_fields={},
    )

    cleaned = transfers.check_body(document, owner=owner)

    assert cleaned == {**document, "sync_level": 3}
    assert transfers.check_body(cleaned, owner=owner) == cleaned


def test_what_is_absent_has_its_default(understood: Any) -> None:
    options = understood().options

    assert options["verify_checksum"] is True
    assert options["preserve_timestamp"] is False
    assert options["sync_level"] is None
    assert options["filter_rules"] is None
    assert options["notify_on_failed"] is True


def test_limits_and_links_are_kept(understood: Any) -> None:
    given = {"dry_run": True, "max_bytes_per_second": 1024, "max_concurrency": 64, "recursive_symlinks": "keep"}

    assert understood(**given).options.items() >= given.items()


def test_null_means_absent(understood: Any) -> None:
    nothing = dict.fromkeys(
        ("label", "sync_level", "deadline", "filter_rules", "verify_checksum", "submission_id", "recursive_symlinks")
    )

    assert understood(**nothing).options == understood().options


@pytest.mark.parametrize(("given", "level"), [(0, 0), (3, 3), ("exists", 0), ("SIZE", 1), ("mtime", 2), (None, None)])
def test_sync_levels_are_numbers_or_names(understood: Any, given: Any, level: int | None) -> None:
    assert understood(sync_level=given).options["sync_level"] == level


def test_paths_start_where_their_collection_says(understood: Any) -> None:
    (found,) = understood(item("~/x", "/~/y")).items

    assert (found.source_path, found.destination_path) == ("/x", "/home/y")


def test_a_destination_that_is_written_as_a_folder_takes_the_file_in(understood: Any) -> None:
    into, exact, tree = understood(item("/a/f", "/d/"), item("/a/f", "/d/g"), item("/a", "/e/", recursive=True)).items

    assert (into.target, exact.target, tree.target) == ("/d/f", "/d/g", "/e")


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"source_endpoint": None}, "source_endpoint"),
        ({"source_endpoint": "nonsense"}, "source_endpoint"),
        ({"source_endpoint": 7}, "source_endpoint"),
        ({"destination_endpoint": str(uuid4())}, "destination_endpoint"),
        ({"DATA": None}, "DATA"),
        ({"DATA": []}, "DATA"),
        ({"DATA": {}}, "DATA"),
        ({"DATA": ["/f"]}, "DATA.0"),
        ({"DATA": [{"source_path": "/f"}]}, "DATA.0.destination_path"),
        ({"DATA": [item("/a/../b")]}, "DATA.0.source_path"),
        ({"DATA": [item(), item("/x", "/\0")]}, "DATA.1.destination_path"),
        ({"DATA": [item(recursive="yes")]}, "DATA.0.recursive"),
        ({"DATA": [item(size=3)]}, "DATA.0.size"),
        ({"DATA": [item(external_checksum="xyz")]}, "DATA.0.external_checksum"),
        ({"DATA": [item(external_checksum="ab" * 32, checksum_algorithm="crc")]}, "DATA.0.checksum_algorithm"),
        ({"DATA": [item(external_checksum="ab" * 32, recursive=True)]}, "DATA.0.external_checksum"),
        ({"DATA": [item(), item()]}, "DATA.1"),
        ({"DATA": [item(), item("/other")]}, "DATA.1.destination_path"),
        ({"sync_level": 4}, "sync_level"),
        ({"sync_level": True}, "sync_level"),
        ({"sync_level": "all"}, "sync_level"),
        ({"sync_level": []}, "sync_level"),
        ({"verify_checksum": "true"}, "verify_checksum"),
        ({"skip_source_errors": 1}, "skip_source_errors"),
        ({"label": "x" * 129}, "label"),
        ({"label": "two\nlines"}, "label"),
        ({"label": 7}, "label"),
        ({"deadline": "soon"}, "deadline"),
        ({"deadline": 7}, "deadline"),
        ({"submission_id": "x"}, "submission_id"),
        ({"filter_rules": [{"method": "exclude"}]}, "filter_rules.0.name"),
        ({"recursive_symlinks": "follow"}, "recursive_symlinks"),
        ({"recursive_symlinks": []}, "recursive_symlinks"),
        ({"dry_run": 1}, "dry_run"),
        ({"max_bytes_per_second": 1023}, "max_bytes_per_second"),
        ({"max_bytes_per_second": 2048.5}, "max_bytes_per_second"),
        ({"max_concurrency": 0}, "max_concurrency"),
        ({"max_concurrency": 65}, "max_concurrency"),
        ({"DATA_TYPE": "copy"}, "DATA_TYPE"),
        ({"DATA": [item(DATA_TYPE="delete_item")]}, "DATA.0.DATA_TYPE"),
        ({"endpoint": str(uuid4())}, "endpoint"),
        ({"ignore_missing": True}, "ignore_missing"),
        ({"source_local_user": 7}, "source_local_user"),
        ({"delete_destination_extra": True, "DATA": [item(recursive=False)]}, "delete_destination_extra"),
        ({"max_delete": 3}, "max_delete"),
        ({"max_delete": -1, "delete_destination_extra": True}, "max_delete"),
        ({"bandwith": 3}, "bandwith"),
    ],
)
def test_what_cannot_work_is_named(body: Any, owner: Any, changes: dict[str, Any], field: str) -> None:
    with invalid(field):
        read(body(**changes), owner=owner, values=RunValues())


def test_a_document_that_is_none_is_refused(owner: Any) -> None:
    with invalid("body"):
        read([], owner=owner, values=RunValues())


def test_collections_of_others_are_unknown(body: Any, stranger: Any) -> None:
    with invalid("source_endpoint"):
        read(body(), owner=stranger, values=RunValues())


@pytest.mark.parametrize(
    ("source", "destination", "recursive", "field"),
    [
        ("/a", "/a", None, "DATA.0.destination_path"),
        ("/a", "/a", False, "DATA.0.destination_path"),
        ("/a/f", "/a/", None, "DATA.0.destination_path"),
        ("/a", "/a/b", True, "DATA.0.destination_path"),
        ("/a", "/a/b", None, "DATA.0.destination_path"),
        ("/", "/b", True, "DATA.0.destination_path"),
        ("/a/b", "/a", True, "DATA.0.source_path"),
        ("/a/b", "/", True, "DATA.0.source_path"),
    ],
)
def test_source_and_destination_may_not_lie_in_each_other(
    within: Any, source: str, destination: str, recursive: bool | None, field: str
) -> None:
    with invalid(field):
        within(item(source, destination, recursive=recursive))


@pytest.mark.parametrize(
    ("source", "destination", "recursive"), [("/a", "/ab", True), ("/a/f", "/a/g", False), ("/a/f", "/b/", None)]
)
def test_neighbours_in_one_collection_are_fine(
    within: Any, source: str, destination: str, recursive: bool | None
) -> None:
    assert within(item(source, destination, recursive=recursive)).items


@pytest.mark.parametrize(
    ("outer", "inner", "more"),
    [
        (item("/d/", "/ov/", recursive=True), item("/d/e/", "/ov/e/", recursive=True), {}),
        (item("/d", "/ov"), item("/d/e/f", "/ov/e/f"), {}),
        (item("/d/", "/ov/"), item("/d/e", "/ov/"), {}),
        (item("/", "/", recursive=True), item("/e", "/e"), {}),
        (
            item("/d/", "/ov/", recursive=True),
            item("/d/e/f", "/ov/e/f", recursive=False),
            {"filter_rules": [{"method": "exclude", "name": "f", "type": "dir"}]},
        ),
    ],
)
@pytest.mark.parametrize("inner_first", [False, True])
def test_what_another_item_holds_is_asked_for_twice(
    body: Any, owner: Any, outer: dict[str, Any], inner: dict[str, Any], more: dict[str, Any], inner_first: bool
) -> None:
    items = [inner, outer] if inner_first else [outer, inner]

    with invalid(f"DATA.{items.index(inner)}"):
        read(body(*items, **more), owner=owner, values=RunValues())


@pytest.mark.parametrize(
    ("outer", "inner", "more"),
    [
        (item("/d/", "/ov/", recursive=True), item("/x/e/", "/ov/e/", recursive=True), {}),
        (item("/d/", "/ov/", recursive=True), item("/d/e/", "/ov/other/", recursive=True), {}),
        (item("/d", "/ov", recursive=False), item("/x/e", "/ov2/e"), {}),
        (
            item("/d/", "/ov/", recursive=True),
            item("/d/e/f", "/ov/e/f"),
            {"filter_rules": [{"method": "exclude", "name": "e", "type": "dir"}]},
        ),
    ],
)
def test_other_content_inside_the_destination_of_an_item_is_fine(
    understood: Any, outer: dict[str, Any], inner: dict[str, Any], more: dict[str, Any]
) -> None:
    assert len(understood(outer, inner, **more).items) == 2


def test_two_collections_over_one_folder_are_seen_through(body: Any, owner: Any, tmp_path: Path) -> None:
    (tmp_path / "a" / "sub").mkdir()
    inner = make_collection(owner, tmp_path / "a" / "sub")

    with invalid("DATA.0.destination_path"):
        read(body(item("/", "/x", recursive=True), destination_endpoint=str(inner.pk)), owner=owner, values=RunValues())
    with invalid("DATA.0.destination_path"):
        read(body(item("/sub/f", "/f"), destination_endpoint=str(inner.pk)), owner=owner, values=RunValues())


HOST_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIEgHWll+choVbi4Hmd5cwMUyTcbn6vHN1GJQho7FMhXd"
REMOTE = {
    "s3": {"bucket": "b", "endpoint_url": "http://127.0.0.1:9", "access_key_id": "a"},
    "sftp": {"host": "127.0.0.1", "port": 9, "username": "u", "host_key": HOST_KEY},
}
BELOW = {"s3": {"prefix": "sub"}, "sftp": {"root": "/sub"}}


@pytest.mark.parametrize("kind", REMOTE)
def test_one_place_in_two_remote_collections_is_seen_through(body: Any, owner: Any, tmp_path: Path, kind: str) -> None:
    secrets = {"s3": {"secret_access_key": "s"}, "sftp": {"password": "p"}}[kind]
    above = make_collection(owner, tmp_path, kind=kind, storage=REMOTE[kind], secrets=secrets)
    below = make_collection(owner, tmp_path, kind=kind, storage={**REMOTE[kind], **BELOW[kind]}, secrets=secrets)
    ends = {"source_endpoint": str(above.pk), "destination_endpoint": str(below.pk)}

    with invalid("DATA.0.destination_path"):
        read(body(item("/sub/f", "/f"), **ends), owner=owner, values=RunValues())
    with invalid("DATA.0.destination_path"):
        read(body(item("/", "/x", recursive=True), **ends), owner=owner, values=RunValues())
    assert read(body(item("/f", "/f"), **ends), owner=owner, values=RunValues()).items


def test_links_cannot_be_kept_where_the_destination_knows_none(
    body: Any, owner: Any, tmp_path: Path, places: tuple[Collection, Collection]
) -> None:
    bucket = make_collection(
        owner, tmp_path, kind="s3", storage=REMOTE["s3"], secrets={"secret_access_key": "never used"}
    )

    with invalid("recursive_symlinks"):
        read(body(destination_endpoint=str(bucket.pk), recursive_symlinks="keep"), owner=owner, values=RunValues())
    assert read(body(destination_endpoint=str(bucket.pk), recursive_symlinks="copy"), owner=owner, values=RunValues())
    assert read(body(source_endpoint=str(bucket.pk), recursive_symlinks="keep"), owner=owner, values=RunValues())


# Timers


@pytest.mark.parametrize(("changes", "field"), [({"dry_run": True}, "dry_run"), ({"sync_level": 9}, "sync_level")])
def test_a_timer_repeats_transfers_that_change_something(
    body: Any, owner: Any, changes: dict[str, Any], field: str
) -> None:
    with invalid(field):
        transfers.check_body(body(**changes), owner=owner)


def test_a_timer_does_not_delete(deletion: Any, owner: Any) -> None:
    with invalid("DATA_TYPE"):
        transfers.check_body(deletion(), owner=owner)


# Deletions


@pytest.fixture
def deletion(places: tuple[Collection, Collection]) -> Callable[..., dict[str, Any]]:
    def _deletion(*paths: str, **more: Any) -> dict[str, Any]:
        data = [{"DATA_TYPE": "delete_item", "path": path} for path in paths or ("/f",)]
        return {"DATA_TYPE": "delete", "endpoint": str(places[1].pk), "DATA": data, **more}

    return _deletion


def test_a_deletion_has_one_collection_and_its_own_options(deletion: Any, owner: Any) -> None:
    document = deletion("~/x", "/y/*", recursive=True, interpret_globs=True, label="away", notify_on_failed=False)

    found = read(document, owner=owner, values=RunValues())

    assert (found.kind, str(found.source.pk), found.destination) == ("delete", document["endpoint"], None)
    assert [(item.source_path, item.destination_path) for item in found.items] == [("/home/x",) * 2, ("/y/*",) * 2]
    assert found.label == "away"
    assert found.options == {
        "recursive": True,
        "ignore_missing": False,
        "interpret_globs": True,
        "notify_on_succeeded": True,
        "notify_on_failed": False,
        "notify_on_inactive": True,
        "local_user": None,
        "deadline": None,
    }


def test_a_deletion_is_known_by_its_endpoint_too(deletion: Any, owner: Any) -> None:
    assert read(deletion(DATA_TYPE=None), owner=owner, values=RunValues()).kind == "delete"


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"endpoint": None}, "endpoint"),
        ({"endpoint": str(uuid4())}, "endpoint"),
        ({"source_endpoint": str(uuid4())}, "source_endpoint"),
        ({"delete_destination_extra": True}, "delete_destination_extra"),
        ({"dry_run": True}, "dry_run"),
        ({"colour": "blue"}, "colour"),
        ({"recursive": "yes"}, "recursive"),
        ({"deadline": "soon"}, "deadline"),
        ({"DATA": []}, "DATA"),
        ({"DATA": ["/f"]}, "DATA.0"),
        ({"DATA": [{"path": "/"}]}, "DATA.0.path"),
        ({"DATA": [{"path": "/a/.."}]}, "DATA.0.path"),
        ({"DATA": [{"path": "/a"}, {}]}, "DATA.1.path"),
        ({"DATA": [{"path": "/a"}, {"path": "/a/"}]}, "DATA.1"),
        ({"DATA": [{"path": "/a", "recursive": True}]}, "DATA.0.recursive"),
    ],
)
def test_a_deletion_that_cannot_work_is_named(deletion: Any, owner: Any, changes: dict[str, Any], field: str) -> None:
    with invalid(field):
        read(deletion(**changes), owner=owner, values=RunValues())


@pytest.mark.parametrize(
    "items",
    [
        [item("/a", "/b", recursive=True), item("/b", "/c", recursive=True)],
        [item("/b/deep/f", "/c/f", recursive=False), item("/a", "/b", recursive=True)],
        [item("/a", "/b/deep", recursive=True), item("/b", "/c", recursive=True)],
        [item("/f", "/g"), item("/g", "/h")],
    ],
)
def test_no_item_reads_what_another_one_writes(within: Any, items: list[dict[str, Any]]) -> None:
    with pytest.raises(Invalid) as caught:
        within(*items)

    (field,) = caught.value.fields
    assert field.startswith("DATA.")
    assert "writes what this item reads" in caught.value.fields[field][0]


def test_neighbours_in_one_collection_are_no_chain(within: Any) -> None:
    within(item("/a", "/b", recursive=True), item("/c", "/d", recursive=True), item("/e/f", "/g/f", recursive=False))


@pytest.mark.parametrize("value", [True, {}, [[]], "sha3"])
def test_an_algorithm_is_checked_also_without_a_checksum(understood: Any, value: Any) -> None:
    with invalid("DATA.0.checksum_algorithm"):
        understood(item(checksum_algorithm=value))


def test_a_rule_is_a_filter_rule(understood: Any) -> None:
    with invalid("filter_rules.0.DATA_TYPE"):
        understood(filter_rules=[{"DATA_TYPE": "y", "method": "exclude", "name": "*"}])
