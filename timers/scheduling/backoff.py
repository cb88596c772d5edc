"""How long to wait before another attempt (docs/policies.md)."""

from __future__ import annotations

import math

CAP_SECONDS = 3_600.0

_MAX_DOUBLINGS = 64  # far above any cap, and far from overflowing a float


def delay(failures: int, *, base: float, cap: float = CAP_SECONDS, random: float) -> float:
    """Return the seconds to wait after so many failed attempts: doubled each time, capped, then spread.

    `random` lies in [0, 1] and moves the result between half and the whole of the delay, so that timers which failed
    together do not come back together.
    """
    doublings = min(max(failures - 1, 0), _MAX_DOUBLINGS)
    return min(cap, math.ldexp(base, doublings)) * (0.5 + random / 2)
