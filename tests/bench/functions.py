"""What the benchmarks run: nothing, or a stamp of the time."""

from __future__ import annotations

import os
import struct
import time

from timers import timer
from timers.actions.base import CURRENT
from timers.clock import to_us

STAMP = struct.Struct("=QQ")
"""The planned instant and the one at which it began, in microseconds."""

_files: dict[int, int] = {}


@timer(name="bench.empty", allow="all")
def empty() -> None:
    """Do nothing, so that what is measured is the engine."""


@timer(name="bench.stamp", allow="all")
def stamp() -> None:
    """Note when this was planned and when it began, in the file that BENCH_STAMPS names."""
    at = time.time_ns() // 1000
    context = CURRENT.get()
    assert context is not None
    process = os.getpid()
    if process not in _files:
        _files[process] = os.open(os.environ["BENCH_STAMPS"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    os.write(_files[process], STAMP.pack(to_us(context.scheduled_for), at))
