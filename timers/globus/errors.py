"""Error documents of the Globus services: one format for Timers, one for Transfer, one for Auth."""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from http import HTTPStatus
from typing import Any

from django.core.exceptions import PermissionDenied, RequestDataTooBig
from django.http import Http404
from rest_framework.exceptions import APIException

from timers.errors import REQUIRED, Conflict, ExternalError, Forbidden, Invalid, NotFound, TimersError
from timers.http_api.errors import Problem
from timers.services.people.consents import ConsentRequired

MISSING = "field required"
"""Message for a missing field. Clients know this text."""

_CODES: tuple[tuple[type[Exception], str], ...] = (
    (ConsentRequired, "ConsentRequired"),
    (Invalid, "VALIDATION_ERROR"),
    (NotFound, "NOT_FOUND"),
    (Forbidden, "FORBIDDEN"),
    (Conflict, "CONFLICT"),
    (ExternalError, "EXTERNAL_ERROR"),
    (TimersError, "BAD_REQUEST"),
    (Http404, "NOT_FOUND"),
    (PermissionDenied, "FORBIDDEN"),
    (RequestDataTooBig, "TOO_LARGE"),
)


def code_of(problem: Problem) -> str:
    """Return the code of a problem as these services spell it. A code that a view set itself is kept."""
    if problem.cause is None:
        return problem.code
    if isinstance(problem.cause, APIException):
        return HTTPStatus(problem.status).phrase.upper().replace(" ", "_")
    return next((code for kind, code in _CODES if isinstance(problem.cause, kind)), "INTERNAL_ERROR")


# Timers


def of_timers(problem: Problem, path: str) -> dict[str, Any]:
    """Return `{"detail": [...]}` for invalid input, else `{"error": {...}}`."""
    if isinstance(problem.cause, Invalid):
        return {"detail": [_field_error(name, text) for name, texts in problem.fields.items() for text in texts]}
    error: dict[str, Any] = {"code": code_of(problem), "detail": problem.message, "status": problem.status}
    return {"error": error, **_consent_fields(problem)}


def _field_error(name: str, text: str) -> dict[str, Any]:
    loc = [part for part in name.split(".") if part]
    if text in (MISSING, REQUIRED):
        return {"loc": loc, "msg": MISSING, "type": "value_error.missing"}
    return {"loc": loc, "msg": text, "type": "value_error"}


# Transfer

_CODE_OF_STATUS = {
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
    keeps_code = problem.cause is None or isinstance(problem.cause, ConsentRequired)
    code = code_of(problem) if keeps_code else _CODE_OF_STATUS.get(HTTPStatus(problem.status), code_of(problem))
    sentences = [f"{name}: {text}" if name else text for name, texts in problem.fields.items() for text in texts]
    return {
        "code": code,
        "message": " ".join(sentences) or problem.message,
        "request_id": request_id(),
        "resource": path,
        **_consent_fields(problem),
    }


def resource(path: str) -> str:
    """Return the path within the service, as clients know it."""
    return path.removeprefix("/globus")


def request_id() -> str:
    """Return a random id by which people can refer to a request."""
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
            "code": code_of(problem),
            "title": HTTPStatus(problem.status).phrase,
            "detail": sentence,
        }
        for sentence in sentences or [problem.message]
    ]
    return {
        "errors": entries,
        "error": code_of(problem).lower(),
        "error_description": problem.message,
        **_consent_fields(problem),
    }


def _consent_fields(problem: Problem) -> dict[str, Any]:
    """Return the fields that name the consents an app has to request, in the newer and the older form."""
    if not isinstance(problem.cause, ConsentRequired):
        return {}
    scopes = list(problem.cause.required_scopes)
    return {
        "code": code_of(problem),
        "required_scopes": scopes,
        "authorization_parameters": {"session_message": problem.message, "required_scopes": scopes},
    }
