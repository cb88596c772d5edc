"""The speed of a transfer over time, for a chart and a table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from timers.clock import from_us
from timers.copying import rates
from timers.copying.rates import Speed

MAX_TABLE_ROWS = 20
_STEPS = (3, 6, 9, 15, 30)
"""Heights of a scale with three lines, as multiples of a power of ten."""


@dataclass(frozen=True)
class RateCurve:
    """Speeds over time in bytes per second. `top` is the height of the scale, a round number not below any speed."""

    began: datetime
    speeds: list[Speed]
    mean: float
    top: float

    @property
    def ended(self) -> datetime:
        return self.speeds[-1].at

    @property
    def middle(self) -> datetime:
        return self.began + (self.ended - self.began) / 2

    @property
    def highest(self) -> float:
        return max(speed.bytes_per_second for speed in self.speeds)

    @property
    def scale(self) -> list[float]:
        """The values of the three lines, top to bottom."""
        return [self.top, self.top * 2 / 3, self.top / 3]

    @property
    def points(self) -> list[tuple[float, float]]:
        """The speeds as points, as shares of width and height from 0 to 1."""
        width = (self.ended - self.began).total_seconds()
        return [
            ((speed.at - self.began).total_seconds() / width, speed.bytes_per_second / self.top)
            for speed in self.speeds
        ]

    @property
    def table(self) -> list[Speed]:
        """At most MAX_TABLE_ROWS of the speeds, evenly spaced, including the last one."""
        every = -(-len(self.speeds) // MAX_TABLE_ROWS)
        return self.speeds[::-1][::every][::-1]


def build_curve(samples: Sequence[Sequence[int]]) -> RateCurve | None:
    """Return the curve of the speed, None while there is nothing to draw."""
    speeds = rates.speeds(samples)
    if len(speeds) < 2 or not any(speed.bytes_per_second for speed in speeds):
        return None
    began, ended = samples[0], samples[-1]
    mean = (ended[1] - began[1]) * 1e6 / (ended[0] - began[0])
    return RateCurve(from_us(began[0]), speeds, max(0.0, mean), _top(max(speed.bytes_per_second for speed in speeds)))


def _top(highest: float) -> float:
    power = 1.0
    while power * _STEPS[-1] < highest:
        power *= 10
    return next(step * power for step in _STEPS if step * power >= highest)
