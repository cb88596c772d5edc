"""Dry runs: everything is told, nothing is changed."""

from __future__ import annotations

from typing import Any

import pytest

from tests.engine.transfers.bench import Bench, fill, item, tree
from timers.models import TransferEvent
from timers.services.transfers import commands as transfers

pytestmark = pytest.mark.django_db


def test_a_dry_run_tells_what_would_be_added_changed_deleted_and_left(bench: Bench) -> None:
    fill(bench.here, {"new": "1", "other": "12345", "same": "12345", "d/deep": "x"})
    fill(bench.there, {"other": "1234X", "same": "12345", "gone": "x", "old/gone": "y"})
    before = tree(bench.there)

    transfer = bench.copy(dry_run=True, sync_level=3, delete_destination_extra=True)

    assert transfer.status == "succeeded"
    assert tree(bench.there) == before
    assert {path: file.verdict for path, file in bench.files().items()} == {
        "/new": "add",
        "/d/deep": "add",
        "/other": "change",
        "/same": "same",
    }
    assert sorted(bench.files("delete")) == ["/gone", "/old", "/old/gone"]
    assert (transfer.files, transfer.files_transferred, transfer.bytes_transferred) == (4, 0, 0)
    assert transfer.phase == "compare"


def test_a_dry_run_says_when_nothing_would_be_deleted(bench: Bench) -> None:
    fill(bench.there, {f"f{number}": "x" for number in range(5)})

    transfer = bench.copy(dry_run=True, delete_destination_extra=True)
    assert (transfer.status, bench.faults()) == ("succeeded", ["source_empty"])

    fill(bench.here, {"f0": "x"})
    bench.copy(dry_run=True, delete_destination_extra=True, max_delete=2)
    assert bench.faults() == ["delete_refused"]
    assert "4 of 5" in TransferEvent.objects.filter(code="delete_refused").get().text


def test_a_dry_run_counts_what_cannot_be_read(bench: Bench) -> None:
    fill(bench.here, {"f": "1"})
    (bench.here / "way").symlink_to("nowhere")

    transfer = bench.copy(dry_run=True, recursive_symlinks="copy", skip_source_errors=True)

    assert (transfer.status, transfer.files_failed) == ("succeeded", 1)
    assert bench.files()["/way"].state == "failed"
    assert tree(bench.there) == {}


def test_after_a_dry_run_the_same_is_carried_out(bench: Bench, owner: Any) -> None:
    fill(bench.here, {"d/f": "1"})
    dry = bench.copy(dry_run=True)

    bench.transfer = transfers.rerun(dry, by=owner, now=bench.now, changes={"dry_run": False})
    bench.run()

    assert bench.transfer.status == "succeeded"
    assert tree(bench.there) == tree(bench.here)


def test_a_dry_run_tells_every_error_and_goes_on(bench: Bench) -> None:
    fill(bench.here, {"x": "file", "good": "1"})
    fill(bench.there, {"x/f": "in a folder"})

    transfer = bench.copy(item("/", "/", recursive=True), item("/no", "/other"), dry_run=True)

    assert (transfer.status, transfer.files_failed) == ("succeeded", 2)
    assert {path: file.state for path, file in bench.files().items()} == {
        "/x": "failed",
        "/other": "failed",
        "/good": "pending",
    }
    assert sorted(bench.faults()) == ["clash", "not_found"]
