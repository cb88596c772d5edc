"""The skeleton of error answers: each error has one status and one word at all three machine interfaces."""

from __future__ import annotations

import logging
from typing import Any

import pytest
from django.core.exceptions import PermissionDenied, RequestDataTooBig
from django.http import Http404
from django.test import RequestFactory
from rest_framework import exceptions

from timers.errors import Conflict, ExternalError, Forbidden, Invalid, NotFound
from timers.http_api.bodies import TooLarge
from timers.http_api.errors import ProblemRaised, problem_of


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (Invalid({"a": "Wrong."}), 400, "invalid"),
        (NotFound("Gone."), 404, "not_found"),
        (Forbidden("No."), 403, "forbidden"),
        (Conflict("Over.", code="finished"), 409, "finished"),
        (ExternalError("Down.", retryable=True), 502, "external_error"),
        (Http404(), 404, "not_found"),
        (PermissionDenied(), 403, "forbidden"),
        (RequestDataTooBig(), 413, "too_large"),
        (TooLarge(), 413, "too_large"),
        (exceptions.MethodNotAllowed("PUT"), 405, "method_not_allowed"),
        (ProblemRaised(418, "teapot", "Short and stout."), 418, "teapot"),
    ],
)
def test_an_error_has_its_status_and_word(error: Exception, status: int, code: str) -> None:
    problem = problem_of(error, RequestFactory().get("/"))

    assert (problem.status, problem.code) == (status, code)


def test_a_throttled_request_is_told_when_to_come_again() -> None:
    problem = problem_of(exceptions.Throttled(wait=7), RequestFactory().get("/"))

    assert (problem.status, problem.headers) == (429, {"Retry-After": "7"})


def test_what_nobody_foresaw_is_logged_and_tells_nothing(settings: Any, caplog: pytest.LogCaptureFixture) -> None:
    settings.DEBUG_PROPAGATE_EXCEPTIONS = False
    with caplog.at_level(logging.ERROR):
        problem = problem_of(RuntimeError("the password is hunter2"), RequestFactory().get("/here"))

    assert (problem.status, problem.code) == (500, "internal_error")
    assert "hunter2" not in problem.message
    assert caplog.records[-1].path == "/here"  # type: ignore[attr-defined]
