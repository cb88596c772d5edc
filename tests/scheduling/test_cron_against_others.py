"""Cron agrees with two other implementations wherever they mean the same."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import islice

from croniter import croniter
from cronsim import CronSim
from hypothesis import given, settings
from hypothesis import strategies as st

from timers.scheduling.cron import CronSchedule

START = datetime(2026, 1, 1, tzinfo=UTC)
often = settings(max_examples=150, deadline=None, derandomize=True)
instants = st.integers(0, 10 * 365 * 86_400).map(lambda seconds: START + timedelta(seconds=seconds))


def field(least: int, most: int) -> st.SearchStrategy[str]:
    """Draw a plain field: no range of one value (croniter reads 22-22 as `*`), no step beyond the range."""
    value = st.integers(least, most)
    span = st.tuples(value, value).filter(lambda ends: ends[0] < ends[1]).map(lambda ends: f"{ends[0]}-{ends[1]}")
    step = st.integers(2, most - least).map(lambda width: f"*/{width}")
    single = st.lists(value.map(str) | span, min_size=1, max_size=3).map(",".join)
    return st.just("*") | single | step


weekday = st.just("*") | st.lists(st.integers(0, 6).map(str), min_size=1, max_size=3).map(",".join)
some_days = st.just("*") | st.lists(st.integers(1, 28).map(str), min_size=1, max_size=3).map(",".join)


fields = st.tuples(field(0, 59), field(0, 59), field(0, 23), some_days, field(1, 12), weekday)
days = st.sampled_from(["L * *", "LW * *", "1,15,L */2 *", "* * MON", "* * 1-5", "* 3 FRI#2", "* * 5L", "13 * FRI"])


@often
@given(fields.map(" ".join), instants)
def test_croniter_finds_the_same(expression: str, start: datetime) -> None:
    other = croniter(expression, start, ret_type=datetime, day_or=False, second_at_beginning=True)

    assert_same(CronSchedule(expression), start, [other.get_next() for _ in range(4)])


@often
@given(st.tuples(field(0, 59), field(0, 23), days).map(" ".join), instants)
def test_cronsim_finds_the_same(expression: str, start: datetime) -> None:
    other = CronSim(expression, start)
    other.day_and = True

    assert_same(CronSchedule(expression), start, list(islice(other, 4)))


def assert_same(rule: CronSchedule, start: datetime, expected: list[datetime]) -> None:
    found: list[datetime] = []
    instant = rule.next_after(start)
    while instant is not None and len(found) < len(expected):
        found.append(instant)
        instant = rule.next_after(instant)
    assert found == expected
