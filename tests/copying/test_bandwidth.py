"""Limits of the bandwidth by time of day."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from timers.copying.bandwidth import limit_at, parse_limits
from timers.errors import Invalid

BY_DAY = {"between": ["08:00", "18:00"], "max_bytes_per_second": 1_000_000}


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def limit(document: list[dict[str, Any]], text: str, **more: Any) -> int | None:
    return limit_at(parse_limits(document), at(text), **more)


def test_a_limit_holds_in_its_hours_alone() -> None:
    assert limit([BY_DAY], "2026-11-30 07:59:59") is None
    assert limit([BY_DAY], "2026-11-30 08:00") == 1_000_000
    assert limit([BY_DAY], "2026-11-30 17:59") == 1_000_000
    assert limit([BY_DAY], "2026-11-30 18:01") is None


def test_a_limit_holds_on_its_weekdays_and_past_midnight() -> None:
    nights = [{"between": ["22:00", "06:00"], "weekdays": ["FRI", "SAT"], "max_bytes_per_second": 2048}]

    assert limit(nights, "2026-11-27 23:00") == 2048  # a Friday
    assert limit(nights, "2026-11-28 05:00") == 2048
    assert limit(nights, "2026-11-27 05:00") is None
    assert limit(nights, "2026-11-30 05:00") is None


def test_a_limit_follows_the_clock_of_its_zone() -> None:
    in_berlin = [{**BY_DAY, "timezone": "Europe/Berlin"}]

    assert limit(in_berlin, "2026-11-30 07:30") == 1_000_000
    assert limit(in_berlin, "2026-11-30 17:30") is None


def test_the_smallest_of_the_limits_counts() -> None:
    noon = {"between": ["12:00", "13:00"], "max_bytes_per_second": 5000}

    assert limit([BY_DAY, noon], "2026-11-30 12:30") == 5000
    assert limit([BY_DAY, noon], "2026-11-30 12:30", always=4000) == 4000
    assert limit([BY_DAY, noon], "2026-11-30 20:00", always=4000) == 4000
    assert limit([], "2026-11-30 20:00") is None


def test_a_limit_written_again_is_the_same() -> None:
    limits = parse_limits([BY_DAY, {**BY_DAY, "weekdays": "MON-FRI", "timezone": "Europe/Berlin"}])

    assert parse_limits([limit.document() for limit in limits]) == limits
    assert limits[1].describe() == "1.0 MB/s Monday to Friday between 08:00 and 18:00 (Europe/Berlin)"


@pytest.mark.parametrize(
    ("document", "field"),
    [
        ("fast", "bandwidth"),
        ([BY_DAY] * 51, "bandwidth"),
        (["08:00"], "bandwidth.0"),
        ([BY_DAY, {**BY_DAY, "between": ["8", "9"]}], "bandwidth.1.between"),
        ([{**BY_DAY, "between": ["08:00", "08:00"]}], "bandwidth.0.between"),
        ([{"max_bytes_per_second": 2048}], "bandwidth.0.between"),
        ([{**BY_DAY, "weekdays": "FUNDAY"}], "bandwidth.0.weekdays"),
        ([{**BY_DAY, "timezone": "Mars/Base"}], "bandwidth.0.timezone"),
        ([{**BY_DAY, "max_bytes_per_second": 1023}], "bandwidth.0.max_bytes_per_second"),
        ([{"between": ["08:00", "18:00"]}], "bandwidth.0.max_bytes_per_second"),
        ([{**BY_DAY, "speed": 1}], "bandwidth.0.speed"),
    ],
)
def test_what_is_no_limit_is_refused_by_its_name(document: Any, field: str) -> None:
    with pytest.raises(Invalid) as refused:
        parse_limits(document)

    assert list(refused.value.fields) == [field]
