"""A code timer that only one of two installations knows."""

from __future__ import annotations

from tests.acceptance.machines import trace
from timers import timer


@timer(interval=1, name="machines.special")
def special() -> None:
    trace("special")
