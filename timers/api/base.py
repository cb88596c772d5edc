"""Shared parts of all native views: reading requests, repeating POSTs, finding objects."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, Concatenate, ParamSpec, TypeVar

from django.db.models import Model, QuerySet
from django.http import HttpResponse
from django.http.response import HttpResponseBase
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response

from timers import clock, validation
from timers.api import errors
from timers.errors import NotFound
from timers.http_api.bodies import JSONObjectParser
from timers.http_api.views import BaseView, NoSuchPath
from timers.services import idempotency

Row = TypeVar("Row", bound=Model)
View = TypeVar("View", bound="ApiView")
Arguments = ParamSpec("Arguments")


class JSONDocumentParser(JSONObjectParser):
    """Reads a JSON object that is declared as one."""

    media_type = "application/json"


class ApiView(BaseView):
    """A view of the native REST API."""

    parser_classes = [JSONDocumentParser]
    problem_response = staticmethod(errors.response)


def body(request: Request) -> dict[str, Any]:
    """Return the JSON object that was sent; an empty one when there was no body."""
    return request.data if type(request.data) is dict else {}


def find(rows: QuerySet[Row], text: str) -> Row:
    """Return the one row with this id; raises NotFound also for what is no id at all."""
    row_id = validation.uuid(text)
    row = None if row_id is None else rows.filter(pk=row_id).first()
    if row is None:
        name = rows.model._meta.verbose_name
        raise NotFound(f"There is no {name} with the id {text[:40]}.")
    return row


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


class UnknownPath(NoSuchPath, ApiView):
    """Answers for every path that no other view has."""
