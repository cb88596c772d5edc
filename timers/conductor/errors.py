"""The shape of errors of the Conductor interface: `{"status", "message", "instance", "retryable"}`."""

from __future__ import annotations

import socket
from http import HTTPStatus
from typing import Any

from django.http import HttpRequest, JsonResponse
from rest_framework.response import Response

from timers.auth import EXPIRED_TOKEN, INVALID_TOKEN
from timers.http_api.errors import Problem, problem_of


def response(problem: Problem, request: HttpRequest) -> Response:
    """Return the answer to a problem."""
    return Response(document(problem), status=problem.status, headers=dict(problem.headers))


def plain_response(error: Exception, request: HttpRequest) -> JsonResponse:
    """Return the same for an error of a view without the framework."""
    problem = problem_of(error, request)
    return JsonResponse(document(problem), status=problem.status)


def document(problem: Problem) -> dict[str, Any]:
    """Return the document of a problem; a code tells clients to fetch a new token and ask once more."""
    return {
        "status": int(problem.status),
        "message": problem.message,
        "instance": socket.gethostname(),
        "retryable": problem.status == HTTPStatus.INTERNAL_SERVER_ERROR,
        **({"error": problem.code} if problem.code in (EXPIRED_TOKEN, INVALID_TOKEN) else {}),
    }
