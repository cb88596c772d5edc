"""Reading what callers send: a JSON object that both databases can keep, and single fields of it."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import IO, Any
from uuid import UUID

from rest_framework.exceptions import ParseError
from rest_framework.parsers import BaseParser

from timers import jsontext, storable
from timers.api.errors import TooLarge
from timers.errors import REQUIRED, Invalid
from timers.scheduling.fields import known_keys, read_instant

MAX_BODY_BYTES = 10 * 1024 * 1024


class JSONObjectParser(BaseParser):
    """Reads a body of at most 10 MiB that is a JSON object and can be stored as it is."""

    media_type = "application/json"

    def parse(
        self, stream: IO[bytes], media_type: str | None = None, parser_context: Mapping[str, Any] | None = None
    ) -> dict[str, Any]:
        raw = stream.read(MAX_BODY_BYTES + 1)
        if len(raw) > MAX_BODY_BYTES:
            raise TooLarge("The body is larger than 10 MiB.")
        try:
            document = jsontext.read(raw)
        except Invalid as error:
            raise ParseError(error.message, code="invalid") from error
        if not isinstance(document, dict):
            raise ParseError("The body must be a JSON object, such as {}.", code="invalid")
        storable.check(document)
        return document


# Single fields


def only(document: Mapping[str, Any], known: Collection[str]) -> Mapping[str, Any]:
    """Return the document; raises Invalid naming every field that is not known."""
    known_keys(document, known)
    return document


def required(document: Mapping[str, Any], names: Collection[str]) -> None:
    """Raise Invalid naming every field that is missing or null."""
    missing = [name for name in names if document.get(name) is None]
    if missing:
        raise Invalid(dict.fromkeys(missing, REQUIRED))


def read_flag(document: Mapping[str, Any], name: str) -> bool:
    """Return true or false; absent and null mean false."""
    value = document.get(name)
    if value is not None and not isinstance(value, bool):
        raise Invalid({name: "This must be true or false."})
    return bool(value)


def read_text(document: Mapping[str, Any], name: str) -> str:
    """Return text; absent and null mean none."""
    value = document.get(name)
    if value is not None and not isinstance(value, str):
        raise Invalid({name: "This must be text."})
    return value or ""


def read_optional_instant(document: Mapping[str, Any], name: str) -> datetime | None:
    """Return an instant in UTC; absent and null mean none."""
    value = document.get(name)
    return None if value is None else read_instant(value, name)


def read_object(document: Mapping[str, Any], name: str) -> dict[str, Any]:
    """Return the object that is required under this name."""
    value = document.get(name)
    if not isinstance(value, dict):
        raise Invalid({name: "This must be an object." if name in document else REQUIRED})
    return value


def read_id(text: str) -> UUID | None:
    """Return the id in any spelling of a UUID, or None."""
    try:
        return UUID(text)
    except ValueError:
        return None
