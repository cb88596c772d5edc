"""The OpenAPI document of the native API, complete with what holds for every operation."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import Any

from django.urls import include, path
from drf_spectacular.extensions import OpenApiAuthenticationExtension, OpenApiSerializerFieldExtension
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.settings import patched_settings

from timers.actions.base import ACTIONS
from timers.api.routes import described_patterns
from timers.api.serializers.fields import InputDocument
from timers.channels.base import CHANNELS
from timers.scheduling.base import KINDS
from timers.storages.base import STORAGES


def document() -> dict[str, Any]:
    """Return the OpenAPI document of this interface."""
    return _document(*(tuple(registry) for registry in (ACTIONS, KINDS, STORAGES, CHANNELS)))


@lru_cache(maxsize=1)
def _document(*_kinds: tuple[str, ...]) -> dict[str, Any]:
    generator = SchemaGenerator(patterns=[path("api/v1/", include((described_patterns, "api")))])
    with patched_settings({"POSTPROCESSING_HOOKS": []}):  # no names for enums: they read better where they are used
        made: dict[str, Any] = generator.get_schema(request=None, public=True)
    for _, method, operation in operations(made):
        _complete(method, operation)
    schemas = made["components"]["schemas"]
    for serializer in InputDocument.__subclasses__():
        for name in {serializer.__name__, f"Patched{serializer.__name__}"} & set(schemas):
            schemas[name]["additionalProperties"] = False
    return made


def operations(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Yield path, method and description of every operation."""
    for route, methods in document["paths"].items():
        for method, operation in methods.items():
            yield route, method, operation


def _complete(method: str, operation: dict[str, Any]) -> None:
    """Add what holds for all operations: errors, ids in paths, and the key that makes a POST repeatable."""
    for status, (description, code) in ERRORS.items():
        if status not in _ONLY_WITH_BODY or method in _WITH_BODY:
            operation["responses"].setdefault(str(status), _error_answer(description, code))
    for parameter in operation.get("parameters", ()):
        if parameter["in"] == "path" and parameter["name"].endswith("_id"):
            parameter["schema"] = {"type": "string", "format": "uuid"}
    if method == "post":
        operation.setdefault("parameters", []).append(IDEMPOTENCY_KEY)


def _error_answer(description: str, code: str) -> dict[str, Any]:
    fields = {"schedule.interval_seconds": ["Must be at least 0.1."]} if code == "invalid" else {}
    example = {"error": {"code": code, "message": description, "fields": fields}}
    schema = {"$ref": "#/components/schemas/ErrorAnswer"}
    return {"description": description, "content": {"application/json": {"schema": schema, "example": example}}}


ERRORS = {
    400: ("The input cannot work; `fields` says why.", "invalid"),
    401: ("There is no token, or a bad one.", "not_authenticated"),
    403: ("The caller may see this, but not do it.", "permission_denied"),
    404: ("There is no such thing, or none that the caller may know of.", "not_found"),
    405: ("This path has no such method.", "method_not_allowed"),
    409: ("The state does not allow it, or an Idempotency-Key was used with another body.", "conflict"),
    413: ("The body is larger than 10 MiB.", "too_large"),
    415: ("The body is not JSON.", "unsupported_media_type"),
    429: ("Too many requests; see Retry-After.", "throttled"),
}


_WITH_BODY = {"post", "put", "patch"}


_ONLY_WITH_BODY = {413, 415}


IDEMPOTENCY_KEY = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "schema": {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!-~]+$"},
    "description": "A repeat within 24 hours with the same key and body answers as the first one did and does nothing.",
}


class _DescribedField(OpenApiSerializerFieldExtension):
    target_class = "timers.api.serializers.fields.Described"
    match_subclasses = True

    def map_serializer_field(self, auto_schema: Any, direction: str) -> dict[str, Any]:
        return self.target.schema()  # type: ignore[no-any-return]


class _BearerScheme(OpenApiAuthenticationExtension):
    target_class = "timers.auth.BearerAuthentication"
    name = "bearer"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        return {"type": "http", "scheme": "bearer", "description": "A token of the tokens page, or of createtoken."}


class _SessionScheme(OpenApiAuthenticationExtension):
    target_class = "timers.auth.SessionAuthentication"
    name = "session"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        return {
            "type": "apiKey",
            "in": "cookie",
            "name": "sessionid",
            "description": "The browser's session; what changes something also needs the header X-CSRFToken.",
        }
