"""The view that the views of all machine interfaces inherit: one front for bodies, queries and errors."""

from __future__ import annotations

from collections.abc import Callable, Container
from typing import Any

from django.http import HttpRequest
from rest_framework.negotiation import DefaultContentNegotiation
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from timers.errors import NotFound
from timers.http_api import bodies, errors, front, queries

WITH_BODY = frozenset({"POST", "PUT", "PATCH"})
MAX_SHOWN_PATH = 500


class AlwaysFirst(DefaultContentNegotiation):
    """Answers JSON whatever the caller would accept: an error that cannot be read helps nobody."""

    def select_renderer(self, request: Request, renderers: Any, format_suffix: str | None = None) -> tuple[Any, str]:
        return renderers[0], renderers[0].media_type


class BaseView(APIView):
    """A view of a machine interface; each interface says how callers are known and how a problem is answered."""

    parser_classes = [bodies.JSONObjectParser]
    renderer_classes = [JSONRenderer]
    content_negotiation_class = AlwaysFirst
    metadata_class = None
    content_types: Container[str] = front.JSON_TYPES
    """Content types that a body may have."""

    def problem_response(self, problem: errors.Problem, request: HttpRequest) -> Response:
        """Return the answer to a problem in the shape of this interface."""
        raise NotImplementedError

    def get_exception_handler(self) -> Callable[..., Response]:
        def handle(error: Exception, context: dict[str, Any]) -> Response:
            request = context["request"]._request
            return self.problem_response(errors.problem_of(error, request), request)

        return handle

    def initialize_request(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Request:
        bodies.frame(request)
        return super().initialize_request(request, *args, **kwargs)

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """Refuse what may not be sent, find out who is calling, then refuse what cannot be read."""
        front.check_sender(request._request, also_reading=self.is_keyless(request))
        front.check_content_type(request._request, self.content_types)
        bodies.refuse_large(request)
        super().initial(request, *args, **kwargs)
        self.check_query(request)
        if any("\0" in str(value) for value in kwargs.values()):
            raise NotFound("There is nothing of this name.")
        if request.method in WITH_BODY and hasattr(self, request.method.lower()):
            self.read_body(request)

    def is_keyless(self, request: Request) -> bool:
        """Return whether the caller is let in without any key."""
        return False

    def check_query(self, request: Request) -> None:
        """Refuse query parameters that no database can compare."""
        queries.check(request.query_params)

    def read_body(self, request: Request) -> None:
        """Read the body, so that one that cannot be read is refused where it is not needed, too."""
        if self.parser_classes:
            request.data  # noqa: B018


class NoSuchPath:
    """Answers for every path that no other view of an interface has; to be inherited before its base view."""

    authentication_classes: list[Any] = []
    permission_classes: list[Any] = []
    schema = None

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        front.check_sender(request._request)
        raise NotFound(f"There is nothing at the path {request.path[:MAX_SHOWN_PATH]}.")
