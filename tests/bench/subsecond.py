"""Sub-second timers beside nameko's own, over the same seconds on the same machine.

Our lateness counts from the planned instant. nameko tells no planned instants: its runs are compared with the grid
through the earliest run of each timer, so that a delay which all runs of a timer share is left out of its figures.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
import venv
from collections import Counter
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from tests.bench import site

NAMEKO = "nameko==2.14.1"


def subsecond(options: argparse.Namespace, folder: Path) -> None:
    """Measure twenty timers of a tenth of a second; print the ratio of the 99th percentiles."""
    from timers import clock

    number, interval = options.number or 20, options.interval if options.interval < 1 else 0.1
    python = options.nameko or _environment(folder)
    os.environ["BENCH_STAMPS"] = str(folder / "stamps")
    first = clock.now() + timedelta(seconds=8)
    site.fill(number, first=first, interval=interval, function="bench.stamp")
    with site.processes("dispatch", "qcluster", log=options.log) as processes:
        site.wait_until_awake()
        while clock.now() < first + timedelta(seconds=4):
            time.sleep(0.05)
        began, before, commits = clock.now(), site.cpu_seconds(processes), _commits()
        theirs = _nameko(python, number, interval, options.seconds)
        ended, spent = clock.now(), site.cpu_seconds(processes) - before
        seconds = (ended - began).total_seconds()
        made = None if commits is None else ((_commits() or 0) - commits) / seconds
        time.sleep(3)
    runs = _runs(folder / "stamps")
    ours = sorted(late for planned, late in runs if began <= planned <= ended)
    _report(ours, theirs)
    print(f"{100 * spent / seconds:.1f} % of a core; {'' if made is None else f'{made:.1f} commits/s'}")
    _check_records(number, interval, began, ended, runs)
    early, later = _middle(runs, began, 0, 30), _middle(runs, ended, -30, 0)
    print(f"drift: p50 {early:.2f} ms in the first 30 s, {later:.2f} ms in the last")


def _report(ours: list[float], theirs: list[float]) -> None:
    for name, late in (("ours", ours), ("nameko", theirs)):
        print(
            f"{name}: {len(late)} runs; p50 {_part(late, 0.5):.2f} ms, p90 {_part(late, 0.9):.2f} ms, "
            f"p99 {_part(late, 0.99):.2f} ms, max {late[-1]:.2f} ms"
        )
    print(f"ratio of p99: {_part(ours, 0.99) / _part(theirs, 0.99):.2f}")
    print("ours from the planned instant; nameko's from each timer's earliest run, so without what delays all its runs")


def _check_records(number: int, interval: float, began: datetime, ended: datetime, runs: list[Any]) -> None:
    """Print whether each occurrence has one record, and how many ran."""
    from timers.models import Execution

    rows = Execution.objects.filter(scheduled_for__range=(began, ended))
    statuses = Counter(rows.values_list("status", flat=True))
    nominal = number * (ended - began).total_seconds() / interval
    reasons = dict(Counter(rows.filter(status="skipped").values_list("skip_reason", flat=True)))
    print(f"records: {dict(statuses)} of {nominal:.0f}; skipped: {reasons}")


def _nameko(python: str, number: int, interval: float, seconds: float) -> list[float]:
    script = Path(__file__).with_name("peer_nameko.py")
    done = subprocess.run(
        [python, str(script), str(number), str(interval), str(seconds)], capture_output=True, text=True, check=True
    )
    late: list[float] = json.loads(done.stdout.strip().splitlines()[-1])
    return late


def _environment(folder: Path) -> str:
    """Make an environment with nameko, and return its Python."""
    venv.create(folder / "nameko", with_pip=True)
    python = str(folder / "nameko" / "bin" / "python")
    subprocess.run([python, "-m", "pip", "install", "-q", NAMEKO], check=True, stdout=sys.stderr)
    return python


def _runs(path: Path) -> list[tuple[datetime, float]]:
    """Return the planned instant of each run, and how many milliseconds later it began."""
    from tests.bench.functions import STAMP
    from timers.clock import from_us

    return [(from_us(planned), (at - planned) / 1000) for planned, at in STAMP.iter_unpack(path.read_bytes())]


def _middle(runs: list[tuple[datetime, float]], around: datetime, begin: float, end: float) -> float:
    begins, ends = around + timedelta(seconds=begin), around + timedelta(seconds=end)
    late = sorted(late for planned, late in runs if begins <= planned <= ends)
    return _part(late, 0.5) if late else float("nan")


def _part(late: list[float], part: float) -> float:
    return late[int(len(late) * part)]


def _commits() -> int | None:
    """Return how many transactions the database has committed, where it counts them."""
    from django.db import connection

    if connection.vendor != "postgresql":
        return None
    with connection.cursor() as cursor:
        cursor.execute("select pg_stat_clear_snapshot()")
        cursor.execute("select xact_commit from pg_stat_database where datname = current_database()")
        return int(cursor.fetchone()[0])
