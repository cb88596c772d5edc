"""Expressions that can be picked from a few choices read back as they were picked."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from timers.scheduling import cron_patterns
from timers.scheduling.cron_expression import parse_expression
from timers.scheduling.cron_patterns import STEPS, WEEKDAYS, CronChoice, CronShape


@pytest.mark.parametrize(
    ("expression", "pattern", "written"),
    [
        ("0 5 * * * *", CronShape.HOURLY, "0 5 * * * ?"),
        ("0 0 */6 * * ?", CronShape.HOURLY, "0 0 */6 * * ?"),
        ("0 0/2 * * *", CronShape.HOURLY, "0 0 */2 * * ?"),
        ("30 9 * * *", CronShape.DAILY, "0 30 9 * * ?"),
        ("@daily", CronShape.DAILY, "0 0 0 * * ?"),
        ("0 0 9 ? * mon", CronShape.WEEKLY, "0 0 9 ? * MON"),
        ("0 0 9 ? * 1-5", CronShape.WEEKLY, "0 0 9 ? * MON-FRI"),
        ("0 0 9 ? * SUN,MON", CronShape.WEEKLY, "0 0 9 ? * MON,SUN"),
        ("0 0 9 ? * 0", CronShape.WEEKLY, "0 0 9 ? * SUN"),
        ("0 15 4 1 * ?", CronShape.MONTHLY, "0 15 4 1 * ?"),
        ("0 15 4 LW * *", CronShape.MONTHLY, "0 15 4 LW * ?"),
        ("0 15 4 ? * MON#2", CronShape.MONTHLY, "0 15 4 ? * MON#2"),
        ("0 15 4 ? * 5L", CronShape.MONTHLY, "0 15 4 ? * FRIL"),
        ("0 0 9-17 * * MON-FRI", CronShape.CUSTOM, "0 0 9-17 * * MON-FRI"),
        ("30 0 9 * * ?", CronShape.CUSTOM, "30 0 9 * * ?"),
        ("0 0 9 1 1 ?", CronShape.CUSTOM, "0 0 9 1 1 ?"),
        ("0 0 */5 * * ?", CronShape.CUSTOM, "0 0 */5 * * ?"),
        ("0 99 9 * * ?", CronShape.CUSTOM, "0 99 9 * * ?"),
        ("", CronShape.CUSTOM, "* * * * * *"),
        ("hello", CronShape.CUSTOM, "hello * * * * *"),
    ],
)
def test_an_expression_is_recognised_and_written_again(expression: str, pattern: CronShape, written: str) -> None:
    picked = cron_patterns.read(expression)

    assert picked.pattern is pattern
    assert picked.write() == written


@given(
    st.builds(
        CronChoice,
        pattern=st.sampled_from([CronShape.HOURLY, CronShape.DAILY, CronShape.WEEKLY, CronShape.MONTHLY]),
        step=st.sampled_from(STEPS),
        minute=st.integers(0, 59),
        hour=st.integers(0, 23),
        weekdays=st.sets(st.sampled_from(WEEKDAYS), min_size=1).map(tuple),
        on=st.sampled_from(["1", "28", "31", "L", "LW", "1W", "nth"]),
        nth=st.sampled_from(["1", "2", "3", "4", "L"]),
        weekday=st.sampled_from(WEEKDAYS),
    )
)
def test_what_is_picked_is_a_valid_expression_that_reads_back_the_same(picked: CronChoice) -> None:
    expression = picked.write()

    parse_expression(expression)
    again = cron_patterns.read(expression)
    assert again.pattern is picked.pattern
    assert again.write() == expression


def test_another_shape_keeps_the_time_of_day() -> None:
    daily = cron_patterns.read("0 45 6 * * ?")

    assert CronChoice(**{**vars(daily), "pattern": CronShape.WEEKLY}).write() == "0 45 6 ? * MON"
    assert CronChoice(**{**vars(daily), "pattern": CronShape.CUSTOM}).write() == "0 45 6 * * ?"
