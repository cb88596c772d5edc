"""Stores that stop answering: whoever cancels does not wait for them."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
from django.db import connections

from tests.engine.transfers.bench import Bench, fill
from timers.engine.transfers.slice_runner import run_slice
from timers.services.transfers import commands as transfers

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def stopped(sftp_running: Any) -> Iterator[list[int]]:
    """The SFTP server's process, to be stopped by a test; it goes on afterwards."""
    yield [sftp_running.process.pid]
    os.kill(sftp_running.process.pid, signal.SIGCONT)


@pytest.mark.parametrize("after", [0.0, 1.0])
def test_cancelling_does_not_wait_for_a_server_that_stands_still(
    bench: Bench,
    on_sftp: Any,
    owner: Any,
    stopped: list[int],
    after: float,
) -> None:
    fill(bench.here, {f"f{number}": os.urandom(600_000) for number in range(8)})
    away = Bench(bench.owner, bench.source, on_sftp, bench.here, bench.there, bench.now)
    away.submit(max_bytes_per_second=1_000_000)
    slices = threading.Thread(target=_slice, args=(away,), daemon=True)
    if not after:
        os.kill(stopped[0], signal.SIGSTOP)
    slices.start()
    time.sleep(after or 0.3)
    os.kill(stopped[0], signal.SIGSTOP)
    time.sleep(0.3)

    asked = time.monotonic()
    transfers.cancel(away.transfer, by=owner, now=bench.now)
    while time.monotonic() < asked + 5 and away.transfer.status != "cancelled":
        time.sleep(0.05)
        away.transfer.refresh_from_db()

    assert away.transfer.status == "cancelled"
    assert time.monotonic() - asked < 2.5
    os.kill(stopped[0], signal.SIGCONT)
    slices.join(40)
    assert not slices.is_alive()


def _slice(away: Bench) -> None:
    try:
        run_slice(str(away.transfer.pk), now=away.now, budget=60)
    finally:
        connections.close_all()
