"""Deleting what the source does not hold, and when that is refused."""

from __future__ import annotations

from typing import Any

import pytest

from tests.engine.transfers.bench import Bench, fill, item, tree
from timers.models import TransferFile

pytestmark = pytest.mark.django_db


@pytest.fixture
def mirror(bench: Bench) -> Any:
    """Make the destination equal to the source."""
    return lambda *items, **more: bench.copy(*items, delete_destination_extra=True, **more)


def test_what_is_extra_is_deleted_with_all_that_it_holds(bench: Bench, mirror: Any) -> None:
    fill(bench.here, {"keep/f": "1"})
    fill(bench.there, {"keep/f": "old", "keep/extra": "x", "gone/deep/er/g": "2", "gone/empty": None})

    transfer = mirror()

    assert transfer.status == "succeeded"
    assert tree(bench.there) == tree(bench.here)
    assert transfer.phase == "delete"
    assert TransferFile.objects.filter(step="delete", state="done").count() == 6


def test_without_being_asked_nothing_is_deleted(bench: Bench) -> None:
    fill(bench.here, {"f": "1"})
    fill(bench.there, {"g": "2"})

    bench.copy()

    assert set(tree(bench.there)) == {"f", "g"}


def test_links_are_deleted_and_not_what_they_mean(bench: Bench, mirror: Any, tmp_path: Any) -> None:
    fill(bench.here, {"f": "1"})
    fill(tmp_path / "outside", {"precious": "x"})
    (bench.there / "way").symlink_to(tmp_path / "outside")

    mirror()

    assert [path.name for path in bench.there.iterdir()] == ["f"]
    assert tree(tmp_path / "outside") == {"precious": b"x"}


def test_it_is_spread_over_slices(bench: Bench) -> None:
    fill(bench.here, {"f": "1"})
    fill(bench.there, {f"d{number}/g": "2" for number in range(10)})
    bench.submit(delete_destination_extra=True)

    assert bench.run(budget=0, batch=2) > 10

    assert tree(bench.there) == {"f": b"1"}


def test_an_empty_source_deletes_nothing(bench: Bench, mirror: Any) -> None:
    fill(bench.there, {"precious": "x"})

    transfer = mirror()

    assert (transfer.status, transfer.failure_reason) == ("failed", "source_empty")
    assert tree(bench.there) == {"precious": b"x"}


def test_one_empty_source_of_several_is_enough_to_refuse(bench: Bench, mirror: Any) -> None:
    fill(bench.here, {"full/f": "1", "unmounted": None})
    fill(bench.there, {"b/precious": "x", "a/extra": "y"})

    transfer = mirror(item("/full", "/a"), item("/unmounted", "/b"))

    assert transfer.failure_reason == "source_empty"
    assert "/unmounted" in transfer.error_message
    assert {"b/precious", "a/extra"} <= set(tree(bench.there))


def test_a_source_that_could_not_be_read_wholly_deletes_nothing(bench: Bench, mirror: Any) -> None:
    fill(bench.here, {"a/f": "1"})
    fill(bench.there, {"a/precious": "x"})

    transfer = mirror(item("/a", "/a"), item("/no", "/b"), skip_source_errors=True)

    assert transfer.status == "succeeded"
    assert tree(bench.there)["a/precious"] == b"x"
    assert "delete_skipped" in bench.faults()


def test_too_many_deletions_are_refused(bench: Bench, mirror: Any) -> None:
    fill(bench.here, {"f": "1"})
    fill(bench.there, {f"{number}": "x" for number in range(5)})

    transfer = mirror(max_delete=4)
    assert transfer.failure_reason == "delete_refused"
    assert len(tree(bench.there)) == 6

    assert mirror(max_delete=5).status == "succeeded"
    assert set(tree(bench.there)) == {"f"}


def test_what_the_rules_leave_out_is_left_alone(bench: Bench, mirror: Any) -> None:
    fill(bench.here, {"f": "1"})
    fill(bench.there, {"notes.log": "x", "old/a.log": "y", "old/b": "z"})

    transfer = mirror(filter_rules=[{"method": "exclude", "name": "*.log"}])

    assert transfer.status == "succeeded"
    assert set(tree(bench.there)) == {"f", "notes.log", "old", "old/a.log"}


def test_what_another_item_brings_is_not_extra(bench: Bench, mirror: Any) -> None:
    fill(bench.here, {"main/f": "1", "more/g": "2", "one": "3"})
    fill(bench.there, {"sub/deep/g": "old", "single": "old", "extra": "x"})

    mirror(item("/main", "/"), item("/more", "/sub/deep"), item("/one", "/single"))

    assert tree(bench.there) == {"f": b"1", "sub": None, "sub/deep": None, "sub/deep/g": b"2", "single": b"3"}


def test_a_source_of_empty_folders_deletes_nothing(bench: Bench, mirror: Any) -> None:
    fill(bench.here, {"unmounted": None, "also": None})
    fill(bench.there, {"unmounted/precious": "x"})

    transfer = mirror()

    assert (transfer.status, transfer.failure_reason) == ("failed", "source_empty")
    assert tree(bench.there)["unmounted/precious"] == b"x"


def test_what_is_left_alone_after_a_source_error_is_told_so(bench: Bench, mirror: Any) -> None:
    fill(bench.here, {"a/f": "1"})
    fill(bench.there, {"a/precious": "x"})

    mirror(item("/a", "/a"), item("/no", "/b"), skip_source_errors=True)

    assert {path: file.state for path, file in bench.files("delete").items()} == {"/a/precious": "skipped"}
