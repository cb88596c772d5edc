"""Two whole installations over one PostgreSQL: together they run each occurrence once, and one may die."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.engine import pass_time
from tests.acceptance.running import Installation

pytestmark = pytest.mark.acceptance

SHARED, SPECIAL = "tests.acceptance.machines", "tests.acceptance.one_machine"


def test_code_timers_go_on_when_one_of_two_installations_is_killed(
    install: Callable[..., Installation], postgresql_url: str, tmp_path: Path
) -> None:
    trace = tmp_path / "trace.txt"
    common = {"TRACE": str(trace), "TIMERS_ADMIN_USERNAME": "admin"}
    one = install(postgresql_url, MACHINE="one", TIMERS_CODE_MODULES=SHARED, **common)
    two = install(postgresql_url, MACHINE="two", TIMERS_CODE_MODULES=f"{SHARED},{SPECIAL}", **common)
    one.start()
    two.start()
    timers = {each["name"]: each["id"] for each in two.call("GET", "/timers")["timers"]}
    pass_time(8, until=lambda: _everywhere(trace) >= {"one", "two"} and _count(trace, "special") >= 2)
    pass_time(2)

    one.kill()
    before = Counter(trace.read_text().split("\n"))
    pass_time(6)

    after = Counter(trace.read_text().split("\n"))
    after.subtract(before)
    assert sorted(timers) == ["machines.everywhere", "machines.once", "machines.rapid", "machines.special"]
    assert min(before["everywhere one"], before["everywhere two"]) >= 1
    assert min(after["once two"], after["everywhere two"], after["special two"]) >= 4
    assert after["rapid two"] >= 20
    assert not [line for line in trace.read_text().splitlines() if line == "special one"]
    _assert_gapless(two.executions(timers["machines.once"]), 0.5)
    _assert_gapless(two.executions(timers["machines.rapid"]), 0.1)
    runs = two.executions(timers["machines.once"], status="completed")
    after = Counter(trace.read_text().split("\n"))
    assert len(runs) <= sum(after[f"once {machine}"] for machine in ("one", "two"))
    assert not two.executions(timers["machines.special"], status="failed")


def _everywhere(trace: Path) -> set[str]:
    lines = trace.read_text().splitlines() if trace.exists() else []
    return {line.split()[1] for line in lines if line.startswith("everywhere")}


def _count(trace: Path, name: str) -> int:
    return sum(line.startswith(name) for line in trace.read_text().splitlines())


def _assert_gapless(executions: list[dict[str, Any]], interval: float) -> None:
    """Assert that each planned instant has exactly one record, be it a part of a skipped row."""
    rows = sorted(executions, key=lambda each: each["scheduled_for"])
    for earlier, later in pairwise(rows):
        until = datetime.fromisoformat(earlier["scheduled_until"] or earlier["scheduled_for"])
        assert datetime.fromisoformat(later["scheduled_for"]) - until == timedelta(seconds=interval), (earlier, later)
