"""Words for numbers, sizes, instants and lengths of time."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from timers import formatting


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1.0 kB"),
        (123_456, "123 kB"),
        (5_000_000_000, "5.0 GB"),
        (10**16, "10000 TB"),
    ],
)
def test_a_size_has_the_unit_that_suits_it(count: int, text: str) -> None:
    assert formatting.plain_size(count) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.25, "250 ms"), (9.5, "9.5 s"), (60, "1 min"), (3_725, "1 h 2 min"), (90_000, "1 d 1 h"), (-60, "−1 min")],
)
def test_a_duration_has_two_units_at_most(seconds: float, text: str) -> None:
    assert formatting.duration(seconds).replace(formatting.TIED, " ") == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(3600, "every hour"), (5400, "every 90 minutes"), (3661, "every 1 hour 1 minute 1 second"), (86400, "every day")],
)
def test_an_interval_reads_as_people_say_it(seconds: float, text: str) -> None:
    assert formatting.every(seconds) == text


def test_a_share_is_whole_only_where_nothing_is_missing() -> None:
    shares = [formatting.share(part, 100_000).replace(formatting.TIED, " ") for part in (100_000, 99_999, 0)]

    assert shares == ["100 %", "99.99 %", "0 %"]


def test_neighbouring_numbers_are_drawn_together_from_three_on() -> None:
    assert formatting.number_spans([1, 2, 3, 5, 7, 8]) == ["1 to 3", "5", "7", "8"]


@given(st.datetimes(timezones=st.just(UTC)))
def test_an_instant_is_written_in_utc_and_read_back(instant: datetime) -> None:
    text = formatting.iso(instant)

    assert text.endswith("+00:00")
    assert datetime.fromisoformat(text) == instant


@given(st.floats(min_value=0, max_value=10**9))
def test_a_duration_is_never_empty(seconds: float) -> None:
    assert formatting.duration(timedelta(seconds=seconds)).strip()


@pytest.mark.parametrize("zone", ["Pacific/Kiritimati", "America/New_York"])
def test_the_first_and_the_last_instant_are_shown_in_every_zone(zone: str) -> None:
    for instant in (datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)):
        assert f" {instant.year} " in formatting.clock_text(instant, ZoneInfo(zone), style="second")
