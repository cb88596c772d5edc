"""Dispatchers and clusters as processes of their own over one database, to be killed at will."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil

from tests.acceptance.running import ROOT, SECRET_KEY, bare_environment

_FILL = """
import sys, django
django.setup()
from datetime import datetime, timedelta
from django.contrib.auth import get_user_model
from timers import clock
from timers.services.timers import commands as timers
owner, _ = get_user_model().objects.get_or_create(username="engine")
start = clock.now() + timedelta(seconds=float(sys.argv[3]))
end = {"condition": "time", "datetime": (start + timedelta(seconds=float(sys.argv[4]))).isoformat()}
for _ in range(int(sys.argv[1])):
    timers.create(
        owner=owner, action="code", name="trace", body={"function": "acceptance.trace"}, now=clock.now(),
        schedule={"type": "recurring", "interval_seconds": float(sys.argv[2]), "start": start.isoformat(), "end": end},
        policies={"overlap": "allow", "catch_up": "latest"})
"""

_ROWS = """
import json, django
django.setup()
from timers.models import Execution
from timers.clock import to_us
columns = ("timer_id", "scheduled_for", "scheduled_until", "occurrences", "status", "lost_attempts", "attempt")
print(json.dumps([
    [str(row[0]), to_us(row[1]), row[2] and to_us(row[2]), *row[3:]]
    for row in Execution.objects.order_by("timer_id", "scheduled_for").values_list(*columns)]))
"""


class Engine:
    """The processes of one site without its pages."""

    def __init__(self, folder: Path, database_url: str) -> None:
        self.trace = folder / "trace.txt"
        self._log = folder / "log.txt"
        self._variables = {
            **bare_environment(),
            "DATABASE_URL": database_url,
            "TIMERS_DATA_DIR": str(folder),
            "TIMERS_SECRET_KEY": SECRET_KEY,
            "TIMERS_CODE_MODULES": "tests.acceptance.functions",
            "DJANGO_SETTINGS_MODULE": "timersite.settings",
            "TRACE": str(self.trace),
        }
        self._started: list[subprocess.Popen[bytes]] = []
        self._run("manage.py", "migrate", "-v0")

    def fill(self, number: int, *, interval: float, after: float, seconds: float) -> None:
        """Store so many timers that start in `after` seconds and end so many seconds later."""
        self._run("-c", _FILL, str(number), str(interval), str(after), str(seconds))

    def executions(self) -> list[tuple[Any, ...]]:
        """Return the rows of all executions, by timer and planned instant."""
        return [tuple(row) for row in json.loads(self._run("-c", _ROWS))]

    def start(self, command: str) -> subprocess.Popen[bytes]:
        with self._log.open("ab") as output:
            process = subprocess.Popen(
                [sys.executable, "manage.py", command],
                cwd=ROOT,
                env=self._variables,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self._started.append(process)
        return process

    def stop(self) -> float:
        """Ask all processes to stop; return how many seconds that took."""
        began = time.monotonic()
        for process in self._started:
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
        for process in self._started:
            process.wait(20)
        return time.monotonic() - began

    def kill(self) -> None:
        for process in self._started:
            if process.poll() is None:
                kill_family(process)

    @property
    def log(self) -> str:
        return self._log.read_text()

    def _run(self, *arguments: str) -> str:
        done = subprocess.run(
            [sys.executable, *arguments], cwd=ROOT, env=self._variables, capture_output=True, timeout=60, check=False
        )
        assert done.returncode == 0, done.stderr.decode()
        return done.stdout.decode()


def family(process: subprocess.Popen[bytes]) -> list[psutil.Process]:
    """Return the children of a process and theirs, oldest first."""
    return psutil.Process(process.pid).children(recursive=True)


def kill_family(process: subprocess.Popen[bytes]) -> None:
    """Kill a process and all that it started, with no chance to tidy up."""
    for each in (*family(process), psutil.Process(process.pid)):
        each.kill()
    process.wait(10)


def pass_time(seconds: float, until: Callable[[], bool] = lambda: False) -> None:
    """Let the processes work, for so long or until a condition holds."""
    end = time.monotonic() + seconds
    while time.monotonic() < end and not until():
        time.sleep(0.1)
