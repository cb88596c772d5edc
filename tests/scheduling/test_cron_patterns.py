"""Expressions that can be picked from a few choices read back as they were picked."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from timers.scheduling import cron_patterns
from timers.scheduling.cron_expression import parse_expression
from timers.scheduling.cron_patterns import STEPS, WEEKDAYS, Pattern, Picked


@pytest.mark.parametrize(
    ("expression", "pattern", "written"),
    [
        ("0 5 * * * *", Pattern.HOURLY, "0 5 * * * ?"),
        ("0 0 */6 * * ?", Pattern.HOURLY, "0 0 */6 * * ?"),
        ("0 0/2 * * *", Pattern.HOURLY, "0 0 */2 * * ?"),
        ("30 9 * * *", Pattern.DAILY, "0 30 9 * * ?"),
        ("@daily", Pattern.DAILY, "0 0 0 * * ?"),
        ("0 0 9 ? * mon", Pattern.WEEKLY, "0 0 9 ? * MON"),
        ("0 0 9 ? * 1-5", Pattern.WEEKLY, "0 0 9 ? * MON-FRI"),
        ("0 0 9 ? * SUN,MON", Pattern.WEEKLY, "0 0 9 ? * MON,SUN"),
        ("0 0 9 ? * 0", Pattern.WEEKLY, "0 0 9 ? * SUN"),
        ("0 15 4 1 * ?", Pattern.MONTHLY, "0 15 4 1 * ?"),
        ("0 15 4 LW * *", Pattern.MONTHLY, "0 15 4 LW * ?"),
        ("0 15 4 ? * MON#2", Pattern.MONTHLY, "0 15 4 ? * MON#2"),
        ("0 15 4 ? * 5L", Pattern.MONTHLY, "0 15 4 ? * FRIL"),
        ("0 0 9-17 * * MON-FRI", Pattern.CUSTOM, "0 0 9-17 * * MON-FRI"),
        ("30 0 9 * * ?", Pattern.CUSTOM, "30 0 9 * * ?"),
        ("0 0 9 1 1 ?", Pattern.CUSTOM, "0 0 9 1 1 ?"),
        ("0 0 */5 * * ?", Pattern.CUSTOM, "0 0 */5 * * ?"),
        ("0 99 9 * * ?", Pattern.CUSTOM, "0 99 9 * * ?"),
        ("", Pattern.CUSTOM, "* * * * * *"),
        ("hello", Pattern.CUSTOM, "hello * * * * *"),
    ],
)
def test_an_expression_is_recognised_and_written_again(expression: str, pattern: Pattern, written: str) -> None:
    picked = cron_patterns.read(expression)

    assert picked.pattern is pattern
    assert picked.write() == written


@given(
    st.builds(
        Picked,
        pattern=st.sampled_from([Pattern.HOURLY, Pattern.DAILY, Pattern.WEEKLY, Pattern.MONTHLY]),
        step=st.sampled_from(STEPS),
        minute=st.integers(0, 59),
        hour=st.integers(0, 23),
        weekdays=st.sets(st.sampled_from(WEEKDAYS), min_size=1).map(tuple),
        on=st.sampled_from(["1", "28", "31", "L", "LW", "1W", "nth"]),
        nth=st.sampled_from(["1", "2", "3", "4", "L"]),
        weekday=st.sampled_from(WEEKDAYS),
    )
)
def test_what_is_picked_is_a_valid_expression_that_reads_back_the_same(picked: Picked) -> None:
    expression = picked.write()

    parse_expression(expression)
    again = cron_patterns.read(expression)
    assert again.pattern is picked.pattern
    assert again.write() == expression


def test_another_shape_keeps_the_time_of_day() -> None:
    daily = cron_patterns.read("0 45 6 * * ?")

    assert Picked(**{**vars(daily), "pattern": Pattern.WEEKLY}).write() == "0 45 6 ? * MON"
    assert Picked(**{**vars(daily), "pattern": Pattern.CUSTOM}).write() == "0 45 6 * * ?"
