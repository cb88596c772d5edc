"""Small files of several folders of this machine, copied at once by several processes.

One batch is copied by this process, the others by helper processes.
"""

from __future__ import annotations

import marshal
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from typing import Any

from timers.storages import batch_worker

MAX_HELPERS = 3
ANSWER_TIMEOUT_SECONDS = 60.0

Job = tuple[dict[str, Any], int, int]
"""The arguments of `batch_worker.run_job`: the job, and the handles of its two folders."""


class Helper:
    """A process that runs jobs; it ends when this end of its connection is closed."""

    def __init__(self) -> None:
        self._connection, helper_end = socket.socketpair()
        self._connection.settimeout(ANSWER_TIMEOUT_SECONDS)
        with helper_end:
            self._process = subprocess.Popen(
                [sys.executable, "-I", "-S", batch_worker.__file__], stdin=helper_end.fileno()
            )

    def start(self, job: Job) -> None:
        """Send a job; raises OSError when the helper has died."""
        document = marshal.dumps(job[0])
        socket.send_fds(self._connection, [batch_worker.HEADER.pack(len(document))], job[1:])
        self._connection.sendall(document)

    def result(self) -> list[tuple[Any, ...]]:
        """Wait for the result of the job; raises OSError or EOFError when the helper died or does not answer."""
        size = batch_worker.HEADER.unpack(batch_worker.receive(self._connection, batch_worker.HEADER.size))[0]
        return marshal.loads(batch_worker.receive(self._connection, size))  # type: ignore[no-any-return]

    def stop(self) -> None:
        """Stop the process, by force if it is stuck."""
        self._connection.close()
        try:
            self._process.wait(0.5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


class _Helpers:
    """The idle helpers of this process."""

    def __init__(self) -> None:
        self._idle: list[Helper] = []
        self._count, self._pid, self._lock = 0, os.getpid(), threading.Lock()

    def acquire(self) -> Helper | None:
        """Return an idle helper or a new one; None when there are enough."""
        with self._lock:
            if self._pid != os.getpid():  # after a fork the helpers belong to the parent
                self._idle, self._count, self._pid = [], 0, os.getpid()
            if self._idle:
                return self._idle.pop()
            if self._count >= max_helpers():
                return None
            self._count += 1
        try:
            return Helper()
        except OSError:
            self.forget_one()
            return None

    def release(self, helper: Helper) -> None:
        with self._lock:
            self._idle.append(helper)

    def forget_one(self) -> None:
        with self._lock:
            self._count -= 1


_helpers = _Helpers()


def max_helpers() -> int:
    """Return how many helpers are useful on this machine."""
    return min(MAX_HELPERS, len(os.sched_getaffinity(0)) - 1)


def run_jobs(jobs: Sequence[Job]) -> list[list[tuple[Any, ...]]]:
    """Return the result of each job. The first job runs here, the others in helpers where one is free."""
    if not jobs:
        return []
    helpers = [_assign(job) for job in jobs[1:]]
    try:
        first = batch_worker.run_job(*jobs[0])
    finally:
        other_results = [_collect(helper, job) for helper, job in zip(helpers, jobs[1:], strict=True)]
    return [first, *other_results]


def start_job(job: Job) -> Callable[[], list[tuple[Any, ...]]] | None:
    """Run a job in the background; return a function that waits for its result, None when no helper is free.

    The result is empty when the helper failed.
    """
    helper = _assign(job)
    return None if helper is None else lambda: _collect(helper, job)


def _assign(job: Job) -> Helper | None:
    helper = _helpers.acquire()
    if helper is None:
        return None
    try:
        helper.start(job)
    except OSError:
        _terminate(helper)
        return None
    return helper


def _collect(helper: Helper | None, job: Job) -> list[tuple[Any, ...]]:
    if helper is not None:
        try:
            result = helper.result()
        except (OSError, EOFError, ValueError):
            _terminate(helper)
            batch_worker.remove_partials(*job)
            return []  # the progress of the job is unknown, so nothing of it counts
        _helpers.release(helper)
        return result
    return batch_worker.run_job(*job)


def _terminate(helper: Helper) -> None:
    helper.stop()
    _helpers.forget_one()
