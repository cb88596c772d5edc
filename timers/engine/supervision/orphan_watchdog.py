"""Ends what is left of an installation whose supervisor was killed: a small process that outlives it.

The supervisor's children are asked to end then, and do. But a cluster that has just lost one of its processes may wait
for that one for ever.
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
"""The variable by which the children are known, and whatever they start."""

LOOK_EVERY = 0.5


class OrphanWatch:
    """Started by the supervisor, which must keep it: the process takes the end of a pipe for the end of both."""

    def __init__(self, *, grace: float) -> None:
        """`grace` is how many seconds children may take to end by themselves."""
        self._mark = f"{os.getpid()}-{secrets.token_hex(8)}"
        self._grace = grace
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def environment(self) -> Mapping[str, str]:
        """Return what the children must be given to be found."""
        return {MARK: self._mark}

    @property
    def pid(self) -> int:
        return self._process.pid if self._process else 0

    def keep_running(self) -> None:
        """Start the process, or another one when somebody ended it."""
        if self._process is None or self._process.poll() is not None:
            command = [sys.executable, __file__, self._mark, str(self._grace)]
            self._process = subprocess.Popen(command, stdin=subprocess.PIPE)

    def end(self) -> None:
        """End the process: the supervisor has ended its children itself."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()


def main(mark: str, grace: float) -> None:
    """Wait for the end of whoever holds the other end of standard input; then see that the marked ones end too."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)  # they come to the whole group
    sys.stdin.buffer.read()
    ends = time.monotonic() + grace
    while left := list(_marked(mark)):
        if time.monotonic() >= ends:
            _kill(left)
        time.sleep(LOOK_EVERY)


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
