"""Symbolic links: left out, kept, or replaced by what they lead to; never followed out of the collection."""

from __future__ import annotations

from typing import Any

import pytest

from tests.engine.transfers.bench import Bench, fill, item, tree

pytestmark = pytest.mark.django_db


def test_links_are_left_out_unless_asked_for(bench: Bench) -> None:
    fill(bench.here, {"f": "1"})
    (bench.here / "way").symlink_to("f")

    transfer = bench.copy()

    assert (transfer.files, transfer.symlinks) == (1, 0)
    assert [path.name for path in bench.there.iterdir()] == ["f"]


def test_kept_links_say_what_they_said_wherever_that_leads(bench: Bench) -> None:
    fill(bench.here, {"d/f": "1"})
    for name, text in {"d/way": "../d/f", "out": "/etc/passwd", "nowhere": "no/such"}.items():
        (bench.here / name).symlink_to(text)

    transfer = bench.copy(recursive_symlinks="keep")

    assert (transfer.status, transfer.symlinks) == ("succeeded", 3)
    assert {name: str((bench.there / name).readlink()) for name in ("d/way", "out", "nowhere")} == {
        "d/way": "../d/f",
        "out": "/etc/passwd",
        "nowhere": "no/such",
    }


def test_a_kept_link_replaces_a_link_and_a_file_but_no_folder(bench: Bench) -> None:
    (bench.here / "a").symlink_to("new")
    (bench.here / "b").symlink_to("new")
    (bench.there / "a").symlink_to("old")
    fill(bench.there, {"b": "file"})

    assert bench.copy(recursive_symlinks="keep").status == "succeeded"
    assert [str((bench.there / name).readlink()) for name in "ab"] == ["new", "new"]

    (bench.here / "c").symlink_to("new")
    fill(bench.there, {"c/f": "1"})
    assert bench.copy(recursive_symlinks="keep").failure_reason == "clash"


def test_copied_links_become_what_they_lead_to(bench: Bench) -> None:
    fill(bench.here, {"d/f": "content", "d/deep/g": "more"})
    (bench.here / "file").symlink_to("d/way")
    (bench.here / "d" / "way").symlink_to("f")
    (bench.here / "folder").symlink_to("./d/deep")

    transfer = bench.copy(recursive_symlinks="copy")

    assert transfer.status == "succeeded"
    assert tree(bench.there) == {
        "d": None,
        "d/f": b"content",
        "d/way": b"content",
        "d/deep": None,
        "d/deep/g": b"more",
        "file": b"content",
        "folder": None,
        "folder/g": b"more",
    }
    assert not any(path.is_symlink() for path in bench.there.rglob("*"))


@pytest.mark.parametrize("text", ["/etc/passwd", "../../../etc/passwd", "d/../../outside", "loop", "missing"])
def test_a_link_that_leads_out_or_nowhere_is_a_fault_of_the_source(bench: Bench, tmp_path: Any, text: str) -> None:
    fill(tmp_path, {"outside": "secret"})
    fill(bench.here, {"d/f": "1"})
    (bench.here / "loop").symlink_to(text)

    transfer = bench.copy(recursive_symlinks="copy")
    assert transfer.status == "failed"
    assert "/loop" in transfer.error_message or "/missing" in transfer.error_message

    transfer = bench.copy(recursive_symlinks="copy", skip_source_errors=True)
    assert (transfer.status, transfer.files_failed) == ("succeeded", 1)
    assert tree(bench.there) == {"d": None, "d/f": b"1"}


def test_links_to_folders_that_hold_each_other_end(bench: Bench) -> None:
    fill(bench.here, {"a/f": "1", "b/g": "2"})
    (bench.here / "a" / "b").symlink_to("../b")
    (bench.here / "b" / "a").symlink_to("../a")

    transfer = bench.copy(recursive_symlinks="copy", skip_source_errors=True)

    assert transfer.status == "succeeded"
    assert tree(bench.there)["a/b/g"] == b"2"
    assert transfer.files_failed == 2


def test_an_item_that_is_a_link_means_what_it_leads_to(bench: Bench) -> None:
    fill(bench.here, {"d/f": "content"})
    (bench.here / "way").symlink_to("d/f")

    for links in ("ignore", "copy", "keep"):
        assert bench.copy(item("/way", f"/{links}"), recursive_symlinks=links).status == "succeeded"
        assert (bench.there / links).read_text() == "content"
        assert not (bench.there / links).is_symlink()


def test_a_symlink_item_means_the_link_itself(bench: Bench) -> None:
    fill(bench.here, {"d/f": "content"})
    (bench.here / "way").symlink_to("d/f")
    as_link = {"DATA_TYPE": "transfer_symlink_item", "source_path": "/way"}

    assert bench.copy({**as_link, "destination_path": "/links/way"}).status == "succeeded"
    assert str((bench.there / "links/way").readlink()) == "d/f"
    assert bench.copy({**as_link, "source_path": "/d/f", "destination_path": "/f"}).failure_reason == "not_a_file"


def test_a_moved_link_is_removed_and_what_a_followed_link_leads_to_is_not(bench: Bench) -> None:
    fill(bench.here, {"in/f": "content", "elsewhere/g": "stays"})
    (bench.here / "in/way").symlink_to("../elsewhere/g")

    assert (
        bench.copy(item("/in", "/out", recursive=True), recursive_symlinks="copy", delete_source=True).status
        == "succeeded"
    )
    assert tree(bench.here) == {"in": None, "elsewhere": None, "elsewhere/g": b"stays"}
    assert tree(bench.there) == {"out": None, "out/f": b"content", "out/way": b"stays"}

    assert (
        bench.copy(item("/in", "/kept", recursive=True), recursive_symlinks="keep", delete_source=True).status
        == "succeeded"
    )
    assert not (bench.here / "in/way").is_symlink()
    assert (bench.there / "kept/way").is_symlink()
