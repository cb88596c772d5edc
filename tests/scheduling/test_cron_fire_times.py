"""Fire times worked out on paper, checked with Spring: sequences that start strictly after a local time."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from timers.scheduling.clock_changes import DstGap, DstOverlap
from timers.scheduling.cron import CronSchedule

# 1 January 2028 is a Saturday and 2028 a leap year. The clocks of New York change on 12 March and 5 November 2028,
# those of London on 26 March and 29 October.
SPRING = [
    ("0 0 0 * * ?", "UTC", "2028-02-28 00:00", ["2028-02-29 00:00", "2028-03-01 00:00", "2028-03-02 00:00"]),
    ("0 0 9 ? * MON", "UTC", "2028-01-01 00:00", ["2028-01-03 09:00", "2028-01-10 09:00", "2028-01-17 09:00"]),
    ("0 0 0 * * 1-5", "UTC", "2028-01-01 00:00", ["2028-01-03 00:00", "2028-01-04 00:00", "2028-01-05 00:00"]),
    (
        "0 0 0 * * */2",
        "UTC",
        "2028-01-01 00:00",
        ["2028-01-02 00:00", "2028-01-03 00:00", "2028-01-05 00:00", "2028-01-07 00:00"],
    ),
    (
        "0 0 0 * * 0/2",
        "UTC",
        "2028-01-01 00:00",
        ["2028-01-02 00:00", "2028-01-04 00:00", "2028-01-06 00:00", "2028-01-08 00:00"],
    ),
    ("0 0 0 31 * ?", "UTC", "2028-01-31 00:00", ["2028-03-31 00:00", "2028-05-31 00:00", "2028-07-31 00:00"]),
    ("0 0 0 L * ?", "UTC", "2028-02-01 00:00", ["2028-02-29 00:00", "2028-03-31 00:00"]),
    ("0 0 0 L-2 * ?", "UTC", "2028-02-01 00:00", ["2028-02-27 00:00", "2028-03-29 00:00"]),
    ("0 0 0 LW * ?", "UTC", "2028-04-01 00:00", ["2028-04-28 00:00", "2028-05-31 00:00"]),
    ("0 0 0 1W * ?", "UTC", "2028-03-31 00:00", ["2028-04-03 00:00", "2028-05-01 00:00"]),
    ("0 0 0 15W * ?", "UTC", "2028-01-01 00:00", ["2028-01-14 00:00", "2028-02-15 00:00"]),
    ("0 0 0 ? * 5#2", "UTC", "2028-01-01 00:00", ["2028-01-14 00:00", "2028-02-11 00:00"]),
    ("0 0 0 ? * WED#5", "UTC", "2028-01-01 00:00", ["2028-03-29 00:00", "2028-05-31 00:00"]),
    ("0 0 0 ? * 5L", "UTC", "2028-01-01 00:00", ["2028-01-28 00:00", "2028-02-25 00:00"]),
    ("0 0 0 13 * FRI", "UTC", "2028-01-01 00:00", ["2028-10-13 00:00", "2029-04-13 00:00"]),
    ("0 15 12 1-7 * MON", "UTC", "2028-01-01 00:00", ["2028-01-03 12:15", "2028-02-07 12:15"]),
    ("0 20/15 6 * * ?", "UTC", "2028-01-01 06:20", ["2028-01-01 06:35", "2028-01-01 06:50", "2028-01-02 06:20"]),
    (
        "*/25 * * * * *",
        "UTC",
        "2028-01-01 00:00:50",
        ["2028-01-01 00:01", "2028-01-01 00:01:25", "2028-01-01 00:01:50"],
    ),
    ("@weekly", "UTC", "2028-01-01 00:00", ["2028-01-02 00:00", "2028-01-09 00:00"]),
    ("0 0 7 * * ?", "America/New_York", "2028-03-11 07:00", ["2028-03-12 07:00 EDT", "2028-03-13 07:00 EDT"]),
    ("0 15 2 * * ?", "America/New_York", "2028-03-11 02:15", ["2028-03-13 02:15 EDT", "2028-03-14 02:15 EDT"]),
    (
        "0 0 * * * ?",
        "America/New_York",
        "2028-03-12 00:59",
        ["2028-03-12 01:00 EST", "2028-03-12 03:00 EDT", "2028-03-12 04:00 EDT"],
    ),
    (
        "0 45 1 * * ?",
        "America/New_York",
        "2028-11-04 12:00",
        ["2028-11-05 01:45 EDT", "2028-11-05 01:45 EST", "2028-11-06 01:45 EST"],
    ),
    ("0 45 1 * * ?", "America/New_York", "2028-11-05 01:45", ["2028-11-05 01:45 EST"]),
    ("0 0 2 * * ?", "America/New_York", "2028-11-04 12:00", ["2028-11-05 02:00 EST", "2028-11-06 02:00 EST"]),
    ("0 0 7 * * ?", "America/New_York", "2028-11-04 07:00", ["2028-11-05 07:00 EST"]),
    ("0 10 1 * * ?", "Europe/London", "2028-03-25 12:00", ["2028-03-27 01:10 BST", "2028-03-28 01:10 BST"]),
    (
        "0 0/30 0-2 * * ?",
        "Europe/London",
        "2028-03-26 00:00",
        ["2028-03-26 00:30 GMT", "2028-03-26 02:00 BST", "2028-03-26 02:30 BST"],
    ),
    (
        "0 10 1 * * ?",
        "Europe/London",
        "2028-10-28 12:00",
        ["2028-10-29 01:10 BST", "2028-10-29 01:10 GMT", "2028-10-30 01:10 GMT"],
    ),
    ("0 0 12 * * ?", "Europe/London", "2028-10-28 12:00", ["2028-10-29 12:00 GMT"]),
]


@pytest.mark.parametrize(("expression", "zone", "after", "expected"), SPRING)
def test_with_skip_and_both_it_fires_as_spring_does(
    expression: str, zone: str, after: str, expected: list[str]
) -> None:
    rule = CronSchedule(expression, zone, DstGap.SKIP, DstOverlap.BOTH)

    assert sequence(rule, after, len(expected), named=" " in expected[0][11:]) == expected


OURS = [
    # what, zone, gap, overlap, expression, after, expected
    ("a missing time fires after the gap", "America/New_York", "shift", "first", "0 30 2 * * ?", "2026-03-07 12:00",
     ["2026-03-08 03:00 EDT", "2026-03-09 02:30 EDT"]),
    ("a missing time can be left out", "America/New_York", "skip", "first", "0 30 2 * * ?", "2026-03-07 12:00",
     ["2026-03-09 02:30 EDT", "2026-03-10 02:30 EDT"]),
    ("several missing times fire once", "America/New_York", "shift", "first", "0 0,20,40 2 * * ?", "2026-03-07 12:00",
     ["2026-03-08 03:00 EDT", "2026-03-09 02:00 EDT"]),
    ("missing times join the one at the end of the gap", "America/New_York", "shift", "first", "0 0,30 2,3 * * ?",
     "2026-03-08 00:00", ["2026-03-08 03:00 EDT", "2026-03-08 03:30 EDT", "2026-03-09 02:00 EDT"]),
    ("a repeated time fires once", "America/New_York", "shift", "first", "0 30 1 * * ?", "2026-10-31 12:00",
     ["2026-11-01 01:30 EDT", "2026-11-02 01:30 EST"]),
    ("a repeated time can fire the second time", "America/New_York", "shift", "second", "0 30 1 * * ?",
     "2026-10-31 12:00", ["2026-11-01 01:30 EST", "2026-11-02 01:30 EST"]),
    ("a repeated time can fire twice", "America/New_York", "shift", "both", "0 30 1 * * ?", "2026-10-31 12:00",
     ["2026-11-01 01:30 EDT", "2026-11-01 01:30 EST", "2026-11-02 01:30 EST"]),
    ("several repeated times fire pass by pass", "Europe/Berlin", "shift", "both", "0 0,30 2 * * ?", "2026-10-24 12:00",
     ["2026-10-25 02:00 CEST", "2026-10-25 02:30 CEST", "2026-10-25 02:00 CET", "2026-10-25 02:30 CET"]),
    ("a rule that follows the clock ignores the settings", "America/New_York", "shift", "first", "0 */30 * * * ?",
     "2026-11-01 00:45",
     ["2026-11-01 01:00 EDT", "2026-11-01 01:30 EDT", "2026-11-01 01:00 EST", "2026-11-01 01:30 EST"]),
    ("one with a fixed hour has nothing in the gap", "America/New_York", "shift", "first", "0 */30 2 * * ?",
     "2026-03-07 12:00", ["2026-03-09 02:00 EDT", "2026-03-09 02:30 EDT"]),
    ("half an hour is missing", "Australia/Lord_Howe", "shift", "first", "0 15 2 * * ?", "2026-10-03 12:00",
     ["2026-10-04 02:30 +11", "2026-10-05 02:15 +11"]),
    ("half an hour comes twice", "Australia/Lord_Howe", "shift", "both", "0 45 1 * * ?", "2026-04-04 12:00",
     ["2026-04-05 01:45 +11", "2026-04-05 01:45 +1030", "2026-04-06 01:45 +1030"]),
    ("midnight is missing", "America/Havana", "shift", "first", "@daily", "2026-03-07 12:00",
     ["2026-03-08 01:00 CDT", "2026-03-09 00:00 CDT"]),
    ("midnight comes twice", "America/Havana", "shift", "first", "@daily", "2026-10-31 12:00",
     ["2026-11-01 00:00 CDT", "2026-11-02 00:00 CST"]),
    ("the hour before midnight comes twice", "America/Sao_Paulo", "shift", "both", "0 30 23 * * ?", "2018-02-17 12:00",
     ["2018-02-17 23:30 -02", "2018-02-17 23:30 -03", "2018-02-18 23:30 -03"]),
    ("a day is missing", "Pacific/Apia", "shift", "first", "0 0 9 * * ?", "2011-12-29 08:00",
     ["2011-12-29 09:00 -10", "2011-12-31 00:00 +14", "2011-12-31 09:00 +14"]),
    ("a missing day can be left out", "Pacific/Apia", "skip", "first", "0 0 9 * * ?", "2011-12-29 08:00",
     ["2011-12-29 09:00 -10", "2011-12-31 09:00 +14"]),
    ("Ramadan is an exception", "Africa/Casablanca", "shift", "first", "0 30 2 * * ?", "2026-03-21 12:00",
     ["2026-03-22 03:00 +01", "2026-03-23 02:30 +01"]),
]  # fmt: skip


@pytest.mark.parametrize("row", [row[1:] for row in OURS], ids=[row[0] for row in OURS])
def test_clock_changes_follow_the_two_settings(row: tuple[str, str, str, str, str, list[str]]) -> None:
    zone, gap, overlap, expression, after, expected = row
    rule = CronSchedule(expression, zone, DstGap(gap), DstOverlap(overlap))

    assert sequence(rule, after, len(expected), named=True) == expected


def test_the_reference_instants_of_the_house() -> None:
    assert CronSchedule("30 2 * * *", "America/New_York").next_after(at("2026-03-08T00:00-05:00")) == at(
        "2026-03-08T03:00-04:00"
    )
    assert CronSchedule("30 1 * * *", "America/New_York").next_after(at("2026-11-01T00:00-04:00")) == at(
        "2026-11-01T01:30-04:00"
    )


@pytest.mark.parametrize(("expression", "after", "expected"), [
    ("0 0 0 29 2 ?", "2026-01-01 00:00", ["2028-02-29 00:00", "2032-02-29 00:00"]),
    ("0 0 0 29 2 ?", "2096-03-01 00:00", ["2104-02-29 00:00"]),
    ("0 0 0 29 2 WED", "2012-03-01 00:00", ["2040-02-29 00:00", "2068-02-29 00:00"]),
    ("0 0 0 29 2 WED", "2096-03-01 00:00", ["2108-02-29 00:00"]),
    ("0 0 0 29 2 MON", "2072-03-01 00:00", ["2112-02-29 00:00"]),
    ("0 0 0 31 4 ?", "2026-01-01 00:00", []),
    ("0 0 0 30 2 ?", "2026-01-01 00:00", []),
    ("0 0 0 ? * MON#6", "2026-01-01 00:00", []),
    ("0 0 0 L-31 * ?", "2026-01-01 00:00", []),
    ("0 0 0 L-28 * ?", "2027-01-31 00:00", ["2027-03-03 00:00"]),
    ("0 0 0 31W * ?", "2026-10-01 00:00", ["2026-10-30 00:00", "2026-12-31 00:00", "2027-03-31 00:00"]),
    ("0 0 0 ? * 0", "2026-01-01 00:00", ["2026-01-04 00:00"]),
    ("0 0 0 ? * 7", "2026-01-01 00:00", ["2026-01-04 00:00"]),
    ("0 0 0 ? * SUN-TUE", "2026-01-01 00:00", ["2026-01-04 00:00", "2026-01-05 00:00", "2026-01-06 00:00"]),
    ("0 0 0 ? * SUN/2", "2026-01-01 00:00", ["2026-01-04 00:00", "2026-01-11 00:00"]),
    ("0 0 0 ? * 6-7", "2026-01-01 00:00", ["2026-01-03 00:00", "2026-01-04 00:00", "2026-01-10 00:00"]),
    ("0 0 0 1W,15,LW * ?", "2026-08-01 00:00", ["2026-08-03 00:00", "2026-08-15 00:00", "2026-08-31 00:00"]),
    ("0 0 0 ? * THU#1,thu#3", "2026-01-01 00:00", ["2026-01-15 00:00", "2026-02-05 00:00"]),
    ("5 4 * * *", "2026-01-01 00:00", ["2026-01-01 04:05", "2026-01-02 04:05"]),
    ("@yearly", "2026-01-01 00:00", ["2027-01-01 00:00"]),
    ("@ANNUALLY", "2026-01-01 00:00", ["2027-01-01 00:00"]),
    ("@hourly", "2026-01-01 00:00", ["2026-01-01 01:00"]),
    ("@midnight", "2026-01-01 00:00", ["2026-01-02 00:00"]),
])  # fmt: skip
def test_the_calendar_is_followed(expression: str, after: str, expected: list[str]) -> None:
    assert sequence(CronSchedule(expression), after, len(expected) or 1) == expected


def test_fractions_of_a_second_do_not_matter() -> None:
    rule = CronSchedule("* * * * * *")

    assert rule.next_after(at("2026-01-01T00:00:00.000001Z")) == at("2026-01-01T00:00:01Z")
    assert rule.next_after(at("2025-12-31T23:59:59.999999Z")) == at("2026-01-01T00:00:00Z")
    assert rule.last_until(at("2026-01-01T00:00:00.999999Z")) == at("2026-01-01T00:00:00Z")


def test_a_year_of_every_second_is_counted() -> None:
    rule = CronSchedule("* * * * * *", "Europe/Berlin")

    assert rule.count_between(at("2026-01-01T00:00Z"), at("2027-01-01T00:00Z")) == 365 * 86_400


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


def sequence(rule: CronSchedule, after: str, number: int, *, named: bool = False) -> list[str]:
    """Return the next local times after a local time, with the abbreviation of their offset if `named`."""
    zone = ZoneInfo(rule.timezone)
    found: list[str] = []
    instant: datetime | None = datetime.fromisoformat(after).replace(tzinfo=zone).astimezone(UTC)
    while instant is not None and len(found) < number:
        instant = rule.next_after(instant)
        if instant is not None:
            local = instant.astimezone(zone)
            seconds = f":{local.second:02}" if local.second else ""
            found.append(f"{local:%Y-%m-%d %H:%M}{seconds}" + (f" {local:%Z}" if named else ""))
    return found
