"""Shared parts of all native views: reading requests, repeating POSTs, finding objects."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, Concatenate, ParamSpec, TypeVar

from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from rest_framework.negotiation import DefaultContentNegotiation
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from timers import clock
from timers.api import documents, query_parameters
from timers.api.errors import NO_SUCH_PATH, TooLarge
from timers.errors import NotFound
from timers.services import idempotency

Row = TypeVar("Row", bound=Model)
View = TypeVar("View", bound="BaseView")
Arguments = ParamSpec("Arguments")

MAX_DRAINED_BYTES = 64 * 1024 * 1024
_CHUNK = 256 * 1024


class AlwaysJSON(DefaultContentNegotiation):
    """Answers JSON whatever the caller would accept: an error that cannot be read helps nobody."""

    def select_renderer(self, request: Request, renderers: Any, format_suffix: str | None = None) -> tuple[Any, str]:
        return renderers[0], renderers[0].media_type


class BaseView(APIView):
    """A view of the native REST API."""

    parser_classes = [documents.JSONObjectParser]
    renderer_classes = [JSONRenderer]
    content_negotiation_class = AlwaysJSON
    metadata_class = None  # OPTIONS has nothing to say that the OpenAPI document does not

    def initialize_request(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Request:
        _read_chunked(request)
        return super().initialize_request(request, *args, **kwargs)

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """Find out who is calling, then refuse what cannot be read, before the view acts."""
        if self._length(request) > documents.MAX_BODY_BYTES:
            _drain(request)
            raise TooLarge("The body is larger than 10 MiB.")
        super().initial(request, *args, **kwargs)
        query_parameters.check(request.query_params)
        if request.method in {"POST", "PUT", "PATCH"} and hasattr(self, request.method.lower()):
            request.data  # noqa: B018  reads the body: one that cannot be read is refused where it is not needed, too

    @staticmethod
    def _length(request: Request) -> int:
        length = request.META.get("CONTENT_LENGTH") or "0"
        return int(length) if length.isascii() and length.isdigit() else 0


def _read_chunked(request: HttpRequest) -> None:
    """Make a body that came in chunks, without a length, look as if it had said its length."""
    stream = request.META.get("wsgi.input")
    if request.META.get("wsgi.input_terminated") and not request.META.get("CONTENT_LENGTH") and stream is not None:
        request._body = stream.read(documents.MAX_BODY_BYTES + 1)
        request._read_started = True  # type: ignore[attr-defined]
        request.META["CONTENT_LENGTH"] = str(len(request._body))


def _drain(request: Request) -> None:
    """Read what will not be used, within reason: who is still sending does not see the answer."""
    for _ in range(MAX_DRAINED_BYTES // _CHUNK):
        if not request._request.read(_CHUNK):
            return


def body(request: Request) -> dict[str, Any]:
    """Return the JSON object that was sent; an empty one when there was no body."""
    return request.data if type(request.data) is dict else {}


def find(rows: QuerySet[Row], text: str) -> Row:
    """Return the one row with this id; raises NotFound also for what is no id at all."""
    wanted = documents.read_id(text)
    found = None if wanted is None else rows.filter(pk=wanted).first()
    if found is None:
        name = rows.model._meta.verbose_name
        raise NotFound(f"There is no {name} with the id {text[:40]}.")
    return found


Method = Callable[Concatenate[View, Request, Arguments], HttpResponseBase]


def repeatable(post: Method[View, Arguments]) -> Method[View, Arguments]:
    """Let a POST with an Idempotency-Key answer a repeat as it answered the first time, and do nothing then."""

    @wraps(post)
    def method(self: View, request: Request, *args: Arguments.args, **kwargs: Arguments.kwargs) -> HttpResponseBase:
        key = request.headers.get("Idempotency-Key")
        if key is None:
            return post(self, request, *args, **kwargs)
        answer = idempotency.once(
            owner=request.user,
            path=request.path.rstrip("/"),
            key=key,
            body=body(request),
            now=clock.now(),
            work=lambda: _rendered(post(self, request, *args, **kwargs)),
        )
        headers = {"Idempotent-Replayed": "true"} if answer.repeated else {}
        return HttpResponse(answer.text, status=answer.status, content_type="application/json", headers=headers)

    return method


def _rendered(response: HttpResponseBase) -> idempotency.StoredAnswer:
    assert isinstance(response, Response)
    return idempotency.StoredAnswer(response.status_code, JSONRenderer().render(response.data).decode())


class NothingHere(BaseView):
    """Answers for every path that no other view has."""

    authentication_classes: list[Any] = []
    permission_classes: list[Any] = []
    schema = None

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        raise NotFound(NO_SUCH_PATH)
