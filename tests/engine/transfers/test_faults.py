"""Faults: final ones end a transfer at once, those that can heal are tried again until the deadline."""

from __future__ import annotations

import os
from datetime import timedelta
from typing import Any

import pytest

from tests.engine.transfers.bench import Bench, fill, item, parts, tree
from timers.models import TransferEvent, TransferFile
from timers.storages import copy_syscalls
from timers.storages.base import fault
from timers.storages.local import LocalReader, LocalStorage, LocalWriter

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("rows_of_their_own")]


def _list(bench: Bench, *, files: int) -> None:
    """Run slices until so many files are listed; none is copied yet."""
    while TransferFile.objects.filter(step="copy").count() < files:
        bench.slice(budget=0)
    assert bench.transfer.phase == "scan"


def test_a_missing_source_fails_at_once_and_is_named(bench: Bench) -> None:
    transfer = bench.copy(item("/no/such/file", "/x"))

    assert (transfer.status, transfer.failure_reason) == ("failed", "not_found")
    assert "/no/such/file" in transfer.error_message
    assert transfer.slice == 1


def test_a_path_through_a_link_fails_at_once_and_is_named(bench: Bench) -> None:
    (bench.here / "way").symlink_to("/etc")

    transfer = bench.copy(item("/way/passwd", "/x"))

    assert (transfer.status, transfer.failure_reason) == ("failed", "path_outside")
    assert "/way/passwd" in transfer.error_message


def test_a_destination_through_a_link_fails_and_writes_nothing_there(bench: Bench, tmp_path: Any) -> None:
    fill(bench.here, {"f": "1"})
    (tmp_path / "outside").mkdir()
    (bench.there / "way").symlink_to(tmp_path / "outside")

    transfer = bench.copy(item("/f", "/way/f"))

    assert (transfer.status, transfer.failure_reason) == ("failed", "path_outside")
    assert tree(tmp_path / "outside") == {}


def test_a_folder_swapped_for_a_link_between_listing_and_copying_leads_nowhere(bench: Bench, tmp_path: Any) -> None:
    fill(bench.here, {"d/f": "1", "e/g": "2"})
    fill(tmp_path / "outside", {"f": "secret", "g": "secret"})
    bench.submit()
    _list(bench, files=2)
    for name in ("d", "e"):
        (bench.here / name).rename(bench.here / f"old-{name}")
        (bench.here / name).symlink_to(tmp_path / "outside")

    bench.run()

    assert (bench.transfer.status, bench.transfer.failure_reason) == ("failed", "path_outside")
    assert "secret" not in str(tree(bench.there))


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to become somebody without rights")
def test_denied_access_fails_at_once_and_is_named(bench: Bench, monkeypatch: Any) -> None:
    fill(bench.here, {"f": "1"})
    (bench.here / "f").chmod(0o600)
    opened = LocalStorage.open

    def as_nobody(self: LocalStorage, path: str, **more: Any) -> Any:
        self.stat(path)
        os.seteuid(65534)
        try:
            return opened(self, path, **more)
        finally:
            os.seteuid(0)

    monkeypatch.setattr(LocalStorage, "open", as_nobody)
    transfer = bench.copy()

    assert (transfer.status, transfer.failure_reason) == ("failed", "permission_denied")
    assert "/f" in transfer.error_message


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to become somebody without rights")
def test_a_folder_inside_that_denies_access_fails_at_once_and_is_named(bench: Bench, monkeypatch: Any) -> None:
    fill(bench.here, {"deny/a": "1", "deny/in/b": "2"})
    (bench.here / "deny" / "in").chmod(0)
    listed = LocalStorage.list

    def as_nobody(self: LocalStorage, path: str) -> Any:
        self.stat(path)
        if path != "/deny/in":
            return listed(self, path)
        os.seteuid(65534)
        try:
            return list(listed(self, path))
        finally:
            os.seteuid(0)

    monkeypatch.setattr(LocalStorage, "list", as_nobody)
    transfer = bench.copy()

    assert (transfer.status, transfer.failure_reason) == ("failed", "permission_denied")
    assert "/deny/in" in transfer.error_message


# skip_source_errors


def test_source_errors_become_warnings_when_asked_for(bench: Bench) -> None:
    fill(bench.here, {"f": "1"})

    transfer = bench.copy(item("/no", "/x"), item("/f", "/f"), skip_source_errors=True)

    assert transfer.status == "succeeded"
    assert (transfer.files, transfer.files_transferred, transfer.files_failed, transfer.faults) == (2, 1, 1, 1)
    failed = TransferFile.objects.get(state="failed")
    assert (failed.source_path, failed.failure_reason) == ("/no", "not_found")
    assert bench.faults() == ["not_found"]


def test_a_file_that_vanished_since_it_was_listed_is_a_source_error(bench: Bench) -> None:
    fill(bench.here, {"f": "1", "g": "2"})
    bench.submit(skip_source_errors=True)
    _list(bench, files=2)
    (bench.here / "f").unlink()

    bench.run()

    assert bench.transfer.status == "succeeded"
    assert bench.rows()["/f"][0] == "failed"
    assert bench.rows()["/g"][0] == "done"


def test_a_name_that_is_no_text_is_a_source_error(bench: Bench) -> None:
    fill(bench.here, {"d/ok": "1"})
    (bench.here / "d" / os.fsdecode(b"bad-\xff")).touch()

    transfer = bench.copy()
    assert (transfer.status, transfer.failure_reason) == ("failed", "bad_name")
    assert "/d" in transfer.error_message

    fill(bench.here, {"d/e/too": "2"})
    transfer = bench.copy(skip_source_errors=True)
    assert (transfer.status, transfer.files_transferred, transfer.files_failed) == ("succeeded", 2, 1)


def test_errors_of_the_destination_are_never_skipped(bench: Bench) -> None:
    fill(bench.here, {"f": "1"})
    (bench.there / "f").mkdir()

    assert bench.copy(skip_source_errors=True).status == "failed"


# Faults that can heal


def failing(monkeypatch: Any, target: Any, name: str, error: Any, *, times: int) -> list[int]:
    """Let a method fail so many times; return a list that grows with each failure."""
    original, failed = getattr(target, name), []

    def fails(self: Any, *given: Any, **more: Any) -> Any:
        if len(failed) < times:
            failed.append(1)
            raise error
        return original(self, *given, **more)

    monkeypatch.setattr(target, name, fails)
    return failed


def test_a_full_disk_is_waited_for_and_leaves_nothing_behind(bench: Bench, monkeypatch: Any) -> None:
    fill(bench.here, {"f": "1", "g": "2"})
    bench.submit()
    failing(
        monkeypatch,
        LocalWriter,
        "copy_verified_from",
        fault("no_space", "The disk is full: /f could not be written."),
        times=1,
    )

    bench.slice()
    assert bench.transfer.status == "active"
    assert (bench.transfer.faults, bench.transfer.failures) == (1, 1)
    assert bench.faults() == ["no_space"]
    assert tree(bench.there) == {}
    assert bench.slice() is False, "it waits"

    bench.later(seconds=10)
    bench.run()
    assert bench.transfer.status == "succeeded"
    assert tree(bench.there) == tree(bench.here)


def test_faults_in_a_row_wait_longer(bench: Bench, monkeypatch: Any) -> None:
    fill(bench.here, {"f": "1"})
    bench.submit()
    failing(monkeypatch, LocalStorage, "stat", fault("connection_error", "The server is down."), times=6)
    waits = []

    while bench.transfer.status in ("pending", "active"):
        bench.slice()
        if bench.transfer.run_at is not None:
            waits.append((bench.transfer.run_at - bench.now).total_seconds())
            bench.now = bench.transfer.run_at

    assert bench.transfer.status == "succeeded"
    assert 2.5 <= waits[0] <= 5
    assert 80 <= waits[5] <= 160
    assert bench.transfer.faults == 6


def test_a_full_disk_ends_it_when_asked_for(bench: Bench, monkeypatch: Any) -> None:
    fill(bench.here, {"f": "1"})
    failing(
        monkeypatch,
        LocalWriter,
        "copy_verified_from",
        fault("no_space", "The disk is full: /f could not be written."),
        times=1,
    )

    transfer = bench.copy(fail_on_quota_errors=True)

    assert (transfer.status, transfer.failure_reason) == ("failed", "no_space")


def test_a_file_that_fails_does_not_hold_up_the_others(bench: Bench, monkeypatch: Any) -> None:
    fill(bench.here, {"f": "1", "g": "2", "h": "3"})
    bench.submit()
    failing(monkeypatch, LocalReader, "stat", fault("storage_error", "Input/output error."), times=1)

    bench.slice()

    assert sorted(state for state, _ in bench.rows().values()) == ["done", "done", "pending"]
    assert bench.transfer.run_at > bench.now
    bench.later(seconds=10)
    bench.run()
    assert tree(bench.there) == tree(bench.here)


def test_the_deadline_ends_what_does_not_heal_and_tells_the_last_reason(bench: Bench, monkeypatch: Any) -> None:
    fill(bench.here, {"f": "1"})
    bench.submit(deadline=(bench.now + timedelta(minutes=5)).isoformat())
    failing(monkeypatch, LocalWriter, "copy_verified_from", fault("no_space", "The disk is full: /f."), times=1000)

    while bench.transfer.status in ("pending", "active"):
        bench.slice()
        bench.now = bench.transfer.run_at or bench.now

    assert (bench.transfer.status, bench.transfer.failure_reason) == ("failed", "timed_out")
    assert "The disk is full: /f." in bench.transfer.error_message
    assert bench.transfer.finished_at <= bench.now + timedelta(seconds=1)
    assert tree(bench.there) == {}


def test_what_was_moved_before_a_final_fault_is_told(bench: Bench, monkeypatch: Any) -> None:
    fill(bench.here, {"f": "1", "g": "2"})
    bench.submit()
    commit, moved = LocalWriter.commit, []

    def second_fails(self: LocalWriter, **more: Any) -> None:
        if moved:
            raise fault("permission_denied", f"Permission denied: {self.path}.")
        commit(self, **more)
        moved.append(self.path)

    monkeypatch.setattr(LocalWriter, "commit", second_fails)
    bench.run()

    assert (bench.transfer.status, bench.transfer.files_transferred) == ("failed", 1)
    assert bench.rows()[moved[0]][0] == "done"
    assert list(tree(bench.there)) == [moved[0][1:]]


def test_what_was_written_wrongly_is_noticed_and_written_again(bench: Bench, monkeypatch: Any) -> None:
    fill(bench.here, {"f": "precious"})
    bench.submit()
    copy, bent = copy_syscalls.copy, []

    def bends(source: int, target: int, *given: int) -> int:
        moved = copy(source, target, *given)
        if not bent:
            bent.append(1)
            os.pwrite(target, b"X", 0)
        return moved

    monkeypatch.setattr(copy_syscalls, "copy", bends)
    bench.slice()
    assert bench.faults() == ["checksum_mismatch"]
    assert tree(bench.there) == {}

    bench.later(seconds=10)
    bench.run()
    assert tree(bench.there) == {"f": b"precious"}


@pytest.mark.parametrize(("changes", "warnings"), [(1, 0), (2, 0), (9, 1)])
def test_a_source_that_keeps_changing_is_copied_as_of_its_size_at_opening_after_two_tries(
    bench: Bench, monkeypatch: Any, changes: int, warnings: int
) -> None:
    fill(bench.here, {"f": "0"})
    bench.submit()
    take, changed = LocalWriter.copy_verified_from, []

    def grows(self: LocalWriter, *given: Any) -> int:
        moved = take(self, *given)
        if len(changed) < changes:
            changed.append(1)
            with (bench.here / "f").open("a") as file:
                file.write("more")
        return moved

    monkeypatch.setattr(LocalWriter, "copy_verified_from", grows)
    bench.run()

    assert (bench.transfer.status, bench.transfer.warnings, bench.faults()) == ("succeeded", warnings, [])
    copied, source = (bench.there / "f").read_text(), (bench.here / "f").read_text()
    assert copied == ("0moremore" if warnings else source)
    assert parts(bench.there) == []


def test_a_defect_ends_the_transfer_and_is_told(bench: Bench, monkeypatch: Any) -> None:
    fill(bench.here, {"f": "1"})
    failing(monkeypatch, LocalWriter, "sync", ZeroDivisionError("oops"), times=1)

    transfer = bench.copy()

    assert (transfer.status, transfer.failure_reason) == ("failed", "error")
    assert "ZeroDivisionError" in transfer.error_message
    assert parts(bench.there) == []


def test_a_fault_has_time_path_phase_code_and_text(bench: Bench) -> None:
    fill(bench.here, {"f": "1"})

    bench.copy(item("/no", "/x"), skip_source_errors=True)

    event = TransferEvent.objects.get(is_fault=True)
    assert (event.code, event.path, event.phase) == ("not_found", "/no", "scan")
    assert event.at == bench.now
    assert "/no" in event.text


def test_the_file_that_ends_a_transfer_is_marked(bench: Bench) -> None:
    fill(bench.here, {"f": "1", "x": "file"})
    fill(bench.there, {"x": None})

    transfer = bench.copy()

    assert (transfer.status, transfer.failure_reason, transfer.files_failed) == ("failed", "clash", 1)
    assert bench.files()["/x"].state == "failed"

    transfer = bench.copy(item("/no", "/no"))
    assert (transfer.files_failed, bench.files()["/no"].state) == (1, "failed")
