"""Slices: handed over, lost, taken over, cancelled. Nothing is lost or half-done under a final name."""

from __future__ import annotations

import os
from datetime import timedelta
from typing import Any

import pytest
from django_q.models import OrmQ

from tests.engine.transfers.bench import Bench, Killed, Ticking, fill, parts, tree
from timers.engine.transfers import copy_file
from timers.models import TransferFile
from timers.services.transfers import commands as transfers
from timers.storages.base import SourceFault, fault
from timers.storages.local import LocalStorage, LocalWriter

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("rows_of_their_own")]

MANY = {f"d{number % 3}/f{number}": str(number) * 10 for number in range(20)}


def test_a_slice_without_time_still_gets_on_and_wakes_the_next(bench: Bench) -> None:
    fill(bench.here, MANY)
    bench.submit()
    OrmQ.objects.all().delete()

    slices = bench.run(budget=0, batch=2)

    assert slices > 10
    assert tree(bench.there) == tree(bench.here)
    assert OrmQ.objects.count() == slices - 1
    assert bench.transfer.files_transferred == 20


def test_between_slices_nobody_holds_the_transfer(bench: Bench) -> None:
    fill(bench.here, MANY)
    bench.submit()

    bench.slice(budget=0, batch=2)

    assert (bench.transfer.status, bench.transfer.lease_owner) == ("active", None)


def test_a_message_that_comes_twice_does_nothing(bench: Bench) -> None:
    fill(bench.here, {"f": "1"})
    bench.copy()

    assert bench.slice() is False


@pytest.mark.parametrize("after", range(0, 20, 3))
def test_a_killed_slice_is_gone_on_with_at_the_first_unfinished_file(
    bench: Bench, monkeypatch: Any, after: int
) -> None:
    fill(bench.here, MANY)
    bench.submit()
    commit, count = LocalWriter.commit, iter(range(10_000))

    def dies(self: LocalWriter, **more: Any) -> None:
        if next(count) == after:
            raise Killed
        commit(self, **more)

    with monkeypatch.context() as patched, pytest.raises(Killed):
        patched.setattr(LocalWriter, "commit", dies)
        patched.setattr(LocalWriter, "discard", lambda self: None)  # a killed process tidies nothing up
        bench.slice(batch=4)
    assert bench.slice() is False, "its lease still holds"
    recorded = set(TransferFile.objects.filter(step="copy", state="done").values_list("destination_path", flat=True))
    inodes = {path: (bench.there / path[1:]).stat().st_ino for path in recorded}
    assert all(content == MANY[path].encode() for path, content in _files(bench).items())

    bench.later(seconds=16)
    bench.run()

    assert tree(bench.there) == tree(bench.here)
    assert parts(bench.there) == []
    assert {path: (bench.there / path[1:]).stat().st_ino for path in recorded} == inodes, "done files are left alone"
    assert bench.transfer.files_transferred == 20


def _files(bench: Bench) -> dict[str, bytes]:
    return {path: data for path, data in tree(bench.there).items() if data is not None and ".part" not in path}


def test_a_slice_killed_while_it_lists_is_listed_again(bench: Bench, monkeypatch: Any) -> None:
    fill(bench.here, MANY)
    bench.submit()
    listing = LocalStorage.list

    def dies(self: LocalStorage, path: str) -> Any:
        for number, entry in enumerate(listing(self, path)):
            if path != "/" and number == 3:
                raise Killed
            yield entry

    with monkeypatch.context() as patched, pytest.raises(Killed):
        patched.setattr(LocalStorage, "list", dies)
        bench.slice(batch=1)

    bench.later(seconds=16)
    bench.run(batch=1)

    assert tree(bench.there) == tree(bench.here)
    assert (bench.transfer.files, bench.transfer.files_transferred) == (20, 20)
    assert bench.transfer.bytes_total == bench.transfer.bytes_transferred


def test_a_slice_whose_lease_ran_out_moves_nothing_into_place(bench: Bench, monkeypatch: Any) -> None:
    fill(bench.here, MANY)
    bench.submit()
    sync_all = LocalStorage.sync_all

    def stalls(self: LocalStorage, writers: Any) -> None:
        sync_all(self, writers)
        bench.clock.at += 14  # as a frozen process or a very slow disk does

    monkeypatch.setattr(LocalStorage, "sync_all", stalls)
    bench.slice()

    assert all(content is None for content in tree(bench.there).values())
    assert parts(bench.there) == []
    assert bench.transfer.status == "active"


def test_a_long_slice_extends_its_lease(bench: Bench) -> None:
    fill(bench.here, MANY)
    bench.submit()
    bench.clock = Ticking(step=0.2)

    bench.slice(budget=10_000)

    assert bench.transfer.status == "succeeded"
    assert bench.clock.at > 15
    assert bench.transfer.finished_at > bench.now + timedelta(seconds=15)


# Large files


@pytest.fixture
def small_stretches(monkeypatch: Any) -> None:
    monkeypatch.setattr(copy_file, "SEGMENT_BYTES", 1000)


@pytest.fixture
def large(bench: Bench, small_stretches: None) -> Bench:
    """A transfer of one file of ten stretches; each slice has time for one."""
    fill(bench.here, {"large": os.urandom(9_500)})
    bench.submit()
    return bench


def _begin(large: Bench) -> None:
    """Run slices until three stretches are copied."""
    while not TransferFile.objects.filter(bytes_done=3_000).exists():
        large.slice(budget=0)


@pytest.mark.parametrize("verify", [True, False])
def test_a_large_file_is_copied_over_many_slices(bench: Bench, small_stretches: None, verify: bool) -> None:
    fill(bench.here, {"large": os.urandom(9_500)})
    bench.submit(verify_checksum=verify)

    slices = bench.run(budget=0)

    assert slices >= 10
    assert tree(bench.there) == tree(bench.here)
    assert parts(bench.there) == []
    assert bench.transfer.bytes_transferred == 9_500
    assert bench.rows()["/large"] == ("done", "checksum" if verify else "size")


def test_what_was_copied_before_is_not_copied_again(large: Bench) -> None:
    _begin(large)
    (part,) = parts(large.there)
    row = TransferFile.objects.get(step="copy")
    assert row.part == part.name
    assert row.bytes_done == part.stat().st_size == 3_000
    inode = part.stat().st_ino

    large.run(budget=0)

    assert (large.there / "large").stat().st_ino == inode


def test_a_part_that_was_tampered_with_is_begun_again(large: Bench) -> None:
    _begin(large)
    (part,) = parts(large.there)
    with part.open("r+b") as file:
        file.seek(2_500)
        file.write(b"tampered")

    large.run(budget=0)

    assert tree(large.there) == tree(large.here)
    assert large.transfer.bytes_transferred == 9_500


def test_after_a_lost_slice_the_whole_part_is_read_again(large: Bench, monkeypatch: Any) -> None:
    _begin(large)
    (part,) = parts(large.there)
    with part.open("r+b") as file:
        file.write(b"tampered at its very beginning")
    with monkeypatch.context() as patched, pytest.raises(Killed):
        patched.setattr(LocalWriter, "copy_verified_from", _raise(Killed()))
        patched.setattr(LocalWriter, "discard", lambda self: None)
        large.slice(budget=0)

    large.later(seconds=16)
    large.run(budget=0)

    assert tree(large.there) == tree(large.here)
    assert parts(large.there) == []


def test_a_slice_that_dies_after_taking_over_a_part_loses_only_its_own_work(large: Bench, monkeypatch: Any) -> None:
    _begin(large)
    inode = parts(large.there)[0].stat().st_ino
    for _ in range(2):  # each dies when the part has its new name, and nobody has written that down
        with monkeypatch.context() as patched, pytest.raises(Killed):
            patched.setattr(LocalWriter, "copy_verified_from", _raise(Killed()))
            patched.setattr(LocalWriter, "discard", lambda self: None)
            large.slice(budget=0)
        large.later(seconds=16)

    large.slice(budget=0)
    assert large.transfer.bytes_transferred == 4_000
    large.run(budget=0)

    assert (large.there / "large").stat().st_ino == inode
    assert tree(large.there) == tree(large.here)
    assert large.transfer.bytes_transferred == large.transfer.bytes_checksummed == 9_500
    assert parts(large.there) == []


def test_a_fault_in_the_middle_of_a_file_loses_nothing(large: Bench, monkeypatch: Any) -> None:
    _begin(large)
    inode = parts(large.there)[0].stat().st_ino
    take, count = LocalWriter.copy_verified_from, iter(range(100))

    def breaks(self: LocalWriter, *given: Any) -> int:
        if next(count) == 2:
            raise SourceFault(fault("connection_error", "The line broke."))
        return take(self, *given)

    with monkeypatch.context() as patched:
        patched.setattr(LocalWriter, "copy_verified_from", breaks)
        large.slice(budget=60)
    assert large.transfer.bytes_transferred == 5_000
    assert large.faults() == ["connection_error"]

    large.later(seconds=10)
    large.run(budget=0)
    assert (large.there / "large").stat().st_ino == inode
    assert large.transfer.bytes_transferred == 9_500


def test_a_part_that_is_gone_is_begun_again(large: Bench) -> None:
    _begin(large)
    parts(large.there)[0].unlink()

    large.run(budget=0)

    assert tree(large.there) == tree(large.here)
    assert large.transfer.bytes_transferred == 9_500


def test_a_source_that_changed_between_slices_is_copied_from_its_beginning(large: Bench) -> None:
    _begin(large)
    (large.here / "large").write_bytes(b"quite another content" * 100)

    large.run(budget=0)

    assert tree(large.there) == tree(large.here)
    assert parts(large.there) == []


# Cancelling


def test_cancelling_between_slices_ends_it_and_leaves_no_part(large: Bench, owner: Any) -> None:
    _begin(large)

    transfers.cancel(large.transfer, by=owner, now=large.now)
    large.slice()

    assert large.transfer.status == "cancelled"
    assert tree(large.there) == {}
    assert large.slice() is False


def test_cancelling_a_running_slice_acts_within_a_second(bench: Bench, owner: Any, monkeypatch: Any) -> None:
    fill(bench.here, MANY)
    bench.submit()
    bench.clock = Ticking(step=0.01)
    take, asked = LocalWriter.copy_verified_from, []

    def asks(self: LocalWriter, *given: Any) -> int:
        if not asked:
            asked.append(bench.clock.at)
            transfers.cancel(bench.transfer, by=owner, now=bench.now)
        return take(self, *given)

    monkeypatch.setattr(LocalWriter, "copy_verified_from", asks)
    bench.slice()

    assert bench.transfer.status == "cancelled"
    assert bench.clock.at - asked[0] < 1
    assert all(content is None for content in tree(bench.there).values())
    assert parts(bench.there) == []


def _raise(error: BaseException) -> Any:
    def raises(*_: Any, **__: Any) -> Any:
        raise error

    return raises
