"""The base of all Conductor views: authentication, answers of single values, and readers of request bodies."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.http import HttpRequest, HttpResponse
from rest_framework.exceptions import MethodNotAllowed
from rest_framework.permissions import IsAuthenticated
from rest_framework.request import Request

from timers.auth import ConductorAuthentication, conductor_caller, is_open
from timers.conductor import errors
from timers.errors import Invalid, NotFound
from timers.http_api import front
from timers.http_api.bodies import JSONParser
from timers.http_api.views import BaseView, NoSuchPath


class ConductorView(BaseView):
    """A view of the Conductor interface."""

    authentication_classes = [ConductorAuthentication]
    permission_classes = [IsAuthenticated]
    parser_classes = [JSONParser]
    problem_response = staticmethod(errors.response)

    def is_keyless(self, request: Request) -> bool:
        return is_open() and not request.headers.get("X-Authorization")


class UnknownConductorPath(NoSuchPath, ConductorView):
    """The answer to every path that this interface does not have."""


def empty_response() -> HttpResponse:
    """Return an empty answer with status 200."""
    return HttpResponse(b"", content_type="application/json")


def text_response(value: object) -> HttpResponse:
    """Return an answer of plain text, such as an id."""
    return HttpResponse(str(value), content_type="text/plain; charset=utf-8")


# Reading


def read_object(request: Request) -> dict[str, Any]:
    """Return the JSON object of the request's body; raises Invalid for anything else."""
    if not isinstance(request.data, dict):
        raise Invalid({"": "The body must be a JSON object."})
    return request.data


def read_array(request: Request) -> list[Any]:
    """Return the JSON array of the request's body; a single object counts as an array of one. Raises Invalid."""
    value = request.data
    if isinstance(value, dict):
        return [value] if value else []
    if not isinstance(value, list):
        raise Invalid({"": "The body must be a JSON array."})
    return value


def plain_view(view: Callable[[HttpRequest, int, str], HttpResponse]) -> Callable[..., HttpResponse]:
    """Return a view made of a function of request, user id and name; without REST framework, for speed."""

    def answer(request: HttpRequest, name: str) -> HttpResponse:
        try:
            key = request.META.get("HTTP_X_AUTHORIZATION")
            front.check_sender(request, also_reading=not key)
            if request.method != "GET":
                raise MethodNotAllowed(request.method or "")
            if "\0" in name:
                raise NotFound("Nothing has this name.")
            caller, _ = conductor_caller(key)
            return view(request, caller.pk, name)
        except Exception as error:
            return errors.plain_response(error, request)

    answer.csrf_exempt = True  # type: ignore[attr-defined]
    return answer
