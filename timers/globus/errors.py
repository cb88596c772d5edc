"""Translates every error into the shapes that Globus clients read: one for Timers, one for Transfer, one for Auth."""

from __future__ import annotations

import logging
import secrets
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from http import HTTPStatus
from typing import Any

from django.conf import settings
from django.core.exceptions import PermissionDenied, RequestDataTooBig
from django.core.signals import got_request_exception
from django.http import Http404
from rest_framework import exceptions
from rest_framework.response import Response

from timers.errors import REQUIRED, Conflict, ExternalError, Forbidden, Invalid, NotFound, TimersError
from timers.services.people.consents import ConsentRequired

log = logging.getLogger(__name__)

MISSING = "field required"
"""What is said of a field that has to be there; clients know the words."""


@dataclass(frozen=True)
class Problem:
    """What went wrong: the status, a word, a sentence, and by dotted path what is wrong with which field."""

    status: int
    code: str
    message: str
    fields: Mapping[str, list[str]] = field(default_factory=dict)
    required_scopes: tuple[str, ...] = ()
    headers: Mapping[str, str] = field(default_factory=dict)


Shape = Callable[[Problem, str], dict[str, Any]]
"""What makes a document of a problem at a path."""

_STATUSES: tuple[tuple[type[Exception], int, str], ...] = (
    (Invalid, HTTPStatus.UNPROCESSABLE_ENTITY, "VALIDATION_ERROR"),
    (NotFound, HTTPStatus.NOT_FOUND, "NOT_FOUND"),
    (Forbidden, HTTPStatus.FORBIDDEN, "FORBIDDEN"),
    (Conflict, HTTPStatus.CONFLICT, "CONFLICT"),
    (ExternalError, HTTPStatus.BAD_GATEWAY, "EXTERNAL_ERROR"),
    (TimersError, HTTPStatus.BAD_REQUEST, "BAD_REQUEST"),
    (Http404, HTTPStatus.NOT_FOUND, "NOT_FOUND"),
    (PermissionDenied, HTTPStatus.FORBIDDEN, "FORBIDDEN"),
    (RequestDataTooBig, HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "TOO_LARGE"),
)


class Told(Exception):
    """A problem that a view knows how to word by itself."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.problem = Problem(status, code, message)


def answer(error: Exception, context: Mapping[str, Any], shape: Shape, *, invalid: int) -> Response:
    """Return the answer to an error that a view raised; one that nobody foresaw is logged and is a 500.

    `invalid` is the status by which a service refuses input that cannot work.
    """
    problem = _problem(error) or _defect(error, context)
    if isinstance(error, Invalid):
        problem = replace(problem, status=invalid)
    document = shape(problem, resource(context["request"].path))
    return Response(document, status=problem.status, headers=dict(problem.headers))


def _problem(error: Exception) -> Problem | None:
    if isinstance(error, Told):
        return error.problem
    if isinstance(error, exceptions.APIException):
        return _of_framework(error)
    for kind, status, code in _STATUSES:
        if isinstance(error, kind):
            message = error.message if isinstance(error, TimersError) else HTTPStatus(status).phrase
            return Problem(
                status,
                "ConsentRequired" if isinstance(error, ConsentRequired) else code,
                message,
                fields=error.fields if isinstance(error, Invalid) else {},
                required_scopes=tuple(error.required_scopes) if isinstance(error, ConsentRequired) else (),
            )
    return None


def _of_framework(error: exceptions.APIException) -> Problem:
    headers = {"WWW-Authenticate": challenge} if (challenge := getattr(error, "auth_header", None)) else {}
    code = HTTPStatus(error.status_code).phrase.upper().replace(" ", "_")
    return Problem(error.status_code, code, str(error.detail), headers=headers)


def _defect(error: Exception, context: Mapping[str, Any]) -> Problem:
    if settings.DEBUG_PROPAGATE_EXCEPTIONS:
        raise error
    request = context["request"]
    got_request_exception.send(sender=None, request=request._request)
    log.error("A request failed unforeseen.", exc_info=error, extra={"method": request.method, "path": request.path})
    return Problem(HTTPStatus.INTERNAL_SERVER_ERROR, "INTERNAL_ERROR", "Something went wrong here; it was logged.")


# Timers


def of_timers(problem: Problem, path: str) -> dict[str, Any]:
    """Return `{"detail": [...]}` for input that cannot work, else `{"error": {...}}`."""
    if problem.code == "VALIDATION_ERROR":
        return {"detail": [_wrong(name, text) for name, texts in problem.fields.items() for text in texts]}
    error: dict[str, Any] = {"code": problem.code, "detail": problem.message, "status": problem.status}
    return {"error": error, **_gare(problem)}


def _wrong(name: str, text: str) -> dict[str, Any]:
    loc = [part for part in name.split(".") if part]
    if text in (MISSING, REQUIRED):
        return {"loc": loc, "msg": MISSING, "type": "value_error.missing"}
    return {"loc": loc, "msg": text, "type": "value_error"}


# Transfer

_WORDS = {
    HTTPStatus.BAD_REQUEST: "ClientError.BadRequest",
    HTTPStatus.UNPROCESSABLE_ENTITY: "ClientError.BadRequest",
    HTTPStatus.UNAUTHORIZED: "AuthenticationFailed",
    HTTPStatus.FORBIDDEN: "PermissionDenied",
    HTTPStatus.NOT_FOUND: "ClientError.NotFound",
    HTTPStatus.METHOD_NOT_ALLOWED: "ClientError.MethodNotAllowed",
    HTTPStatus.CONFLICT: "Conflict",
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: "ClientError.RequestTooLarge",
    HTTPStatus.BAD_GATEWAY: "ExternalError",
    HTTPStatus.INTERNAL_SERVER_ERROR: "ServiceError",
}


def of_transfer(problem: Problem, path: str) -> dict[str, Any]:
    """Return `{"code", "message", "request_id", "resource"}`."""
    own = "." in problem.code or problem.code not in {code for _, _, code in _STATUSES} | _FRAMEWORK
    code = problem.code if own else _WORDS.get(HTTPStatus(problem.status), problem.code)
    sentences = [f"{name}: {text}" if name else text for name, texts in problem.fields.items() for text in texts]
    return {
        "code": code,
        "message": " ".join(sentences) or problem.message,
        "request_id": request_id(),
        "resource": path,
        **_gare(problem),
    }


_FRAMEWORK = {status.phrase.upper().replace(" ", "_") for status in HTTPStatus} | {"INTERNAL_ERROR"}


def resource(path: str) -> str:
    """Return a path as clients know it: that within the service."""
    return path.removeprefix("/globus")


def request_id() -> str:
    """Return a word by which people can name a request."""
    return secrets.token_hex(5)[:9]


# Auth


def of_auth(problem: Problem, path: str) -> dict[str, Any]:
    """Return `{"errors": [...], "error", "error_description"}`."""
    sentences: Iterable[str] = [
        f"{name}: {text}" if name else text for name, texts in problem.fields.items() for text in texts
    ]
    entries = [
        {
            "status": str(problem.status),
            "id": request_id(),
            "code": problem.code,
            "title": HTTPStatus(problem.status).phrase,
            "detail": sentence,
        }
        for sentence in sentences or [problem.message]
    ]
    return {"errors": entries, "error": problem.code.lower(), "error_description": problem.message, **_gare(problem)}


def _gare(problem: Problem) -> dict[str, Any]:
    """Return what tells an app which consents to ask for, in the newer form and in the older one."""
    if not problem.required_scopes:
        return {}
    scopes = list(problem.required_scopes)
    return {
        "code": problem.code,
        "required_scopes": scopes,
        "authorization_parameters": {"session_message": problem.message, "required_scopes": scopes},
    }
