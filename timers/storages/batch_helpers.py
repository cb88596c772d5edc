"""Small files of several folders of this machine, copied at once: one lot by this process, the others by helpers."""

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
ANSWER_WITHIN = 60.0

Job = tuple[dict[str, Any], int, int]
"""What `lane.carry_out` takes: the job, and handles of its two folders."""


class Helper:
    """A process that carries out jobs; it ends when this end of its connection is closed."""

    def __init__(self) -> None:
        self._connection, theirs = socket.socketpair()
        self._connection.settimeout(ANSWER_WITHIN)
        with theirs:
            self._process = subprocess.Popen([sys.executable, "-I", "-S", batch_worker.__file__], stdin=theirs.fileno())

    def begin(self, job: Job) -> None:
        """Hand a job over; raises OSError when the helper is gone."""
        text = marshal.dumps(job[0])
        socket.send_fds(self._connection, [batch_worker.HEADER.pack(len(text))], job[1:])
        self._connection.sendall(text)

    def result(self) -> list[tuple[Any, ...]]:
        """Wait for what came of the job; raises OSError or EOFError when the helper is gone or does not answer."""
        size = batch_worker.HEADER.unpack(batch_worker.receive(self._connection, batch_worker.HEADER.size))[0]
        return marshal.loads(batch_worker.receive(self._connection, size))  # type: ignore[no-any-return]

    def end(self) -> None:
        """Let the process end, by force if it is stuck."""
        self._connection.close()
        try:
            self._process.wait(0.5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


class _Helpers:
    """The helpers of this process that have nothing to do."""

    def __init__(self) -> None:
        self._idle: list[Helper] = []
        self._number, self._pid, self._lock = 0, os.getpid(), threading.Lock()

    def borrow(self) -> Helper | None:
        """Return an idle helper or a new one; None when there are enough."""
        with self._lock:
            if self._pid != os.getpid():  # after a fork they are the parent's
                self._idle, self._number, self._pid = [], 0, os.getpid()
            if self._idle:
                return self._idle.pop()
            if self._number >= most():
                return None
            self._number += 1
        try:
            return Helper()
        except OSError:
            self.gone()
            return None

    def give_back(self, helper: Helper) -> None:
        with self._lock:
            self._idle.append(helper)

    def gone(self) -> None:
        with self._lock:
            self._number -= 1


_helpers = _Helpers()


def most() -> int:
    """Return how many helpers are worth their while on this machine."""
    return min(MAX_HELPERS, len(os.sched_getaffinity(0)) - 1)


def carry_out(jobs: Sequence[Job]) -> list[list[tuple[Any, ...]]]:
    """Return what came of each job: the first is done here, the others beside it where a helper is free."""
    lent = [_lend(job) for job in jobs[1:]]
    try:
        first = batch_worker.carry_out(*jobs[0])
    finally:
        others = [_take(helper, job) for helper, job in zip(lent, jobs[1:], strict=True)]
    return [first, *others]


def begin(job: Job) -> Callable[[], list[tuple[Any, ...]]] | None:
    """Have a job carried out beside what the caller does; the answer waits for it. None when no helper is free.

    The answer is empty when the helper failed.
    """
    helper = _lend(job)
    return None if helper is None else lambda: _take(helper, job)


def _lend(job: Job) -> Helper | None:
    helper = _helpers.borrow()
    if helper is None:
        return None
    try:
        helper.begin(job)
    except OSError:
        _dismiss(helper)
        return None
    return helper


def _take(helper: Helper | None, job: Job) -> list[tuple[Any, ...]]:
    if helper is not None:
        try:
            result = helper.result()
        except (OSError, EOFError, ValueError):
            _dismiss(helper)
            batch_worker.remove_parts(*job)
            return []  # nobody knows how far it came: nothing of it counts
        _helpers.give_back(helper)
        return result
    return batch_worker.carry_out(*job)


def _dismiss(helper: Helper) -> None:
    helper.end()
    _helpers.gone()
