"""Running again just what failed in a transfer."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest

from timers.errors import Conflict, Invalid
from timers.lifecycle import TransferStatus
from timers.models import Collection, Transfer, TransferFile
from timers.services.transfers import commands as transfers

pytestmark = pytest.mark.django_db

TREE = {"source_path": "/d/", "destination_path": "/e/", "recursive": True}
ONE = {"source_path": "/x", "destination_path": "/y/", "external_checksum": "ab" * 32}


@pytest.fixture
def ended(places: tuple[Collection, Collection], owner: Any, now: datetime) -> Any:
    def _ended(*items: dict[str, Any], **options: Any) -> Transfer:
        ends = {"source_endpoint": str(places[0].pk), "destination_endpoint": str(places[1].pk)}
        body = {**ends, "DATA": list(items) or [TREE, ONE], **options}
        transfer = transfers.submit(owner=owner, body=body, now=now)
        Transfer.objects.filter(pk=transfer.pk).update(status=TransferStatus.FAILED, finished_at=now)
        transfer.refresh_from_db()
        return transfer

    return _ended


def fail(transfer: Transfer, source: str, destination: str, *, step: str = "copy", **more: Any) -> None:
    more = {"item": 0, "state": "failed", "failure_reason": "permission_denied", **more}
    TransferFile.objects.create(transfer=transfer, step=step, source_path=source, destination_path=destination, **more)


def again(transfer: Transfer, now: datetime) -> Transfer:
    return transfers.rerun(transfer, by=transfer.owner, now=now, only_failed=True)


def items(transfer: Transfer) -> list[tuple[Any, ...]]:
    columns = ("source_path", "destination_path", "recursive", "is_link")
    return list(transfer.items.order_by("number").values_list(*columns))


def test_the_failed_files_and_folders_are_the_items_of_a_new_transfer(ended: Any, now: datetime) -> None:
    first = ended(sync_level=3, preserve_timestamp=True, delete_destination_extra=True, max_delete=5)
    fail(first, "/d/{{a}}", "/e/{{a}}")
    fail(first, "/d/sub", "/e/sub", step="mkdir")
    fail(first, "/d/sub/below", "/e/sub/below")
    fail(first, "/d/link", "/e/link", step="link")
    fail(first, "/d/good", "/e/good", state="done", failure_reason=None)
    fail(first, "", "/e/extra", step="delete")
    fail(first, "/x", "/y/x", item=1)
    fail(first, "/d/moved", "/e/moved", step="remove")
    fail(first, "/d/moved", "/e/moved", step="chmod")

    second = again(first, now)

    assert items(second) == [
        ("/d/{{a}}", "/e/{{a}}", False, False),
        ("/d/sub", "/e/sub", True, False),
        ("/d/link", "/e/link", False, True),
        ("/x", "/y/", None, False),
        ("/d/moved", "/e/moved", None, False),
    ]
    assert second.items.get(number=3).external_checksum == "ab" * 32
    assert (second.options["sync_level"], second.options["preserve_timestamp"]) == (3, True)
    assert second.options["delete_destination_extra"] is False
    assert str(first.pk) in second.events.get(code="rerun").text


def test_a_name_that_is_only_shown_is_no_item(ended: Any, now: datetime) -> None:
    first = ended()
    fail(first, "/d/in//out", "/e/in//out")

    with pytest.raises(Conflict):
        again(first, now)

    fail(first, "/d/a", "/e/a")
    assert items(again(first, now)) == [("/d/a", "/e/a", False, False)]


def test_the_failed_entries_of_a_deletion_are_deleted_again(
    places: tuple[Collection, Collection], owner: Any, now: datetime
) -> None:
    body = {"DATA_TYPE": "delete", "endpoint": str(places[0].pk), "recursive": True, "DATA": [{"path": "/d"}]}
    first = transfers.submit(owner=owner, body=body, now=now)
    Transfer.objects.filter(pk=first.pk).update(status=TransferStatus.FAILED)
    first.refresh_from_db()
    for path in ("/d/x/y", "/d/x", "/d/z"):
        fail(first, path, path, step="delete")

    second = again(first, now)

    assert [source for source, *_ in items(second)] == ["/d/x", "/d/z"]
    assert (second.kind, second.options["recursive"]) == ("delete", True)


def test_there_is_nothing_to_run_again_where_nothing_failed(ended: Any, now: datetime) -> None:
    first = ended()
    fail(first, "/d/a", "/e/a", state="skipped")

    with pytest.raises(Conflict, match="Nothing failed"):
        again(first, now)


def test_what_failed_is_known_when_the_transfer_has_finished(ended: Any, now: datetime) -> None:
    first = ended()
    fail(first, "/d/a", "/e/a")
    Transfer.objects.filter(pk=first.pk).update(status=TransferStatus.PAUSED)
    first.refresh_from_db()

    with pytest.raises(Conflict, match="has not finished"):
        again(first, now)


def test_more_failures_than_a_transfer_has_items_are_said(ended: Any, now: datetime) -> None:
    first = ended()
    fail(first, "/d", "/e", members="[]", count=10_001)

    with pytest.raises(Invalid, match="10,001 files failed") as refused:
        again(first, now)

    assert list(refused.value.fields) == ["only"]
