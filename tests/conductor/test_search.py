"""The search of execution records, its grammar, sorts and totals."""

from __future__ import annotations

import uuid
from datetime import datetime, timedelta
from typing import Any

import pytest

from tests.conductor.conftest import Caller
from timers.conductor.search_query import parse, sort
from timers.errors import Invalid
from timers.models import Execution, Timer

KNOWN = {"scheduleName": "scheduleName", "state": "state", "status": "state", "startTime": "executionTime"}


@pytest.mark.parametrize(
    ("text", "clauses"),
    [
        ("", []),
        ("*", []),
        ("scheduleName IN (a, b c,'d,e')", [("scheduleName", "IN", ("a", "b c", "d,e"))]),
        ("schedulename = 'it is'", [("scheduleName", "=", ("it is",))]),
        ('status="X" and startTime>5', [("state", "=", ("X",)), ("executionTime", ">", ("5",))]),
        ("scheduleName=a AND b AND state=F", None),
        ("scheduleName IN (a AND b) AND state=F", [("scheduleName", "IN", ("a AND b",)), ("state", "=", ("F",))]),
        ("scheduleName=plain name", [("scheduleName", "=", ("plain name",))]),
        ("state IN ()", [("state", "IN", ())]),
    ],
)
def test_the_grammar(text: str, clauses: list[tuple[str, str, tuple[str, ...]]] | None) -> None:
    if clauses is None:
        with pytest.raises(Invalid):
            parse(text, known=KNOWN)
        return
    assert [(each.field, each.operator, each.values) for each in parse(text, known=KNOWN)] == clauses


@pytest.mark.parametrize(
    "text",
    [
        "x",
        "colour=red",
        "state",
        "state=",
        "state IN (a",
        "state=a OR state=b x=",
        "(state=a)",
        "state~a",
        "state=a AND",
    ],
)
def test_what_cannot_be_read_is_refused_and_the_place_is_named(text: str) -> None:
    if text.startswith("state=a OR"):
        assert parse(text, known=KNOWN)[0].values == ("a OR state=b x=",), "a bare value reaches to the next AND"
        return
    with pytest.raises(Invalid) as error:
        parse(text, known=KNOWN)
    assert "character" in error.value.message


@pytest.mark.parametrize(
    ("text", "columns"),
    [("", ["-a"]), ("x:ASC", ["b"]), ("x", ["-b"]), ("startTime:DESC", ["-a"]), ("x:ASC,y:DESC,x", ["b", "-c"])],
)
def test_sorts(text: str, columns: list[str]) -> None:
    assert sort(text, known={"x": "b", "y": "c"}, default="a") == columns


# The search itself


@pytest.fixture
def records(db: None, calls: Caller, owner: Any, now: datetime) -> dict[str, Execution]:
    """One record in each state, a skipped occurrence and one still to come."""
    calls.save("first")
    calls.save("second one", startWorkflowRequest={"name": "Invoice"})
    timers = {timer.name: timer for timer in Timer.objects.filter(owner=owner)}

    def made(timer: str, hours: int, **fields: Any) -> Execution:
        at = now - timedelta(hours=hours)
        known = {"timer": timers[timer], "definition": timers[timer].definition, "scheduled_for": at, "run_at": at}
        return Execution.objects.create(**{"created_at": at, "started_at": at, **known, **fields})

    found = {
        "executed": made("first", 3, status="failed", workflow_id=uuid.uuid4(), finished_at=now, error_message="later"),
        "failed": made("second one", 2, status="failed", finished_at=now, error_message="There is no workflow."),
        "polled": made("first", 1, status="running"),
    }
    made("first", 4, status="skipped", skip_reason="paused", started_at=None, finished_at=now)
    made("first", -1, status="pending", started_at=None)
    return found


def search(calls: Caller, **query: Any) -> tuple[int, list[str]]:
    answer = calls.get("/scheduler/search/executions", **query)
    assert answer.status_code == 200, answer.content
    document = answer.json()
    return document["totalHits"], [each["executionId"] for each in document["results"]]


def test_records_are_those_that_were_taken_newest_first(calls: Caller, records: dict[str, Execution]) -> None:
    ids = {name: str(row.pk) for name, row in records.items()}

    assert search(calls) == (3, [ids["polled"], ids["failed"], ids["executed"]])
    assert search(calls, size=1, start=1) == (3, [ids["failed"]])
    assert search(calls, sort="scheduledTime:ASC", size=2)[1] == [ids["executed"], ids["failed"]]
    assert search(calls, sort="startTime:DESC,scheduleName:ASC")[0] == 3
    assert search(calls, sort="state:ASC")[1] == [ids["executed"], ids["failed"], ids["polled"]]


def test_each_clause_narrows(calls: Caller, records: dict[str, Execution], now: datetime) -> None:
    ids = {name: str(row.pk) for name, row in records.items()}
    noon = round(now.timestamp() * 1000)

    def found(query: str, **more: Any) -> set[str]:
        wanted = set(search(calls, query=query, **more)[1])
        return {name for name, each in ids.items() if each in wanted}

    assert found("*") == {"executed", "failed", "polled"}
    assert found("scheduleName IN (first, nobody)") == {"executed", "polled"}
    assert found("scheduleName='second one' AND state = 'FAILED'") == {"failed"}
    assert found("state IN (POLLED, executed)") == {"executed", "polled"}
    assert found(f"scheduledTime>{noon - 3 * 3_600_000}") == {"failed", "polled"}
    assert found(f"scheduledTime<{noon - 2 * 3_600_000} AND startTime<{noon}") == {"executed"}
    assert found("workflowName=voic") == {"failed"}
    assert found(f"executionId={ids['polled']}") == {"polled"}
    assert found(f"workflowId='{records['executed'].workflow_id}'") == {"executed"}
    assert found("*", freeText="SECOND") == {"failed"}
    assert found("*", freeText=str(records["executed"].workflow_id)[:13]) == {"executed"}


def test_a_record_says_how_the_start_went(calls: Caller, records: dict[str, Execution]) -> None:
    results = calls.get("/scheduler/search/executions").json()["results"]
    by_state = {each["state"]: each for each in results}

    assert by_state["EXECUTED"]["workflowId"] == str(records["executed"].workflow_id)
    assert by_state["EXECUTED"]["reason"] is None
    assert (by_state["FAILED"]["workflowId"], by_state["FAILED"]["reason"]) == (None, "There is no workflow.")
    assert "_executionId" not in by_state["POLLED"]["startWorkflowRequest"]["input"]


def test_records_outlive_their_schedule(calls: Caller, records: dict[str, Execution]) -> None:
    calls.delete("/scheduler/schedules/first")
    calls.save("first")

    assert search(calls, query="scheduleName=first")[0] >= 2


def test_strangers_find_nothing(stranger_calls: Caller, records: dict[str, Execution]) -> None:
    assert stranger_calls.get("/scheduler/search/executions").json() == {"totalHits": 0, "results": []}


@pytest.mark.parametrize(
    "query",
    [
        {"query": "colour=red"},
        {"query": "state=HAPPY"},
        {"query": "scheduledTime>soon"},
        {"query": "scheduleName>a"},
        {"start": "-1"},
        {"size": "many"},
        {"query": "scheduleName='a\0'"},
    ],
)
@pytest.mark.django_db
def test_a_bad_search_is_refused(calls: Caller, query: dict[str, str]) -> None:
    answer = calls.get("/scheduler/search/executions", **query)

    assert answer.status_code == 400 and answer.json()["message"]
