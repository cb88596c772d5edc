"""Hours and weekdays in which a schedule may fire, over midnight, weekends and clock changes."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from timers.errors import Invalid
from timers.scheduling import describe, parse_schedule
from timers.scheduling.bounds import BoundedSchedule

MONDAY = datetime(2026, 3, 2, tzinfo=UTC)


def schedule(window: dict[str, Any], *, seconds: int = 3600, start: datetime = MONDAY) -> BoundedSchedule:
    document = {"type": "recurring", "interval_seconds": seconds, "start": start.isoformat(), "window": window}
    return parse_schedule(document, now=start)


def hours(schedule: BoundedSchedule, after: datetime, number: int) -> list[str]:
    found = []
    instant: datetime | None = after
    for _ in range(number):
        assert instant is not None
        instant = schedule.next_after(instant)
        assert instant is not None
        found.append(f"{instant:%a %H:%M}")
    return found


def test_it_fires_in_business_hours_only() -> None:
    made = schedule({"between": ["09:00", "11:00"], "weekdays": "MON-FRI"})

    assert hours(made, MONDAY + timedelta(days=4, hours=9), 4) == ["Fri 10:00", "Fri 11:00", "Mon 09:00", "Mon 10:00"]


def test_a_window_may_lie_over_midnight() -> None:
    made = schedule({"between": ["23:00", "01:00"], "weekdays": "SAT"})

    assert hours(made, MONDAY, 4) == ["Sat 23:00", "Sun 00:00", "Sun 01:00", "Sat 23:00"]


def test_a_window_follows_the_clock_of_its_zone() -> None:
    made = schedule({"between": ["09:00", "09:30"], "timezone": "Europe/Berlin"})

    before, after = datetime(2026, 3, 28, tzinfo=UTC), datetime(2026, 3, 29, tzinfo=UTC)
    assert (made.next_after(before), made.next_after(after)) == (
        before + timedelta(hours=8),
        after + timedelta(hours=7),
    )


@pytest.mark.parametrize(
    ("between", "opened", "day"),
    [
        (["01:30", "02:30"], ["06:30", "06:45", "07:00", "07:15", "07:30"], "2026-03-07"),
        (["01:30", "02:30"], ["06:30", "06:45"], "2026-03-08"),  # the clock goes from 02:00 to 03:00
        (["02:15", "02:45"], [], "2026-03-08"),
        (["02:30", "03:15"], ["07:00", "07:15"], "2026-03-08"),
        (["01:30", "01:45"], ["05:30", "05:45", "06:30", "06:45"], "2026-11-01"),  # from 02:00 to 01:00
        (["01:30", "02:15"], ["05:30", "05:45", "06:30", "06:45", "07:00", "07:15"], "2026-11-01"),
    ],
)
def test_a_window_is_open_by_the_wall_clock_on_days_that_change_it(
    between: list[str], opened: list[str], day: str
) -> None:
    midnight = datetime.fromisoformat(f"{day}T04:00+00:00")
    made = schedule({"between": between, "timezone": "America/New_York"}, seconds=900, start=midnight)

    found, instant = [], made.next_after(midnight)
    while instant is not None and instant < midnight + timedelta(hours=20):
        found.append(f"{instant:%H:%M}")
        instant = made.next_after(instant)

    assert found == opened
    assert made.count_between(midnight, midnight + timedelta(hours=20)) == len(opened)


def test_back_and_forth_agree_with_the_count() -> None:
    made = schedule({"between": ["09:00", "17:00"], "weekdays": "MON-FRI"}, seconds=900)
    until = MONDAY + timedelta(days=20)

    walked, instant = [], made.next_after(MONDAY)
    while instant is not None and instant <= until:
        walked.append(instant)
        instant = made.next_after(instant)

    assert made.count_between(MONDAY, until) == len(walked) == 15 * 33
    assert made.last_until(until) == walked[-1]
    assert made.last_until(walked[-1] - timedelta(microseconds=1)) == walked[-2]


def test_what_is_left_out_and_what_fires_are_all_there_is() -> None:
    window = {"between": ["09:00", "17:00"], "weekdays": "MON-FRI", "timezone": "America/New_York"}
    made = schedule(window, seconds=1800, start=MONDAY)
    until = MONDAY + timedelta(days=10)

    runs = list(made.left_out_between(MONDAY - timedelta(seconds=1), until + timedelta(seconds=1)))

    fires = made.count_between(MONDAY - timedelta(seconds=1), until)
    assert sum(count for _, _, count in runs) + fires == 10 * 48 + 1
    assert all(made.next_after(first - timedelta(seconds=1)) != first for first, _, _ in runs)


def test_a_cron_rule_has_windows_too() -> None:
    document = {"type": "cron", "expression": "0 30 * * * *", "window": {"weekdays": "sat,sun"}}
    made = parse_schedule(document, now=MONDAY)

    assert hours(made, MONDAY, 1) == ["Sat 00:30"]
    assert parse_schedule(made.document(), now=MONDAY) == made
    assert describe(made).endswith(", Saturday and Sunday (UTC)")


@pytest.mark.parametrize(
    ("window", "field"),
    [
        ({}, "schedule.window.between"),
        ({"between": ["9", "17:00"]}, "schedule.window.between"),
        ({"between": ["09:00"]}, "schedule.window.between"),
        ({"between": ["09:00", "09:00"]}, "schedule.window.between"),
        ({"weekdays": "WORKDAYS"}, "schedule.window.weekdays"),
        ({"weekdays": "MON", "timezone": "Mars/Base"}, "schedule.window.timezone"),
        ({"weekdays": "MON", "hours": 8}, "schedule.window.hours"),
        ("always", "schedule.window"),
    ],
)
def test_a_window_that_cannot_work_names_its_field(window: Any, field: str) -> None:
    with pytest.raises(Invalid) as caught:
        schedule(window)

    assert list(caught.value.fields) == [field]


def test_a_rule_that_never_meets_its_window_is_refused() -> None:
    document = {"type": "cron", "expression": "0 0 18 * * *", "window": {"between": ["09:00", "17:00"]}}

    with pytest.raises(Invalid, match="none of its occurrences"):
        parse_schedule(document, now=MONDAY)
