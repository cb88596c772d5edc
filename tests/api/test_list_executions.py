"""GET /executions, /executions/{id} and /timers/{id}/executions."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from tests.api.conftest import Caller, record, skip
from tests.factories import make_code_timer
from timers.models import Execution, Timer


def planned(answer: Any) -> list[str]:
    assert answer.status_code == 200, answer.content
    return [each["scheduled_for"] for each in answer.json()["executions"]]


@pytest.fixture
def history(timer: Timer, now: datetime) -> list[Execution]:
    """One that completed, one skipped, one that failed, one made by hand; an hour between two."""
    return [
        record(timer, now),
        skip(timer, now + timedelta(hours=1)),
        record(timer, now + timedelta(hours=2), status="failed", error_message="No.", failure_reason="http_500"),
        record(timer, now + timedelta(hours=3), trigger="manual", serial=7),
    ]


def test_an_execution_is_a_bare_document(owner_calls: Caller, timer: Timer, now: datetime) -> None:
    execution = record(timer, now, result={"status": 200})

    document = owner_calls.get(f"/executions/{execution.pk}").json()

    assert document == {
        "id": str(execution.pk),
        "timer_id": str(timer.pk),
        "status": "completed",
        "trigger": "schedule",
        "scheduled_for": "2026-03-02T12:00:00+00:00",
        "started_at": "2026-03-02T12:00:01+00:00",
        "completion_time": "2026-03-02T12:00:03+00:00",
        "lateness_seconds": 1.0,
        "duration_seconds": 2.0,
        "attempt": 1,
        "result": {"status": 200},
        "error_message": None,
        "failure_reason": None,
        "skip_reason": None,
        "occurrences": 1,
        "scheduled_until": None,
        "transfer_id": None,
        "workflow_id": None,
    }


def test_a_skipped_row_says_what_it_stands_for(owner_calls: Caller, timer: Timer, now: datetime) -> None:
    row = skip(timer, now, "paused", occurrences=3, scheduled_until=now + timedelta(hours=2))

    document = owner_calls.get(f"/executions/{row.pk}").json()

    assert (document["status"], document["skip_reason"]) == ("skipped", "paused")
    assert (document["occurrences"], document["scheduled_until"]) == (3, "2026-03-02T14:00:00+00:00")
    assert (document["lateness_seconds"], document["duration_seconds"]) == (None, None)


@pytest.mark.parametrize("path", ["/executions", "/timers/{timer}/executions"])
def test_the_newest_comes_first_skipped_ones_included(
    owner_calls: Caller, timer: Timer, history: list[Execution], path: str
) -> None:
    answer = owner_calls.get(path.format(timer=timer.pk))

    assert planned(answer) == [each.scheduled_for.isoformat() for each in reversed(history)]
    assert answer.json()["marker"] is None


@pytest.mark.parametrize("path", ["/executions", "/timers/{timer}/executions"])
def test_pages_together_are_the_whole_list(
    owner_calls: Caller, timer: Timer, history: list[Execution], now: datetime, path: str
) -> None:
    record(timer, now + timedelta(hours=3), trigger="manual", serial=8)  # at the same instant as another
    path = path.format(timer=timer.pk)
    whole = owner_calls.get(path).json()["executions"]

    seen: list[Any] = []
    query: dict[str, Any] = {"limit": 2}
    while True:
        answer = owner_calls.get(path, **query).json()
        seen += answer["executions"]
        if answer["marker"] is None:
            break
        query["marker"] = answer["marker"]

    assert seen == whole
    assert len(seen) == 5


@pytest.mark.parametrize(
    ("query", "hours"),
    [
        ({"status": "failed"}, [2]),
        ({"status": "completed,skipped"}, [3, 1, 0]),
        ({"trigger": "manual"}, [3]),
        ({"action": "webhook"}, [3, 2, 1, 0]),
        ({"action": "code"}, []),
        ({"since": "2026-03-02T14:00:00+00:00"}, [3, 2]),
        ({"since": "2026-03-02T14:00:00 00:00"}, [3, 2]),
        ({"until": "2026-03-02T13:00:00Z"}, [1, 0]),
        ({"tag": "team:data"}, [3, 2, 1, 0]),
        ({"tag": "team:web"}, []),
    ],
)
def test_filters_leave_what_they_say(
    owner_calls: Caller, timer: Timer, history: list[Execution], query: dict[str, Any], hours: list[int]
) -> None:
    owner_calls.put(f"/timers/{timer.pk}/tags", {"tags": {"team": "data"}})

    answer = owner_calls.get("/executions", **query)

    assert planned(answer) == [history[hour].scheduled_for.isoformat() for hour in hours]


def test_one_timer_can_be_picked(
    owner_calls: Caller, owner: Any, timer: Timer, history: list[Execution], now: datetime
) -> None:
    other = make_code_timer(owner, now=now)
    row = record(other, now)

    assert [each["id"] for each in owner_calls.get("/executions", timer_id=other.pk).json()["executions"]] == [
        str(row.pk)
    ]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("status", "done"),
        ("trigger", "me"),
        ("timer_id", "x"),
        ("since", "then"),
        ("until", "99999-01-01"),
        ("marker", "x"),
        ("limit", "x"),
        ("fields", "x"),
    ],
)
def test_a_parameter_that_cannot_work_is_named(owner_calls: Caller, name: str, value: str) -> None:
    answer = owner_calls.get("/executions", **{name: value})

    assert answer.status_code == 400
    assert list(answer.json()["error"]["fields"]) == [name]


def test_a_page_costs_the_same_queries_however_many_rows(
    owner_calls: Caller, timer: Timer, history: list[Execution], django_assert_num_queries: Any
) -> None:
    owner_calls.get("/executions")  # notes the use of the token
    with django_assert_num_queries(2):  # the token, the rows
        owner_calls.get("/executions", limit=1)
    with django_assert_num_queries(2):
        assert len(planned(owner_calls.get("/executions"))) == 4
    with django_assert_num_queries(3):  # and the timer
        owner_calls.get(f"/timers/{timer.pk}/executions")


def test_a_stranger_sees_none_of_it(
    stranger_calls: Caller, admin_calls: Caller, timer: Timer, history: list[Execution]
) -> None:
    assert planned(stranger_calls.get("/executions")) == []
    assert stranger_calls.get(f"/executions/{history[0].pk}").status_code == 404
    assert stranger_calls.get(f"/timers/{timer.pk}/executions").status_code == 404
    assert len(planned(admin_calls.get("/executions"))) == 4
