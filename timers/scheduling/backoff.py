"""The delay before the next attempt (docs/policies.md)."""

from __future__ import annotations

import math

CAP_SECONDS = 3_600.0

_MAX_DOUBLINGS = 64  # far above any cap, and far from overflowing a float


def delay(failures: int, *, base: float, cap: float = CAP_SECONDS, random: float) -> float:
    """Return the delay in seconds after `failures` failed attempts: doubled each time, capped, then spread.

    `random` lies in [0, 1] and moves the result between half and the whole of the delay, so that timers that failed
    together do not retry together.
    """
    doublings = min(max(failures - 1, 0), _MAX_DOUBLINGS)
    return min(cap, math.ldexp(base, doublings)) * (0.5 + random / 2)
