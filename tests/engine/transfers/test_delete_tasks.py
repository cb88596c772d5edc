"""Delete tasks: they remove what they name, and say what they cannot."""

from __future__ import annotations

from typing import Any

import pytest

from tests.engine.transfers.bench import Bench, fill, tree
from timers.models import Transfer
from timers.services.transfers import commands as transfers

pytestmark = pytest.mark.django_db


def delete(bench: Bench, *paths: str, **options: Any) -> Transfer:
    """Have these paths removed at the destination's place."""
    body = {"DATA_TYPE": "delete", "endpoint": str(bench.destination.pk), "DATA": [{"path": path} for path in paths]}
    bench.transfer = transfers.submit(owner=bench.owner, body=body | options, now=bench.now)
    bench.run()
    return bench.transfer


def test_files_and_folders_with_all_they_hold_are_removed(bench: Bench) -> None:
    fill(bench.there, {"keep": "1", "f": "2", **{f"d/e{n % 3}/f{n}": "x" for n in range(30)}})
    (bench.there / "d" / "way").symlink_to("/etc")

    transfer = delete(bench, "/f", "/d", recursive=True)

    assert transfer.status == "succeeded"
    assert tree(bench.there) == {"keep": b"1"}
    assert transfer.files == transfer.files_transferred == 36


def test_a_folder_needs_recursive_and_nothing_is_removed_before(bench: Bench) -> None:
    fill(bench.there, {"f": "1", "d/g": "2"})

    transfer = delete(bench, "/f", "/d")

    assert (transfer.status, transfer.failure_reason) == ("failed", "unsupported")
    assert "/d" in transfer.error_message
    assert tree(bench.there) == {"f": b"1", "d": None, "d/g": b"2"}


def test_what_is_missing_fails_unless_that_is_all_right(bench: Bench) -> None:
    fill(bench.there, {"f": "1"})

    assert delete(bench, "/no").failure_reason == "not_found"
    transfer = delete(bench, "/no", "/f", ignore_missing=True)

    assert transfer.status == "succeeded"
    assert tree(bench.there) == {}


def test_patterns_match_names_when_asked_for(bench: Bench) -> None:
    fill(bench.there, {"d/a.log": "1", "d/b.log": "2", "d/c.txt": "3", "d/*": "star"})

    delete(bench, "/d/*.log", interpret_globs=True)
    assert sorted(tree(bench.there)) == ["d", "d/*", "d/c.txt"]

    delete(bench, "/d/*")
    assert sorted(tree(bench.there)) == ["d", "d/c.txt"]


def test_a_crash_in_the_middle_goes_on_with_the_rest(bench: Bench) -> None:
    fill(bench.there, {f"d/f{n}": "x" for n in range(10)})
    body = {"DATA_TYPE": "delete", "endpoint": str(bench.destination.pk), "DATA": [{"path": "/d"}], "recursive": True}
    bench.transfer = transfers.submit(owner=bench.owner, body=body, now=bench.now)
    bench.slice(budget=0)
    bench.slice(budget=0)
    (bench.there / "d" / "f3").unlink()

    bench.run()

    assert bench.transfer.status == "succeeded"
    assert tree(bench.there) == {}


def test_what_lies_in_a_folder_that_goes_is_counted_once(bench: Bench) -> None:
    fill(bench.there, {f"d/f{n}": "x" for n in range(5)})

    transfer = delete(bench, "/d/f3", "/d", recursive=True)

    assert (transfer.status, transfer.files, transfer.files_transferred) == ("succeeded", 6, 6)
