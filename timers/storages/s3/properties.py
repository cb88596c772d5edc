"""Properties of objects: read from a store's answer, and written with an upload."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from email.header import Header
from typing import Any

from timers.storages.base import FileProperties
from timers.storages.s3 import content_types

_FIELDS = {
    "content_type": "ContentType",
    "content_encoding": "ContentEncoding",
    "content_disposition": "ContentDisposition",
    "content_language": "ContentLanguage",
    "cache_control": "CacheControl",
    "storage_class": "StorageClass",
}
STORAGE_CLASS = _FIELDS["storage_class"]


def read(answer: Mapping[str, Any]) -> FileProperties:
    """Return the properties that an answer about an object states."""
    stated = {name: text(answer[field]) for name, field in _FIELDS.items() if answer.get(field)}
    return FileProperties(**stated, metadata={name: text(value) for name, value in answer.get("Metadata", {}).items()})


def upload_parameters(path: str, properties: FileProperties | None) -> dict[str, Any]:
    """Return what an upload states for a file; its content type is guessed by name where none is given."""
    given = properties or FileProperties()
    values = {**given._asdict(), "content_type": given.content_type or content_types.guess(path)}
    stated: dict[str, Any] = {field: _header(values[name]) for name, field in _FIELDS.items() if values[name]}
    if given.metadata:
        stated["Metadata"] = {name: _header(value) for name, value in given.metadata.items()}
    return stated


def text(value: str) -> str:
    """Return the value of a header as it was meant: the library reads UTF-8 as if it were Latin-1."""
    with suppress(UnicodeError):
        return value.encode("latin-1").decode()
    return value


def _header(value: str) -> str:
    """Return a value as a header can carry it; text that is not ASCII in the encoding that stores use themselves."""
    return value if value.isascii() else Header(value, "utf-8", maxlinelen=0).encode()
