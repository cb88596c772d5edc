"""Two folders to copy between."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from tests.engine.transfers.bench import Bench
from tests.factories import make_collection
from tests.storages.s3_server import KEYS, S3Server
from tests.storages.sftp_server import Server
from timers.copying import bundles
from timers.engine.transfers import lease_keeper
from timers.models import Collection
from timers.services.collections import commands as collections
from timers.storages.sftp.pool import SESSIONS
from timers.targets import parse_networks


@pytest.fixture
def rows_of_their_own(monkeypatch: Any) -> None:
    """Give every file a row of its own, as only larger ones have."""
    monkeypatch.setattr(bundles, "MAX_MEMBER_BYTES", -1)


@pytest.fixture(autouse=True)
def no_guard(request: pytest.FixtureRequest, monkeypatch: Any) -> None:
    """Keep guards asleep where their connection cannot see what the test's transaction holds."""
    marker = request.node.get_closest_marker("django_db")
    if not (marker and marker.kwargs.get("transaction")):
        monkeypatch.setattr(lease_keeper, "STALLED_AFTER_SECONDS", float("inf"))


@pytest.fixture
def bench(tmp_path: Path, settings: Any, owner: Any, now: datetime) -> Bench:
    settings.TIMERS_LOCAL_ROOTS = (tmp_path,)
    here, there = tmp_path / "here", tmp_path / "there"
    here.mkdir()
    there.mkdir()
    return Bench(owner, make_collection(owner, here), make_collection(owner, there), here, there, now)


# Far places


@pytest.fixture
def loopback(settings: Any) -> Iterator[None]:
    """Allow servers on this machine; nobody stays logged in afterwards."""
    settings.TIMERS_WEBHOOK_NETWORKS = parse_networks("127.0.0.0/8")
    yield
    SESSIONS.clear()


@pytest.fixture
def sftp(sftp_running: Server, tmp_path: Path) -> Server:
    """The SFTP server with a folder of this test's own."""
    (sftp_running.folder / tmp_path.name).mkdir()
    shared = sftp_running
    return Server(shared.folder, shared.process, shared.port, shared.host_key, shared.keys, tmp_path.name)


@pytest.fixture
def on_sftp(loopback: None, owner: Any, now: datetime, sftp: Server) -> Collection:
    return _collection(owner, now, {"kind": "sftp", **sftp.parameters()})


@pytest.fixture
def on_s3(loopback: None, owner: Any, now: datetime, s3_running: S3Server) -> Collection:
    return _collection(
        owner, now, {"kind": "s3", "bucket": s3_running.bucket(), "endpoint_url": s3_running.url, **KEYS}
    )


def _collection(owner: Any, now: datetime, storage: dict[str, Any]) -> Collection:
    return collections.create(owner=owner, fields={"display_name": storage["kind"], "storage": storage}, now=now)
