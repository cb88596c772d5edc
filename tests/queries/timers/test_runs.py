"""How long runs took and how days went: what is counted, on whose calendar, and where reading ends."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from tests.factories import make_webhook_timer
from tests.web.conftest import ran
from timers.models import Timer
from timers.queries.timers import runs as timer_runs

BERLIN, KATHMANDU = ZoneInfo("Europe/Berlin"), ZoneInfo("Asia/Kathmandu")


@pytest.fixture
def timer(owner: Any) -> Timer:
    return make_webhook_timer(owner)


def took(timer: Timer, at: datetime, seconds: float, **fields: Any) -> None:
    ran(timer, at, started_at=at, finished_at=at + timedelta(seconds=seconds), **fields)


@pytest.mark.parametrize(
    ("part", "expected"), [(0.5, 50), (0.95, 95), (0.0, 1), (1.0, 100)], ids=["median", "p95", "least", "most"]
)
def test_a_share_is_a_value_that_was_measured(part: float, expected: float) -> None:
    assert timer_runs.quantile([float(n) for n in range(1, 101)], part) == expected


def test_there_is_no_share_of_nothing() -> None:
    assert timer_runs.quantile([], 0.5) is None


@pytest.mark.django_db
def test_there_are_no_durations_before_two_can_be_compared(timer: Timer, now: datetime) -> None:
    took(timer, now - timedelta(hours=1), 5.0)
    ran(timer, now, status="skipped", skip_reason="overlap", started_at=None, finished_at=None)

    assert timer_runs.durations(timer, now=now) is None


@pytest.mark.django_db
def test_median_and_p95_are_those_of_completed_runs(timer: Timer, now: datetime) -> None:
    for number in range(1, 21):
        took(timer, now - timedelta(hours=number), float(number))
    took(timer, now - timedelta(minutes=30), 3000.0, status="failed")
    ran(timer, now - timedelta(minutes=10), status="running", started_at=now - timedelta(minutes=10))

    found = timer_runs.durations(timer, now=now)

    assert found is not None
    assert (found.median, found.p95) == (10.0, 19.0)
    assert [run.took for run in found.newest_first[:3]] == [600.0, 3000.0, 1.0]


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("lengths", "top", "cut"),
    [
        ([2.0, 2.5, 8.9], 9.0, 0),
        ([0.0004, 0.0002], 0.003, 0),
        ([100_000.0, 300_000.0], 518_400.0, 0),
        ([5.0] * 19 + [4000.0], 30.0, 1),
    ],
    ids=["seconds", "almost nothing", "days", "one of another kind"],
)
def test_the_scale_is_a_round_number_that_most_runs_reach(
    timer: Timer, now: datetime, lengths: list[float], top: float, cut: int
) -> None:
    for number, seconds in enumerate(lengths):
        took(timer, now - timedelta(days=number), seconds)

    found = timer_runs.durations(timer, now=now + timedelta(days=9))

    assert found is not None
    assert (round(found.top, 6), found.cut) == (top, cut)


@pytest.mark.django_db
def test_what_still_runs_does_not_stretch_the_scale(timer: Timer, now: datetime) -> None:
    took(timer, now - timedelta(hours=2), 5.0)
    ran(timer, now - timedelta(hours=1), status="running", started_at=now - timedelta(hours=1))

    found = timer_runs.durations(timer, now=now)

    assert found is not None
    assert (found.top, found.cut) == (6.0, 1)


@pytest.mark.django_db
def test_the_last_sixty_runs_count_and_skipped_occurrences_do_not(timer: Timer, now: datetime) -> None:
    for number in range(70):
        took(timer, now - timedelta(hours=2 * number), 1.0 + number)
        ran(
            timer,
            now - timedelta(hours=2 * number + 1),
            status="skipped",
            skip_reason="overlap",
            started_at=None,
            finished_at=None,
        )

    found = timer_runs.durations(timer, now=now)

    assert found is not None
    assert [run.took for run in found.runs] == [60.0 - number for number in range(60)]


@pytest.mark.django_db
def test_days_begin_at_midnight_of_the_zone_on_both_sides_of_a_clock_change(timer: Timer) -> None:
    now = datetime(2026, 4, 2, 10, tzinfo=UTC)
    for instant in (
        "2026-03-28T22:59:59+00:00",  # 23:59:59 CET on the 28th
        "2026-03-28T23:00:00+00:00",  # midnight, the 29th begins
        "2026-03-29T21:59:59+00:00",  # 23:59:59 CEST: this day had 23 hours
        "2026-03-29T22:00:00+00:00",  # the 30th
    ):
        ran(timer, datetime.fromisoformat(instant))

    found = {day.date: day.runs for day in timer_runs.days(timer, zone=BERLIN, now=now).all if day.runs}

    assert found == {date(2026, 3, 28): 1, date(2026, 3, 29): 2, date(2026, 3, 30): 1}


@pytest.mark.django_db
def test_a_zone_may_be_a_quarter_of_an_hour_off(timer: Timer, now: datetime) -> None:
    ran(timer, datetime(2026, 3, 1, 18, 14, 59, tzinfo=UTC))
    ran(timer, datetime(2026, 3, 1, 18, 15, tzinfo=UTC))

    found = {day.date: day.runs for day in timer_runs.days(timer, zone=KATHMANDU, now=now).all if day.runs}

    assert found == {date(2026, 3, 1): 1, date(2026, 3, 2): 1}


@pytest.mark.django_db
def test_half_a_year_of_weeks_ends_today(timer: Timer, now: datetime) -> None:
    oldest, too_old = datetime(2025, 9, 8, tzinfo=UTC), datetime(2025, 9, 7, 23, 59, tzinfo=UTC)
    for instant in (oldest, too_old):
        ran(timer, instant)

    found = timer_runs.days(timer, zone=ZoneInfo("UTC"), now=now)

    assert len(found.weeks) == 26
    assert [len(week) for week in found.weeks] == [7] * 25 + [1], "the test's today is a Monday"
    assert found.all[0] == timer_runs.RunDay(oldest.date(), runs=1)
    assert found.all[-1].date == now.date()
    assert found.runs == 1


@pytest.mark.django_db
def test_failed_and_skipped_ones_are_told_apart(timer: Timer, now: datetime) -> None:
    ran(timer, now)
    ran(timer, now - timedelta(hours=1), status="failed")
    ran(timer, now - timedelta(hours=2), status="skipped", skip_reason="paused", started_at=None, finished_at=None)

    today = timer_runs.days(timer, zone=ZoneInfo("UTC"), now=now).all[-1]

    assert today == timer_runs.RunDay(now.date(), runs=2, failed=1, skipped=1)


@pytest.mark.django_db
def test_too_many_executions_are_not_read_and_the_page_can_say_since_when(
    timer: Timer, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(timer_runs, "MAX_ROWS", 3)
    for hours in range(5):
        ran(timer, now - timedelta(hours=hours))

    found = timer_runs.days(timer, zone=ZoneInfo("UTC"), now=now)

    assert found.runs == 3
    assert found.since == now - timedelta(hours=2)
    assert found.first == now.date()
