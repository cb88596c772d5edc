"""Transfers from and to real servers: SFTP and S3, in lanes."""

from __future__ import annotations

import hashlib
import os
import threading
import time
from typing import Any

import pytest

from tests.engine.transfers.bench import Bench, fill, item, parts, tree
from tests.storages.sftp_server import Server
from timers.engine.transfers import copy_file
from timers.models import Collection, TransferFile
from timers.services.transfers import commands as transfers

pytestmark = pytest.mark.django_db

TREE = {"a": "1", "d/b": "22", "d/e/zażółć 🐟": "333", "d/empty": "", **{f"many/f{n}": str(n) for n in range(30)}}


def _on(bench: Bench, source: Collection, destination: Collection) -> Bench:
    """Return the same bench between two other collections."""
    return Bench(bench.owner, source, destination, bench.here, bench.there, bench.now)


@pytest.mark.parametrize("verify", [True, False])
def test_a_tree_goes_over_both_servers_and_comes_back_as_it_was(
    bench: Bench, on_sftp: Collection, on_s3: Collection, verify: bool
) -> None:
    fill(bench.here, TREE)
    fill(bench.here, {"large": os.urandom(9 * 1024 * 1024)})
    ways = [(bench.source, on_sftp), (on_sftp, on_s3), (on_s3, bench.destination)]

    for source, destination in ways:
        way = _on(bench, source, destination)
        transfer = way.copy(verify_checksum=verify)
        assert (transfer.status, transfer.error_message) == ("succeeded", None)
        assert transfer.files_transferred == len(TREE) + 1
        assert {file.verified for file in way.files().values()} == {"checksum" if verify else "size"}
        if verify:
            expected = hashlib.sha256((bench.here / "large").read_bytes()).hexdigest()
            assert way.files()["/large"].checksum == expected

    assert tree(bench.there) == tree(bench.here)


@pytest.mark.parametrize("far", ["on_sftp", "on_s3"])
def test_comparing_by_content_copies_only_what_differs(bench: Bench, request: Any, far: str) -> None:
    fill(bench.here, {"same": "12345", "other": "12345"})
    there = _on(bench, bench.source, request.getfixturevalue(far))
    there.copy()
    fill(bench.here, {"other": "1234X"})

    transfer = there.copy(sync_level=3)

    assert (transfer.files_skipped, transfer.files_transferred) == (1, 1)
    assert there.files()["/same"].level == "checksum"


def test_what_is_extra_far_away_is_deleted(bench: Bench, on_s3: Collection) -> None:
    fill(bench.here, TREE)
    away = _on(bench, bench.source, on_s3)
    away.copy()
    (bench.here / "d" / "b").unlink()
    (bench.here / "many" / "f1").unlink()

    transfer = away.copy(delete_destination_extra=True, sync_level=1)

    assert transfer.status == "succeeded"
    assert sorted(away.files("delete")) == ["/d/b", "/many/f1"]
    back = _on(bench, on_s3, bench.destination)
    back.copy()
    assert tree(bench.there) == tree(bench.here)


@pytest.mark.parametrize("far", ["on_sftp", "on_s3"])
def test_a_large_file_goes_on_where_the_last_slice_stopped(
    bench: Bench, request: Any, far: str, monkeypatch: Any
) -> None:
    monkeypatch.setattr(copy_file, "SEGMENT_BYTES", 1024 * 1024)
    fill(bench.here, {"large": os.urandom(6 * 1024 * 1024 + 17)})
    away = _on(bench, bench.source, request.getfixturevalue(far))
    away.submit()

    slices = away.run(budget=0)

    assert slices > 6
    assert away.transfer.bytes_transferred == 6 * 1024 * 1024 + 17
    back = _on(bench, away.destination, bench.destination)
    back.copy()
    assert tree(bench.there) == tree(bench.here)


def test_a_server_that_is_down_is_waited_for_and_named(bench: Bench, on_sftp: Collection) -> None:
    fill(bench.here, {"f": "1"})
    Collection.objects.filter(pk=on_sftp.pk).update(storage={**on_sftp.storage, "port": 1})
    away = _on(bench, bench.source, on_sftp)
    away.submit()

    away.slice()

    assert away.transfer.status == "active"
    assert away.faults() == ["connection_error"]
    assert away.slice() is False, "it waits"


def test_a_wrong_password_ends_it_at_once_and_is_named(bench: Bench, on_sftp: Collection) -> None:
    fill(bench.here, {"f": "1"})
    on_sftp.secrets = {"password": "hunter2"}
    on_sftp.save()

    transfer = _on(bench, bench.source, on_sftp).copy()

    assert (transfer.status, transfer.failure_reason) == ("failed", "login_failed")
    assert "hunter2" not in transfer.error_message


def test_cancelling_while_lanes_are_at_work_ends_it_within_a_second(
    bench: Bench, on_sftp: Collection, owner: Any, sftp: Server
) -> None:
    fill(bench.here, {f"f{number}": os.urandom(700_000) for number in range(12)})
    away = _on(bench, bench.source, on_sftp)
    away.submit(max_bytes_per_second=1_000_000)
    began, asked = time.monotonic(), []

    def monotonic() -> float:
        """The real clock; half a second on, the slice's own thread finds that somebody cancels."""
        instant = time.monotonic()
        if not asked and instant > began + 0.5 and threading.current_thread() is threading.main_thread():
            asked.append(instant)
            transfers.cancel(away.transfer, by=owner, now=away.now)
        return instant

    away.slice(monotonic=monotonic, budget=60)

    assert away.transfer.status == "cancelled"
    assert time.monotonic() - asked[0] < 1.5
    assert parts(sftp.files) == []


def test_no_more_files_go_at_once_than_is_allowed(bench: Bench, on_sftp: Collection, monkeypatch: Any) -> None:
    fill(bench.here, {f"f{number}": os.urandom(300_000) for number in range(8)})
    busy, most = set[int](), []
    fill_part = copy_file.copy_to_partial

    def counted(*given: Any, **more: Any) -> Any:
        busy.add(threading.get_ident())
        most.append(len(busy))
        try:
            return fill_part(*given, **more)
        finally:
            busy.discard(threading.get_ident())

    monkeypatch.setattr(copy_file, "copy_to_partial", counted)
    _on(bench, bench.source, on_sftp).copy(max_concurrency=2)
    assert max(most) == 2

    most.clear()
    _on(bench, bench.source, on_sftp).copy(max_concurrency=1)
    assert max(most) == 1


def test_a_limit_on_speed_is_kept(bench: Bench, on_s3: Collection) -> None:
    fill(bench.here, {"f": os.urandom(1_000_000)})

    began = time.monotonic()
    transfer = _on(bench, bench.source, on_s3).copy(max_bytes_per_second=1_000_000)

    assert transfer.status == "succeeded"
    assert time.monotonic() - began >= 0.7


def test_links_cannot_be_kept_where_there_are_none(bench: Bench, on_s3: Collection) -> None:
    fill(bench.here, {"f": "1"})

    transfer = _on(bench, bench.source, on_s3).copy(item("/f", "/f"))

    assert transfer.status == "succeeded"
    assert TransferFile.objects.get(transfer=transfer, step="copy").verified == "checksum"
