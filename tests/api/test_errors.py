"""The shape of errors, and what is answered where no view is."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client, RequestFactory

from tests.api.conftest import BASE, Caller
from timers.api import errors
from timers.errors import Conflict, ExternalError, Forbidden, Invalid, NotFound, TimersError
from timers.http_api.errors import problem_of
from timers.models import Timer


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (Invalid({"a": "Wrong."}), 400, "invalid"),
        (NotFound("Gone."), 404, "not_found"),
        (Forbidden("No."), 403, "forbidden"),
        (Conflict("Over.", code="finished"), 409, "finished"),
        (ExternalError("Down.", retryable=True), 502, "external_error"),
        (TimersError("Hm."), 400, "error"),
    ],
)
def test_each_of_our_errors_has_its_status(error: TimersError, status: int, code: str) -> None:
    request = RequestFactory().get("/")
    answer = errors.response(problem_of(error, request), request)

    assert answer.status_code == status
    assert answer.data["error"]["code"] == code
    assert answer.data["error"]["message"] == error.message
    assert answer.data["error"]["fields"] == ({"a": ["Wrong."]} if code == "invalid" else {})


@pytest.mark.parametrize("method", ["get", "post", "put", "patch", "delete", "options"])
@pytest.mark.parametrize("path", ["/nothing", "/timers/a/b/c", "/", "/timers//", "/nothing/"])
def test_a_path_that_is_nowhere_is_not_found_in_the_same_shape(method: str, path: str) -> None:
    answer = getattr(Client(), method)(BASE + path)

    assert answer.status_code == 404
    assert answer.json()["error"]["code"] == "not_found"


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("PUT", "/timers"),
        ("DELETE", "/timers"),
        ("OPTIONS", "/timers"),
        ("TRACE", "/timers"),
        ("POST", "/timers/{timer}"),
        ("PUT", "/timers/{timer}"),
        ("GET", "/timers/{timer}/pause"),
        ("GET", "/jobs"),
        ("POST", "/executions"),
        ("PATCH", "/executions/{timer}"),
        ("MADEUP", "/timers"),
    ],
)
def test_a_method_that_a_path_does_not_have_is_refused(
    owner_calls: Caller, timer: Timer, method: str, path: str
) -> None:
    answer = owner_calls.send(method, path.format(timer=timer.pk), {})

    assert answer.status_code == 405
    assert answer.json()["error"]["code"] == "method_not_allowed"
    assert answer.headers["Allow"]


def test_errors_are_json_whatever_the_caller_accepts(owner_calls: Caller) -> None:
    answer = owner_calls.client.get(f"{BASE}/timers/x?format=xml", headers={"Accept": "text/html"})

    assert answer.status_code == 404
    assert answer.headers["Content-Type"] == "application/json"


def test_a_defect_is_logged_and_answered_in_the_same_shape(
    owner_calls: Caller, monkeypatch: pytest.MonkeyPatch, caplog: Any
) -> None:
    def stumble(*_: Any, **__: Any) -> None:
        raise RuntimeError("a secret detail")

    monkeypatch.setattr("timers.api.filters.timers", stumble)
    owner_calls.client.raise_request_exception = False

    answer = owner_calls.get("/timers")

    assert answer.status_code == 500
    assert answer.json()["error"]["code"] == "internal_error"
    assert b"secret" not in answer.content
    assert "a secret detail" in caplog.text
