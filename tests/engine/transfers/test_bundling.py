"""Small files: planned, copied and recorded in packs, whatever happens to some of them."""

from __future__ import annotations

import hashlib
import os
import time
from typing import Any

import pytest

from tests.engine.transfers.bench import Bench, Killed, fill, parts, tree
from timers.copying import bundles
from timers.engine.transfers import batch_copy
from timers.models import TransferFile
from timers.queries.transfers import files as transfer_files
from timers.services.collections import commands as collections
from timers.services.transfers import commands as transfers
from timers.storages import batch_helpers, batch_worker

pytestmark = pytest.mark.django_db

MANY = {f"d{number % 4}/f{number}": f"content {number}" for number in range(200)}
NAMES = ["zażółć 名前 🐟", "two\nlines", " blank ", "-rf", "'\"", ".hidden", "a" * 250]


def test_a_thousand_small_files_need_few_rows(bench: Bench, monkeypatch: Any) -> None:
    monkeypatch.setattr(batch_copy, "MAX_BATCH_SECONDS", 1000.0)
    fill(bench.here, {f"f{number}": str(number) for number in range(1001)})

    transfer = bench.submit()
    bench.run(budget=1000.0)

    assert tree(bench.there) == tree(bench.here)
    assert (transfer.files, transfer.files_transferred) == (1001, 1001)
    assert TransferFile.objects.filter(step="copy").count() == 2
    assert len(bench.files()) == 1001


def test_every_member_has_its_own_digest_and_size(bench: Bench) -> None:
    fill(bench.here, MANY)

    bench.copy()

    assert {path: file.checksum for path, file in bench.files().items()} == {
        f"/{name}": hashlib.sha256(content.encode()).hexdigest() for name, content in MANY.items()
    }
    assert {file.verified for file in bench.files().values()} == {"checksum"}
    assert sum(row.size for row in TransferFile.objects.filter(step="copy")) == bench.transfer.bytes_transferred


@pytest.mark.parametrize("name", NAMES)
def test_any_name_and_empty_files_travel_in_packs(bench: Bench, name: str) -> None:
    fill(bench.here, {name: "", f"{name}2"[:255]: "x"})

    bench.copy()

    assert tree(bench.there) == tree(bench.here)
    assert all(file.packed for file in bench.files().values())


def test_a_member_that_vanished_goes_its_own_way_and_its_neighbours_arrive(bench: Bench) -> None:
    fill(bench.here, MANY)
    bench.submit(skip_source_errors=True)
    _list(bench, files=len(MANY))
    (bench.here / "d0" / "f0").unlink()

    bench.run()

    assert bench.transfer.status == "succeeded"
    assert (bench.transfer.files_failed, bench.transfer.files_transferred) == (1, len(MANY) - 1)
    states = {path: file.state for path, file in bench.files().items()}
    assert states.pop("/d0/f0") == "failed"
    assert set(states.values()) == {"done"}
    assert parts(bench.there) == []


def test_a_member_that_has_grown_large_since_it_was_listed_is_copied_whole(bench: Bench) -> None:
    fill(bench.here, MANY)
    bench.submit()
    _list(bench, files=len(MANY))
    (bench.here / "d1" / "f1").write_bytes(os.urandom(batch_worker.MAX_FILE_BYTES + 1))

    bench.run()

    assert tree(bench.there) == tree(bench.here)
    assert not bench.files()["/d1/f1"].packed


def test_a_fault_of_one_member_is_tried_again_later_alone(bench: Bench, monkeypatch: Any) -> None:
    fill(bench.here, {"f": "1", "g": "2", "h": "3"})
    bench.submit()
    rename, failed = os.rename, []

    def fails(source: str, target: str, **more: Any) -> None:
        if target == "g" and not failed:
            failed.append(target)
            raise OSError(5, "Input/output error")
        rename(source, target, **more)

    with monkeypatch.context() as patched:
        patched.setattr(os, "rename", fails)
        bench.slice()
    assert {path: file.state for path, file in bench.files().items()} == {"/f": "done", "/g": "pending", "/h": "done"}
    assert bench.faults() == ["storage_error"]

    bench.later(seconds=10)
    bench.run()
    assert tree(bench.there) == tree(bench.here)
    assert bench.transfer.files_transferred == 3


def test_a_member_that_ends_the_transfer_is_listed_once(bench: Bench, monkeypatch: Any) -> None:
    fill(bench.here, {"f": "1", "g": "2"})
    bench.submit()

    def denied(source: str, target: str, **more: Any) -> None:
        raise OSError(13, "Permission denied")

    with monkeypatch.context() as patched:
        patched.setattr(os, "rename", denied)
        bench.run()

    listed = transfer_files.page(bench.transfer.pk, filters=transfer_files.FileFilters(), limit=10).rows
    assert bench.transfer.status == "failed"
    assert sorted(file.destination_path for file in listed if file.step == "copy") == ["/f", "/g"]


def test_a_full_disk_makes_the_whole_transfer_wait_and_loses_nothing(bench: Bench, monkeypatch: Any) -> None:
    fill(bench.here, {"f": "1", "g": "2", "h": "3"})
    bench.submit()
    write, full = os.write, []

    def fills_up(fd: int, data: bytes) -> int:
        if data == b"2" and not full:
            full.append(fd)
            raise OSError(28, "No space left on device")
        return write(fd, data)

    with monkeypatch.context() as patched:
        patched.setattr(os, "write", fills_up)
        bench.slice()
    assert (bench.transfer.status, bench.faults()) == ("active", ["no_space"])
    assert parts(bench.there) == []

    bench.later(seconds=10)
    bench.run()
    assert tree(bench.there) == tree(bench.here)
    assert (bench.transfer.files_transferred, bench.transfer.bytes_transferred) == (3, 3)


def test_what_was_copied_wrongly_is_not_moved_into_place(bench: Bench, monkeypatch: Any) -> None:
    fill(bench.here, {"f": "precious"})
    pread, bent = os.pread, []

    def bends(fd: int, size: int, offset: int) -> bytes:
        data = pread(fd, size, offset)
        if data == b"precious" and not bent:
            bent.append(fd)
            return b"damaged!"
        return data

    monkeypatch.setattr(os, "pread", bends)
    transfer = bench.copy()

    assert bent
    assert transfer.status == "succeeded"
    assert not bench.files()["/f"].packed, "it was looked at by itself"
    assert tree(bench.there) == {"f": b"precious"}
    assert parts(bench.there) == []


def test_the_time_of_a_slice_may_end_within_a_pack(bench: Bench, monkeypatch: Any) -> None:
    fill(bench.here, {f"f{number:03}": str(number) for number in range(100)})
    bench.submit()
    _list(bench, files=100)
    with monkeypatch.context() as patched:
        patched.setattr(batch_copy, "MAX_BATCH_SECONDS", 0.0)
        bench.slice(budget=0)
    half = bench.files()
    assert 0 < sum(file.state == "done" for file in half.values()) < 100

    bench.run(most=50)
    assert tree(bench.there) == tree(bench.here)
    assert bench.transfer.files_transferred == 100
    assert len(bench.files()) == 100


@pytest.mark.parametrize("after", [0, 3, 60])
def test_a_killed_slice_loses_nothing_and_counts_nothing_twice(bench: Bench, monkeypatch: Any, after: int) -> None:
    fill(bench.here, MANY)
    bench.submit()
    rename, count = os.rename, iter(range(10_000))

    def dies(*given: Any, **more: Any) -> None:
        if next(count) == after:
            raise Killed
        rename(*given, **more)

    with monkeypatch.context() as patched, pytest.raises(Killed):
        patched.setattr(os, "rename", dies)
        bench.slice()
    bench.later(seconds=16)
    bench.run()

    assert tree(bench.there) == tree(bench.here)
    assert parts(bench.there) == []
    assert bench.transfer.files_transferred == len(MANY)
    assert {file.state for file in bench.files().values()} == {"done"}


def test_a_helper_that_is_killed_costs_nothing_but_time(bench: Bench, monkeypatch: Any) -> None:
    if not batch_helpers.max_helpers():
        pytest.skip("This machine has one processor: there are no helpers.")
    fill(bench.here, MANY)
    bench.submit()
    begin = batch_helpers.Helper.start

    def dies(self: batch_helpers.Helper, job: Any) -> None:
        begin(self, job)
        self._process.kill()

    monkeypatch.setattr(batch_helpers.Helper, "start", dies)
    bench.run()

    assert tree(bench.there) == tree(bench.here)
    assert parts(bench.there) == []
    assert bench.transfer.files_transferred == len(MANY)


def test_comparing_by_content_splits_a_pack_into_what_is_the_same_and_what_is_not(bench: Bench) -> None:
    fill(bench.here, {"same": "12345", "other": "12345", "new": "1"})
    fill(bench.there, {"same": "12345", "other": "1234X"})

    transfer = bench.copy(sync_level=3)

    found = {path: (file.state, file.verdict, file.level) for path, file in bench.files().items()}
    assert found == {
        "/same": ("skipped", "same", "checksum"),
        "/other": ("done", "change", "checksum"),
        "/new": ("done", "add", None),
    }
    assert (transfer.files, transfer.files_skipped, transfer.files_transferred) == (3, 1, 2)
    assert transfer.bytes_total == transfer.bytes_transferred == 6
    assert tree(bench.there) == tree(bench.here)


def test_packs_know_what_stood_at_the_destination(bench: Bench) -> None:
    fill(bench.here, {"a": "new content"})
    fill(bench.there, {"a": "old"})
    os.utime(bench.there / "a", (1_600_000_000, 1_600_000_000))

    bench.copy(sync_level=1)

    row = TransferFile.objects.get(step="copy")
    (member,) = bundles.decode(row.members or "")
    assert (row.verdict, member.there_size, member.there_modified_us) == ("change", 3, 1_600_000_000_000_000)


def test_extra_files_are_deleted_in_packs(bench: Bench) -> None:
    fill(bench.here, {"keep": "1"})
    fill(bench.there, {f"extra{number}": "x" for number in range(50)})

    transfer = bench.copy(delete_destination_extra=True)

    assert transfer.status == "succeeded"
    assert tree(bench.there) == {"keep": b"1"}
    assert TransferFile.objects.filter(step="delete", state="done").count() == 1
    assert len(bench.files("delete")) == 50


def test_cancelling_within_packs_leaves_no_parts(bench: Bench, owner: Any, monkeypatch: Any) -> None:
    fill(bench.here, MANY)
    bench.submit()
    copy_batches = type(_local(bench)).copy_batches

    def cancels(self: Any, *given: Any, **more: Any) -> Any:
        transfers.cancel(bench.transfer, by=owner, now=bench.now)
        bench.clock.at += 1
        return copy_batches(self, *given, **more)

    monkeypatch.setattr(type(_local(bench)), "copy_batches", cancels)
    bench.slice()

    assert bench.transfer.status == "cancelled"
    assert parts(bench.there) == []
    done = sum(file.state == "done" for file in bench.files().values())
    assert done == bench.transfer.files_transferred == len([each for each in tree(bench.there).values() if each])


def test_small_files_keep_to_a_limit_on_speed_too(bench: Bench) -> None:
    fill(bench.here, {f"f{number}": os.urandom(10_000) for number in range(40)})
    bench.submit(max_bytes_per_second=1_000_000)

    began = time.monotonic()
    bench.run()

    assert time.monotonic() - began >= 0.4
    assert tree(bench.there) == tree(bench.here)
    assert all(file.packed for file in bench.files().values())


def _local(bench: Bench) -> Any:
    return collections.storage_for(bench.destination)


def _list(bench: Bench, *, files: int) -> None:
    """Run slices until so many files are listed; none is copied yet."""
    for _ in range(50):
        if len(bench.files()) >= files:
            break
        bench.slice(budget=0)
    assert bench.transfer.phase == "scan"
