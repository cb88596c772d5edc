"""Payloads: what the objects of the client look like on the wire."""

from __future__ import annotations

import datetime as dt
import json
import time
from collections.abc import Iterator
from typing import Any
from uuid import UUID

import pytest

from tests.client import programs
from timers.client import (
    MISSING,
    CronTimerSchedule,
    FlowTimer,
    OnceTimerSchedule,
    RecurringTimerSchedule,
    TimerJob,
    TransferData,
    TransferTimer,
)
from timers.client.payloads import Payload, wire

INSTANT = dt.datetime(2026, 3, 2, 12, 0, tzinfo=dt.UTC)


@pytest.fixture
def in_new_york(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "America/New_York")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def test_what_was_not_given_is_left_out_and_null_is_sent() -> None:
    payload = Payload(a=MISSING, b=None, c={"d": MISSING, "e": [MISSING, 1]})

    assert payload == {"b": None, "c": {"e": [1]}}
    assert not MISSING


@pytest.mark.usefixtures("in_new_york")
def test_an_instant_without_offset_is_local_time_and_gets_one() -> None:
    winter, summer = dt.datetime(2026, 1, 5, 9, 0), dt.datetime(2026, 7, 5, 9, 0, 0, 250_000)  # noqa: DTZ001

    assert OnceTimerSchedule(datetime=winter) == {"type": "once", "datetime": "2026-01-05T09:00:00-05:00"}
    assert wire([summer, INSTANT]) == ["2026-07-05T09:00:00.250000-04:00", "2026-03-02T12:00:00+00:00"]
    end = {"condition": "time", "datetime": winter}
    assert RecurringTimerSchedule(60, end=end)["end"]["datetime"] == "2026-01-05T09:00:00-05:00"


def test_texts_pass_as_they_are() -> None:
    assert OnceTimerSchedule("2024-12-01T02:00:00Z")["datetime"] == "2024-12-01T02:00:00Z"


def test_schedules_say_their_type() -> None:
    assert OnceTimerSchedule() == {"type": "once"}
    assert RecurringTimerSchedule(60) == {"type": "recurring", "interval_seconds": 60}
    assert CronTimerSchedule("0 9 * * MON", timezone="Europe/Berlin", dst_gap="skip") == {
        "type": "cron",
        "expression": "0 9 * * MON",
        "timezone": "Europe/Berlin",
        "dst_gap": "skip",
    }


@pytest.mark.parametrize(
    ("name", "seconds"),
    [("every_hour", 3_600), ("every_day", 86_400), ("every_week", 604_800), ("every_month", 2_592_000)],
)
def test_intervals_have_names(name: str, seconds: int) -> None:
    end = {"condition": "iterations", "n": 12}

    schedule = getattr(RecurringTimerSchedule, name)(start=INSTANT, end=end)

    assert isinstance(schedule, RecurringTimerSchedule)
    assert schedule == {
        "type": "recurring",
        "interval_seconds": seconds,
        "start": "2026-03-02T12:00:00+00:00",
        "end": end,
    }


@pytest.mark.parametrize(
    ("interval", "seconds"), [(0.5, 0.5), (dt.timedelta(minutes=5), 300), (dt.timedelta(milliseconds=1500), 1.5)]
)
def test_an_interval_may_be_a_fraction_or_a_span(interval: Any, seconds: float) -> None:
    assert RecurringTimerSchedule(interval)["interval_seconds"] == seconds


def test_a_transfer_names_what_to_copy() -> None:
    data = TransferData(UUID(int=1), "there", label=None, sync_level="checksum", verify_checksum=True)
    data.add_item("/a/", "/b/", recursive=True)
    data.add_item("/c", "/d")
    data.add_filter_rule("*.tmp", type="file")

    assert data == {
        "DATA_TYPE": "transfer",
        "source_endpoint": "00000000-0000-0000-0000-000000000001",
        "destination_endpoint": "there",
        "label": None,
        "sync_level": 3,
        "verify_checksum": True,
        "DATA": [
            {"DATA_TYPE": "transfer_item", "source_path": "/a/", "destination_path": "/b/", "recursive": True},
            {"DATA_TYPE": "transfer_item", "source_path": "/c", "destination_path": "/d"},
        ],
        "filter_rules": [{"DATA_TYPE": "filter_rule", "method": "exclude", "name": "*.tmp", "type": "file"}],
    }


@pytest.mark.parametrize(
    ("level", "sent"), [("exists", 0), ("size", 1), ("mtime", 2), ("checksum", 3), (2, 2), (None, None)]
)
def test_sync_levels_are_numbers_on_the_wire(level: Any, sent: Any) -> None:
    assert TransferData("a", "b", sync_level=level)["sync_level"] == sent


def test_an_unknown_sync_level_is_refused() -> None:
    with pytest.raises(ValueError, match="exists, size, mtime, checksum"):
        TransferData("a", "b", sync_level="checksums")


def test_a_transfer_timer_carries_schedule_and_body() -> None:
    data = TransferData("a", "b")
    timer = TransferTimer(name="copy", schedule=OnceTimerSchedule(), body=data, tags={"team": "data"}, paused=True)

    assert timer == {
        "timer_type": "transfer",
        "name": "copy",
        "schedule": {"type": "once"},
        "body": {"DATA_TYPE": "transfer", "source_endpoint": "a", "destination_endpoint": "b", "DATA": []},
        "tags": {"team": "data"},
        "paused": True,
    }


@pytest.mark.parametrize(
    "body", [{"body": {"key": "value"}, "run_managers": ["urn:someone"]}, {"input": {"key": "value"}}]
)
def test_a_flow_timer_becomes_a_start_request(body: dict[str, Any]) -> None:
    timer = FlowTimer(flow_id="orders", name="weekly", schedule=OnceTimerSchedule(), body=body)

    assert timer == {
        "timer_type": "workflow",
        "name": "weekly",
        "schedule": {"type": "once"},
        "body": {"name": "orders", "input": {"key": "value"}},
    }


def test_a_flow_timer_needs_no_body() -> None:
    assert FlowTimer(flow_id=UUID(int=1), schedule=OnceTimerSchedule())["body"] == {"name": str(UUID(int=1))}


def test_a_job_keeps_the_words_of_its_text() -> None:
    assert TimerJob(name="j", callback_url="https://a.example", start_time=INSTANT, interval=60) == {
        "name": "j",
        "callback_url": "https://a.example",
        "start_time": "2026-03-02T12:00:00+00:00",
        "interval": 60,
    }


def test_the_schedules_of_the_text_are_what_the_text_says() -> None:
    made = programs.schedules()

    assert made["weekly_schedule"] == {
        "type": "recurring",
        "interval_seconds": 604_800,
        "start": "2024-12-01T02:00:00Z",
        "end": {"condition": "time", "datetime": "2025-12-01T02:00:00Z"},
    }
    assert made["monthly_schedule"]["end"] == {"condition": "iterations", "n": 12}
    assert programs.schedules(programs.TO_COME)["hourly_sync"]["start"] > dt.datetime.now(dt.UTC).isoformat()
    assert json.loads(json.dumps(made)) == made
