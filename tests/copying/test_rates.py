"""The course of a transfer: bounded, and what is told of it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from timers.copying import rates

NOW = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)


def samples_of(*steps: tuple[float, int]) -> list[object]:
    """Return samples taken so many seconds after NOW, with so many bytes done."""
    samples: list[object] = []
    for seconds, size in steps:
        samples = rates.add_sample(samples, now=NOW + timedelta(seconds=seconds), bytes=size, files=0)  # type: ignore[arg-type]
    return samples


def test_the_speed_is_that_of_the_last_seconds() -> None:
    samples = samples_of((0, 0), (60, 60_000_000), (70, 160_000_000))

    assert rates.recent_speed(samples, now=NOW + timedelta(seconds=70)) == 10_000_000  # type: ignore[arg-type]


def test_a_transfer_that_stands_still_slows_down_to_nothing() -> None:
    samples = samples_of((0, 0), (10, 100))

    assert rates.recent_speed(samples, now=NOW + timedelta(seconds=1000)) == 0  # type: ignore[arg-type]


def test_the_rest_takes_as_long_as_the_last_seconds_say() -> None:
    samples = samples_of((0, 0), (10, 1_000))

    assert rates.time_left(samples, now=NOW + timedelta(seconds=10), bytes_left=500) == timedelta(seconds=5)  # type: ignore[arg-type]


def test_two_close_samples_make_no_peak_in_the_course() -> None:
    seconds = [0, *(start + gap for start in range(1, 30, 2) for gap in (0.0, 1.05))]
    samples = samples_of(*((speed, round(speed) * 100) for speed in seconds))

    speeds = [speed.bytes_per_second for speed in rates.speeds(samples)]  # type: ignore[arg-type]

    assert max(speeds) < 115
    assert min(speeds) > 85


def test_nobody_knows_a_speed_before_anything_moved() -> None:
    assert rates.recent_speed([], now=NOW) is None
    assert rates.time_left(samples_of((0, 0)), now=NOW, bytes_left=5) is None  # type: ignore[arg-type]


def test_of_many_samples_within_a_second_the_first_and_the_last_are_kept() -> None:
    samples = samples_of((0, 0), (5, 50), (5.2, 60), (5.4, 70))

    assert [sample[1] for sample in samples] == [0, 50, 70]  # type: ignore[index]


@given(st.lists(st.floats(0.01, 500), min_size=1, max_size=600))
def test_however_long_it_takes_the_course_stays_short_and_keeps_its_beginning_and_end(gaps: list[float]) -> None:
    seconds, steps = 0.0, []
    for number, gap in enumerate(gaps):
        seconds += gap
        steps.append((seconds, number))

    samples = samples_of(*steps)

    assert len(samples) <= rates.MAX_SAMPLES
    assert samples[-1][1] == len(gaps) - 1  # type: ignore[index]
    assert all(speed.bytes_per_second >= 0 for speed in rates.speeds(samples))  # type: ignore[arg-type]
