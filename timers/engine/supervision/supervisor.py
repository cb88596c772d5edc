"""`manage.py up`: web server, dispatcher and cluster as child processes, restarted when they die or stand still."""

from __future__ import annotations

import contextlib
import ctypes
import logging
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import psutil
from django.db import Error as DatabaseError
from django.db import close_old_connections

from timers.clock import Clock
from timers.engine.supervision.orphan_watchdog import OrphanWatch
from timers.process_name import process_name
from timers.services import processes

logger = logging.getLogger(__name__)

PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36

STILL = timedelta(seconds=20)
"""A part that gave no sign of life for so long stands still (a roll call goes through the cluster every 5 s)."""

START_GRACE = 30.0
"""Seconds that a new child has before its silence counts."""

STOP_GRACE = 8.0
"""Seconds from the signal on in which children have to end by themselves; the whole stop takes less than 10."""

MIN_STOP_GRACE_SECONDS = 3.0
"""So many of them are left when a probe was under way."""

LOOK_EVERY = 1.0
PROBE_EVERY = 5.0

_DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))
"""Asks our own web server: no proxy that the environment names."""


@dataclass
class ChildProcess:
    """One kind of child: how it is started and how it shows that it is alive."""

    name: str
    command: list[str]
    alive: Callable[[ChildProcess], bool]
    process: subprocess.Popen[bytes] | None = None
    started: float = 0.0
    deaths: int = 0
    next_start: float = 0.0

    @property
    def pid(self) -> int:
        return self.process.pid if self.process else 0


class Supervisor:
    """Keeps the parts alive until the clock is stopped."""

    def __init__(self, *, host: str, port: int, environment: Mapping[str, str], clock: Clock) -> None:
        self.clock = clock
        self.url = f"http://{authority(host, port)}"
        self._probe_url = f"http://{authority(_reachable(host), port)}"
        manage = str(Path(sys.argv[0]).resolve())
        python = [sys.executable, "-u"]
        self.parts = [
            ChildProcess("web", [*python, "-m", "gunicorn", *_gunicorn(host, port)], self._web_answers),
            ChildProcess("dispatch", [*python, manage, "dispatch"], self._beats(processes.DISPATCHER)),
            ChildProcess("qcluster", [*python, manage, "qcluster"], self._beats(processes.CLUSTER)),
        ]
        self._orphan_watch = OrphanWatch(grace=STOP_GRACE)
        found_in = [str(Path(manage).parent), *filter(None, [os.environ.get("PYTHONPATH")])]  # whatever the folder
        self.environment = {**environment, **self._orphan_watch.environment, "PYTHONPATH": os.pathsep.join(found_in)}

    def run(self, ready: Callable[[str], None]) -> None:
        """Start everything, call `ready` once when all parts are alive, watch until stopped, then stop everything."""
        _adopt_orphans()
        announced = False
        next_probe = 0.0
        try:
            while not self.clock.stopped.is_set():
                self._orphan_watch.keep_running()
                for part in self.parts:
                    self._keep_running(part)
                if self.clock.monotonic() >= next_probe:
                    self._restart_what_stands_still()
                    next_probe = self.clock.monotonic() + PROBE_EVERY
                if not announced and self._is_ready():
                    announced = True
                    ready(self.url)
                    logger.info("The service started.", extra={"event": "service.start", "role": "up", "url": self.url})
                self.clock.wait(LOOK_EVERY if announced else 0.2)
        finally:
            self._stop_all()
            logger.info("The service stopped.", extra={"event": "service.stop", "role": "up"})

    # Keeping alive

    def _keep_running(self, part: ChildProcess) -> None:
        if part.process is not None and part.process.poll() is None:
            return
        if part.process is not None:
            self._note_death(part)
        if self.clock.monotonic() >= part.next_start:
            self._start(part)

    def _note_death(self, part: ChildProcess) -> None:
        assert part.process is not None
        lived = self.clock.monotonic() - part.started
        part.deaths = part.deaths + 1 if lived < START_GRACE else 1
        pause = 0.0 if part.deaths == 1 else min(10.0, 0.5 * 2 ** (part.deaths - 2))
        part.next_start = self.clock.monotonic() + pause
        about = {"event": "process.lost", "role": part.name, "pid": part.pid, "status": part.process.returncode}
        logger.warning("A process ended; starting it again.", extra=about)
        part.process = None
        self._end_orphans()

    def _start(self, part: ChildProcess) -> None:
        part.process = subprocess.Popen(
            part.command,
            env={**os.environ, **self.environment},
            stdin=subprocess.DEVNULL,
            preexec_fn=_die_with_parent,  # noqa: PLW1509  the supervisor has no threads
        )
        part.started = self.clock.monotonic()

    def _restart_what_stands_still(self) -> None:
        for part in self.parts:
            if part.process is None or self.clock.monotonic() - part.started < START_GRACE:
                continue
            try:
                alive = part.alive(part)
            except DatabaseError:
                close_old_connections()  # nobody can give a sign of life while the database is away
                for each in self.parts:
                    each.started = self.clock.monotonic()
                return
            if not alive:
                about = {"event": "process.stalled", "role": part.name, "pid": part.pid}
                logger.error("A process stands still; restarting it.", extra=about)
                self._kill(part)

    def _kill(self, part: ChildProcess) -> None:
        """End one part for good: what stands still often does not hear a polite signal."""
        if part.process is None:
            return
        family = _family(part.pid)
        part.process.terminate()
        _, left = psutil.wait_procs(family, timeout=3)
        for process in left:
            _kill_quietly(process)
        part.process.wait()

    def _end_orphans(self) -> None:
        """Kill what a dead child left behind; as sub-reaper we have become its parent."""
        ours = {self._orphan_watch.pid, *(part.pid for part in self.parts)}
        for orphan in psutil.Process().children():
            if orphan.pid not in ours:
                for process in [*orphan.children(recursive=True), orphan]:
                    _kill_quietly(process)
        _reap()

    # Signs of life

    def _web_answers(self, _part: ChildProcess) -> bool:
        return any(self.clock.stopped.is_set() or _answers(f"{self._probe_url}/healthz") for _ in range(3))

    def _beats(self, role: str) -> Callable[[ChildProcess], bool]:
        def seen(part: ChildProcess) -> bool:
            return processes.seen_since(role, process_name(part.pid), since=self.clock.now() - STILL)

        return seen

    def _is_ready(self) -> bool:
        return all(part.process is not None for part in self.parts) and _answers(f"{self._probe_url}/readyz")

    # The end

    def _stop_all(self) -> None:
        running = [part for part in self.parts if part.process is not None and part.process.poll() is None]
        families = [process for part in running for process in _family(part.pid)]
        for part in running:
            assert part.process is not None
            part.process.terminate()
        gone = 0.0 if self.clock.stopped_at is None else self.clock.monotonic() - self.clock.stopped_at
        _, left = psutil.wait_procs(families, timeout=max(MIN_STOP_GRACE_SECONDS, STOP_GRACE - gone))
        for process in left:
            _kill_quietly(process)
        self._end_orphans()
        self._orphan_watch.end()


def _gunicorn(host: str, port: int) -> Iterator[str]:
    yield from ("timersite.wsgi", "--bind", authority(host, port))
    yield from ("--workers", "2", "--threads", "8", "--worker-class", "gthread", "--timeout", "60")
    yield from (
        "--limit-request-line",
        "8190",
        "--graceful-timeout",
        "5",
        "--log-level",
        "warning",
        "--no-control-socket",
        "--logger-class",
        "timersite.gunicorn_logs.GunicornLogger",
    )


def authority(host: str, port: int) -> str:
    """Return address and port as they stand in a URL."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _reachable(host: str) -> str:
    return {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}.get(host, host)


def _answers(url: str) -> bool:
    try:
        with _DIRECT.open(urllib.request.Request(url, headers={"Host": "localhost"}), timeout=5) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def _family(pid: int) -> list[psutil.Process]:
    try:
        parent = psutil.Process(pid)
        return [parent, *parent.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


def _kill_quietly(process: psutil.Process) -> None:
    with contextlib.suppress(psutil.NoSuchProcess):
        process.kill()


def _reap() -> None:
    """Collect dead orphans without taking the status of our own children from under subprocess."""
    time.sleep(0.05)
    for child in psutil.Process().children():
        try:
            if child.status() == psutil.STATUS_ZOMBIE:
                os.waitpid(child.pid, os.WNOHANG)
        except (psutil.NoSuchProcess, ChildProcessError):
            pass


def _adopt_orphans() -> None:
    _prctl(PR_SET_CHILD_SUBREAPER, 1)


def _die_with_parent() -> None:
    """In the child: end, politely, when the supervisor is killed; orphans.py sees to those that do not."""
    _prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


def _prctl(option: int, value: int) -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(option, value, 0, 0, 0)
