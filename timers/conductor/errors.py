"""Translates every error into this dialect's one shape: `{"status", "message", "instance", "retryable"}`."""

from __future__ import annotations

import logging
import socket
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from django.conf import settings
from django.core.exceptions import PermissionDenied, RequestDataTooBig
from django.core.signals import got_request_exception
from django.http import Http404, HttpRequest, JsonResponse
from rest_framework import exceptions
from rest_framework.response import Response

from timers.auth import EXPIRED_TOKEN, INVALID_TOKEN
from timers.errors import Conflict, Forbidden, NotFound, TimersError

log = logging.getLogger(__name__)

NO_SUCH_PATH = "There is nothing at this path."
STATUSES: tuple[tuple[type[Exception], int, str], ...] = (
    (NotFound, HTTPStatus.NOT_FOUND, ""),
    (Forbidden, HTTPStatus.FORBIDDEN, ""),
    (Conflict, HTTPStatus.CONFLICT, ""),
    (TimersError, HTTPStatus.BAD_REQUEST, ""),
    (Http404, HTTPStatus.NOT_FOUND, NO_SUCH_PATH),
    (PermissionDenied, HTTPStatus.FORBIDDEN, "This is not allowed."),
    (RequestDataTooBig, HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "The body is too large."),
)


def answer(error: Exception, context: Mapping[str, Any]) -> Response:
    """Return the answer to an error that a view raised; one that nobody foresaw is logged and is a 500."""
    if isinstance(error, exceptions.APIException):
        challenge = getattr(error, "auth_header", None)
        headers = {"WWW-Authenticate": challenge} if challenge else {}
        return Response(document(error), status=error.status_code, headers=headers)
    return Response(document(error, context["request"]._request), status=_status(error))


def answer_plainly(error: Exception, request: HttpRequest) -> JsonResponse:
    """Return the same from a view without the framework."""
    return JsonResponse(document(error, request), status=_status(error))


def document(error: Exception, request: HttpRequest | None = None) -> dict[str, Any]:
    """Return the document of an error."""
    if isinstance(error, exceptions.APIException):
        code = getattr(error.detail, "code", None)
        more = {"error": code} if code in (EXPIRED_TOKEN, INVALID_TOKEN) else {}
        return {**_document(error.status_code, str(error.detail)), **more}
    for kind, status, sentence in STATUSES:
        if isinstance(error, kind):
            return _document(status, sentence or getattr(error, "message", "") or str(error))
    _note_defect(error, request)
    return _document(HTTPStatus.INTERNAL_SERVER_ERROR, "Something went wrong here; it was logged.", retryable=True)


def _status(error: Exception) -> int:
    if isinstance(error, exceptions.APIException):
        return error.status_code
    return next((status for kind, status, _ in STATUSES if isinstance(error, kind)), 500)


def _document(status: int, message: str, *, retryable: bool = False) -> dict[str, Any]:
    return {"status": int(status), "message": message, "instance": socket.gethostname(), "retryable": retryable}


def _note_defect(error: Exception, request: HttpRequest | None) -> None:
    if settings.DEBUG_PROPAGATE_EXCEPTIONS:
        raise error
    got_request_exception.send(sender=None, request=request)
    log.error("A request failed unforeseen.", exc_info=error, extra={"path": getattr(request, "path", "")})
