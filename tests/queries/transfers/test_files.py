"""The files of a transfer in pages of any size, packs opened."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from tests.factories import make_collection
from timers.clock import from_us
from timers.copying.bundles import Member, encode
from timers.models import Transfer, TransferFile
from timers.queries.transfers import files as transfer_files
from timers.queries.transfers.files import (
    FileEntry,
    FileFilters,
    all_entries,
    file_totals,
    page,
    page_by_urgency,
    read_place,
)

pytestmark = pytest.mark.django_db


@pytest.fixture
def transfer(owner: Any, tmp_path: Path, now: datetime) -> Transfer:
    """Singles and packs of every state, with another transfer's files between them."""
    place = make_collection(owner, tmp_path)
    mine, other = (Transfer.objects.create(owner=owner, source=place, requested_at=now) for _ in range(2))
    add(mine, "/a", step="mkdir", verdict="add", size=0, state="done")
    pack(mine, "/a", *(f"File-{number}" for number in range(7)), verdict="add", state="done")
    pack(other, "/a", "not mine")
    add(mine, "/a/big", size=5000, verdict="change", level="size", faults=2)
    pack(mine, "", "at the root", verdict="same", state="skipped")
    pack(mine, "/b", "x", "y", "z", step="delete", verdict="delete", source_path="")
    add(other, "/b/not mine")
    add(mine, "/b/bad", size=70, state="failed", verdict="add", error_message="No.")
    pack(mine, "/a", "bad-1", "bad-2", state="failed")
    add(mine, "/a/unknown", step="compare", verdict=None)
    return mine


def add(transfer: Transfer, path: str, **fields: Any) -> TransferFile:
    paths = {"source_path": path, "destination_path": f"/to{path}"}
    return TransferFile.objects.create(
        **{"transfer": transfer, "item": 0, "step": "copy", "size": 10, **paths, **fields}
    )


def pack(transfer: Transfer, folder: str, *names: str, **fields: Any) -> TransferFile:
    members = [Member(name, 10 + number, 1_000_000, 9, 2_000_000, f"{number:064}") for number, name in enumerate(names)]
    size = sum(member.size for member in members)
    return add(transfer, folder or "/", **{"members": encode(members), "count": len(names), "size": size, **fields})


def walk(transfer: Transfer, wanted: FileFilters, limit: int) -> list[FileEntry]:
    """Return all pages one after the other; no page may be longer than it should."""
    found: list[FileEntry] = []
    marker: str | None = ""
    while marker is not None:
        shown = page(transfer.pk, filters=wanted, limit=limit, after=read_place(marker) if marker else None)
        assert len(shown.rows) <= limit
        found, marker = found + shown.rows, shown.next_marker
    return found


def simply(keep: Callable[[FileEntry], bool], transfer: Transfer) -> list[FileEntry]:
    rows = TransferFile.objects.filter(transfer=transfer).order_by("pk")
    return [entry for row in rows for entry in transfer_files.entries_of(row) if keep(entry)]


@pytest.mark.parametrize(
    ("wanted", "keep", "number"),
    [
        (FileFilters(), lambda each: True, 17),
        (FileFilters(states=["done"]), lambda each: each.state == "done", 8),
        (FileFilters(states=["failed", "skipped"]), lambda each: each.state in ("failed", "skipped"), 4),
        (FileFilters(verdicts=["add"]), lambda each: each.verdict == "add", 8),
        (FileFilters(verdicts=["error", "delete"]), lambda each: each.verdict in ("error", "delete"), 6),
        (FileFilters(faults=True), lambda each: each.faults or each.state == "failed", 4),
        (FileFilters(text="FILE-"), lambda each: "File-" in each.source_path, 7),
        (FileFilters(text="a/b"), lambda each: "a/b" in each.source_path, 3),
        (FileFilters(text="ü"), lambda each: False, 0),
    ],
)
def test_pages_of_any_size_together_are_the_whole_list(
    transfer: Transfer, monkeypatch: pytest.MonkeyPatch, wanted: FileFilters, keep: Any, number: int
) -> None:
    whole = simply(keep, transfer)

    assert len(whole) == number
    for limit in range(1, 20):
        assert walk(transfer, wanted, limit) == whole
    monkeypatch.setattr(transfer_files, "MAX_SCANNED", 2)
    monkeypatch.setattr(transfer_files, "MIN_BATCH_ROWS", 1)
    assert walk(transfer, wanted, 3) == whole


def test_a_member_of_a_pack_is_a_file_of_its_own(transfer: Transfer) -> None:
    found = {entry.destination_path: entry for entry in all_entries(TransferFile.objects.filter(transfer=transfer))}

    entry = found["/to/a/File-3"]
    assert (entry.source_path, entry.size, entry.state, entry.verdict) == ("/a/File-3", 13, "done", "add")
    assert (entry.modified_at, entry.there_modified_at) == (from_us(1_000_000), from_us(2_000_000))
    assert (entry.there_size, entry.checksum, entry.bytes_done) == (9, f"{3:064}", 13)
    assert found["/to/at the root"].source_path == "/at the root"
    assert found["/to/b/y"].source_path == ""
    assert found["/to/a/bad-1"].verdict == "error"


def test_a_page_reads_few_rows_where_it_begins(transfer: Transfer, django_assert_num_queries: Any) -> None:
    for _ in range(5):
        pack(transfer, "/many", *(str(number) for number in range(1000)))
    last = TransferFile.objects.filter(transfer=transfer).latest("pk")

    with django_assert_num_queries(1):
        shown = page(transfer.pk, filters=FileFilters(), limit=100, after=transfer_files.Place(last.pk - 2, 500))

    assert [shown.rows[0].place, shown.rows[-1].place] == [(last.pk - 2, 501), (last.pk - 2, 600)]


@pytest.mark.parametrize("marker", ["", "x", "W10", "WzEsIDIsIDNd", "WyJhIiwgMV0", "W3RydWUsIDFd", "Wy0xLCAwXQ"])
def test_a_marker_that_nobody_gave_out_is_none(marker: str) -> None:
    assert read_place(marker) is None


def test_a_summary_counts_files_and_bytes_by_verdict_in_one_query(
    transfer: Transfer, django_assert_num_queries: Any
) -> None:
    with django_assert_num_queries(1):
        found = file_totals(transfer.pk)

    amounts = {name: (each.files, each.bytes, each.folders) for name, each in found.verdicts.items()}
    assert amounts == {
        "add": (7, 91, 1),
        "change": (1, 5000, 0),
        "delete": (3, 33, 0),
        "same": (1, 10, 0),
        "error": (3, 91, 0),
    }
    assert found.states == {"pending": 5, "waiting": 0, "done": 8, "skipped": 1, "warning": 0, "failed": 3}
    assert (found.entries, found.faulty, found.deletions, found.present) == (17, 4, 3, 5)


@pytest.mark.parametrize("limit", [1, 2, 5, 100])
def test_what_somebody_should_look_at_comes_first_in_pages_of_any_size(transfer: Transfer, limit: int) -> None:
    counted, found, marker = file_totals(transfer.pk), list[FileEntry](), ""
    while True:
        shown = page_by_urgency(transfer.pk, counted=counted, limit=limit, marker=marker)
        assert len(shown.rows) <= limit
        found += shown.rows
        if shown.next_marker is None:
            break
        marker = shown.next_marker

    verdicts = [entry.verdict for entry in found]
    assert verdicts == ["error"] * 3 + ["delete"] * 3 + ["change"] + ["add"] * 8 + ["same"]
    assert len({entry.place for entry in found}) == len(found)


def test_a_marker_that_nobody_gave_out_begins_at_the_first(transfer: Transfer) -> None:
    shown = page_by_urgency(transfer.pk, counted=file_totals(transfer.pk), limit=1, marker="WyJ4IiwgMSwgMV0")

    assert [entry.verdict for entry in shown.rows] == ["error"]
