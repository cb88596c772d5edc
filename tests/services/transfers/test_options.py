"""Options of a transfer: what each means, what contradicts itself, and what an end cannot carry out."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tests.factories import NOW, make_collection
from timers.errors import Invalid
from timers.models import Collection, TransferItem
from timers.services.transfers import commands as transfers
from timers.services.transfers.submissions import RunValues, Submission, read
from timers.storages.base import STORAGES, Storage

pytestmark = pytest.mark.django_db

AT = datetime(2026, 11, 30, 23, 30, tzinfo=UTC)
FOLDER = {"source_path": "/in/", "destination_path": "/out/", "recursive": True}
LINK = {"DATA_TYPE": "transfer_symlink_item", "source_path": "/in/latest", "destination_path": "/out/"}


@pytest.fixture
def source(tmp_path: Path, settings: Any, owner: Any) -> Collection:
    settings.TIMERS_LOCAL_ROOTS = (tmp_path,)
    (tmp_path / "a").mkdir()
    return make_collection(owner, tmp_path / "a")


@pytest.fixture
def destination(tmp_path: Path, settings: Any, owner: Any) -> Collection:
    settings.TIMERS_LOCAL_ROOTS = (tmp_path,)
    (tmp_path / "b").mkdir()
    return make_collection(owner, tmp_path / "b", default_directory="/home/")


@pytest.fixture
def bucket(owner: Any) -> Collection:
    storage = {"bucket": "archive", "endpoint_url": "http://s3.example.org", "access_key_id": "id"}
    secrets = {"secret_access_key": "secret"}
    names = {"display_name": "archive", "kind": "s3", "created_at": NOW, "updated_at": NOW}
    return Collection.objects.create(owner=owner, storage=storage, secrets=secrets, **names)


@pytest.fixture
def body(source: Collection, destination: Collection) -> Any:
    def _body(*items: dict[str, Any], **options: Any) -> dict[str, Any]:
        ends = {"source_endpoint": str(source.pk), "destination_endpoint": str(destination.pk)}
        return {**ends, "DATA": list(items) or [FOLDER], **options}

    return _body


@pytest.fixture
def understood(body: Any, owner: Any) -> Any:
    def _understood(*items: dict[str, Any], **options: Any) -> Submission:
        return read(body(*items, **options), owner=owner, values=RunValues(planned_at=AT))

    return _understood


@pytest.fixture
def able(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Give local collections other abilities than they have."""

    def _able(**abilities: Any) -> type[Storage]:
        local = STORAGES.get("local")
        monkeypatch.setattr(local, "abilities", replace(local.abilities, **abilities))
        return local

    return _able


def fields_of(refused: pytest.ExceptionInfo[Invalid]) -> list[str]:
    assert all(text.endswith(".") for texts in refused.value.fields.values() for text in texts)
    return list(refused.value.fields)


def test_everything_is_off_or_empty_by_default(understood: Any) -> None:
    options = understood().options

    assert not any(options[name] for name in ("delete_source", "preserve_permissions", "skip_destination_errors"))
    for name in ("keep_replaced", "min_age_seconds", "max_size", "bandwidth", "metadata", "storage_class"):
        assert options[name] is None


def test_bounds_and_limits_are_stored_as_they_are_given(understood: Any) -> None:
    given = {"min_age_seconds": 60, "max_age_seconds": 60, "min_size": 0, "max_size": 2**40, "delete_source": True}
    limit = {"between": ["08:00", "18:00"], "max_bytes_per_second": 1_000_000}

    options = understood(**given, bandwidth=[limit]).options

    assert options.items() >= given.items()
    assert options["bandwidth"] == [{**limit, "timezone": "UTC"}]


@pytest.mark.parametrize(
    ("options", "field"),
    [
        ({"min_age_seconds": 61, "max_age_seconds": 60}, "min_age_seconds"),
        ({"min_size": 2, "max_size": 1}, "min_size"),
        ({"min_size": -1}, "min_size"),
        ({"max_age_seconds": "1 day"}, "max_age_seconds"),
        ({"delete_source": True, "delete_destination_extra": True}, "delete_source"),
        ({"bandwidth": [{"between": ["8", "18"], "max_bytes_per_second": 2048}]}, "bandwidth.0.between"),
        ({"storage_class": "very cold"}, "storage_class"),
        ({"metadata": ["team"]}, "metadata"),
        ({"metadata": {"te am": "x"}}, "metadata.te am"),
        ({"metadata": {"team": 1}}, "metadata.team"),
        ({"metadata": {"team": "dätä"}}, "metadata.team"),
        ({"metadata": {"team": "x", "TEAM": "y"}}, "metadata"),
        ({"metadata": {"team": "x" * 2048}}, "metadata"),
    ],
)
def test_what_contradicts_itself_is_refused_by_its_name(understood: Any, options: dict[str, Any], field: str) -> None:
    with pytest.raises(Invalid) as refused:
        understood(**options)

    assert fields_of(refused) == [field]


# What the ends can carry out


@pytest.mark.parametrize(
    ("options", "missing", "field"),
    [
        ({"preserve_permissions": True}, {"permissions": False}, "preserve_permissions"),
        ({"preserve_timestamp": True}, {"times": False}, "preserve_timestamp"),
        ({"recursive_symlinks": "keep"}, {"links": False}, "recursive_symlinks"),
        ({"keep_replaced": {"path": "/old/"}}, {"rename": False}, "keep_replaced"),
        ({"metadata": {"team": "x"}}, {}, "metadata"),
        ({"storage_class": "GLACIER"}, {}, "storage_class"),
        ({}, {"write": False}, "destination_endpoint"),
    ],
)
def test_an_option_that_an_end_cannot_carry_out_is_refused(
    understood: Any, able: Any, options: dict[str, Any], missing: dict[str, Any], field: str
) -> None:
    able(**missing)

    with pytest.raises(Invalid) as refused:
        understood(**options)

    assert fields_of(refused) == [field]


def test_permissions_are_kept_between_ends_that_have_some(understood: Any, able: Any) -> None:
    able(permissions=True)

    assert understood(preserve_permissions=True).options["preserve_permissions"] is True


def test_a_move_needs_a_source_that_can_be_written(understood: Any, bucket: Collection, able: Any) -> None:
    able(write=False)

    with pytest.raises(Invalid) as refused:
        understood(delete_source=True, destination_endpoint=str(bucket.pk))

    assert fields_of(refused) == ["delete_source"]
    assert not understood(destination_endpoint=str(bucket.pk)).options["delete_source"]


def test_nothing_is_deleted_in_a_place_that_can_only_be_read(source: Collection, owner: Any, able: Any) -> None:
    able(write=False)
    deletion = {"DATA_TYPE": "delete", "endpoint": str(source.pk), "DATA": [{"path": "/x"}]}

    with pytest.raises(Invalid) as refused:
        read(deletion, owner=owner, values=RunValues())

    assert fields_of(refused) == ["endpoint"]


def test_properties_are_for_object_stores(understood: Any, bucket: Collection) -> None:
    given = {"metadata": {"Team": "data", "note": ""}, "storage_class": "STANDARD_IA"}

    options = understood(**given, destination_endpoint=str(bucket.pk)).options

    assert options.items() >= given.items()


def test_encryption_that_a_connection_does_not_have_is_refused(
    understood: Any, bucket: Collection, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert understood(encrypt_data=True).options["encrypt_data"] is True  # nothing leaves the machine
    monkeypatch.setattr(STORAGES.get("s3"), "encrypts", lambda parameters: "https" in parameters["endpoint_url"])

    with pytest.raises(Invalid, match="The connection to archive is not encrypted") as refused:
        understood(encrypt_data=True, destination_endpoint=str(bucket.pk))

    assert fields_of(refused) == ["encrypt_data"]


# Links


def test_a_link_is_an_item_of_its_own(body: Any, owner: Any) -> None:
    transfer = transfers.submit(owner=owner, body=body(FOLDER, {**LINK, "destination_path": "/links/"}), now=NOW)

    item = TransferItem.objects.get(transfer=transfer, number=1)
    assert (item.is_link, item.recursive) == (True, False)
    assert (item.source_path, item.destination_path) == ("/in/latest", "/links/")
    assert transfers.document(transfer)["DATA"][1] == {
        "DATA_TYPE": "transfer_symlink_item",
        "source_path": "/in/latest",
        "destination_path": "/links/",
    }


@pytest.mark.parametrize("extra", [{"recursive": False}, {"external_checksum": "ab" * 32}])
def test_a_link_has_paths_alone(understood: Any, extra: dict[str, Any]) -> None:
    with pytest.raises(Invalid) as refused:
        understood({**LINK, **extra})

    assert fields_of(refused) == [f"DATA.0.{next(iter(extra))}"]


def test_a_link_is_refused_where_there_are_none(understood: Any, bucket: Collection) -> None:
    with pytest.raises(Invalid, match="archive has no symbolic links") as refused:
        understood(LINK, destination_endpoint=str(bucket.pk))

    assert fields_of(refused) == ["DATA.0.DATA_TYPE"]


# What is replaced


@pytest.mark.parametrize(
    ("path", "rendered", "folder"),
    [
        ('/.replaced/{{ planned_at|date:"%Y-%m-%d" }}/', "/.replaced/2026-11-30", "/.replaced"),
        ('/old/by-{{ planned_at|date:"%Y" }}', "/old/by-2026", "/old"),
        ("/old", "/old", "/old"),
        ("/old/all/", "/old/all", "/old/all"),
        ('old/{{ planned_at|date:"%Y" }}', "/home/old/2026", "/home/old"),
    ],
)
def test_what_is_replaced_has_a_folder_of_its_own(understood: Any, path: str, rendered: str, folder: str) -> None:
    kept = understood(keep_replaced={"path": path}).options["keep_replaced"]

    assert kept == {"path": rendered, "folder": folder}


def test_running_again_leaves_the_same_folder_alone(body: Any, owner: Any) -> None:
    kept = {"path": '/old/{{ planned_at|date:"%Y-%m-%d" }}/'}
    first = transfers.submit(owner=owner, body=body(keep_replaced=kept, delete_destination_extra=True), now=AT)

    second = transfers.rerun(first, by=owner, now=AT.replace(year=2027))

    assert (
        second.options["keep_replaced"]
        == first.options["keep_replaced"]
        == {
            "path": "/old/2026-11-30",
            "folder": "/old",
        }
    )


@pytest.mark.parametrize(
    ("kept", "field"),
    [
        ("/old", "keep_replaced"),
        ({}, "keep_replaced.path"),
        ({"path": 5}, "keep_replaced.path"),
        ({"path": "/"}, "keep_replaced.path"),
        ({"path": '/{{ planned_at|date:"%Y" }}/'}, "keep_replaced.path"),
        ({"path": "/kept-{{ planned_at }}/"}, "keep_replaced.path"),
        ({"path": "/old/../x"}, "keep_replaced.path"),
        ({"path": "/old/{{ input.x }}"}, "keep_replaced.path"),
        ({"path": "/old", "folder": "/other"}, "keep_replaced.folder"),
        ({"path": "/old", "days": 5}, "keep_replaced.days"),
        ({"path": "/out"}, "keep_replaced.path"),
        ({"path": "/old/out/", "folder": "/"}, "keep_replaced.path"),
    ],
)
def test_a_folder_that_cannot_keep_anything_is_refused(understood: Any, kept: Any, field: str) -> None:
    with pytest.raises(Invalid) as refused:
        understood(keep_replaced=kept)

    assert fields_of(refused) == [field]


def test_the_kept_files_may_lie_in_a_mirrored_folder_but_not_in_what_is_copied(
    understood: Any, source: Collection
) -> None:
    assert understood(keep_replaced={"path": "/out/.old/"}).options["keep_replaced"]["folder"] == "/out/.old"

    with pytest.raises(Invalid, match=r"DATA\.0 copies"):
        understood(keep_replaced={"path": "/in/.old/"}, destination_endpoint=str(source.pk))


# Dates


def test_the_values_of_a_run_stand_in_paths_and_label(body: Any, owner: Any) -> None:
    day = '{{ planned_at|date:"%Y/%m/%d" }}'
    items = [{"source_path": f"/in/{day}/", "destination_path": f"/out/{day}/", "recursive": True}]

    transfer = transfers.submit(owner=owner, body=body(*items, label='of {{ planned_at|date:"%d %b" }}'), now=AT)

    item = transfer.items.get()
    assert (item.source_path, item.destination_path) == ("/in/2026/11/30", "/out/2026/11/30/")
    assert transfer.label == "of 30 Nov"


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"label": "{{ today }}"}, "label"),
        ({"DATA": [{**FOLDER, "source_path": "/{{ planed_at }}/"}]}, "DATA.0.source_path"),
        ({"DATA": [FOLDER, {**FOLDER, "destination_path": '/{{ planned_at|date:"%Q" }}'}]}, "DATA.1.destination_path"),
        ({"DATA": [{**FOLDER, "destination_path": "/{{ planned_at"}]}, "DATA.0.destination_path"),
    ],
)
def test_an_unknown_value_is_refused_when_a_timer_is_saved(
    body: Any, owner: Any, changes: dict[str, Any], field: str
) -> None:
    with pytest.raises(Invalid) as refused:
        transfers.check_body(body(**changes), owner=owner)

    assert fields_of(refused) == [field]


def test_a_timer_keeps_its_text_as_it_was_given(body: Any, owner: Any) -> None:
    given = body({**FOLDER, "destination_path": '/out/{{ planned_at|date:"%Y" }}/'}, label="{{ planned_at }}")

    assert transfers.check_body(given, owner=owner) == given


def test_a_path_with_braces_of_its_own_is_the_same_when_it_runs_again(body: Any, owner: Any) -> None:
    items = [{**FOLDER, "source_path": '/in/{{ "{{" }}cookie.name}}/'}]
    first = transfers.submit(owner=owner, body=body(*items), now=AT)

    second = transfers.rerun(first, by=owner, now=AT)

    assert [transfer.items.get().source_path for transfer in (first, second)] == ["/in/{{cookie.name}}"] * 2
