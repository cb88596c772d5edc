"""The course of a transfer's speed, as a picture and a table need it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from timers.clock import from_us
from timers.copying import rates
from timers.copying.rates import Speed

MAX_TABLE_ROWS = 20
_STEPS = (3, 6, 9, 15, 30)
"""Heights of a scale with three lines, in its power of ten."""


@dataclass(frozen=True)
class Curve:
    """Speeds over time; `top` is the height of the scale, a round number not below any of them."""

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
        return max(each.bytes_per_second for each in self.speeds)

    @property
    def scale(self) -> list[float]:
        """The values of the three lines, from above."""
        return [self.top, self.top * 2 / 3, self.top / 3]

    @property
    def points(self) -> list[tuple[float, float]]:
        """Each speed as shares of the width and of the height, both from 0 to 1."""
        width = (self.ended - self.began).total_seconds()
        return [
            ((each.at - self.began).total_seconds() / width, each.bytes_per_second / self.top) for each in self.speeds
        ]

    @property
    def table(self) -> list[Speed]:
        """Some of the speeds, evenly chosen, the last one among them."""
        every = -(-len(self.speeds) // MAX_TABLE_ROWS)
        return self.speeds[::-1][::every][::-1]


def curve(samples: Sequence[Sequence[int]]) -> Curve | None:
    """Return the course of the speed; None as long as there is none to draw."""
    speeds = rates.speeds(samples)
    if len(speeds) < 2 or not any(each.bytes_per_second for each in speeds):
        return None
    began, ended = samples[0], samples[-1]
    mean = (ended[1] - began[1]) * 1e6 / (ended[0] - began[0])
    return Curve(from_us(began[0]), speeds, max(0.0, mean), _top(max(each.bytes_per_second for each in speeds)))


def _top(highest: float) -> float:
    power = 1.0
    while power * _STEPS[-1] < highest:
        power *= 10
    return next(step * power for step in _STEPS if step * power >= highest)
