"""A function that fails, after it has said so."""

from __future__ import annotations

from timers import timer


@timer(name="acceptance.fails", interval=86_400)
def fails() -> None:
    print("It fails.")
    raise ValueError("It failed.")
