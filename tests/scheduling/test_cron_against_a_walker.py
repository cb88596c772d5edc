"""Cron agrees with walking the clock second by second, around every odd kind of clock change."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from tests.scheduling.walker import CHANGES, STEP, Case, cases
from timers.scheduling.base import TICK
from timers.scheduling.clock_changes import DstGap, DstOverlap, changes_between
from timers.scheduling.cron import CronSchedule

thorough = settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True)


def rule_of(case: Case) -> CronSchedule:
    return CronSchedule(case.expression, case.zone, DstGap(case.gap), DstOverlap(case.overlap))


def ahead(rule: CronSchedule, begin: datetime, end: datetime) -> list[datetime]:
    found, instant = [], rule.next_after(begin)
    while instant is not None and instant < end:
        found.append(instant)
        instant = rule.next_after(instant)
    return found


def back(rule: CronSchedule, begin: datetime, end: datetime) -> list[datetime]:
    found, instant = [], rule.last_until(end - TICK)
    while instant is not None and instant > begin:
        found.append(instant)
        instant = rule.last_until(instant - TICK)
    return found[::-1]


@thorough
@given(cases())
def test_looking_ahead_finds_what_the_walker_finds(case: Case) -> None:
    assert ahead(rule_of(case), case.begin, case.end) == case.fires()


@thorough
@given(cases())
def test_looking_back_finds_what_the_walker_finds(case: Case) -> None:
    assert back(rule_of(case), case.begin, case.end) == case.fires()


@thorough
@given(cases(), st.data())
def test_counting_counts_what_the_walker_finds(case: Case, data: st.DataObject) -> None:
    rule, fires = rule_of(case), case.fires()
    seconds = st.integers(0, int((case.end - case.begin - STEP).total_seconds()))

    for _ in range(5):
        after = case.begin + timedelta(seconds=data.draw(seconds), microseconds=data.draw(st.sampled_from([0, 1])))
        until = case.begin + timedelta(seconds=data.draw(seconds), microseconds=data.draw(st.sampled_from([0, 1])))
        assert rule.count_between(after, until) == sum(after < fire <= until for fire in fires)


@thorough
@given(cases(), st.data())
def test_any_instant_may_be_asked(case: Case, data: st.DataObject) -> None:
    rule, fires = rule_of(case), case.fires()
    assume(fires)
    offsets = st.integers(0, int((case.end - case.begin).total_seconds()) - 1)
    instant = case.begin + timedelta(seconds=data.draw(offsets), microseconds=data.draw(st.integers(0, 999_999)))

    later = [fire for fire in fires if fire > instant]
    earlier = [fire for fire in fires if fire <= instant]

    if later:
        assert rule.next_after(instant) == later[0]
    if earlier:
        assert rule.last_until(instant) == earlier[-1]


@pytest.mark.parametrize(("zone", "middle"), CHANGES[:-2])
def test_the_walker_stands_at_a_change_of_the_clock(zone: str, middle: datetime) -> None:
    assert [change.at for change in changes_between(zone, middle - timedelta(days=2), middle + timedelta(days=2))] == [
        middle
    ]


@pytest.mark.parametrize(("zone", "year", "number"), [
    ("Europe/Berlin", 2026, 2), ("Africa/Casablanca", 2026, 2), ("UTC", 2026, 0), ("Pacific/Apia", 2011, 3),
    ("America/New_York", 2100, 2), ("Asia/Gaza", 2040, 4),
])  # fmt: skip
def test_all_changes_of_a_year_are_found(zone: str, year: int, number: int) -> None:
    changes = changes_between(zone, datetime(year, 1, 1, tzinfo=UTC), datetime(year + 1, 1, 1, tzinfo=UTC))

    assert len(changes) == number
    for change in changes:
        assert (change.at - TICK).astimezone(ZoneInfo(zone)).utcoffset() == change.before
        assert change.at.astimezone(ZoneInfo(zone)).utcoffset() == change.after
