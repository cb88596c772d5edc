"""Documents in both directions, against recorded ones."""

from __future__ import annotations

from typing import Any

import pytest

from tests.conductor.conftest import Caller, recorded
from timers.conductor.documents import read_schedule
from timers.conductor.workflow_documents import read_result
from timers.errors import Invalid
from timers.lifecycle import StepStatus
from timers.models import Timer


def test_a_save_request_is_read_in_our_terms() -> None:
    wish = read_schedule(recorded("save_schedule"))

    assert wish.schedule == {
        "type": "cron",
        "expression": "0 0 2 * * ?",
        "timezone": "Europe/London",
        "dst_gap": "skip",
        "dst_overlap": "both",
        "start": "2030-01-01T00:00:00+00:00",
        "end": {"condition": "time", "datetime": "2030-12-31T23:59:59+00:00"},
    }
    assert wish.policies == {
        "overlap": "allow",
        "catch_up": "none",
        "catch_up_window_seconds": None,
        "catch_up_limit": 1000,
    }
    assert (wish.name, wish.paused, wish.description) == ("nightly-invoice", True, "close the day")


@pytest.mark.django_db
def test_a_schedule_is_written_as_it_was_recorded(calls: Caller) -> None:
    calls.post("/scheduler/schedules", recorded("save_schedule"))
    calls.put("/scheduler/schedules/nightly-invoice/tags", recorded("schedule")["tags"])

    assert calls.get("/scheduler/schedules/nightly-invoice").json() == recorded("schedule")


def test_a_result_is_read_in_our_terms() -> None:
    result = read_result(recorded("task_result"))

    assert (result.status, result.output, result.worker) == (StepStatus.COMPLETED, {"sent": True}, "host-1")
    assert str(result.step_id).endswith("2")


@pytest.mark.parametrize(
    "changes",
    [
        {"status": "DONE"},
        {"outputData": []},
        {"taskId": None},
        {"callbackAfterSeconds": -1},
        {"status": None},
        {"extendLease": "yes"},
    ],
)
def test_a_result_that_cannot_be_read_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(Invalid):
        read_result({**recorded("task_result"), **changes})


@pytest.mark.django_db
def test_a_schedule_is_a_timer_with_springs_rules(calls: Caller, owner: Any) -> None:
    calls.save(runCatchupScheduleInstances=True, zoneId="America/New_York")

    timer = Timer.objects.get(owner=owner)
    assert timer.definition is not None
    assert timer.definition.schedule["dst_gap"] == "skip"
    assert timer.definition.policies["catch_up"] == "all"
    assert (timer.schedule.catch_up_limit, timer.schedule.catch_up_window_us, timer.schedule.overlap) == (
        1000,
        None,
        "allow",
    )
