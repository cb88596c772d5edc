"""Delays double, are capped and spread."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from timers.scheduling.backoff import delay


@pytest.mark.parametrize(("failures", "seconds"), [
    (1, 30), (2, 60), (3, 120), (7, 1_920), (8, 3_600), (9, 3_600), (1_000_000, 3_600), (10**30, 3_600), (0, 30),
])  # fmt: skip
def test_it_doubles_from_the_base_up_to_an_hour(failures: int, seconds: float) -> None:
    assert delay(failures, base=30, random=1.0) == seconds


@pytest.mark.parametrize(("random", "seconds"), [(0.0, 30), (0.5, 45), (1.0, 60)])
def test_it_is_spread_over_the_upper_half(random: float, seconds: float) -> None:
    assert delay(2, base=30, random=random) == seconds


def test_the_cap_may_be_another() -> None:
    assert delay(9, base=1, cap=10, random=1.0) == 10


@given(st.integers(1, 10**9), st.floats(0, 86_400), st.floats(0, 1))
def test_it_stays_within_the_cap(failures: int, base: float, random: float) -> None:
    assert min(base, 3_600) / 2 <= delay(failures, base=base, random=random) <= 3_600
