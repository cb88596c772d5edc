"""Measures the site: `python -m tests.bench claim|burst|steady|subsecond|idle|transfers|pages|workflows`.

The machine's speed changes from minute to minute, so ratios to a limit measured in the same run say more than figures.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from datetime import timedelta
from functools import partial
from pathlib import Path

from tests.bench import site
from tests.bench.subsecond import subsecond

COMMANDS = ("dispatch", "qcluster")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument(
        "what", choices=["claim", "burst", "steady", "subsecond", "idle", "transfers", "pages", "workflows"]
    )
    parser.add_argument("--database", choices=["sqlite", "postgresql"], default="sqlite")
    parser.add_argument(
        "--number",
        type=int,
        help="how many timers (burst: 1000 and 5000; steady: 500; idle: 100000), files, workflows",
    )
    parser.add_argument("--interval", type=float, default=1.0, help="steady: seconds between two runs of a timer")
    parser.add_argument("--seconds", type=float, default=15.0, help="steady and idle: how long to measure")
    parser.add_argument(
        "--what", dest="part", choices=["large", "small", "far", "memory"], help="transfers: only this part"
    )
    parser.add_argument("--place", type=Path, default=Path("/dev/shm"), help="transfers: where the folders lie")
    parser.add_argument("--rounds", type=int, default=5, help="transfers and pages: how often each is tried")
    parser.add_argument("--timers", type=int, default=10_000, help="pages: how many timers")
    parser.add_argument("--executions", type=int, default=1_000_000, help="pages: how many executions")
    parser.add_argument("--only", default="", help="pages: those with this word in their name")
    parser.add_argument("--nameko", help="subsecond: the Python of an environment with nameko; one is made otherwise")
    parser.add_argument("--keep-log", type=Path, help="where the processes write")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="timers-bench-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        folder.chmod(0o755)
        options.log = options.keep_log or folder / "log"
        if options.what == "pages":
            options.database = "postgresql"
        with site.database(options.database, folder) as url:
            site.set_up(url, folder)
            measures = {
                "claim": claim,
                "burst": burst,
                "steady": steady,
                "subsecond": partial(subsecond, folder=folder),
                "idle": idle,
                "transfers": transfers,
                "pages": pages,
                "workflows": workflows,
            }
            measures[options.what](options)
            if options.log.exists() and (text := options.log.read_text()[-3000:]):
                print("-- log of the processes:", text, sep="\n")


def claim(options: argparse.Namespace) -> None:
    """Claims against the leanest SQL, interleaved."""
    from tests.bench.limits import claim_rates
    from timers import clock

    number = options.number or 10_000
    for batch in (100, 500):
        site.empty()
        site.fill(number, first=clock.now(), interval=86_400)
        ours, lean = claim_rates(number, batch)
        print(f"claim, batch {batch}: {ours:,.0f}/s of {lean:,.0f}/s; ratio {ours / lean:.2f}")


def burst(options: argparse.Namespace) -> None:
    """Many timers due at one instant."""
    from tests.bench.limits import lean_rate
    from timers import clock

    limit = lean_rate(20_000, 500)
    for number in [options.number] if options.number else [1_000, 5_000]:
        site.empty()
        first = clock.now() + timedelta(seconds=8 + number / 2_000)
        site.fill(number, first=first, interval=86_400)
        with site.processes(*COMMANDS, log=options.log) as processes:
            site.wait_until_awake()
            while clock.now() < first - timedelta(seconds=1):
                time.sleep(0.05)
            before = site.cpu_seconds(processes)
            finished = _wait_for_finished(number, seconds=60)
            spent = site.cpu_seconds(processes) - before
        late = _lateness()
        ended = _last_end()
        seconds = (ended - first).total_seconds()
        print(
            f"burst of {number}: {finished} carried out in {seconds:.2f} s, {finished / seconds:,.0f}/s "
            f"({finished / seconds / limit:.2f} of the claim limit of {limit:,.0f}/s); "
            f"lateness {_summary(late)}; {1e6 * spent / number:.0f} us of processor time each"
        )


def steady(options: argparse.Namespace) -> None:
    """Timers spread over their interval, for a while."""
    from timers import clock
    from timers.models import Execution

    number = options.number or 500
    first = clock.now() + timedelta(seconds=8 + number / 2_000)
    site.fill(number, first=first, interval=options.interval, spread=options.interval)
    with site.processes(*COMMANDS, log=options.log) as processes:
        site.wait_until_awake()
        while clock.now() < first + timedelta(seconds=2):
            time.sleep(0.05)
        began, before = clock.now(), site.cpu_seconds(processes)
        time.sleep(options.seconds)
        ended, spent = clock.now(), site.cpu_seconds(processes) - before
        time.sleep(1)
    seconds = (ended - began).total_seconds()
    late = _lateness(since=began, until=ended)
    skipped = Execution.objects.filter(status="skipped").count()
    print(
        f"steady, {number} timers every {options.interval:g} s: {len(late) / seconds:,.0f}/s of "
        f"{number / options.interval:,.0f}/s; lateness {_summary(late)}; {skipped} skipped; "
        f"{100 * spent / seconds:.1f} % of a core"
    )


def idle(options: argparse.Namespace) -> None:
    """Timers that are not due."""
    from timers import clock

    number = options.number or 100_000
    site.fill(number, first=clock.now() + timedelta(days=1), interval=86_400)
    with site.processes(*COMMANDS, log=options.log) as processes:
        site.wait_until_awake()
        time.sleep(3)
        for name, process in zip(COMMANDS, processes, strict=True):
            before, began = site.cpu_seconds([process]), time.monotonic()
            time.sleep(options.seconds)
            share = (site.cpu_seconds([process]) - before) / (time.monotonic() - began)
            print(f"idle with {number} timers: {name} {100 * share:.2f} % of a core")


def transfers(options: argparse.Namespace) -> None:
    """Copies between two folders."""
    from tests.bench import transfers as measures
    from tests.bench.far import far

    with tempfile.TemporaryDirectory(prefix="timers-bench-", dir=options.place) as name:
        trees = measures.Trees(Path(name))
        if options.part in (None, "large"):
            measures.large(trees, rounds=options.rounds, mebibytes=1024)
        if options.part in (None, "small"):
            measures.small(trees, rounds=options.rounds, files=options.number or 10_000)
        if options.part in (None, "far"):
            far(trees, rounds=options.rounds)
        if options.part == "memory":
            measures.memory(trees, files=options.number or 1_000_000)


def pages(options: argparse.Namespace) -> None:
    """Every page of the dashboard on a busy site, in PostgreSQL."""
    from tests.bench import crowd
    from tests.bench import pages as measures
    from timers import clock

    began = time.monotonic()
    made = crowd.fill(options.timers, options.executions, now=clock.now())
    print(f"{options.timers:,} timers, {options.executions:,} executions, made in {time.monotonic() - began:.0f} s")
    measures.report(measures.measure(made, rounds=options.rounds, only=options.only))


def workflows(options: argparse.Namespace) -> None:
    """Workflows that start at one instant, and workers that poll."""
    from tests.bench import workflows as measures

    measures.burst(options.number or 1_000, log=options.log)
    measures.polling(log=options.log)


def _wait_for_finished(number: int, seconds: float) -> int:
    from timers.models import Execution

    end = time.monotonic() + seconds
    while time.monotonic() < end:
        finished = Execution.objects.filter(status="completed").count()
        if finished >= number:
            break
        time.sleep(0.25)
    return finished


def _lateness(since: object = None, until: object = None) -> list[float]:
    """Return how late each first attempt started, in milliseconds, sorted."""
    from django.db import connection

    from timers import clock

    condition, values = "", []
    if since is not None:
        condition, values = "where e.scheduled_for between %s and %s", [clock.to_us(since), clock.to_us(until)]
    with connection.cursor() as cursor:
        cursor.execute(
            "select a.started_at - e.scheduled_for from timers_attempt a "
            f"join timers_execution e on e.id = a.execution_id {condition}",
            values,
        )
        return sorted(row[0] / 1000 for row in cursor.fetchall())


def _last_end() -> object:
    from django.db.models import Max

    from timers.models import Execution

    return Execution.objects.aggregate(last=Max("finished_at"))["last"]


def _summary(late: list[float]) -> str:
    if not late:
        return "unknown"
    return f"p50 {late[len(late) // 2]:.1f} ms, p99 {late[int(len(late) * 0.99)]:.1f} ms, max {late[-1]:.1f} ms"


if __name__ == "__main__":
    main()
