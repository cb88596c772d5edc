"""Shared parts of all Conductor views: reading requests, who is calling, answers whatever the client accepts."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import IO, Any

from django.http import HttpRequest, HttpResponse
from rest_framework.exceptions import APIException, MethodNotAllowed
from rest_framework.negotiation import DefaultContentNegotiation
from rest_framework.parsers import BaseParser
from rest_framework.permissions import IsAuthenticated
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.views import APIView

from timers import jsontext, storable
from timers.auth import ConductorAuthentication, conductor_caller
from timers.conductor import errors
from timers.errors import Invalid, NotFound

MAX_BODY_BYTES = 10 * 1024 * 1024


class TooLarge(APIException):
    status_code = 413


class AnyJSON(BaseParser):
    """Reads any JSON value, whatever the content type says; no body is an empty object."""

    media_type = "*/*"

    def parse(
        self, stream: IO[bytes], media_type: str | None = None, parser_context: Mapping[str, Any] | None = None
    ) -> Any:
        raw = stream.read(MAX_BODY_BYTES + 1)
        if len(raw) > MAX_BODY_BYTES:
            raise TooLarge("The body is larger than 10 MiB.")
        return loads(raw)


def loads(raw: bytes) -> Any:
    """Return a JSON value that can be stored; raises Invalid."""
    if not raw.strip():
        return {}
    value = jsontext.read(raw)
    storable.check(value)
    return value


class AlwaysFirst(DefaultContentNegotiation):
    """Answers JSON, or text where the view says so itself, whatever the client would accept."""

    def select_renderer(self, request: Request, renderers: Any, format_suffix: str | None = None) -> tuple[Any, str]:
        return renderers[0], renderers[0].media_type


class BaseView(APIView):
    """A view of the Conductor interface."""

    authentication_classes = [ConductorAuthentication]
    permission_classes = [IsAuthenticated]
    parser_classes = [AnyJSON]
    renderer_classes = [JSONRenderer]
    content_negotiation_class = AlwaysFirst
    metadata_class = None

    def get_exception_handler(self) -> Callable[..., Any]:
        return errors.answer

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        for name, values in request.query_params.lists():
            if "\0" in name or any("\0" in value for value in values):
                raise Invalid({name.replace("\0", "?"): "NUL characters are not allowed."})
        if any("\0" in str(value) for value in kwargs.values()):
            raise NotFound("There is nothing of this name.")


class NothingHere(BaseView):
    """Answers for every path that this interface does not have."""

    authentication_classes = []
    permission_classes = []

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        raise NotFound(f"There is nothing at the path {request.path[:500]}.")


def done() -> HttpResponse:
    """Return an empty 200."""
    return HttpResponse(b"", content_type="application/json")


def text(value: object) -> HttpResponse:
    """Return a bare text, such as an id."""
    return HttpResponse(str(value), content_type="text/plain; charset=utf-8")


# Reading


def body(request: Request) -> dict[str, Any]:
    """Return the object that was sent; raises Invalid for anything else."""
    if not isinstance(request.data, dict):
        raise Invalid({"": "The body must be a JSON object."})
    return request.data


def listed(request: Request) -> list[Any]:
    """Return the array that was sent; a lone object counts as one of one."""
    value = request.data
    if isinstance(value, dict):
        return [value] if value else []
    if not isinstance(value, list):
        raise Invalid({"": "The body must be a JSON array."})
    return value


def flag(query: Mapping[str, str], name: str, *, usual: bool = False) -> bool:
    """Return true or false, written in any case."""
    value = query.get(name, "").strip().lower()
    if value not in ("", "true", "false", "1", "0"):
        raise Invalid({name: "Give true or false."})
    return usual if value == "" else value in ("true", "1")


def whole(query: Mapping[str, str], name: str, *, usual: int, most: int, least: int = 0) -> int:
    """Return a whole number; a larger one than `most` counts as that."""
    value = query.get(name, "").strip()
    if value in ("", "null", "None"):
        return usual
    if not (value.isascii() and value.isdigit()) or int(value[:18]) < least:
        raise Invalid({name: f"{value[:50]!r} is no whole number from {least}."})
    return min(int(value[:18]), most)


def plain(view: Callable[[HttpRequest, int, str], HttpResponse]) -> Callable[..., HttpResponse]:
    """Make a view of a function of request, user's number and name, without the framework: it is asked for often."""

    def answer(request: HttpRequest, name: str) -> HttpResponse:
        try:
            if request.method != "GET":
                raise MethodNotAllowed(request.method or "")
            if "\0" in name:
                raise NotFound("There is nothing of this name.")
            caller, _ = conductor_caller(request.META.get("HTTP_X_AUTHORIZATION"))
            return view(request, caller.pk, name)
        except Exception as error:
            return errors.answer_plainly(error, request)

    answer.csrf_exempt = True  # type: ignore[attr-defined]
    return answer
