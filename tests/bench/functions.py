"""What the benchmarks run: nothing, or a stamp of the time."""

from __future__ import annotations

import os
import struct
import time

from timers import timer

STAMP = struct.Struct("=IQ")
"""Which timer, and when in microseconds."""

_files: dict[int, int] = {}


@timer(name="bench.empty")
def empty() -> None:
    """Do nothing, so that what is measured is the engine."""


@timer(name="bench.stamp")
def stamp(number: int) -> None:
    """Note when this began, in the file that BENCH_STAMPS names."""
    at = time.time_ns() // 1000
    process = os.getpid()
    if process not in _files:
        _files[process] = os.open(os.environ["BENCH_STAMPS"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    os.write(_files[process], STAMP.pack(number, at))
