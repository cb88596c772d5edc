"""Error documents of the Conductor interface: `{"status", "message", "instance", "retryable"}`."""

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
    """Return the answer to an exception in a view without REST framework."""
    problem = problem_of(error, request)
    return JsonResponse(document(problem), status=problem.status)


def document(problem: Problem) -> dict[str, Any]:
    """Return the document of a problem. With `error`, clients fetch a new token and repeat the request."""
    return {
        "status": int(problem.status),
        "message": problem.message,
        "instance": socket.gethostname(),
        "retryable": problem.status == HTTPStatus.INTERNAL_SERVER_ERROR,
        **({"error": problem.code} if problem.code in (EXPIRED_TOKEN, INVALID_TOKEN) else {}),
    }
