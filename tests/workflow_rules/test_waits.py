"""How long a WAIT waits, and HTTP tasks in the words of a webhook."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from timers.errors import Invalid
from timers.workflow_rules import http_tasks, waits

NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("30 seconds", 30),
        ("2m", 120),
        ("1 day 2 hours, 3 min", 93_780),
        ("5", 5),
        (7, 7),
        ("0.5s", 0.5),
        ("1H", 3600),
        ("0s", 0),
    ],
)
def test_durations(text: Any, seconds: float) -> None:
    assert waits.duration(text, "duration") == timedelta(seconds=seconds)


@pytest.mark.parametrize("text", ["", "soon", "5 weeks", "m5", "-3s", "1h1x", True, None, [], "99999999 days"])
def test_what_is_no_duration_is_refused(text: Any) -> None:
    with pytest.raises(Invalid):
        waits.duration(text, "duration")


@pytest.mark.parametrize(
    ("text", "instant"),
    [
        ("2026-12-24", "2026-12-24T00:00:00+00:00"),
        ("2026-12-24 18:00", "2026-12-24T18:00:00+00:00"),
        ("2026-12-24 18:00 Europe/Berlin", "2026-12-24T17:00:00+00:00"),
        ("2026-12-24 18:00 PST", "2026-12-25T02:00:00+00:00"),
        ("2026-12-24 18:00:30 GMT+05:30", "2026-12-24T12:30:30+00:00"),
        ("2026-12-24T18:00:00+01:00", "2026-12-24T17:00:00+00:00"),
        (1_798_135_200_000, "2026-12-24T18:00:00+00:00"),
    ],
)
def test_instants(text: Any, instant: str) -> None:
    assert waits.moment(text, "until").isoformat() == instant


@pytest.mark.parametrize(
    "text", ["tomorrow", "2026-02-30", "2026-12-24 25:00", "2026-12-24 18:00 Mars/Base", [], 10**30]
)
def test_what_is_no_instant_is_refused(text: Any) -> None:
    with pytest.raises(Invalid):
        waits.moment(text, "until")


def test_a_wait_without_either_waits_for_a_result() -> None:
    assert waits.until({}, now=NOW) is None
    assert waits.until({"duration": "5s"}, now=NOW) == NOW + timedelta(seconds=5)
    assert waits.until({"wait_until": "2026-12-24"}, now=NOW) == datetime(2026, 12, 24, tzinfo=UTC)


def test_a_request_becomes_a_webhook() -> None:
    request = {
        "uri": "https://example.org/x",
        "method": "PUT",
        "headers": {"X-A": 5, "X-B": None},
        "accept": "application/json",
        "contentType": "text/csv",
        "body": "a,b",
        "connectionTimeOut": 2000,
        "readTimeOut": 8000,
    }

    body = http_tasks.webhook_body({"http_request": request})

    assert body == {
        "url": "https://example.org/x",
        "method": "PUT",
        "headers": {"X-A": "5", "Accept": "application/json", "Content-Type": "text/csv"},
        "text": "a,b",
    }
    assert http_tasks.seconds({"http_request": request}) == 10
    assert http_tasks.webhook_body({"http_request": {"uri": "https://example.org"}})["method"] == "GET"


def test_an_answer_is_parsed_where_it_is_json() -> None:
    answer = {"status_code": 201, "headers": {"a": "b"}, "text": '{"id": 5}'}

    assert http_tasks.output(answer) == {
        "response": {"statusCode": 201, "headers": {"a": "b"}, "body": {"id": 5}, "reasonPhrase": "Created"}
    }
    assert http_tasks.output({**answer, "text": "plain"})["response"]["body"] == "plain"
    assert http_tasks.output(None) == {}
