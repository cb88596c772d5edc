"""Transfers to and from SFTP servers as people have them: OpenSSH with requests switched off, and odd ones."""

from __future__ import annotations

import stat
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from tests.engine.transfers.bench import Bench, fill, tree
from tests.storages.odd_sftp_server import NAME, OddServer, odd_server
from tests.storages.openssh_server import openssh
from timers.models import Collection
from timers.services.collections import commands as collections
from timers.storages.sftp.pool import SESSIONS

pytestmark = pytest.mark.django_db


@pytest.fixture
def odd(loopback: None, tmp_path: Path) -> Iterator[OddServer]:
    SESSIONS.clear()
    (tmp_path / "odd").mkdir()
    with odd_server(tmp_path / "odd") as server:
        yield server


def on(bench: Bench, server: Any) -> Collection:
    storage = {"kind": "sftp", **server.parameters()}
    now: datetime = bench.now
    return collections.create(owner=bench.owner, fields={"display_name": "far", "storage": storage}, now=now)


def between(bench: Bench, source: Collection, destination: Collection) -> Bench:
    return Bench(bench.owner, source, destination, bench.here, bench.there, bench.now)


def test_an_account_with_one_connection_is_copied_to_and_from(bench: Bench, odd: OddServer) -> None:
    odd.max_connections = 1
    fill(bench.here, {f"d{number % 3}/f{number}": "x" * number for number in range(12)})
    far = on(bench, odd)

    for way in (between(bench, bench.source, far), between(bench, far, bench.destination)):
        transfer = way.copy()
        assert (transfer.status, transfer.error_message, transfer.faults) == ("succeeded", None, 0)
        assert transfer.files_transferred == 12

    assert tree(bench.there) == tree(bench.here)


def test_a_server_that_leaves_out_the_kinds_hides_nothing(bench: Bench, odd: OddServer) -> None:
    fill(odd.files, {**{f"f{number}": str(number) for number in range(5)}, "d/f": "deep"})
    odd.say = lambda packet: (
        packet.stating(lambda stated: stated._replace(mode=stat.S_IMODE(stated.mode or 0)))
        if packet.kind == NAME
        else packet
    )

    transfer = between(bench, on(bench, odd), bench.destination).copy()

    assert (transfer.status, transfer.files_transferred) == ("succeeded", 6)
    assert tree(bench.there) == tree(odd.files)


def test_a_rename_that_is_refused_leaves_the_old_version(bench: Bench, loopback: None) -> None:
    with openssh(sftp="internal-sftp -P posix-rename,rename") as server:
        server.put("data", b"OLD")
        fill(bench.here, {"data": "NEW"})

        transfer = between(bench, bench.source, on(bench, server)).copy()

        assert transfer.status == "failed"
        assert "Permission denied: /data" in transfer.error_message
        assert {path.name: path.read_bytes() for path in server.files.iterdir()} == {"data": b"OLD"}
        SESSIONS.clear()


def test_times_that_cannot_be_set_do_not_fail_a_transfer(bench: Bench, loopback: None) -> None:
    with openssh(sftp="internal-sftp -P setstat,fsetstat") as server:
        fill(bench.here, {f"f{number}": "x" for number in range(5)})

        transfer = between(bench, bench.source, on(bench, server)).copy(preserve_timestamp=True)

        assert (transfer.status, transfer.files_transferred) == ("succeeded", 5)
        assert len(list(server.files.iterdir())) == 5
        SESSIONS.clear()
