"""The skeleton of error answers: what went wrong, the same for all machine interfaces; each gives it its own shape."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus

from django.conf import settings
from django.core.exceptions import DisallowedHost, PermissionDenied, RequestDataTooBig
from django.core.signals import got_request_exception
from django.http import Http404, HttpRequest
from rest_framework import exceptions

from timers.errors import Conflict, ExternalError, Forbidden, Invalid, NotFound, TimersError, TooMany

log = logging.getLogger(__name__)

NO_SUCH_PATH = "There is nothing at this path."
DEFECT = "Something went wrong here; it was logged."


@dataclass(frozen=True)
class Problem:
    """An error as an answer: status, stable word, sentence, and what is wrong with which field by dotted path."""

    status: int
    code: str
    message: str
    fields: Mapping[str, list[str]] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    cause: Exception | None = None


class ProblemRaised(Exception):
    """A problem that a view words by itself."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.problem = Problem(status, code, message)


_STATUSES: tuple[tuple[type[TimersError], int], ...] = (
    (Invalid, HTTPStatus.BAD_REQUEST),
    (NotFound, HTTPStatus.NOT_FOUND),
    (Forbidden, HTTPStatus.FORBIDDEN),
    (Conflict, HTTPStatus.CONFLICT),
    (TooMany, HTTPStatus.TOO_MANY_REQUESTS),
    (ExternalError, HTTPStatus.BAD_GATEWAY),
    (TimersError, HTTPStatus.BAD_REQUEST),
)
_OF_DJANGO: tuple[tuple[type[Exception], int, str, str], ...] = (
    (Http404, HTTPStatus.NOT_FOUND, "not_found", NO_SUCH_PATH),
    (PermissionDenied, HTTPStatus.FORBIDDEN, "forbidden", "This is not allowed."),
    (DisallowedHost, HTTPStatus.BAD_REQUEST, "bad_host", "This host name is not served here (TIMERS_ALLOWED_HOSTS)."),
    (RequestDataTooBig, HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "too_large", "The body is too large."),
)


def problem_of(error: Exception, request: HttpRequest) -> Problem:
    """Return the problem that an error of a view is; one that nobody foresaw is logged and is a 500."""
    if isinstance(error, ProblemRaised):
        return error.problem
    if isinstance(error, exceptions.APIException):
        return _of_framework(error)
    if isinstance(error, TimersError):
        status = next(status for kind, status in _STATUSES if isinstance(error, kind))
        fields = error.fields if isinstance(error, Invalid) else {}
        headers = {"Retry-After": str(error.retry_after)} if isinstance(error, TooMany) else {}
        return Problem(status, error.code, error.message, fields=fields, headers=headers, cause=error)
    for kind, status, code, message in _OF_DJANGO:
        if isinstance(error, kind):
            return Problem(status, code, message, cause=error)
    return _defect(error, request)


def _of_framework(error: exceptions.APIException) -> Problem:
    """Return the problem of an error of Django REST framework: its sentence, and the headers that belong to it."""
    headers = {}
    if wait := getattr(error, "wait", None):
        headers["Retry-After"] = str(int(wait))
    if challenge := getattr(error, "auth_header", None):
        headers["WWW-Authenticate"] = challenge
    code = getattr(error.detail, "code", None) or error.default_code
    return Problem(error.status_code, str(code), str(error.detail), headers=headers, cause=error)


def _defect(error: Exception, request: HttpRequest) -> Problem:
    if settings.DEBUG_PROPAGATE_EXCEPTIONS:
        raise error
    got_request_exception.send(sender=None, request=request)
    log.error("A request failed unforeseen.", exc_info=error, extra={"method": request.method, "path": request.path})
    return Problem(HTTPStatus.INTERNAL_SERVER_ERROR, "internal_error", DEFECT, cause=error)
