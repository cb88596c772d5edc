"""Modes and times of files and folders between local disks; and files whose times, names or kinds are odd."""

from __future__ import annotations

import os
import socket
from pathlib import Path
from typing import Any

import pytest

from tests.engine.transfers.bench import Bench, fill, item, tree
from timers.models import TransferEvent, TransferFile
from timers.services.transfers import commands as transfers
from timers.storages import local_attributes
from timers.storages.base import fault
from timers.storages.local import LocalStorage

pytestmark = pytest.mark.django_db

SMALL, LARGE = b"x", b"x" * 400_000
YEAR_30489 = 900_000_000_000


@pytest.fixture(autouse=True)
def usual_umask() -> None:
    assert local_attributes.umask() == 0o022


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o7777


@pytest.mark.parametrize("content", [SMALL, LARGE])
def test_a_new_file_has_the_mode_of_its_source_cut_by_the_umask_and_nothing_more(bench: Bench, content: bytes) -> None:
    modes = {0o600: 0o600, 0o640: 0o640, 0o755: 0o755, 0o444: 0o444, 0o666: 0o644, 0o4755: 0o755}
    for given in modes:
        fill(bench.here, {f"{given:o}": content})
        (bench.here / f"{given:o}").chmod(given)

    assert bench.copy().status == "succeeded"

    assert {given: mode(bench.there / f"{given:o}") for given in modes} == modes


@pytest.mark.parametrize("content", [SMALL, LARGE])
def test_a_replaced_file_keeps_its_mode(bench: Bench, content: bytes) -> None:
    fill(bench.here, {"a": content, "b": content})
    fill(bench.there, {"a": "old", "b": "old"})
    (bench.there / "a").chmod(0o640)
    (bench.there / "b").chmod(0o750)

    assert bench.copy().status == "succeeded"

    assert (mode(bench.there / "a"), mode(bench.there / "b")) == (0o640, 0o750)
    assert tree(bench.there) == tree(bench.here)


def test_folders_have_the_modes_of_their_sources_even_those_that_nobody_may_write_into(bench: Bench) -> None:
    fill(bench.here, {"private/f": "f", "closed/in/g": "g"})
    (bench.here / "private").chmod(0o700)
    (bench.here / "closed").chmod(0o555)
    (bench.here / "closed/in").chmod(0o500)

    assert bench.copy().status == "succeeded"

    assert mode(bench.there / "private") == 0o700
    assert mode(bench.there / "closed") == 0o555
    assert mode(bench.there / "closed/in") == 0o500
    for path in (bench.here, bench.there):
        (path / "closed").chmod(0o755)
        (path / "closed/in").chmod(0o755)


@pytest.mark.parametrize("content", [SMALL, LARGE])
def test_permissions_are_kept_exactly_where_asked_for_of_unchanged_files_too(bench: Bench, content: bytes) -> None:
    fill(bench.here, {"d/new": content, "same": content, "replaced": content})
    fill(bench.there, {"same": content, "replaced": "old"})
    for name, given in {"d": 0o777, "d/new": 0o666, "same": 0o606, "replaced": 0o660}.items():
        (bench.here / name).chmod(given)

    assert bench.copy(preserve_permissions=True, sync_level=3).status == "succeeded"

    for name in ("d", "d/new", "same", "replaced"):
        assert mode(bench.there / name) == mode(bench.here / name), name


def test_times_of_files_and_folders_are_kept(bench: Bench) -> None:
    fill(bench.here, {"d/e/f": "f", "empty": None})
    for name in ("d/e/f", "d/e", "d", "empty"):
        os.utime(bench.here / name, (1_234_567_890, 1_234_567_890))

    assert bench.copy(item("/", "/", recursive=True), preserve_timestamp=True).status == "succeeded"

    for name in ("d/e/f", "d/e", "d", "empty"):
        assert (bench.there / name).stat().st_mtime == 1_234_567_890, name


@pytest.mark.parametrize("content", [SMALL, LARGE])
@pytest.mark.parametrize("seconds", [YEAR_30489, -5_000_000_000, 4_102_444_800])
def test_a_file_with_a_damaged_time_is_copied_like_the_others(bench: Bench, content: bytes, seconds: int) -> None:
    fill(bench.here, {"a": content, "odd": content, "z": content})
    os.utime(bench.here / "odd", (seconds, seconds))

    for level in (None, 2, 3):
        for keeps in (False, True):
            transfer = bench.copy(sync_level=level, preserve_timestamp=keeps)
            assert (transfer.status, transfer.files_failed) == ("succeeded", 0), transfer.error_message
            assert tree(bench.there) == tree(bench.here)
    kept = (bench.there / "odd").stat().st_mtime == (bench.here / "odd").stat().st_mtime
    assert kept or TransferEvent.objects.filter(code="times_not_kept").exists()
    assert {row.modified_at.year for row in TransferFile.objects.exclude(modified_at=None)} <= set(range(1, 10_000))


def test_a_file_from_the_future_is_copied_once(bench: Bench) -> None:
    fill(bench.here, {"f": "f"})
    year = bench.now.timestamp() + 365 * 86400
    os.utime(bench.here / "f", (year, year))

    assert [bench.copy(sync_level=2).files_transferred for _ in range(2)] == [1, 0]


def test_a_name_that_is_no_text_is_named_and_its_neighbours_are_copied(bench: Bench) -> None:
    fill(bench.here, {"ok": "ok", "z": "z"})
    Path(os.fsdecode(os.fsencode(bench.here) + b"/ma\xf1ana.txt")).write_text("x")

    transfer = bench.copy()

    assert (transfer.status, transfer.failure_reason) == ("failed", "bad_name")
    assert r"/ma\xf1ana.txt" in transfer.error_message
    assert tree(bench.there) == {"ok": b"ok", "z": b"z"}


def test_pipes_and_sockets_are_named_as_left_out(bench: Bench) -> None:
    fill(bench.here, {"f": "f"})
    os.mkfifo(bench.here / "pipe")
    with socket.socket(socket.AF_UNIX) as listener:
        folder = os.open(bench.here, os.O_RDONLY)
        listener.bind(f"/proc/self/fd/{folder}/socket")
        os.close(folder)

        transfer = bench.copy()

    assert (transfer.status, transfer.warnings, transfer.files_skipped) == ("succeeded", 2, 2)
    left = TransferFile.objects.filter(state="skipped", step="copy").values_list("source_path", "failure_reason")
    assert sorted(left) == [("/pipe", "not_a_file"), ("/socket", "not_a_file")]


def test_a_folder_that_cannot_be_made_stops_no_other_file(bench: Bench) -> None:
    fill(bench.here, {"bad/a": "a", "bad/b": "b", "ok/c": "c", "z": "z"})
    make = LocalStorage.mkdir

    def refuses(self: LocalStorage, path: str, **more: Any) -> bool:
        if path == "/bad":
            raise fault("bad_name", f"The destination does not accept the name: {path}.")
        return make(self, path, **more)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(LocalStorage, "mkdir", refuses)
        transfer = bench.copy()

    assert (transfer.status, transfer.failure_reason, transfer.files_transferred) == ("failed", "bad_name", 2)
    assert tree(bench.there) == {"ok": None, "ok/c": b"c", "z": b"z"}
    assert {"/bad", "/bad/a", "/bad/b"} == set(
        TransferFile.objects.filter(state="failed").values_list("destination_path", flat=True)
    )


def test_links_that_are_left_out_are_named_once_for_each_folder(bench: Bench) -> None:
    fill(bench.here, {"d/f": "f"})
    for number in range(7):
        (bench.here / "d" / f"link{number}").symlink_to("f")

    transfer = bench.copy()

    assert (transfer.status, transfer.warnings) == ("succeeded", 0)
    (text,) = TransferEvent.objects.filter(code="links_left_out").values_list("text", flat=True)
    assert "link0" in text and "2 more" in text


def test_a_link_where_a_folder_should_go_is_named_with_what_it_leads_to(bench: Bench) -> None:
    fill(bench.here, {"f": "f"})
    fill(bench.there, {"real/x": "x"})
    (bench.there / "now").symlink_to("real")

    transfer = bench.copy(item("/", "/now", recursive=True))

    assert (transfer.status, transfer.failure_reason) == ("failed", "clash")
    assert "symbolic link" in transfer.error_message and "to real" in transfer.error_message


def test_a_file_that_vanishes_after_the_scan_stops_nobody(bench: Bench) -> None:
    fill(bench.here, {f"f{number}": str(number) for number in range(50)} | {"large": LARGE})
    bench.submit()
    bench.slice(budget=0.0)
    while not TransferFile.objects.filter(source_path="/large").exists():
        bench.slice(budget=0.0)
    (bench.here / "f7").unlink()
    (bench.here / "f9").unlink()

    bench.run()

    assert (bench.transfer.status, bench.transfer.failure_reason) == ("failed", "not_found")
    assert bench.transfer.files_failed == 2
    assert tree(bench.there) == tree(bench.here)


def test_a_folder_that_still_holds_something_is_named_by_a_deletion(bench: Bench) -> None:
    fill(bench.here, {"d/f": "f"})
    Path(os.fsdecode(os.fsencode(bench.here) + b"/d/\xff")).write_text("x")
    body = {"DATA_TYPE": "delete", "endpoint": str(bench.source.pk), "DATA": [{"path": "/d"}], "recursive": True}

    bench.transfer = transfers.submit(owner=bench.owner, body=body, now=bench.now)
    bench.run()

    assert bench.transfer.status == "failed"
    assert r"/d/\xff" in bench.transfer.error_message
    assert not (bench.here / "d/f").exists()
