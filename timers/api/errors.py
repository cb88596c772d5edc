"""The shape of errors of the native API: `{"error": {"code", "message", "fields"}}`."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from rest_framework.response import Response

from timers.errors import Invalid, TimersError
from timers.http_api.errors import Problem


def response(problem: Problem, request: HttpRequest) -> Response:
    """Return the answer to a problem."""
    document = _document(problem.code, problem.message, problem.fields)
    return Response(document, status=problem.status, headers=dict(problem.headers))


def document(error: TimersError) -> dict[str, Any]:
    """Return the document of one of our errors, where it stands inside another answer."""
    return _document(error.code, error.message, error.fields if isinstance(error, Invalid) else {})


def _document(code: str, message: str, fields: Any) -> dict[str, Any]:
    return {"error": {"code": code, "message": message, "fields": {name: fields[name] for name in fields if name}}}
