"""Descriptions that views give of their methods, for the OpenAPI document."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, OpenApiResponse, extend_schema

from timers.api.serializers.errors import ErrorAnswer

Method = TypeVar("Method", bound=Callable[..., Any])


def described(
    operation_id: str,
    summary: str,
    *,
    answer: Any,
    example: Any,
    status: int = 200,
    request: Any = None,
    sends: Any = None,
    parameters: Sequence[OpenApiParameter] = (),
    description: str = "",
    tag: str,
    outside: bool = False,
    also: Sequence[str] = (),
) -> Callable[[Method], Method]:
    """Describe a method of a view: what it is sent (`request`; `sends` is an example), and what it answers.

    `outside`: it asks another system, which may be out of reach. `also`: other media types that it can answer, as text.
    """
    examples = [OpenApiExample("A request", value=sends, request_only=True)] if sends is not None else []
    shown = OpenApiExample("An answer", value=example, response_only=True, status_codes=[str(status)])
    responses: dict[Any, Any] = {status: OpenApiResponse(answer, description=summary + ".", examples=[shown])}
    responses |= {(status, media): OpenApiResponse(OpenApiTypes.STR, description=summary + ".") for media in also}
    if outside:
        responses[502] = OpenApiResponse(ErrorAnswer, description="Another system failed or cannot be reached.")
    return extend_schema(
        operation_id=operation_id,
        summary=summary,
        description=description or summary + ".",
        tags=[tag],
        parameters=list(parameters),
        request=request,
        responses=responses,
        examples=examples,
    )


def query(
    name: str, description: str, *, type: Any = OpenApiTypes.STR, many: bool = False, **more: Any
) -> OpenApiParameter:
    """Return a query parameter."""
    return OpenApiParameter(
        name,
        {"type": "array", "items": {"type": "string"}} if many else type,
        "query",
        description=description,
        explode=True if many else None,
        **more,
    )


LIMIT = query("limit", "How many rows at most: 1 to 1,000.", type={"type": "integer", "minimum": 1, "maximum": 1000})
MARKER = query("marker", "The marker of the answer before, for the next page.")
FIELDS = query("fields", "A comma list of the fields that are wanted of each document.")
