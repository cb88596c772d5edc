"""The last look: what happened to files after they were moved into place."""

from __future__ import annotations

from typing import Any

import pytest

from tests.engine.transfers.bench import Bench, fill, tree
from timers.copying import bundles
from timers.engine.transfers import copy as copyphase
from timers.engine.transfers import slice_runner, verify

pytestmark = pytest.mark.django_db

TREE = {"a": "1", "b": "22", "large": "x" * 300_000, "d/c": "333"}


def _meddle(bench: Bench, monkeypatch: Any, deed: Any, *, times: int = 1) -> None:
    """Do something to the destination each time when everything is copied."""
    copy, done = copyphase.copy, []

    def copies(work: Any) -> bool:
        finished = copy(work)
        if finished and len(done) < times:
            done.append(1)
            deed()
        return finished

    monkeypatch.setitem(slice_runner._PHASES, "copy", copies)


@pytest.mark.parametrize("small", [bundles.MAX_MEMBER_BYTES, -1])
@pytest.mark.parametrize("name", ["a", "large", "d/c"])
def test_what_was_removed_meanwhile_is_copied_once_more(bench: Bench, monkeypatch: Any, name: str, small: int) -> None:
    monkeypatch.setattr(bundles, "MAX_MEMBER_BYTES", small)
    fill(bench.here, TREE)
    bench.submit()
    _meddle(bench, monkeypatch, (bench.there / name).unlink)

    bench.slice()
    assert bench.faults() == ["changed_afterwards"]
    assert (bench.transfer.phase, bench.transfer.status) == ("copy", "active")

    bench.later(seconds=10)
    bench.run()
    assert tree(bench.there) == tree(bench.here)
    assert (bench.transfer.files_transferred, bench.transfer.faults) == (4, 1)
    assert bench.transfer.bytes_transferred == sum(map(len, TREE.values()))


def test_what_was_cut_off_meanwhile_is_copied_once_more(bench: Bench, monkeypatch: Any) -> None:
    fill(bench.here, TREE)
    bench.submit()
    _meddle(bench, monkeypatch, lambda: (bench.there / "large").write_text("short"))

    bench.slice()
    bench.later(seconds=10)
    bench.run()

    assert tree(bench.there) == tree(bench.here)


def test_who_changes_it_again_and_again_ends_it(bench: Bench, monkeypatch: Any) -> None:
    fill(bench.here, {"a": "1"})
    bench.submit()
    _meddle(bench, monkeypatch, (bench.there / "a").unlink, times=100)

    for _ in range(20):
        bench.slice()
        bench.later(minutes=10)

    assert (bench.transfer.status, bench.transfer.failure_reason) == ("failed", "changed_afterwards")
    assert str(verify.MAX_REPEATS) in bench.transfer.error_message


def test_looking_goes_on_where_the_last_slice_stopped(bench: Bench, monkeypatch: Any) -> None:
    monkeypatch.setattr(bundles, "MAX_MEMBER_BYTES", -1)
    fill(bench.here, {f"f{n}": str(n) for n in range(12)})
    bench.submit()

    slices = bench.run(budget=0)

    assert slices > 12
    assert bench.transfer.status == "succeeded"


def test_without_verification_nobody_looks(bench: Bench) -> None:
    fill(bench.here, {"a": "1"})

    assert bench.copy(verify_checksum=False).phase == "copy"
