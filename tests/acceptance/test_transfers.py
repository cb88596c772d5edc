"""Transfers over real processes that die, against real files."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.acceptance.running import Installation, until

LARGE = 24 * 1024 * 1024


def test_a_transfer_goes_on_where_it_was_after_everything_was_killed(live_timers: Any) -> None:
    if live_timers.database_url:
        pytest.skip("Its length is that of a lease; on PostgreSQL other tests show how slices are taken over.")
    here, there = live_timers.source_root, live_timers.destination_root
    (here / "large").write_bytes(os.urandom(LARGE))
    for number in range(300):
        (here / f"small{number}").write_text(str(number))
    task = _submit(live_timers, max_bytes_per_second=8 * 1024 * 1024)
    until(lambda: _task(live_timers, task)["bytes_transferred"] > LARGE // 4, seconds=20, what="the first slice's end")
    (part,) = there.glob(".timers-*.part")
    inode = part.stat().st_ino

    live_timers.kill()
    assert not (there / "large").exists()
    live_timers.start()
    done = until(lambda: _ended(live_timers, task), seconds=60, what="the transfer's end")

    assert (done["status"], done["error_message"]) == ("succeeded", None)
    assert (there / "large").stat().st_ino == inode, "what was copied before was not thrown away"
    assert _digests(there) == _digests(here)
    assert (done["files_transferred"], done["bytes_transferred"]) == (301, sum(map(len, _contents(here))))


def test_small_files_are_copied_by_helpers_that_end_with_their_worker(live_timers: Any) -> None:
    here, there = live_timers.source_root, live_timers.destination_root
    for number in range(2400):
        (here / f"d{number % 6}").mkdir(exist_ok=True)
        (here / f"d{number % 6}" / f"f{number}").write_text(str(number))

    task = _submit(live_timers)
    done = until(lambda: _ended(live_timers, task), seconds=30, what="the transfer's end")
    helpers = _helpers(live_timers)
    live_timers.kill()
    _, left = psutil.wait_procs(helpers, timeout=10)

    assert (done["status"], done["files_transferred"]) == ("succeeded", 2400)
    assert _digests(there) == _digests(here)
    assert left == []


def _submit(running: Any, **options: Any) -> str:
    body = {
        "source_endpoint": running.source_collection,
        "destination_endpoint": running.destination_collection,
        "DATA": [{"source_path": "/", "destination_path": "/", "recursive": True}],
        **options,
    }
    return str(running.call("POST", "/transfers", body)["id"])


def _task(running: Installation, task: str) -> Any:
    return running.call("GET", f"/transfers/{task}")


def _ended(running: Installation, task: str) -> Any:
    document = _task(running, task)
    return document if document["completion_time"] else None


def _helpers(running: Installation) -> list[psutil.Process]:
    return [process for process in running.family() if any(word.endswith("lane.py") for word in process.cmdline())]


def _contents(folder: Path) -> list[bytes]:
    return [path.read_bytes() for path in folder.rglob("*") if path.is_file()]


def _digests(folder: Path) -> dict[str, str]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}
