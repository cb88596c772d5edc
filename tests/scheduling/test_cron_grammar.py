"""What a cron expression may say, how it is stored, and that every other text is refused by its field."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from timers.errors import Invalid
from timers.scheduling import bits
from timers.scheduling.cron import CronSchedule
from timers.scheduling.cron_calendar import CronCalendar
from timers.scheduling.cron_expression import MACROS, parse_expression

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def refused_fields(document: dict[str, Any]) -> list[str]:
    with pytest.raises(Invalid) as refused:
        CronSchedule.parse({"type": "cron", **document}, now=NOW)
    return list(refused.value.fields)


@pytest.mark.parametrize("expression", [
    "0 0 0 1 1 * 2030", "* * * *", "*", "60 * * * * *", "0 0 24 * * *", "0 0 0 0 * *", "0 0 0 32 * *", "0 0 0 * 13 *",
    "0 0 0 * 0 *", "0 0 0 * * 8", "? 0 0 * * *", "0 ? 0 * * *", "0 0 ? * * *", "0 0 0 * ? *", "5-1 * * * * *",
    "0 */0 * * * *", "0 /5 * * * *", "0 5/ * * * *", "0 1,,2 * * * *", "0 ,1 * * * *", "0 1, * * * *", "0 *-5 * * * *",
    "0 1-2-3 * * * *", "0 1/2/3 * * * *", "0 -1 * * * *", "0 +1 * * * *", "0 1.5 * * * *", "0 ١ * * * *",
    "0 0 0 1L * *", "0 0 0 W * *", "0 0 0 32W * *", "0 0 0 0W * *", "0 0 0 L-0 * *", "0 0 0 L- * *", "0 0 0 l * *",
    "0 0 0 lw * *", "0 0 0 15w * *", "0 0 0 L/2 * *", "0 0 0 15W/2 * *", "0 0 0 1W-3 * *", "0 0 0 WL * *",
    "0 0 0 ?/2 * *", "0 0 0 ?,15 * *", "0 0 0 * * L", "0 0 0 * * #2", "0 0 0 * * MON#0", "0 0 0 * * MON#",
    "0 0 0 * * 8#1", "0 0 0 * * 5#2/2", "0 0 0 * * 5L/2", "0 0 0 * * MONDAY", "0 0 0 * * MO", "0 0 0 * * FRI-MON",
    "0 0 0 * * 6-0",
    "0 0 0 * * MON/TUE", "0 0 0 * JANUARY *", "0 0 0 * L *", "0 0 0 MON * *", "0 0 0 JAN * *", "0 JAN * * * *",
    "@noon", "@reboot", "@every 5m", "@", "@daily @daily", "", "   ", "\x00", "0 0 0 * * \ud800", "* " * 300,
])  # fmt: skip
def test_what_the_grammar_does_not_know_is_refused(expression: str) -> None:
    assert refused_fields({"expression": expression}) == ["expression"]


@pytest.mark.parametrize("expression", [None, 5, True, ["* * * * * *"], {"a": 1}, b"* * * * * *"])
def test_an_expression_is_text(expression: object) -> None:
    assert refused_fields({"expression": expression}) == ["expression"]


@given(st.text(alphabet="0123456789*?/,-#LWMONFRIJAN@ ", max_size=40))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        rule = CronSchedule.parse({"expression": text}, now=NOW)
    except Invalid as refused:
        assert list(refused.fields) == ["expression"]
    else:
        rule.next_after(NOW)
        rule.last_until(NOW)


@pytest.mark.parametrize("zone", [
    "", " ", "Europe", "Europe/", "/usr/share/zoneinfo/UTC", "../../etc/passwd", "../zoneinfo/UTC", "localtime",
    "posixrules", "Factory", "europe/berlin", "EUROPE/BERLIN", "Mars/Olympus", "UTC+2", "+02:00", "zone.tab", "\x00",
    "\ud800", 5, True, [],
])  # fmt: skip
def test_only_iana_names_are_zones(zone: object) -> None:
    assert refused_fields({"expression": "@daily", "timezone": zone}) == ["timezone"]


def test_a_zone_in_the_wrong_case_is_named_in_the_right_one() -> None:
    with pytest.raises(Invalid, match="Did you mean Europe/Berlin"):
        CronSchedule.parse({"expression": "@daily", "timezone": "europe/BERLIN"}, now=NOW)


@pytest.mark.parametrize(("name", "value"), [
    ("dst_gap", "first"), ("dst_gap", 1), ("dst_overlap", "shift"), ("dst_overlap", []),
    ("interval_seconds", 5), ("zone", "UTC"),
])  # fmt: skip
def test_other_values_and_other_keys_are_refused_by_name(name: str, value: object) -> None:
    assert refused_fields({"expression": "@daily", name: value}) == [name]


@pytest.mark.parametrize(("written", "stored"), [
    ("  0   0 9 \t ? * MON ", "0 0 9 ? * MON"), ("0 9 * * *", "0 9 * * *"), (" @DAILY", "@daily"),
])  # fmt: skip
def test_the_stored_form_has_single_blanks_and_all_settings(written: str, stored: str) -> None:
    rule = CronSchedule.parse({"expression": written, "timezone": None}, now=NOW)

    assert rule.document() == {
        "type": "cron",
        "expression": stored,
        "timezone": "UTC",
        "dst_gap": "shift",
        "dst_overlap": "first",
    }


@pytest.mark.parametrize(("part", "minutes"), [
    ("*", range(60)), ("7", [7]), ("007", [7]), ("5-8", range(5, 9)), ("*/25", [0, 25, 50]), ("50/4", [50, 54, 58]),
    ("10-20/5", [10, 15, 20]), ("3,1,2", [1, 2, 3]), ("*/99", [0]), ("9-9", [9]), ("1-2,2-3", [1, 2, 3]),
])  # fmt: skip
def test_parts_mean_numbers(part: str, minutes: list[int]) -> None:
    assert bits.members(parse_expression(f"{part} 0 * * *").calendar.minutes) == list(minutes)


@pytest.mark.parametrize(("part", "weekdays"), [
    ("*", range(1, 8)), ("?", range(1, 8)), ("0", [7]), ("7", [7]), ("sun", [7]), ("*/2", [1, 3, 5, 7]),
    ("0/2", [2, 4, 6, 7]), ("7/2", [7]), ("SUN/2", [7]), ("WED/2", [3, 5, 7]), ("SUN-TUE", [1, 2, 7]),
    ("7-2", [1, 2, 7]), ("FRI-SUN", [5, 6, 7]), ("6-7", [6, 7]), ("7-7", range(1, 8)), ("0-0", [7]),
    ("mon-Fri", range(1, 6)),
])  # fmt: skip
def test_weekdays_begin_with_sunday_or_end_with_it(part: str, weekdays: list[int]) -> None:
    assert bits.members(parse_expression(f"0 0 0 ? * {part}").weekdays.plain) == list(weekdays)


@pytest.mark.parametrize(("expression", "floating"), [
    ("* * * * * *", True), ("0 * * * * *", True), ("0 0 * * * *", True), ("*/5 0 2 * * *", True),
    ("0 0 2 * * *", False), ("0 0/5 0-23 * * *", False), ("@hourly", True), ("@daily", False),
    ("30 2 * * *", False), ("0,* 0 0 * * *", False),
])  # fmt: skip
def test_an_expression_floats_when_a_time_field_begins_with_a_star(expression: str, floating: bool) -> None:
    assert parse_expression(expression).floating is floating


def test_macros_are_what_they_stand_for() -> None:
    for macro, meaning in MACROS.items():
        assert parse_expression(macro).calendar == parse_expression(meaning).calendar


@pytest.mark.parametrize("expression", ["0 0 0 30 2 ?", "0 0 0 ? * MON#6", "0 0 0 31 2,4,6,9,11 ?", "0 0 0 29 2 WED"])
def test_the_search_ends_after_a_few_hundred_months(expression: str, monkeypatch: pytest.MonkeyPatch) -> None:
    looked_at: list[tuple[int, int]] = []
    days_in = CronCalendar.days_in

    def counted(rule: CronCalendar, year: int, month: int) -> int:
        looked_at.append((year, month))
        return days_in(rule, year, month)

    monkeypatch.setattr(CronCalendar, "days_in", counted)

    CronSchedule(expression).next_after(NOW)
    CronSchedule(expression).last_until(NOW)

    assert len(looked_at) < 1_000


def test_the_search_ends_for_a_rule_that_lives_in_gaps_only() -> None:
    rule = CronSchedule.parse(
        {"expression": "0 30 2 8-14 3 SUN", "timezone": "America/New_York", "dst_gap": "skip"}, now=NOW
    )

    assert rule.next_after(datetime(2008, 1, 1, tzinfo=UTC)) is None
    assert rule.next_after(NOW) is None
