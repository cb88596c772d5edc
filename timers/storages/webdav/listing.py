"""The answers to PROPFIND, read piece by piece: they are XML of strangers, and bounded in every way."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from xml.parsers import expat

from timers.storages.base import fault
from timers.storages.http_places import names_of
from timers.storages.http_session import HttpResponse, time_ns

REQUEST = (
    b'<?xml version="1.0" encoding="utf-8"?>'
    b'<propfind xmlns="DAV:"><prop><resourcetype/><getcontentlength/><getlastmodified/></prop></propfind>'
)
MAX_LISTING_BYTES = 256 * 1024 * 1024
MAX_DEPTH = 32
MAX_TEXT_LENGTH = 64 * 1024

_CHUNK_BYTES = 64 * 1024
_TEXTS = frozenset({"DAV: href", "DAV: status", "DAV: getcontentlength", "DAV: getlastmodified"})
_PROPERTIES = frozenset({"DAV: getcontentlength", "DAV: getlastmodified"})


@dataclass
class Resource:
    """A file or folder as the server describes it. `is_folder` is None where the server does not say which it is."""

    names: tuple[str, ...]
    is_folder: bool | None
    size: int | None
    modified_ns: int | None


class ListingRefused(Exception):
    """The answer is no listing, or one that is not read here; the text says why."""


def resources(response: HttpResponse, path: str) -> Iterator[Resource]:
    """Yield the resources of an answer while it arrives."""
    parser, received = _Parser(), 0
    try:
        while data := response.read(_CHUNK_BYTES):
            received += len(data)
            if received > MAX_LISTING_BYTES:
                raise ListingRefused("the server's listing is too long")
            yield from parser.feed(data)
        yield from parser.feed(b"", is_final=True)
    except expat.ExpatError as error:
        raise fault("storage_error", f"{path}: the server's listing cannot be read.") from error
    except ListingRefused as refused:
        raise fault("unsupported", f"{path}: {refused}.") from refused


class _Parser:
    """Keeps only the resource that is being read."""

    def __init__(self) -> None:
        self._expat: Any = expat.ParserCreate(namespace_separator=" ")
        self._expat.buffer_text = True
        self._expat.StartDoctypeDeclHandler = self._refuse_doctype
        self._expat.StartElementHandler = self._start
        self._expat.EndElementHandler = self._end
        self._expat.CharacterDataHandler = self._characters
        self._open: list[str] = []
        self._text: list[str] | None = None
        self._done: list[Resource] = []
        self._begin_response()

    def feed(self, data: bytes, *, is_final: bool = False) -> list[Resource]:
        self._expat.Parse(data, is_final)
        done, self._done = self._done, []
        return done

    def _begin_response(self) -> None:
        self._href = ""
        self._properties: dict[str, str] = {}
        self._begin_propstat()

    def _begin_propstat(self) -> None:
        self._status = ""
        self._stated: dict[str, str] = {}

    def _refuse_doctype(self, *_: object) -> None:
        raise ListingRefused("the server's listing has a DOCTYPE, which is refused")

    def _start(self, name: str, attributes: object) -> None:
        self._open.append(name)
        if len(self._open) > MAX_DEPTH:
            raise ListingRefused("the server's listing is nested too deeply")
        if len(self._open) == 1 and name != "DAV: multistatus":
            raise ListingRefused("the server does not speak WebDAV")
        if name == "DAV: response":
            self._begin_response()
        elif name == "DAV: propstat":
            self._begin_propstat()
        elif name == "DAV: collection" and self._open[-2:-1] == ["DAV: resourcetype"]:
            self._stated["DAV: resourcetype"] = "collection"
        elif name == "DAV: resourcetype":
            self._stated[name] = ""
        self._text = [] if name in _TEXTS else None

    def _characters(self, text: str) -> None:
        if self._text is None:
            return
        self._text.append(text)
        if sum(map(len, self._text)) > MAX_TEXT_LENGTH:
            raise ListingRefused("the server's listing has a text that is too long")

    def _end(self, name: str) -> None:
        self._open.pop()
        text, self._text = "".join(self._text or ()).strip(), None
        inside = self._open[-1] if self._open else ""
        if name == "DAV: href" and inside == "DAV: response":
            self._href = text
        elif name in _PROPERTIES and inside == "DAV: prop":
            self._stated[name] = text
        elif name == "DAV: status" and inside == "DAV: propstat":
            self._status = text
        elif name == "DAV: propstat" and " 200 " in f"{self._status} ":
            self._properties |= self._stated
        elif name == "DAV: response":
            self._done.append(self._resource())

    def _resource(self) -> Resource:
        stated = self._properties
        length = stated.get("DAV: getcontentlength", "")
        kind = stated.get("DAV: resourcetype")
        return Resource(
            names=names_of(self._href),
            is_folder=None if kind is None else kind == "collection",
            size=int(length) if length.isascii() and length.isdigit() else None,
            modified_ns=time_ns(stated.get("DAV: getlastmodified")),
        )
