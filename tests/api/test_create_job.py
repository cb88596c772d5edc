"""POST /jobs."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from tests.api.conftest import Caller
from timers import clock
from timers.models import Timer

URL = "https://hooks.example.org/trigger"


def created(answer: Any) -> dict[str, Any]:
    assert answer.status_code == 201, answer.content
    return answer.json()["timer"]


def test_a_job_is_a_webhook_timer(owner_calls: Caller) -> None:
    start = (clock.now() + timedelta(days=1)).replace(microsecond=0).isoformat()
    job = {"name": "Job", "callback_url": URL, "callback_body": {"a": 1}, "start_time": start, "interval": 86400}

    timer = created(owner_calls.post("/jobs", job))

    assert timer["timer_type"] == "webhook"
    assert timer["body"]["url"] == URL
    assert timer["body"]["json"] == {"a": 1}
    assert timer["schedule"] == {"type": "recurring", "interval_seconds": 86400, "start": start}
    assert timer["next_run"] == start


@pytest.mark.parametrize("job", [{}, {"interval": None}, {"stop_after": None}])
def test_without_an_interval_it_runs_once(owner_calls: Caller, job: dict[str, Any]) -> None:
    timer = created(owner_calls.post("/jobs/", {"name": "Job", "callback_url": URL, **job}))

    assert timer["schedule"]["type"] == "once"


def test_start_is_another_name_for_start_time(owner_calls: Caller) -> None:
    job = {"name": "Job", "callback_url": URL, "start": "2031-01-01T00:00:00+00:00"}

    assert created(owner_calls.post("/jobs", job))["next_run"] == "2031-01-01T00:00:00+00:00"


@pytest.mark.parametrize(
    ("stop", "end"),
    [
        ({"stop_after": {"n_runs": 3}}, {"condition": "iterations", "n": 3}),
        ({"stop_after": {"n_runs": None, "date": None}}, None),
        ({"stop_after_n": 4}, {"condition": "iterations", "n": 4}),
        (
            {"stop_after": {"date": "2031-01-01T00:00:00+00:00"}},
            {"condition": "time", "datetime": "2031-01-01T00:00:00+00:00"},
        ),
        ({"stop_after": "2031-01-01T00:00:00Z"}, {"condition": "time", "datetime": "2031-01-01T00:00:00+00:00"}),
        (
            {"stop_after": {"date": "2031-01-01T00:00:00Z", "n_runs": 5}},
            {"condition": "time", "datetime": "2031-01-01T00:00:00+00:00", "n": 5},
        ),
    ],
)
def test_what_stops_it_becomes_the_end(owner_calls: Caller, stop: dict[str, Any], end: dict[str, Any] | None) -> None:
    timer = created(owner_calls.post("/jobs", {"name": "Job", "callback_url": URL, "interval": 60, **stop}))

    assert timer["schedule"].get("end") == end


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"name": None}, "name"),
        ({"name": ""}, "name"),
        ({"callback_url": None}, "callback_url"),
        ({"callback_url": "nowhere"}, "callback_url"),
        ({"interval": 0}, "interval"),
        ({"interval": "hourly"}, "interval"),
        ({"start_time": "soon"}, "start_time"),
        ({"start_time": "2031-01-01", "start": "2032-01-01"}, "start"),
        ({"stop_after": {"date": "later"}}, "stop_after.date"),
        ({"stop_after": {"n_runs": 0}}, "stop_after.n_runs"),
        ({"stop_after": {"runs": 1}}, "stop_after.runs"),
        ({"stop_after": 5}, "stop_after.date"),
        ({"interval": None, "stop_after": {"n_runs": 2}}, "stop_after"),
        ({"callback": URL}, "callback"),
    ],
)
def test_what_cannot_work_is_refused_by_the_names_of_a_job(
    owner_calls: Caller, change: dict[str, Any], field: str
) -> None:
    answer = owner_calls.post("/jobs", {"name": "Job", "callback_url": URL, "interval": 60, **change})

    assert answer.status_code == 400
    assert list(answer.json()["error"]["fields"]) == [field]
    assert not Timer.objects.exists()
