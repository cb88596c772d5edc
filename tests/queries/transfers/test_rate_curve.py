"""How fast a transfer is, and how long it will take."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from timers.clock import to_us
from timers.models import Transfer
from timers.queries.transfers.listing import bytes_per_second, time_left
from timers.queries.transfers.rate_curve import build_curve

NOW = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)


def going(**fields: Any) -> Transfer:
    """Return a transfer that began 100 s ago and copied 1,000 of 4,000 bytes, 500 of them in the last 10 s."""
    samples = [(to_us(NOW - timedelta(seconds=ago)), count, 0) for ago, count in ((100, 0), (10, 500), (0, 1000))]
    usual = {"status": "active", "phase": "copy", "started_at": NOW - timedelta(seconds=100), "samples": samples}
    return Transfer(**{**usual, "bytes_total": 4000, "bytes_transferred": 1000, **fields})


@pytest.mark.parametrize(
    ("fields", "speed"),
    [
        ({}, 50),
        ({"samples": []}, 10),
        ({"status": "succeeded", "finished_at": NOW}, 10),
        ({"started_at": None, "samples": []}, 0),
        ({"started_at": NOW, "samples": []}, 0),
    ],
)
def test_the_speed_is_that_of_the_last_seconds_or_the_mean(fields: dict[str, Any], speed: int) -> None:
    assert bytes_per_second(going(**fields), now=NOW) == speed


@pytest.mark.parametrize(
    ("fields", "left"),
    [
        ({}, timedelta(seconds=60)),
        ({"phase": "scan"}, None),
        ({"status": "succeeded", "finished_at": NOW}, None),
        ({"samples": [], "bytes_transferred": 0}, None),
        ({"bytes_transferred": 5000}, timedelta()),
    ],
)
def test_what_is_left_takes_as_long_as_the_last_seconds_say(fields: dict[str, Any], left: timedelta | None) -> None:
    assert time_left(going(**fields), now=NOW) == left


@pytest.mark.parametrize("samples", [[], [(0, 0, 0)], [(0, 0, 0), (10**7, 0, 0), (2 * 10**7, 0, 0)]])
def test_there_is_no_curve_of_nothing(samples: list[Any]) -> None:
    assert build_curve(samples) is None


def test_a_curve_has_a_round_scale_and_a_short_table() -> None:
    found = build_curve([(second * 10**6, second * second * 1000, 0) for second in range(101)])

    assert found is not None
    assert (found.highest, found.mean, found.top) == (190_000, 100_000, 300_000)
    assert found.scale == [300_000, 200_000, 100_000]
    assert found.points[-1] == (1.0, pytest.approx(190 / 300))
    assert len(found.table) == 20
    assert found.table[-1] == found.speeds[-1]
