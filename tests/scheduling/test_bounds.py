"""Reading schedule documents, the bounds around a rule, and repeatable jitter."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from timers.errors import Invalid
from timers.scheduling.bounds import BoundedSchedule, jitter_delay, parse_schedule
from timers.scheduling.cron import CronSchedule
from timers.scheduling.interval import IntervalSchedule
from timers.scheduling.once import OnceSchedule

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
DAILY = {"type": "cron", "expression": "0 9 * * *"}
MINUTELY = {"type": "recurring", "interval_seconds": 60}


def parse(**document: Any) -> BoundedSchedule:
    return parse_schedule(document, now=NOW)


def refused_fields(document: object, **options: Any) -> list[str]:
    with pytest.raises(Invalid) as refused:
        parse_schedule(document, now=NOW, **options)
    return list(refused.value.fields)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


# --- what is read -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("given", "instant"), [
    ("2026-12-15T14:30:00Z", "2026-12-15T14:30:00+00:00"),
    ("2026-12-15t14:30:00z", "2026-12-15T14:30:00+00:00"),
    ("2026-12-15T14:30:00+00:00", "2026-12-15T14:30:00+00:00"),
    ("2026-12-15 16:30:00.25+02:00", "2026-12-15T14:30:00.250000+00:00"),
    ("2026-12-15T14:30", "2026-12-15T14:30:00+00:00"),
    (" 2026-12-15 ", "2026-12-15T00:00:00+00:00"),
    ("2026-12-15T14:30:00.123456789Z", "2026-12-15T14:30:00.123456+00:00"),
    (datetime(2026, 12, 15, 16, 30, tzinfo=timezone(timedelta(hours=2))), "2026-12-15T14:30:00+00:00"),
    (datetime(2026, 12, 15, 14, 30), "2026-12-15T14:30:00+00:00"),  # noqa: DTZ001
    ("1970-01-01", "1970-01-01T00:00:00+00:00"),
    ("9998-12-31T23:59:59Z", "9998-12-31T23:59:59+00:00"),
])  # fmt: skip
def test_an_instant_is_iso_text_and_utc_unless_it_says_otherwise(given: object, instant: str) -> None:
    assert parse(type="once", datetime=given).document() == {"type": "once", "datetime": instant}


@pytest.mark.parametrize("given", [
    "", "now", "tomorrow", "2026", "2026-13-01", "2026-02-30", "2026-12-15T25:00", "2026-12-15T14:30+25:00",
    "15.12.2026",
    "0001-01-01T00:00:00+14:00", "1969-12-31T23:59:59Z", "9999-12-31T23:59:59-14:00", "9999-01-01", "10000-01-01",
    "\x00", "\ud800", "2026-12-15T14:30" * 100, 1_766_000_000, 1e300, True, [], {}, b"2026-12-15",
    datetime(9999, 12, 31), datetime.min.replace(tzinfo=timezone(timedelta(hours=14))),  # noqa: DTZ001
])  # fmt: skip
def test_what_is_no_instant_is_refused_by_its_field(given: object) -> None:
    assert refused_fields({"type": "once", "datetime": given}) == ["schedule.datetime"]
    assert refused_fields({**MINUTELY, "start": given}) == ["schedule.start"]
    assert refused_fields({**DAILY, "start": given}) == ["schedule.start"]


@pytest.mark.parametrize("given", [
    None, True, False, "60", "", [], {}, float("nan"), float("inf"), float("-inf"), 0, -1, 0.0999, 1e-9, 1e300, 10**400,
    -(10**400), 3_200_000_000,
])  # fmt: skip
def test_an_interval_is_a_number_from_a_tenth_of_a_second_to_a_century(given: object) -> None:
    assert refused_fields({"type": "recurring", "interval_seconds": given}) == ["schedule.interval_seconds"]


@pytest.mark.parametrize(("given", "microseconds", "written"), [
    (0.1, 100_000, 0.1), (0.3, 300_000, 0.3), (1, 1_000_000, 1), (60.0, 60_000_000, 60), (1 / 3, 333_333, 0.333333),
    (2.5, 2_500_000, 2.5), (3_155_760_000, 3_155_760_000_000_000, 3_155_760_000),
])  # fmt: skip
def test_an_interval_is_kept_in_whole_microseconds(given: float, microseconds: int, written: float) -> None:
    rule = parse(type="recurring", interval_seconds=given).rule

    assert isinstance(rule, IntervalSchedule)
    assert rule.interval_us == microseconds
    assert rule.interval == timedelta(microseconds=microseconds)
    assert rule.document()["interval_seconds"] == written
    assert isinstance(rule.document()["interval_seconds"], type(written))


def test_a_door_may_ask_for_longer_intervals() -> None:
    assert refused_fields({**MINUTELY, "interval_seconds": 59.9}, minimum_interval=60) == ["schedule.interval_seconds"]
    assert parse_schedule(MINUTELY, now=NOW, minimum_interval=60).kind == "recurring"


@pytest.mark.parametrize("document", [None, [], "0 9 * * *", 5, True])
def test_a_schedule_is_an_object(document: object) -> None:
    assert refused_fields(document) == ["schedule"]
    assert refused_fields(document, name="timer.schedule") == ["timer.schedule"]
    assert refused_fields(document, name="") == [""]


@pytest.mark.parametrize("kind", [None, "", "hourly", "Once", 5, True, [], {}, "x" * 10_000])
def test_a_type_is_one_of_the_registered(kind: object) -> None:
    assert refused_fields({"type": kind}) == ["schedule.type"]


@pytest.mark.parametrize(("document", "field"), [
    ({"type": "once", "start": "2026-01-01"}, "start"),
    ({"type": "once", "end": {"condition": "iterations", "n": 1}}, "end"),
    ({**MINUTELY, "timezone": "UTC"}, "timezone"),
    ({**MINUTELY, "dst_gap": "skip"}, "dst_gap"),
    ({**DAILY, "interval_seconds": 5}, "interval_seconds"),
    ({**DAILY, 5: 5}, "5"),
])  # fmt: skip
def test_a_key_of_another_kind_is_refused_by_name(document: dict[Any, Any], field: str) -> None:
    assert refused_fields(document) == [f"schedule.{field}"]


@pytest.mark.parametrize(("end", "field"), [
    ("2027-01-01", "end"), (5, "end"), ([], "end"), ({}, "end.condition"), ({"condition": "never"}, "end.condition"),
    ({"condition": ["time"]}, "end.condition"), ({"condition": "time"}, "end.datetime"),
    ({"condition": "time", "datetime": "soon"}, "end.datetime"), ({"condition": "iterations"}, "end.n"),
    ({"condition": "iterations", "n": 0}, "end.n"), ({"condition": "iterations", "n": True}, "end.n"),
    ({"condition": "iterations", "n": 1.5}, "end.n"), ({"condition": "iterations", "count": "3"}, "end.count"),
    ({"condition": "iterations", "iterations": 10**30}, "end.iterations"),
    ({"condition": "iterations", "n": 3, "count": 4}, "end.n"), ({"condition": "iterations", "runs": 3}, "end.runs"),
    ({"condition": "time", "datetime": "2026-05-01"}, "end.datetime"),
])  # fmt: skip
def test_an_end_that_cannot_be_is_refused_by_its_field(end: object, field: str) -> None:
    assert refused_fields({**MINUTELY, "start": "2026-05-02", "end": end}) == [f"schedule.{field}"]


@pytest.mark.parametrize("key", ["n", "count", "iterations"])
def test_the_number_of_runs_has_three_spellings(key: str) -> None:
    schedule = parse(**MINUTELY, end={"condition": "iterations", key: 12})

    assert schedule.max_runs == 12
    assert schedule.document()["end"] == {"condition": "iterations", "n": 12}


def test_a_schedule_may_end_by_time_and_by_number() -> None:
    schedule = parse(**MINUTELY, end={"condition": "time", "datetime": "2027-01-01", "n": 12})

    assert (schedule.end, schedule.max_runs) == (at("2027-01-01T00:00Z"), 12)
    assert schedule.document()["end"] == {"condition": "time", "datetime": "2027-01-01T00:00:00+00:00", "n": 12}


def test_an_end_in_the_last_year_is_for_ever() -> None:
    assert parse(**DAILY, end={"condition": "time", "datetime": "9999-12-31T23:59:59.999999Z"}).next_after(NOW)


@pytest.mark.parametrize("document", [
    {"type": "once"}, {"type": "once", "datetime": "2026-12-15"}, MINUTELY,
    {**MINUTELY, "start": "2020-01-01", "end": None},
    {**DAILY, "start": "2027-01-01", "end": {"condition": "time", "datetime": "2028-01-01"}, "timezone": "Asia/Tokyo"},
    {**MINUTELY, "end": {"condition": "time", "datetime": "2020-01-01"}},
])  # fmt: skip
def test_the_written_document_is_read_as_the_same_schedule(document: dict[str, Any]) -> None:
    schedule = parse_schedule(document, now=NOW)

    again = parse_schedule(schedule.document(), now=NOW + timedelta(days=400), refuse_never=False)

    assert again == schedule
    assert again.document() == schedule.document()


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=3),
    max_leaves=5,
)
some_document = st.fixed_dictionaries(
    {"type": st.sampled_from(["once", "recurring", "cron"])},
    optional={
        "datetime": json_values | st.datetimes().map(str),
        "interval_seconds": json_values,
        "expression": json_values | st.just("0 9 * * *"),
        "timezone": json_values | st.just("Europe/Berlin"),
        "start": json_values | st.datetimes().map(str),
        "end": json_values
        | st.fixed_dictionaries({"condition": json_values | st.just("time"), "datetime": json_values}),
        "dst_gap": json_values,
        "dst_overlap": json_values,
    },
)


@given(json_values | some_document)
def test_whatever_is_given_is_read_or_refused(document: Any) -> None:
    try:
        schedule = parse_schedule(document, now=NOW)
    except Invalid as refused:
        assert all(name.split(".")[0] == "schedule" for name in refused.fields)
    else:
        schedule.first(created=NOW)


# --- what is never true -----------------------------------------------------------------------------------------------


def test_a_rule_that_never_fires_is_refused_unless_it_is_only_looked_at() -> None:
    never = {"type": "cron", "expression": "0 0 0 30 2 ?"}

    assert refused_fields(never) == ["schedule.expression"]
    assert parse_schedule(never, now=NOW, refuse_never=False).first(created=NOW) is None


def test_a_rule_that_waits_28_years_is_accepted() -> None:
    assert parse(type="cron", expression="0 0 0 29 2 WED").first(created=NOW) == at("2040-02-29T00:00Z")


# --- between the bounds -----------------------------------------------------------------------------------------------


def test_start_and_end_are_inclusive() -> None:
    schedule = parse(**DAILY, start="2026-07-01T09:00Z", end={"condition": "time", "datetime": "2026-07-03T09:00Z"})

    assert schedule.next_after(NOW) == at("2026-07-01T09:00Z")
    assert schedule.next_after(at("2026-07-02T09:00Z")) == at("2026-07-03T09:00Z")
    assert schedule.next_after(at("2026-07-03T09:00Z")) is None
    assert schedule.last_until(at("2027-01-01T00:00Z")) == at("2026-07-03T09:00Z")
    assert schedule.last_until(at("2026-07-01T08:59Z")) is None
    assert schedule.count_between(NOW, at("2027-01-01T00:00Z")) == 3
    assert schedule.count_between(at("2026-07-01T09:00Z"), at("2026-07-02T09:00Z")) == 1
    assert schedule.count_between(at("2027-01-01T00:00Z"), NOW) == 0


def test_the_zone_is_that_of_the_rule() -> None:
    assert parse(**DAILY, timezone="Asia/Tokyo").timezone == "Asia/Tokyo"
    assert parse(**MINUTELY).timezone == parse(type="once").timezone == "UTC"


@pytest.mark.parametrize(("start", "first"), [
    (None, NOW),
    (NOW, NOW),
    (NOW + timedelta(hours=5), NOW + timedelta(hours=5)),
    (NOW - timedelta(seconds=60), NOW - timedelta(seconds=60)),
    (NOW - timedelta(seconds=61), NOW + timedelta(minutes=10) - timedelta(seconds=61)),
    (NOW - timedelta(minutes=25), NOW + timedelta(minutes=5)),
    (NOW - timedelta(minutes=20), NOW + timedelta(minutes=10)),
])  # fmt: skip
def test_a_grid_begins_with_its_start_unless_that_is_long_past(start: datetime | None, first: datetime) -> None:
    schedule = parse(type="recurring", interval_seconds=600, start=start)

    assert schedule.first(created=NOW) == first


def test_a_calendar_begins_after_the_creation_and_not_before_the_start() -> None:
    assert parse(**DAILY).first(created=NOW) == at("2026-06-02T09:00Z")
    assert parse(**DAILY, start="2026-01-01").first(created=NOW) == at("2026-06-02T09:00Z")
    assert parse(**DAILY, start="2026-07-01T09:00").first(created=NOW) == at("2026-07-01T09:00Z")


def test_a_single_instant_counts_also_when_it_is_past() -> None:
    assert parse(type="once", datetime="2020-01-01").first(created=NOW) == at("2020-01-01T00:00Z")
    assert parse(type="once").first(created=NOW) == NOW


@pytest.mark.parametrize("document", [MINUTELY, DAILY])
def test_a_schedule_that_is_over_has_no_first(document: dict[str, Any]) -> None:
    assert parse(**document, end={"condition": "time", "datetime": "2026-05-01"}).first(created=NOW) is None


def test_occurrence_n_is_at_start_plus_n_intervals() -> None:
    rule = IntervalSchedule(interval_us=333_333, start=NOW)

    assert rule.next_after(NOW) == NOW + timedelta(microseconds=333_333)
    assert rule.next_after(NOW + timedelta(microseconds=333_332 * 1_000)) == NOW + timedelta(microseconds=333_333_000)
    assert rule.last_until(NOW - timedelta(microseconds=1)) is None
    assert rule.count_between(NOW, NOW + timedelta(days=365)) == 365 * 86_400 * 1_000_000 // 333_333


@given(st.integers(100_000, 10**12), st.integers(-(10**13), 10**13))
def test_a_grid_is_arithmetic(interval_us: int, offset: int) -> None:
    rule, instant = IntervalSchedule(interval_us, NOW), NOW + timedelta(microseconds=offset)

    following, before = rule.next_after(instant), rule.last_until(instant)

    assert following is not None
    assert following > instant
    assert (following - NOW) % rule.interval == timedelta(0)
    assert following == NOW or following - rule.interval <= instant
    assert before is None or before == following - rule.interval


# --- distances --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("rule", "gap"), [
    (OnceSchedule(NOW), None),
    (IntervalSchedule(90_000_000, NOW), timedelta(seconds=90)),
    (CronSchedule("* * * * * *"), timedelta(seconds=1)),
    (CronSchedule("*/25 * * * * *"), timedelta(seconds=10)),
    (CronSchedule("0 0,50 * * * *"), timedelta(minutes=10)),
    (CronSchedule("0 9,17 * * *"), timedelta(hours=8)),
    (CronSchedule("0 9 * * MON-FRI"), timedelta(days=1)),
    (CronSchedule("0 9 * * MON"), timedelta(days=7)),
    (CronSchedule("0 9 1 * *"), timedelta(days=28)),
    (CronSchedule("0 9 1 1 *"), timedelta(days=365)),
    (CronSchedule("0 9 29 2 *"), timedelta(days=366)),
    (CronSchedule("0 9 30 2 *"), None),
    (CronSchedule("0 9 * * *", "Europe/Berlin"), timedelta(hours=23)),
    (CronSchedule("30 2 * * *", "Europe/Berlin"), timedelta(hours=23, minutes=30)),
    (CronSchedule("1 0,30 2,3 * * *", "Europe/Berlin"), timedelta(seconds=1)),  # 02:00:01 at 03:00:00, then 03:00:01
])  # fmt: skip
def test_the_smallest_gap_minds_the_clock_changes(rule: Any, gap: timedelta | None) -> None:
    assert BoundedSchedule(rule).smallest_gap() == gap


@given(st.uuids(), st.datetimes(datetime(1970, 1, 1), datetime(9998, 1, 1)), st.timedeltas(timedelta(0), MINUTE))  # noqa: DTZ001
def test_jitter_lies_in_its_bounds_and_is_repeatable(timer_id: UUID, planned: datetime, jitter: timedelta) -> None:
    planned = planned.replace(tzinfo=UTC)

    delay = jitter_delay(timer_id=timer_id, planned=planned, jitter=jitter)

    assert timedelta(0) <= delay <= jitter
    assert delay == jitter_delay(timer_id=UUID(str(timer_id)), planned=planned, jitter=jitter)


def test_jitter_spreads_timers_and_occurrences() -> None:
    one = {jitter_delay(timer_id=UUID(int=number), planned=NOW, jitter=MINUTE) for number in range(100)}
    other = {jitter_delay(timer_id=UUID(int=1), planned=NOW + number * MINUTE, jitter=MINUTE) for number in range(100)}

    assert len(one) == len(other) == 100
    assert min(one) < timedelta(seconds=6)
    assert max(other) > timedelta(seconds=54)
