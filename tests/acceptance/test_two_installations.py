"""Two whole installations over one PostgreSQL: together they run each occurrence once, and one may die."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.running import Installation, until

pytestmark = pytest.mark.acceptance

SHARED, SPECIAL = "tests.acceptance.machines", "tests.acceptance.one_machine"


def test_code_timers_go_on_when_one_of_two_installations_is_killed(
    install: Callable[..., Installation], postgresql_url: str, tmp_path: Path
) -> None:
    trace = tmp_path / "trace.txt"
    trace.touch()
    common = {"options": ("--workers", "1"), "TRACE": str(trace), "TIMERS_ADMIN_USERNAME": "admin"}
    one = install(postgresql_url, MACHINE="one", TIMERS_CODE_MODULES=SHARED, **common)
    two = install(postgresql_url, MACHINE="two", TIMERS_CODE_MODULES=f"{SHARED},{SPECIAL}", **common)
    with ThreadPoolExecutor() as threads:
        list(threads.map(Installation.start, [one, two]))
    timers = {each["name"].removeprefix("machines."): each["id"] for each in two.call("GET", "/timers")["timers"]}
    _wait_for(trace, {"everywhere one": 1, "everywhere two": 1, "special two": 1}, after=Counter())
    for name in ("long", "precious"):
        _begin_on("one", name, timers[name], two, trace)

    one.kill()
    before = _runs(trace)
    _wait_for(
        trace, {"once two": 3, "everywhere two": 2, "special two": 2, "rapid two": 20, "long two": 1}, after=before
    )

    assert sorted(timers) == ["everywhere", "long", "once", "precious", "rapid", "special"]
    assert not _runs(trace)["special one"]
    _assert_gapless(two.executions(timers["once"]), 0.5)
    _assert_gapless(two.executions(timers["rapid"]), 0.1)
    recorded = two.executions(timers["once"], status="completed")
    runs = _runs(trace)
    assert len(recorded) <= runs["once one"] + runs["once two"]
    assert not two.executions(timers["special"], status="failed")
    newest = until(lambda: _ended(two, timers["long"]), seconds=10, what="the end of the repeated run")
    assert (newest["status"], newest["attempt"]) == ("completed", 2)
    lost = until(lambda: _ended(two, timers["precious"]), seconds=10, what="the end of the run that is not repeated")
    assert (lost["status"], lost["failure_reason"], lost["attempt"]) == ("failed", "lost", 1)


def _runs(trace: Path) -> Counter[str]:
    """Return how often each timer ran on each machine."""
    return Counter(trace.read_text().splitlines())


def _wait_for(trace: Path, wanted: dict[str, int], *, after: Counter[str]) -> None:
    """Wait until so many runs have come; what a machine had in hand when it died is taken over after its lease."""
    until(
        lambda: all(_runs(trace)[name] - after[name] >= number for name, number in wanted.items()),
        seconds=60,
        what=str(wanted),
    )


def _begin_on(machine: str, name: str, timer_id: str, installation: Installation, trace: Path) -> None:
    """Run a timer by hand, again and again until it has begun on that machine."""
    until(lambda: _begun(name, timer_id, installation, trace) == machine, seconds=30, what=f"{name} on {machine}")


def _begun(name: str, timer_id: str, installation: Installation, trace: Path) -> str:
    """Run a timer by hand; return the machine on which it has begun."""
    before = _runs(trace)
    installation.call("POST", f"/timers/{timer_id}/run")
    line: str = until(
        lambda: next((line for line in _runs(trace) - before if line.startswith(name)), None), seconds=30, what=name
    )
    return line.split()[1]


def _ended(installation: Installation, timer_id: str) -> dict[str, Any] | None:
    """Return the newest execution of a timer once it has ended."""
    newest: dict[str, Any] = installation.executions(timer_id)[0]
    return newest if newest["completion_time"] else None


def _assert_gapless(executions: list[dict[str, Any]], interval: float) -> None:
    """Assert that each planned instant has exactly one record, be it a part of a skipped row."""
    rows = sorted(executions, key=lambda each: each["scheduled_for"])
    for earlier, later in pairwise(rows):
        until = datetime.fromisoformat(earlier["scheduled_until"] or earlier["scheduled_for"])
        assert datetime.fromisoformat(later["scheduled_for"]) - until == timedelta(seconds=interval), (earlier, later)
