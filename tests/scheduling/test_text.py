"""Schedules as people read them, and what they are warned of."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings

from tests.scheduling.walker import Case, cases
from timers.scheduling.bounds import BoundedSchedule, parse_schedule
from timers.scheduling.cron import CronSchedule
from timers.scheduling.text import describe, warnings

NOW = datetime(2026, 1, 1, tzinfo=UTC)
NEW_YORK = "America/New_York"


def schedule(**document: Any) -> BoundedSchedule:
    return parse_schedule(document, now=NOW, refuse_never=False)


def cron(expression: str, zone: str = "UTC", **more: Any) -> BoundedSchedule:
    return schedule(type="cron", expression=expression, timezone=zone, **more)


@pytest.mark.parametrize(("seconds", "text"), [
    (0.1, "Every 0.1 seconds"), (1, "Every second"), (1.5, "Every 1.5 seconds"), (45, "Every 45 seconds"),
    (60, "Every minute"), (90, "Every 90 seconds"), (300, "Every 5 minutes"), (3_600, "Every hour"),
    (5_400, "Every 90 minutes"), (7_200, "Every 2 hours"), (86_400, "Every day"), (604_800, "Every 7 days"),
    (3_661, "Every 1 hour 1 minute 1 second"), (3_600.5, "Every 1 hour 0.5 seconds"),
    (86_400 * 1_000, "Every 1,000 days"),
])  # fmt: skip
def test_an_interval_reads_like_speech(seconds: float, text: str) -> None:
    assert describe(schedule(type="recurring", interval_seconds=seconds)) == text


@pytest.mark.parametrize(("end", "text"), [
    ({"condition": "time", "datetime": "2027-05-01"}, "Every 2 hours until 1 May 2027"),
    ({"condition": "time", "datetime": "2027-05-01T14:30Z"}, "Every 2 hours until 1 May 2027 14:30 UTC"),
    ({"condition": "iterations", "n": 12}, "Every 2 hours, 12 times"),
    ({"condition": "iterations", "n": 1}, "Every 2 hours, once"),
    ({"condition": "time", "datetime": "2027-05-01", "n": 2_000},
     "Every 2 hours until 1 May 2027, at most 2,000 times"),
    ({"condition": "time", "datetime": "9999-12-31T23:59:59Z"}, "Every 2 hours"),
])  # fmt: skip
def test_an_end_is_said(end: dict[str, Any], text: str) -> None:
    assert describe(schedule(type="recurring", interval_seconds=7_200, end=end)) == text


def test_a_single_instant_is_said_in_utc() -> None:
    assert describe(schedule(type="once", datetime="2026-12-15T16:30+02:00")) == "Once, 15 Dec 2026 14:30 UTC"
    assert describe(schedule(type="once", datetime="2026-12-15T14:30:05")) == "Once, 15 Dec 2026 14:30:05 UTC"


@pytest.mark.parametrize(("expression", "text"), [
    ("* * * * * *", "Every second"),
    ("*/10 * * * * *", "Every 10 seconds"),
    ("*/25 * * * * *", "At seconds 0, 25 and 50 of every minute"),
    ("30 * * * * *", "Every minute at second 30"),
    ("* * * * *", "Every minute"),
    ("*/5 * * * *", "Every 5 minutes"),
    ("0 0/15 * * * ?", "Every 15 minutes"),
    ("5 */15 * * * ?", "Every 15 minutes at second 5"),
    ("15,45 * * * *", "Every hour at minutes 15 and 45"),
    ("10-20 * * * *", "Every hour at minutes 10 to 20"),
    ("@hourly", "Every hour"),
    ("30 * * * *", "Every hour at minute 30"),
    ("5 30 * * * *", "Every hour at minute 30 and second 5"),
    ("0 */2 * * *", "Every 2 hours"),
    ("30 */2 * * *", "Every 2 hours at minute 30"),
    ("0 9-17 * * *", "Every hour from 09:00 to 17:00"),
    ("* 9 * * *", "Every minute from 09:00 to 09:59"),
    ("*/15 9-17 * * MON-FRI", "Every 15 minutes from 09:00 to 17:45, Monday to Friday"),
    ("*/15 9,13,17 * * *", "Every 15 minutes of hours 9, 13 and 17"),
    ("7,19,31 3,8,11 * * *", "At second 0 of minutes 7, 19 and 31 of hours 3, 8 and 11"),
    ("* 5 * * * *", "Every second of minute 5 of every hour"),
    ("0,30 * 8 13 * FRI",
     "At seconds 0 and 30 of every minute of hour 8, on day 13 of every month, if that is a Friday"),
    ("@daily", "Every day at 00:00"),
    ("0 2 * * *", "Every day at 02:00"),
    ("15 30 9 * * ?", "Every day at 09:30:15"),
    ("0 9,17 * * *", "Every day at 09:00 and 17:00"),
    ("0 9 * * MON", "Every Monday at 09:00"),
    ("0 9 * * MON-FRI", "Monday to Friday at 09:00"),
    ("0 9 * * 0,6", "Every Saturday and Sunday at 09:00"),
    ("0 9 * * MON-WED,SAT", "Monday to Wednesday and Saturday at 09:00"),
    ("0 9 * JUN-AUG MON", "Every Monday in June to August at 09:00"),
    ("0 9 * JAN *", "Every day in January at 09:00"),
    ("@monthly", "On day 1 of every month at 00:00"),
    ("0 0 1,15 * *", "On days 1 and 15 of every month at 00:00"),
    ("0 0 1 1,7 *", "On day 1 of January and July at 00:00"),
    ("0 0 L * *", "On the last day of every month at 00:00"),
    ("0 0 L-1 * *", "On the day before the last day of every month at 00:00"),
    ("0 0 L-3 * *", "On the day 3 days before the last day of every month at 00:00"),
    ("0 0 LW * *", "On the last workday of every month at 00:00"),
    ("0 0 15W * *", "On the workday nearest to day 15 of every month at 00:00"),
    ("0 0 1,L 3 *", "On day 1 and the last day of March at 00:00"),
    ("0 0 * * FRI#2", "On the second Friday of every month at 00:00"),
    ("0 0 * * FRI#5", "On the fifth Friday of every month at 00:00"),
    ("0 0 * * 5L", "On the last Friday of every month at 00:00"),
    ("0 0 * * MON,5L", "On every Monday and the last Friday of every month at 00:00"),
    ("0 0 13 * FRI", "On day 13 of every month, if that is a Friday, at 00:00"),
    ("0 12 1-7 * MON,TUE", "On days 1 to 7 of every month, if that is a Monday or a Tuesday, at 12:00"),
    ("@yearly", "Every year on 1 January at 00:00"),
    ("0 0 29 2 *", "Every leap year on 29 February at 00:00"),
])  # fmt: skip
def test_a_cron_expression_reads_like_speech(expression: str, text: str) -> None:
    assert describe(cron(expression, "Europe/Berlin")) == f"{text} (Europe/Berlin)"


def test_bounds_of_a_cron_are_said_on_its_own_clock() -> None:
    bounded = cron(
        "0 2 * * *", "Asia/Tokyo", start="2026-12-31T15:00Z", end={"condition": "time", "datetime": "2027-05-01T01:30Z"}
    )

    assert describe(bounded) == "Every day at 02:00 (Asia/Tokyo) from 1 Jan 2027 until 1 May 2027 10:30"


@settings(max_examples=60, deadline=None)
@given(cases())
def test_every_expression_has_words_and_warnings(case: Case) -> None:
    rule = BoundedSchedule(CronSchedule(case.expression, case.zone))

    text = describe(rule)

    assert text[0].isupper()
    assert text.endswith(f" ({case.zone})")
    assert "  " not in text
    assert ",," not in text
    assert ", (" not in text
    assert all(sentence.endswith(".") for sentence in warnings(rule, now=case.begin, limit=3))


# --- warnings ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("expression", ["0 9 * * *", "0 7 * * MON-FRI", "0 0 1 * *", "*/5 * * * *", "@hourly"])
def test_most_schedules_have_none(expression: str) -> None:
    assert warnings(cron(expression, NEW_YORK), now=datetime(2026, 3, 5, tzinfo=UTC)) == []


def test_a_rule_that_never_fires() -> None:
    assert warnings(cron("0 0 0 30 2 ?"), now=NOW) == ["It never fires: no date within 40 years matches it."]


def test_a_rule_that_is_over() -> None:
    over = schedule(type="recurring", interval_seconds=60, end={"condition": "time", "datetime": "2025-01-01"})

    assert warnings(over, now=NOW) == ["It never fires: it ends before its first occurrence."]


def test_an_instant_that_has_passed() -> None:
    assert warnings(schedule(type="once", datetime="2025-01-01"), now=NOW) == [
        "That instant has passed: it runs at once."
    ]
    assert warnings(schedule(type="once", datetime="2027-01-01"), now=NOW) == []


@pytest.mark.parametrize(("document", "warned"), [
    ({"type": "recurring", "interval_seconds": 59.9}, True), ({"type": "recurring", "interval_seconds": 60}, False),
    ({"type": "cron", "expression": "*/30 * * * * *"}, True), ({"type": "cron", "expression": "* * * * *"}, False),
])  # fmt: skip
def test_more_than_once_a_minute(document: dict[str, Any], warned: bool) -> None:
    assert warnings(schedule(**document), now=NOW) == (["It fires more than once a minute."] if warned else [])


@pytest.mark.parametrize(("expression", "warned"), [
    ("0 9 1 * MON", True), ("0 9 1 * *", False), ("0 9 * * MON", False), ("0 9 */2 * MON", False),
    ("0 0 9 1 * MON", False),
])  # fmt: skip
def test_a_unix_line_with_both_days(expression: str, warned: bool) -> None:
    sentence = "Day of month and day of week must both match here; in a Unix crontab one of them is enough."

    assert warnings(cron(expression), now=NOW) == ([sentence] if warned else [])


@pytest.mark.parametrize(("expression", "gap", "sentence"), [
    ("30 2 * * *", "shift", "02:30 does not exist; instead it fires at 03:00."),
    ("30 2 * * *", "skip", "02:30 does not exist; it does not fire then."),
    ("0,30 2 * * *", "shift", "02:00 and 02:30 do not exist; instead it fires once, at 03:00."),
    ("0/10 2 * * *", "shift", "the times from 02:00 to before 03:00 do not exist; instead it fires once, at 03:00."),
    ("*/30 2 * * *", "shift", "02:00 and 02:30 do not exist; it does not fire then."),
])  # fmt: skip
def test_times_that_the_clock_skips(expression: str, gap: str, sentence: str) -> None:
    found = warnings(cron(expression, NEW_YORK, dst_gap=gap), now=datetime(2026, 3, 7, 12, tzinfo=UTC))

    assert found == [f"On 8 Mar 2026 the clock in America/New_York goes forward: {sentence}"]


@pytest.mark.parametrize(("overlap", "fires"), [
    ("first", "the first time only"), ("second", "the second time only"), ("both", "both times"),
])  # fmt: skip
def test_times_that_come_twice(overlap: str, fires: str) -> None:
    found = warnings(cron("30 1 * * *", NEW_YORK, dst_overlap=overlap), now=datetime(2026, 10, 30, tzinfo=UTC))

    assert found == [f"On 1 Nov 2026 the clock in America/New_York goes back: 01:30 comes twice; it fires {fires}."]


def test_clock_changes_beyond_the_coming_occurrences_are_not_mentioned() -> None:
    daily = cron("30 2 * * *", NEW_YORK)

    assert warnings(daily, now=datetime(2026, 3, 1, tzinfo=UTC), limit=3) == []
    assert len(warnings(daily, now=datetime(2026, 3, 1, tzinfo=UTC), limit=10)) == 1
