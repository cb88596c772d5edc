"""A limit on speed: pieces and pauses."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from timers.copying.rate_limiter import RateLimiter

MEBI = 1024 * 1024


def test_without_a_limit_nobody_waits() -> None:
    limiter = RateLimiter(None, monotonic=lambda: 0.0)

    assert limiter.chunk_bytes(8 * MEBI) == 8 * MEBI
    assert limiter.reserve(100 * MEBI) == 0


@given(st.integers(1024, 100 * MEBI), st.lists(st.integers(1, 10 * MEBI), min_size=1, max_size=50))
def test_who_waits_as_told_never_exceeds_the_limit(limit: int, sizes: list[int]) -> None:
    clock = [0.0]
    limiter = RateLimiter(limit, monotonic=lambda: clock[0])

    for size in sizes:
        clock[0] += limiter.reserve(limiter.chunk_bytes(size))

    moved = sum(limiter.chunk_bytes(size) for size in sizes)
    assert moved <= limit * clock[0] * 1.0001 + 1


def test_time_in_which_nothing_moved_is_not_made_up_for() -> None:
    clock = [0.0]
    limiter = RateLimiter(MEBI, monotonic=lambda: clock[0])
    clock[0] = 3600.0

    assert limiter.reserve(MEBI) == 1.0
