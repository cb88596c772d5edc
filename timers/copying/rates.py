"""The course of a transfer: a bounded number of samples of its counters, and the speeds that follow from them.

A sample is (instant in microseconds since 1970, bytes, files), with counters as they were then. When there are too
many, every second one is dropped: the course of days keeps to the same space as that of a minute.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from timers.clock import from_us, to_us

MAX_SAMPLES = 240
RECENT = timedelta(seconds=10)
NEAREST = timedelta(seconds=1)
_RECENT_US = RECENT // timedelta(microseconds=1)


class Sample(NamedTuple):
    """What had been done at one moment."""

    at_us: int
    bytes: int
    files: int


class Speed(NamedTuple):
    """The mean speed of the seconds up to an instant."""

    at: datetime
    bytes_per_second: float


def add(samples: Sequence[Sequence[int]], *, now: datetime, bytes: int, files: int) -> list[Sequence[int]]:
    """Return the samples with a new one, as they are stored; the newest is moved if it is less than a second old."""
    kept = list(samples)
    if len(kept) > 1 and to_us(now) - kept[-2][0] < NEAREST / timedelta(microseconds=1):
        kept.pop()
    if len(kept) >= MAX_SAMPLES:
        kept = kept[::2]
    return [*kept, Sample(to_us(now), bytes, files)]


def recent(samples: Sequence[Sequence[int]], *, now: datetime) -> float | None:
    """Return bytes per second over the last seconds; None while too little is known."""
    if not samples:
        return None
    since = to_us(now - RECENT)
    older = [each for each in samples if each[0] <= since]
    first = older[-1] if older else samples[0]
    seconds = (to_us(now) - first[0]) / 1e6
    return max(0.0, (samples[-1][1] - first[1]) / seconds) if seconds >= 0.5 else None


def course(samples: Sequence[Sequence[int]]) -> list[Speed]:
    """Return at each sample but the first the mean speed of the last seconds, or since the sample before if longer.

    A mean, because samples follow each other unevenly: what was copied between two close ones says little.
    """
    found: list[Speed] = []
    oldest = 0
    for number, new in enumerate(samples[1:], start=1):
        while oldest + 1 < number and new[0] - samples[oldest + 1][0] >= _RECENT_US:
            oldest += 1
        old = samples[oldest]
        if new[0] > old[0]:
            found.append(Speed(from_us(new[0]), max(0.0, (new[1] - old[1]) * 1e6 / (new[0] - old[0]))))
    return found


def left(samples: Sequence[Sequence[int]], *, now: datetime, bytes_left: int) -> timedelta | None:
    """Return how long the rest will take at the speed of the last seconds; None when nobody can tell."""
    speed = recent(samples, now=now)
    return timedelta(seconds=bytes_left / speed) if speed else None
