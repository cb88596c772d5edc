"""What a transfer does: everything it was asked for, and nothing else."""

from __future__ import annotations

import hashlib
import os
from typing import Any

import pytest

from tests.engine.transfers.bench import Bench, fill, item, parts, tree
from timers.models import TransferEvent, TransferFile
from timers.services.collections import commands as collections
from timers.storages import memory
from timers.storages.memory import MemoryStorage

pytestmark = pytest.mark.django_db

T = 1_600_000_000


def test_a_tree_arrives_as_it_is(bench: Bench) -> None:
    fill(
        bench.here,
        {
            "a.txt": "hello",
            "empty.bin": b"",
            "sub/deep/er/b": os.urandom(300_000),
            "nothing/in/here": None,
            "zażółć 名前/🐟": "fish",
            "two\nlines/and\ttabs": "x",
            "-rf": "x",
            ".hidden": "x",
            "big": os.urandom(20_000_000),
        },
    )

    transfer = bench.copy()

    assert transfer.status == "succeeded"
    assert tree(bench.there) == tree(bench.here)
    assert parts(bench.there) == []
    assert (transfer.files, transfer.files_transferred, transfer.files_skipped, transfer.files_failed) == (8, 8, 0, 0)
    total = sum(len(content) for content in tree(bench.here).values() if content)
    assert transfer.bytes_total == transfer.bytes_transferred == transfer.bytes_checksummed == total


def test_each_file_has_a_row_with_digest_and_level(bench: Bench) -> None:
    fill(bench.here, {"a": "hello", "big": b"x" * 20_000_000})

    bench.copy()

    for name in ("a", "big"):
        file = bench.files()[f"/{name}"]
        assert (file.state, file.verified, file.verdict, file.packed) == ("done", "checksum", "add", name == "a")
        assert file.checksum == hashlib.sha256((bench.here / name).read_bytes()).hexdigest()


def test_without_verification_the_level_says_so(bench: Bench) -> None:
    fill(bench.here, {"a": "hello"})

    transfer = bench.copy(verify_checksum=False)

    assert bench.rows() == {"/a": ("done", "size")}
    assert transfer.bytes_checksummed == 0


def test_history_tells_phases_and_the_end(bench: Bench) -> None:
    fill(bench.here, {"a": "hello"})

    bench.copy()

    codes = list(TransferEvent.objects.order_by("id").values_list("code", "phase"))
    assert codes == [("started", "scan"), ("progress", "copy"), ("progress", "verify"), ("succeeded", "verify")]


def test_an_empty_source_succeeds(bench: Bench) -> None:
    assert bench.copy().status == "succeeded"


def test_a_sparse_file_stays_sparse(bench: Bench) -> None:
    with (bench.here / "sparse").open("wb") as file:
        file.write(b"head")
        file.truncate(64 << 20)

    bench.copy()

    assert (bench.there / "sparse").stat().st_size == 64 << 20
    assert (bench.there / "sparse").stat().st_blocks * 512 < 1 << 20


# Items


@pytest.mark.parametrize("recursive", [None, False])
def test_one_file_goes_to_exactly_its_path_and_folders_are_made(bench: Bench, recursive: bool | None) -> None:
    fill(bench.here, {"a/f": "1"})

    bench.copy(item("/a/f", "/x/y/g", recursive=recursive))

    assert tree(bench.there) == {"x": None, "x/y": None, "x/y/g": b"1"}


def test_a_file_goes_into_a_destination_that_is_written_as_a_folder(bench: Bench) -> None:
    fill(bench.here, {"a/f": "1"})

    bench.copy(item("/a/f", "/x/"), item("/a/f", "/"))

    assert tree(bench.there) == {"x": None, "x/f": b"1", "f": b"1"}


@pytest.mark.parametrize("recursive", [None, True])
def test_a_folders_content_goes_into_the_destination(bench: Bench, recursive: bool | None) -> None:
    fill(bench.here, {"a/f": "1", "a/d/g": "2", "b": "3"})

    bench.copy(item("/a", "/x", recursive=recursive))

    assert tree(bench.there) == {"x": None, "x/f": b"1", "x/d": None, "x/d/g": b"2"}


@pytest.mark.parametrize(("source", "recursive", "reason"), [("/d", False, "not_a_file"), ("/f", True, "not_a_folder")])
def test_recursive_must_fit_what_is_found(bench: Bench, source: str, recursive: bool, reason: str) -> None:
    fill(bench.here, {"f": "1", "d": None})

    transfer = bench.copy(item(source, "/x", recursive=recursive))

    assert (transfer.status, transfer.failure_reason) == ("failed", reason)
    assert source in transfer.error_message


def test_a_folder_that_turns_out_to_hold_its_destination_is_refused(bench: Bench) -> None:
    fill(bench.here, {"a/b/c/f": "1"})
    bench.destination = bench.source

    transfer = bench.copy(item("/a/b/c", "/a/"))

    assert (transfer.status, transfer.failure_reason) == ("failed", "unsupported")


def test_links_are_neither_copied_nor_followed(bench: Bench) -> None:
    fill(bench.here, {"f": "1"})
    (bench.here / "file-link").symlink_to("/etc/passwd")
    (bench.here / "folder-link").symlink_to("/etc")

    transfer = bench.copy()

    assert transfer.status == "succeeded"
    assert [path.name for path in bench.there.iterdir()] == ["f"]


def test_an_item_that_is_a_link_is_refused(bench: Bench) -> None:
    (bench.here / "link").symlink_to("/etc/passwd")

    transfer = bench.copy(item("/link", "/x"))

    assert (transfer.status, transfer.failure_reason) == ("failed", "path_outside")
    assert "/link" in transfer.error_message


def test_filters_count_inside_recursive_items_only(bench: Bench) -> None:
    fill(bench.here, {"x.tmp": "1", "d/x.tmp": "2", "d/y.txt": "3", "d/skip/z.txt": "4"})
    rules = [{"method": "exclude", "name": "*.tmp"}, {"method": "exclude", "name": "skip", "type": "dir"}]

    bench.copy(item("/x.tmp", "/x.tmp"), item("/d", "/d"), filter_rules=rules)

    assert tree(bench.there) == {"x.tmp": b"1", "d": None, "d/y.txt": b"3"}


# What is there already


def test_without_a_level_everything_is_copied_again(bench: Bench) -> None:
    fill(bench.here, {"f": "same"})
    bench.copy()

    assert bench.copy().files_transferred == 1


@pytest.mark.parametrize(
    ("level", "copied"),
    [
        (0, {"new"}),
        (1, {"new", "size"}),
        (2, {"new", "size", "older"}),
        (3, {"new", "size", "content"}),
    ],
)
def test_a_level_decides_what_is_copied_again(bench: Bench, level: int, copied: set[str]) -> None:
    names = ("new", "same", "size", "older", "content")
    fill(bench.here, dict.fromkeys(names, "12345"))
    fill(bench.there, {"same": "12345", "size": "1234", "older": "12345", "content": "1234X"})
    for name in names:
        os.utime(bench.here / name, (T, T))
        if name != "new":
            os.utime(bench.there / name, (T, T - 100 if name == "older" else T))

    transfer = bench.copy(sync_level=level)

    assert {path[1:] for path, (state, _) in bench.rows().items() if state == "done"} == copied
    assert transfer.files_skipped == 5 - len(copied)
    assert transfer.bytes_total == transfer.bytes_transferred == 5 * len(copied)
    assert bench.rows()["/same"] == ("skipped", ("exists", "size", "mtime", "checksum")[level])
    assert all((bench.there / name).read_text() == "12345" for name in copied)


def test_comparing_by_content_shows_its_phase_and_counts_what_it_read(bench: Bench) -> None:
    fill(bench.here, {"f": b"x" * 9_000_000})
    fill(bench.there, {"f": b"x" * 9_000_000})

    transfer = bench.copy(sync_level=3)

    assert transfer.bytes_checksummed == 9_000_000
    assert TransferEvent.objects.filter(transfer=transfer, phase="compare").exists()
    row = TransferFile.objects.get(step="copy")
    assert row.checksum == hashlib.sha256(b"x" * 9_000_000).hexdigest()


def test_times_are_kept_when_asked_for(bench: Bench) -> None:
    fill(bench.here, {"f": "1"})
    os.utime(bench.here / "f", ns=(T * 10**9, T * 10**9 + 123_456_789))

    bench.copy()
    assert (bench.there / "f").stat().st_mtime > T + 1000

    bench.copy(preserve_timestamp=True)
    assert (bench.there / "f").stat().st_mtime_ns == T * 10**9 + 123_456_789


def test_a_repetition_by_time_copies_nothing(bench: Bench) -> None:
    fill(bench.here, {"f": "1", "d/g": "2"})
    bench.copy(sync_level=2)

    transfer = bench.copy(sync_level=2)

    assert (transfer.files_transferred, transfer.files_skipped) == (0, 2)


@pytest.mark.parametrize(("here", "there"), [({"x": "file"}, {"x": None}), ({"x/f": "1"}, {"x": "file"})])
def test_files_and_folders_never_replace_each_other(bench: Bench, here: Any, there: Any) -> None:
    fill(bench.here, here)
    fill(bench.there, there)
    before = tree(bench.there)

    transfer = bench.copy()

    assert (transfer.status, transfer.failure_reason) == ("failed", "clash")
    assert "/x" in transfer.error_message
    assert tree(bench.there) == before


# Checksums that were given


def test_a_file_with_the_given_checksum_is_copied(bench: Bench) -> None:
    fill(bench.here, {"f": "hello"})
    md5 = hashlib.md5(b"hello").hexdigest().upper()

    transfer = bench.copy(item("/f", "/f", external_checksum=md5, checksum_algorithm="MD5"), verify_checksum=False)

    assert transfer.status == "succeeded"
    assert TransferFile.objects.get().checksum == md5.lower()


def test_a_file_with_another_checksum_is_not(bench: Bench) -> None:
    fill(bench.here, {"f": "hello"})

    transfer = bench.copy(item("/f", "/f", external_checksum="0" * 64))

    assert (transfer.status, transfer.failure_reason) == ("failed", "checksum_mismatch")
    assert "/f" in transfer.error_message
    assert tree(bench.there) == {}


# Between kinds of storage


@pytest.mark.parametrize("direction", ["to memory", "from memory"])
def test_any_storage_can_be_copied_to_any_other(bench: Bench, monkeypatch: Any, direction: str) -> None:
    files = {"a": b"1" * 300_000, "d/b": b"2", "e": None}
    remote = MemoryStorage({"name": "remote"}, {})
    local = collections.storage_for
    monkeypatch.setattr(
        collections,
        "storage_for",
        lambda each: MemoryStorage({"name": "remote"}, {}) if each == far else local(each),
    )
    if direction == "to memory":
        far = bench.destination
        fill(bench.here, files)
    else:
        far = bench.source
        for path, content in files.items():
            remote.mkdir(f"/{path}" if content is None else "/d")
            if content is not None:
                writer = remote.write(f"/{path}", partial="x")
                writer.write(content)
                writer.commit()

    transfer = bench.copy()
    again = bench.copy(sync_level=3)

    assert (transfer.status, transfer.files_transferred) == ("succeeded", 2)
    assert (again.files_skipped, again.files_transferred) == (2, 0)
    if direction == "to memory":
        assert remote.stat("/d/b").size == 1
        assert remote.stat("/e").kind == "dir"
    else:
        assert tree(bench.there) == {"a": b"1" * 300_000, "d": None, "d/b": b"2", "e": None}
    memory.PLACES.pop("remote")


@pytest.mark.parametrize("level", [None, 0, 1, 3])
def test_a_given_checksum_is_asked_for_whatever_stands_there(bench: Bench, level: int | None) -> None:
    fill(bench.here, {"f": "12345"})
    fill(bench.there, {"f": "12345"})

    wrong = bench.copy(item("/f", "/f", external_checksum="0" * 64), sync_level=level)

    assert (wrong.status, wrong.failure_reason) == ("failed", "checksum_mismatch")
    assert bench.files()["/f"].state == "failed"


def test_a_checksum_for_a_folder_is_a_fault(bench: Bench) -> None:
    fill(bench.here, {"d/f": "1"})

    transfer = bench.copy(item("/d", "/d", external_checksum="0" * 64))

    assert (transfer.status, transfer.failure_reason) == ("failed", "not_a_file")


@pytest.mark.parametrize("size", [1, 300_000])
@pytest.mark.parametrize("ns", [0, -86_400_500_000_000, 2**33 * 10**9])
def test_any_time_is_kept(bench: Bench, size: int, ns: int) -> None:
    fill(bench.here, {"f": "x" * size})
    os.utime(bench.here / "f", ns=(ns, ns))

    bench.copy(preserve_timestamp=True)

    assert (bench.there / "f").stat().st_mtime_ns == (bench.here / "f").stat().st_mtime_ns
