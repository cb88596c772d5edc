"""Reading request bodies: JSON of a bounded size that both databases can keep, however it was framed."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import IO, Any

from django.http import HttpRequest
from rest_framework.exceptions import APIException
from rest_framework.parsers import BaseParser
from rest_framework.request import Request

from timers import storable, validation
from timers.errors import Invalid

MAX_BODY_BYTES = 10 * 1024 * 1024
MAX_DRAINED_BYTES = 64 * 1024 * 1024
_CHUNK_BYTES = 256 * 1024


class TooLarge(APIException):
    """The body is larger than is read."""

    status_code = HTTPStatus.REQUEST_ENTITY_TOO_LARGE
    default_code = "too_large"
    default_detail = "The body is larger than 10 MiB."


class JSONParser(BaseParser):
    """Reads any JSON value, whatever the content type says; no body is an empty object."""

    media_type = "*/*"

    def parse(
        self, stream: IO[bytes], media_type: str | None = None, parser_context: Mapping[str, Any] | None = None
    ) -> Any:
        """Return the value; raises TooLarge, and Invalid for what is no JSON or cannot be stored."""
        raw = stream.read(MAX_BODY_BYTES + 1)
        if len(raw) > MAX_BODY_BYTES:
            raise TooLarge
        return json_value(raw)


class JSONObjectParser(JSONParser):
    """Reads a JSON object, whatever the content type says."""

    def parse(
        self, stream: IO[bytes], media_type: str | None = None, parser_context: Mapping[str, Any] | None = None
    ) -> dict[str, Any]:
        document = super().parse(stream, media_type, parser_context)
        if not isinstance(document, dict):
            raise Invalid({"": "The body must be a JSON object, such as {}."})
        return document


def json_value(raw: bytes) -> Any:
    """Return the JSON value of a body, an empty object for none; raises Invalid for what cannot be stored."""
    if not raw.strip():
        return {}
    value = validation.json_value(raw)
    storable.check(value)
    return value


def frame(request: HttpRequest) -> None:
    """Give a body that came in chunks, without a length, the length that it has."""
    stream = request.META.get("wsgi.input")
    if request.META.get("wsgi.input_terminated") and not request.META.get("CONTENT_LENGTH") and stream is not None:
        request._body = stream.read(MAX_BODY_BYTES + 1)
        request._read_started = True  # type: ignore[attr-defined]
        request.META["CONTENT_LENGTH"] = str(len(request._body))


def refuse_large(request: Request) -> None:
    """Raise TooLarge for a body that says it is larger than is read, once it was sent.

    It is read to its end, within reason: a caller that is still sending does not see the answer.
    """
    length = request.META.get("CONTENT_LENGTH") or "0"
    if not (length.isascii() and length.isdigit()) or int(length) <= MAX_BODY_BYTES:
        return
    for _ in range(MAX_DRAINED_BYTES // _CHUNK_BYTES):
        if not request._request.read(_CHUNK_BYTES):
            break
    raise TooLarge
