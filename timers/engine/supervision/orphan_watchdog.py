"""Watchdog that outlives a killed supervisor and ends the processes that are left of its installation.

The kernel asks the supervisor's children to end then, and most do. A cluster that has just lost one of its processes
may wait for that process for ever.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping

import psutil

MARK = "TIMERS_SUPERVISED_BY"
"""Environment variable that marks the children, and every process that they start."""

CHECK_SECONDS = 0.5


class OrphanWatchdog:
    """Handle of the watchdog process. The supervisor keeps it open: the process takes a closed pipe for its end."""

    def __init__(self, *, grace: float) -> None:
        """`grace` is how many seconds children may take to end by themselves."""
        self._mark = f"{os.getpid()}-{secrets.token_hex(8)}"
        self._grace = grace
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def environment(self) -> Mapping[str, str]:
        """Return the environment that children must be given to be found."""
        return {MARK: self._mark}

    @property
    def pid(self) -> int:
        return self._process.pid if self._process else 0

    def keep_running(self) -> None:
        """Start the watchdog, again if it has ended."""
        if self._process is None or self._process.poll() is not None:
            command = [sys.executable, __file__, self._mark, str(self._grace)]
            self._process = subprocess.Popen(command, stdin=subprocess.PIPE)

    def end(self) -> None:
        """End the watchdog, as the supervisor has ended its children itself."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()


def main(mark: str, grace: float) -> None:
    """Wait until the supervisor, at the other end of standard input, is gone; then end the marked processes."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)  # these reach the whole process group
    sys.stdin.buffer.read()
    ends = time.monotonic() + grace
    while left := list(_marked(mark)):
        if time.monotonic() >= ends:
            _kill(left)
        time.sleep(CHECK_SECONDS)


def _marked(mark: str) -> Iterator[psutil.Process]:
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if process.environ().get(MARK) == mark:
                yield process


def _kill(processes: list[psutil.Process]) -> None:
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()


if __name__ == "__main__":
    main(sys.argv[1], float(sys.argv[2]))
