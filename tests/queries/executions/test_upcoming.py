"""Runs to come: how many each hour has, whose they are, the next ones, and what stands in a calendar."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4
from zoneinfo import ZoneInfo

import pytest
from django.core.cache import cache

from tests.factories import make_webhook_timer
from timers import clock
from timers.models import Definition, Schedule
from timers.queries.executions import hourly_load, load_forecast, upcoming
from timers.scheduling.base import TICK
from timers.scheduling.bounds import parse_schedule
from timers.services.timers import commands as service

BERLIN = ZoneInfo("Europe/Berlin")
EVERY_HOUR = {"type": "recurring", "interval_seconds": 3600}
DAILY = {"type": "cron", "expression": "0 30 9 * * ?", "timezone": "Europe/Berlin"}


@pytest.fixture(autouse=True)
def nothing_kept() -> Iterator[None]:
    """Nothing that another test counted is taken for an answer."""
    cache.clear()
    hourly_load._CACHE.clear()
    yield
    cache.clear()


def planned(document: dict[str, Any], *, at: datetime, left: int | None = None) -> hourly_load.PlannedSchedule:
    schedule = parse_schedule(document, now=at, refuse_never=False)
    interval = getattr(schedule.rule, "interval_us", None)
    end = hourly_load.UNLIMITED if schedule.end is None else clock.to_us(schedule.end)
    return hourly_load.PlannedSchedule(
        uuid4(),
        interval,
        clock.to_us(at),
        end,
        hourly_load.UNLIMITED if left is None else left,
        None if interval else document,
    )


def by_stepping(document: dict[str, Any], *, at: datetime, left: int | None, first: datetime, n: int) -> list[int]:
    """Return the runs of each hour, found one by one."""
    counts = [0] * n
    schedule = parse_schedule(document, now=at, refuse_never=False)
    instant: datetime | None = at
    while instant is not None and instant < first + timedelta(hours=n) and (left is None or left > 0):
        if instant >= first:
            counts[(instant - first) // timedelta(hours=1)] += 1
        left = None if left is None else left - 1
        instant = schedule.next_after(instant)
    return counts


END = {"condition": "time", "datetime": "2026-03-30T01:20:00+00:00"}


@pytest.mark.parametrize("left", [None, 3, 300])
@pytest.mark.parametrize("later", [0, 61, 3000])
@pytest.mark.parametrize(
    "document",
    [
        {"type": "recurring", "interval_seconds": 60},
        {"type": "recurring", "interval_seconds": 420},
        {"type": "recurring", "interval_seconds": 3600},
        {"type": "recurring", "interval_seconds": 5400},
        {"type": "recurring", "interval_seconds": 300, "end": END},
        {"type": "recurring", "interval_seconds": 7200.5, "end": END},
        DAILY,
        {"type": "cron", "expression": "0 */5 * * * ?", "timezone": "Europe/Berlin"},
        {"type": "cron", "expression": "0 */7 1-3 * * ?", "timezone": "Europe/Berlin", "end": END},
        {"type": "cron", "expression": "15 * * * * ?", "end": END},
    ],
    ids=lambda document: f"{document.get('expression', document.get('interval_seconds'))}",
)
def test_hours_have_the_runs_that_stepping_finds(document: dict[str, Any], later: int, left: int | None) -> None:
    first, begin = datetime(2026, 3, 27, 12, 30, tzinfo=UTC), datetime(2026, 3, 27, 12, 47, 11, tzinfo=UTC)
    document = {"start": "2026-03-27T12:30:10+00:00", **document}
    schedule = parse_schedule(document, now=begin, refuse_never=False)
    at = schedule.next_after(begin + timedelta(minutes=later) - TICK)
    assert at is not None
    counted = hourly_load.HourlyCounter(
        now=clock.to_us(begin), begin=clock.to_us(begin), first=clock.to_us(first), hours=100
    )  # over the clock change of 29 March

    counted.add(planned(document, at=at, left=left))

    assert counted.totals() == by_stepping(document, at=at, left=left, first=first, n=100)
    assert counted.left_out == 0


def test_one_broken_rule_hides_no_other() -> None:
    begin = datetime(2026, 3, 2, 12, tzinfo=UTC)
    counted = hourly_load.HourlyCounter(
        now=clock.to_us(begin), begin=clock.to_us(begin), first=clock.to_us(begin), hours=24
    )

    counted.add(planned(DAILY, at=begin))
    counted.add(
        hourly_load.PlannedSchedule(
            uuid4(), None, clock.to_us(begin), hourly_load.UNLIMITED, 1, {"type": "of another age"}
        )
    )

    assert (sum(counted.totals()), counted.left_out) == (1, 1)


def test_when_there_is_no_time_left_timers_are_left_out_and_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hourly_load, "MAX_STEPS", 1)
    begin = datetime(2026, 3, 2, 12, tzinfo=UTC)
    counted = hourly_load.HourlyCounter(
        now=clock.to_us(begin), begin=clock.to_us(begin), first=clock.to_us(begin), hours=24
    )

    for minute in (1, 2, 3):
        counted.add(planned({"type": "cron", "expression": f"0 {minute} 9 * * ?"}, at=begin))

    assert counted.left_out == 2


@pytest.mark.django_db
def test_the_week_begins_with_the_present_hour_of_the_reader(
    owner: Any, stranger: Any, now: datetime, django_assert_num_queries: Callable[..., Any]
) -> None:
    for number in range(4):
        make_webhook_timer(owner, name=f"timer {number}", schedule=EVERY_HOUR)
        make_webhook_timer(owner, name=f"daily {number}", schedule=DAILY)
    make_webhook_timer(stranger)
    service.pause(make_webhook_timer(owner, name="paused"), by=owner, now=now, reason="")

    with django_assert_num_queries(2):
        found = load_forecast.week_load(owner, now=now, zone=BERLIN)
    with django_assert_num_queries(0):  # kept for a minute
        again = load_forecast.week_load(owner, now=now + timedelta(seconds=30), zone=BERLIN)

    today, tomorrow = found.days[0], found.days[1]
    assert [cell.at is None for cell in today.cells] == [True] * 13 + [False] * 11
    assert (today.cells[13].current, today.cells[13].runs) == (True, 4)
    assert today.at == datetime(2026, 3, 2, 0, 0, tzinfo=BERLIN)
    assert [cell.runs for cell in tomorrow.cells] == [8 if hour == 9 else 4 for hour in range(24)]
    assert found.total == 4 * (11 + 6 * 24) + 4 * 6
    assert found.busiest is not None and found.busiest.at == datetime(2026, 3, 3, 8, 0, tzinfo=UTC)
    assert again.total == found.total


@pytest.mark.django_db
def test_the_week_follows_the_clock_of_the_reader(owner: Any) -> None:
    make_webhook_timer(owner, schedule={"type": "recurring", "interval_seconds": 1800})

    spring = load_forecast.week_load(owner, now=datetime(2026, 3, 28, 8, tzinfo=UTC), zone=BERLIN)
    cache.clear()
    autumn = load_forecast.week_load(owner, now=datetime(2026, 10, 24, 8, tzinfo=UTC), zone=BERLIN)
    cache.clear()
    india = load_forecast.week_load(owner, now=datetime(2026, 3, 28, 8, 10, tzinfo=UTC), zone=ZoneInfo("Asia/Kolkata"))

    assert [cell.at is None for cell in spring.days[1].cells][1:4] == [False, True, False]
    assert [cell.runs for cell in autumn.days[1].cells][1:4] == [2, 4, 2]
    assert india.hours[0].at == datetime(2026, 3, 28, 7, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("runs", "level", "scale"),
    [
        ([0, 367, 10], 5, ["0", "1–80", "–160", "–240", "–320", "more"]),
        ([390, 390, 390], 2, ["0", "1–200", "–400", "–600", "–800", "more"]),
        ([0, 3, 0], 3, ["0", "1", "2", "3", "4", "more"]),
    ],
)
def test_levels_are_round_numbers_and_a_week_without_peaks_stays_pale(
    runs: list[int], level: int, scale: list[str]
) -> None:
    starts = [datetime(2026, 3, 2, 12 + number, tzinfo=UTC) for number in range(3)]

    found = load_forecast._by_day(starts, runs, 0, ZoneInfo("UTC"))

    assert max(cell.level for cell in found.hours) == level
    assert found.scale == scale


@pytest.mark.django_db
def test_an_hour_names_its_timers_with_the_busiest_first(
    owner: Any, stranger: Any, admin: Any, now: datetime, django_assert_num_queries: Callable[..., Any]
) -> None:
    often = make_webhook_timer(owner, name="often", schedule={"type": "recurring", "interval_seconds": 600})
    daily = make_webhook_timer(owner, name="daily", schedule={"type": "cron", "expression": "0 30 14 * * ?"})
    ends = {"condition": "iterations", "n": 2}
    make_webhook_timer(owner, name="over by then", schedule={**EVERY_HOUR, "end": ends})
    make_webhook_timer(owner, name="not then", schedule={"type": "cron", "expression": "0 30 9 * * ?"})
    make_webhook_timer(stranger, schedule=EVERY_HOUR)
    at = datetime(2026, 3, 2, 14, 0, tzinfo=UTC)

    with django_assert_num_queries(3):
        found = load_forecast.hour_load(owner, at=at, now=now)

    assert [(row.timer, row.runs) for row in found.rows] == [(often, 6), (daily, 1)]
    assert (found.runs, found.timers, found.until) == (7, 2, at + timedelta(hours=1))
    assert load_forecast.hour_load(admin, at=at, now=now).timers == 3


@pytest.mark.django_db
def test_the_next_runs_are_few_of_each_timer(
    owner: Any, stranger: Any, now: datetime, django_assert_num_queries: Callable[..., Any]
) -> None:
    make_webhook_timer(owner, name="often", schedule={"type": "recurring", "interval_seconds": 1})
    make_webhook_timer(owner, name="hourly", schedule={**EVERY_HOUR, "end": {"condition": "iterations", "n": 2}})
    make_webhook_timer(stranger, name="not mine")

    with django_assert_num_queries(1):
        found = [(run.timer.name, run.at - now) for run in upcoming.next_runs(owner)]

    second, hour = timedelta(seconds=1), timedelta(hours=1)
    assert sorted(found) == [
        ("hourly", 0 * hour),
        ("hourly", hour),
        ("often", 0 * second),
        ("often", second),
        ("often", 2 * second),
    ]
    assert [away for _, away in found] == sorted(away for _, away in found)


@pytest.mark.django_db
def test_a_calendar_has_runs_and_one_note_a_day_for_what_runs_often(
    owner: Any, admin: Any, now: datetime, django_assert_num_queries: Callable[..., Any]
) -> None:
    make_webhook_timer(owner, name="daily", schedule=DAILY)
    often = {"type": "recurring", "interval_seconds": 1800, "end": {"condition": "iterations", "n": 30}}
    make_webhook_timer(owner, name="often", schedule=often)
    make_webhook_timer(admin, name="not mine")

    with django_assert_num_queries(1):
        found = upcoming.calendar_entries(owner, now=now, zone=BERLIN)

    daily = [entry for entry in found if entry.timer.name == "daily"]
    notes = [(str(entry.on), entry.runs) for entry in found if entry.timer.name == "often"]
    assert len(daily) == 28 and all(entry.on is None for entry in daily)
    assert daily[0].at == datetime(2026, 3, 3, 8, 30, tzinfo=UTC)
    assert notes == [("2026-03-02", 22), ("2026-03-03", 8)]
    assert upcoming.calendar_entries(admin, now=now, zone=BERLIN)[0].timer.name == "not mine"


@pytest.mark.django_db
def test_a_calendar_ends_after_so_many_entries_and_outlives_a_broken_rule(
    owner: Any, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(upcoming, "MAX_EVENTS", 40)
    broken = make_webhook_timer(owner, name="broken")
    Definition.objects.filter(timer=broken).update(schedule={"type": "of another age"})
    Schedule.objects.filter(timer=broken).update(interval_us=None)
    make_webhook_timer(owner, name="hourly", schedule=EVERY_HOUR)

    found = upcoming.calendar_entries(owner, now=now, zone=UTC)

    assert len(found) == 40
    assert [entry.timer.name for entry in found].count("broken") == 1
    assert len(upcoming.next_runs(owner)) == 4
    assert load_forecast.week_load(owner, now=now, zone=UTC).left_out == 1
