"""Translates every error into this dialect's one shape: `{"error": {"code", "message", "fields"}}`."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from django.conf import settings
from django.core.exceptions import PermissionDenied, RequestDataTooBig
from django.core.signals import got_request_exception
from django.http import Http404
from rest_framework import exceptions
from rest_framework.response import Response

from timers.errors import Conflict, ExternalError, Forbidden, Invalid, NotFound, TimersError

log = logging.getLogger(__name__)

STATUSES: tuple[tuple[type[Exception], int], ...] = (
    (Invalid, HTTPStatus.BAD_REQUEST),
    (NotFound, HTTPStatus.NOT_FOUND),
    (Forbidden, HTTPStatus.FORBIDDEN),
    (Conflict, HTTPStatus.CONFLICT),
    (ExternalError, HTTPStatus.BAD_GATEWAY),
    (TimersError, HTTPStatus.BAD_REQUEST),
    (Http404, HTTPStatus.NOT_FOUND),
    (PermissionDenied, HTTPStatus.FORBIDDEN),
    (RequestDataTooBig, HTTPStatus.REQUEST_ENTITY_TOO_LARGE),
)
NO_SUCH_PATH = "There is nothing at this path."


class TooLarge(exceptions.APIException):
    """The body is larger than this API reads."""

    status_code = HTTPStatus.REQUEST_ENTITY_TOO_LARGE
    default_code = "too_large"


def answer(error: Exception, context: Mapping[str, Any]) -> Response:
    """Return the answer to an error that a view raised; one that nobody foresaw is logged and is a 500."""
    if isinstance(error, exceptions.APIException):
        return _answer_of_framework(error)
    for kind, status in STATUSES:
        if isinstance(error, kind):
            return Response(document(error), status=status)
    return _answer_to_defect(error, context)


def document(error: Exception) -> dict[str, Any]:
    """Return the document of an error: its stable code, a sentence, and what is wrong with which field."""
    match error:
        case Invalid():
            return _document(error.code, error.message, error.fields)
        case TimersError():
            return _document(error.code, error.message)
        case RequestDataTooBig():
            return _document("too_large", "The body is too large.")
        case PermissionDenied():
            return _document("forbidden", "This is not allowed.")
    return _document("not_found", NO_SUCH_PATH)


def _document(code: str, message: str, fields: Mapping[str, list[str]] | None = None) -> dict[str, Any]:
    return {"error": {"code": code, "message": message, "fields": dict(fields or {})}}


def _answer_of_framework(error: exceptions.APIException) -> Response:
    """Return the answer to an error of Django REST framework: its own sentence, and the headers that belong to it."""
    headers = {}
    if wait := getattr(error, "wait", None):
        headers["Retry-After"] = str(int(wait))
    if challenge := getattr(error, "auth_header", None):
        headers["WWW-Authenticate"] = challenge
    code = getattr(error.detail, "code", None) or error.default_code
    return Response(_document(code, str(error.detail)), status=error.status_code, headers=headers)


def _answer_to_defect(error: Exception, context: Mapping[str, Any]) -> Response:
    if settings.DEBUG_PROPAGATE_EXCEPTIONS:
        raise error
    request = context["request"]
    got_request_exception.send(sender=None, request=request._request)
    log.error("A request failed unforeseen.", exc_info=error, extra={"method": request.method, "path": request.path})
    message = "Something went wrong here; it was logged."
    return Response(_document("internal_error", message), status=HTTPStatus.INTERNAL_SERVER_ERROR)
