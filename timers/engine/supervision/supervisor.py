"""Supervisor of `manage.py up`: web server, dispatcher and cluster as child processes, restarted when they fail."""

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
from timers.engine.supervision.orphan_watchdog import OrphanWatchdog
from timers.process_name import process_name
from timers.services import processes

logger = logging.getLogger(__name__)

PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36

STALLED_AFTER = timedelta(seconds=20)
"""Silence after which a child counts as stalled; a probe goes through the cluster every 5 s."""

START_GRACE_SECONDS = 30.0
"""Time that a new child has before its silence counts."""

STOP_GRACE_SECONDS = 8.0
"""Time from the signal on in which children have to end by themselves; the whole stop takes less than 10 s."""

MIN_STOP_GRACE_SECONDS = 3.0
"""Part of it that is left even when a probe was under way at the signal."""

CHECK_SECONDS = 1.0
PROBE_SECONDS = 5.0

_DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))
"""Opener for our own web server, past any proxy that the environment names."""


@dataclass
class ChildProcess:
    """A child process: how it is started and how it shows that it is alive."""

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
    """Supervisor of the child processes, until its clock is stopped."""

    def __init__(self, *, host: str, port: int, environment: Mapping[str, str], clock: Clock) -> None:
        self.clock = clock
        self.url = f"http://{authority(host, port)}"
        self._probe_url = f"http://{authority(_reachable(host), port)}"
        manage = str(Path(sys.argv[0]).resolve())
        python = [sys.executable, "-u"]
        self.children = [
            ChildProcess("web", [*python, "-m", "gunicorn", *_gunicorn(host, port)], self._web_answers),
            ChildProcess("dispatch", [*python, manage, "dispatch"], self._beats(processes.DISPATCHER)),
            ChildProcess("qcluster", [*python, manage, "qcluster"], self._beats(processes.CLUSTER)),
        ]
        self._orphan_watchdog = OrphanWatchdog(grace=STOP_GRACE_SECONDS)
        import_paths = [str(Path(manage).parent), *filter(None, [os.environ.get("PYTHONPATH")])]  # whatever the folder
        self.environment = {
            **environment,
            **self._orphan_watchdog.environment,
            "PYTHONPATH": os.pathsep.join(import_paths),
        }

    def run(self, ready: Callable[[str], None]) -> None:
        """Start the children, call `ready` once when all are alive, watch them until stopped, then stop them."""
        _adopt_orphans()
        announced = False
        next_probe = 0.0
        try:
            while not self.clock.stopped.is_set():
                self._orphan_watchdog.keep_running()
                for child in self.children:
                    self._keep_running(child)
                if self.clock.monotonic() >= next_probe:
                    self._restart_stalled()
                    next_probe = self.clock.monotonic() + PROBE_SECONDS
                if not announced and self._is_ready():
                    announced = True
                    ready(self.url)
                    logger.info("The service started.", extra={"event": "service.start", "role": "up", "url": self.url})
                self.clock.wait(CHECK_SECONDS if announced else 0.2)
        finally:
            self._stop_all()
            logger.info("The service stopped.", extra={"event": "service.stop", "role": "up"})

    # Keeping alive

    def _keep_running(self, child: ChildProcess) -> None:
        if child.process is not None and child.process.poll() is None:
            return
        if child.process is not None:
            self._note_death(child)
        if self.clock.monotonic() >= child.next_start:
            self._start(child)

    def _note_death(self, child: ChildProcess) -> None:
        assert child.process is not None
        lived = self.clock.monotonic() - child.started
        child.deaths = child.deaths + 1 if lived < START_GRACE_SECONDS else 1
        pause = 0.0 if child.deaths == 1 else min(10.0, 0.5 * 2 ** (child.deaths - 2))
        child.next_start = self.clock.monotonic() + pause
        about = {"event": "process.lost", "role": child.name, "pid": child.pid, "status": child.process.returncode}
        logger.warning("A process ended; starting it again.", extra=about)
        child.process = None
        self._end_orphans()

    def _start(self, child: ChildProcess) -> None:
        child.process = subprocess.Popen(
            child.command,
            env={**os.environ, **self.environment},
            stdin=subprocess.DEVNULL,
            preexec_fn=_die_with_parent,  # noqa: PLW1509  the supervisor has no threads
        )
        child.started = self.clock.monotonic()

    def _restart_stalled(self) -> None:
        for child in self.children:
            if child.process is None or self.clock.monotonic() - child.started < START_GRACE_SECONDS:
                continue
            try:
                alive = child.alive(child)
            except DatabaseError:
                close_old_connections()  # no process can give a sign of life while the database is away
                for other in self.children:
                    other.started = self.clock.monotonic()
                return
            if not alive:
                about = {"event": "process.stalled", "role": child.name, "pid": child.pid}
                logger.error("A process stands still; restarting it.", extra=about)
                self._kill(child)

    def _kill(self, child: ChildProcess) -> None:
        """End a child for good: a stalled process often ignores SIGTERM."""
        if child.process is None:
            return
        family = _family(child.pid)
        child.process.terminate()
        _, left = psutil.wait_procs(family, timeout=3)
        for process in left:
            _kill_quietly(process)
        child.process.wait()

    def _end_orphans(self) -> None:
        """Kill the processes that a dead child left behind; as sub-reaper this process has become their parent."""
        ours = {self._orphan_watchdog.pid, *(child.pid for child in self.children)}
        for orphan in psutil.Process().children():
            if orphan.pid not in ours:
                for process in [*orphan.children(recursive=True), orphan]:
                    _kill_quietly(process)
        _reap()

    # Signs of life

    def _web_answers(self, _child: ChildProcess) -> bool:
        return any(self.clock.stopped.is_set() or _answers(f"{self._probe_url}/healthz") for _ in range(3))

    def _beats(self, role: str) -> Callable[[ChildProcess], bool]:
        def seen(child: ChildProcess) -> bool:
            return processes.seen_since(role, process_name(child.pid), since=self.clock.now() - STALLED_AFTER)

        return seen

    def _is_ready(self) -> bool:
        return all(child.process is not None for child in self.children) and _answers(f"{self._probe_url}/readyz")

    # The end

    def _stop_all(self) -> None:
        running = [child for child in self.children if child.process is not None and child.process.poll() is None]
        families = [process for child in running for process in _family(child.pid)]
        for child in running:
            assert child.process is not None
            child.process.terminate()
        elapsed = 0.0 if self.clock.stopped_at is None else self.clock.monotonic() - self.clock.stopped_at
        _, left = psutil.wait_procs(families, timeout=max(MIN_STOP_GRACE_SECONDS, STOP_GRACE_SECONDS - elapsed))
        for process in left:
            _kill_quietly(process)
        self._end_orphans()
        self._orphan_watchdog.end()


def _gunicorn(host: str, port: int) -> Iterator[str]:
    yield from ("timersite.front:application", "--bind", authority(host, port))
    yield from ("--workers", "2", "--worker-class", "timersite.serving.Worker", "--timeout", "60")
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
    """Collect dead orphans; the exit status of our own children is left to `subprocess`."""
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
    """Ask for SIGTERM in this child when the supervisor is killed; the orphan watchdog ends children that ignore it."""
    _prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


def _prctl(option: int, value: int) -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(option, value, 0, 0, 0)
