"""Recorded documents of Timers in both directions."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from timers.globus.timers.reading import read_job, read_timer
from timers.globus.timers.schedules import read_schedule, write_schedule, write_stop
from timers.scheduling.bounds import parse_schedule

NOW = datetime(2026, 12, 1, 8, 59, 58, tzinfo=UTC)
SOURCE, DESTINATION = "aaaaaaaa-0000-4000-8000-000000000001", "aaaaaaaa-0000-4000-8000-000000000002"
RECORDED: dict[str, Any] = json.loads((Path(__file__).parent / "globus_timers.json").read_text())


@pytest.mark.parametrize("name", RECORDED["timers"])
def test_a_recorded_timer_is_read(name: str) -> None:
    recorded = RECORDED["timers"][name]

    asked = read_timer(recorded["sent"]["timer"], now=NOW)

    assert {"name": asked.name, "action": asked.action, "schedule": asked.schedule, "body": asked.body} == recorded[
        "read"
    ]


@pytest.mark.parametrize("name", RECORDED["jobs"])
def test_a_recorded_job_is_read_and_comes_back_as_it_was_sent(name: str) -> None:
    recorded = RECORDED["jobs"][name]

    asked = read_job(recorded["sent"], now=NOW)

    assert {"name": asked.name, "action": asked.action, "schedule": asked.schedule, "body": asked.body} == recorded[
        "read"
    ]
    assert asked.document["callback_url"] == recorded["sent"]["callback_url"]
    assert asked.document["callback_body"] == recorded["sent"].get("callback_body")


@pytest.mark.parametrize("name", RECORDED["schedules"])
def test_a_schedule_is_read_stored_and_written(name: str) -> None:
    recorded = RECORDED["schedules"][name]

    stored = parse_schedule(read_schedule(recorded["sent"], now=NOW), now=NOW).document()

    assert write_schedule(stored) == recorded["written"]
    assert write_stop(stored) == recorded["stop_after"]
