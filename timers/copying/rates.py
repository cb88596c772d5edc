"""The progress of a transfer: a bounded number of samples of its counters, and the rates that follow from them.

A sample is (instant in microseconds since 1970, bytes, files), with the counters at that instant. When there are too
many, every second sample is dropped: the progress of days takes no more space than that of a minute.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from timers.clock import from_us, to_us

MAX_SAMPLES = 240
RECENT_PERIOD = timedelta(seconds=10)
MIN_SAMPLE_INTERVAL = timedelta(seconds=1)
_RECENT_US = RECENT_PERIOD // timedelta(microseconds=1)


class Sample(NamedTuple):
    """The counters at one instant."""

    at_us: int
    bytes: int
    files: int


class Speed(NamedTuple):
    """The mean rate of the seconds before an instant."""

    at: datetime
    bytes_per_second: float


def add_sample(samples: Sequence[Sequence[int]], *, now: datetime, bytes: int, files: int) -> list[Sequence[int]]:
    """Return the samples with a new one, as they are stored; the newest is replaced if it is less than a second old."""
    kept = list(samples)
    if len(kept) > 1 and to_us(now) - kept[-2][0] < MIN_SAMPLE_INTERVAL / timedelta(microseconds=1):
        kept.pop()
    if len(kept) >= MAX_SAMPLES:
        kept = kept[::2]
    return [*kept, Sample(to_us(now), bytes, files)]


def recent_speed(samples: Sequence[Sequence[int]], *, now: datetime) -> float | None:
    """Return the rate of the last seconds in bytes per second; None while too little is known."""
    if not samples:
        return None
    since = to_us(now - RECENT_PERIOD)
    older = [sample for sample in samples if sample[0] <= since]
    reference = older[-1] if older else samples[0]
    seconds = (to_us(now) - reference[0]) / 1e6
    return max(0.0, (samples[-1][1] - reference[1]) / seconds) if seconds >= 0.5 else None


def speeds(samples: Sequence[Sequence[int]]) -> list[Speed]:
    """Return the mean rate at each sample but the first.

    The mean covers the last seconds, or the time since the previous sample if that is longer. Samples follow each other
    unevenly, so the bytes between two close samples say little.
    """
    result: list[Speed] = []
    oldest = 0
    for number, sample in enumerate(samples[1:], start=1):
        while oldest + 1 < number and sample[0] - samples[oldest + 1][0] >= _RECENT_US:
            oldest += 1
        previous = samples[oldest]
        if sample[0] > previous[0]:
            result.append(
                Speed(from_us(sample[0]), max(0.0, (sample[1] - previous[1]) * 1e6 / (sample[0] - previous[0])))
            )
    return result


def time_left(samples: Sequence[Sequence[int]], *, now: datetime, bytes_left: int) -> timedelta | None:
    """Return the time that the remaining bytes take at the recent rate; None when the rate is not known."""
    speed = recent_speed(samples, now=now)
    return timedelta(seconds=bytes_left / speed) if speed else None
