"""The base of all Globus views: authentication, scope of the token, and the error documents of a service."""

from __future__ import annotations

from dataclasses import replace
from http import HTTPStatus
from typing import Any, ClassVar

from django.http import HttpRequest, QueryDict
from rest_framework.request import Request
from rest_framework.response import Response

from timers import validation
from timers.auth import BearerAuthentication
from timers.errors import Forbidden, Invalid
from timers.globus import errors
from timers.http_api import queries
from timers.http_api.errors import Problem
from timers.http_api.views import BaseView, NoSuchPath
from timers.models import Token


class UnscopedBearerAuthentication(BearerAuthentication):
    """Bearer authentication without a fixed scope: the view checks the scope, which depends on the service."""

    scope = None


class GlobusView(BaseView):
    """A view of one of the Globus services."""

    authentication_classes = [UnscopedBearerAuthentication]
    schema = None
    invalid: ClassVar[int] = HTTPStatus.UNPROCESSABLE_ENTITY
    """HTTP status with which this service refuses invalid input."""

    @staticmethod
    def shape(problem: Problem, path: str) -> dict[str, Any]:
        """Return the error document of a problem in the format of this service."""
        raise NotImplementedError

    def problem_response(self, problem: Problem, request: HttpRequest) -> Response:
        if isinstance(problem.cause, Invalid):
            problem = replace(problem, status=self.invalid)
        document = self.shape(problem, errors.resource(request.path))
        return Response(document, status=problem.status, headers=dict(problem.headers))

    @staticmethod
    def accepts_scope(scope: str) -> bool:
        """Return whether a scope gives access to this service."""
        return False

    def check_query(self, request: Request) -> None:
        validation.under("query", lambda: super(GlobusView, self).check_query(request))

    def check_permissions(self, request: Request) -> None:
        """Raise Forbidden for a token that was made for another service, after the usual checks."""
        super().check_permissions(request)
        token = token_of(request)
        if token is not None and token.scopes and not any(self.accepts_scope(scope) for scope in token.scopes):
            raise Forbidden("The token was made for another service.")

    def read_body(self, request: Request) -> None:
        validation.under("body", lambda: request.data)


class UnknownGlobusPath(NoSuchPath, GlobusView):
    """The answer to every path of a service that no other view has."""

    shape = staticmethod(errors.of_timers)


def number(query: QueryDict, name: str, *, default: int, minimum: int, maximum: int, capped: bool = True) -> int:
    """Return a whole number from a query; raises Invalid naming query.<name>."""
    bounds: dict[str, Any] = {"minimum": minimum, "maximum": maximum, "capped": capped}
    return validation.under("query", lambda: queries.whole(query, name, default=default, **bounds))


def token_of(request: Request) -> Token | None:
    """Return the caller's token, None for another kind of authentication."""
    return request.auth if isinstance(request.auth, Token) else None


def base_url(request: HttpRequest | Request) -> str:
    """Return the address of this interface as the caller knows it, with a slash at the end."""
    return request.build_absolute_uri("/globus/")
