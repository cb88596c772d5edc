"""The OpenAPI document, and the same as a page to read. Both are open to all: they tell nothing that is stored."""

from __future__ import annotations

import json
from dataclasses import dataclass
from itertools import groupby, starmap
from operator import attrgetter
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe
from rest_framework.request import Request
from rest_framework.response import Response

from timers.api import openapi
from timers.api.base import ApiView
from timers.api.openapi import ERRORS


class Schema(ApiView):
    """The OpenAPI document."""

    authentication_classes: list[Any] = []
    permission_classes: list[Any] = []

    def get(self, request: Request) -> Response:
        return Response(openapi.document())


@dataclass(frozen=True)
class OperationRow:
    """One method of one path, as the page shows it."""

    name: str
    method: str
    path: str
    summary: str
    description: str
    group: str
    parameters: list[dict[str, Any]]
    sends: str
    status: str
    answers: str


@require_safe
def page(request: HttpRequest) -> HttpResponse:
    """Show every operation with its parameters and examples, made on the server from the OpenAPI document."""
    rows = sorted(starmap(_operation, openapi.operations(openapi.document())), key=attrgetter("group"))
    groups = [(name, list(of_group)) for name, of_group in groupby(rows, key=attrgetter("group"))]
    return render(request, "timers/reference.html", {"groups": groups, "errors": ERRORS})


def _operation(path: str, method: str, described: dict[str, Any]) -> OperationRow:
    status = next(status for status in described["responses"] if status.startswith("2"))
    return OperationRow(
        name=described["operationId"],
        method=method.upper(),
        path=path,
        summary=described["summary"],
        description=described["description"],
        group=described["tags"][0],
        parameters=[parameter for parameter in described.get("parameters", ()) if parameter["in"] == "query"],
        sends=_example(described.get("requestBody", {})),
        status=status,
        answers=_example(described["responses"][status]),
    )


def _example(part: dict[str, Any]) -> str:
    """Return the first example of a request or an answer, for people; empty when there is none."""
    examples = part.get("content", {}).get("application/json", {}).get("examples", {})
    return next((json.dumps(example["value"], indent=2) for example in examples.values()), "")
