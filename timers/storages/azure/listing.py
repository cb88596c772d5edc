"""Listings of a container, as XML of the store."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple
from urllib.parse import unquote
from xml.etree import ElementTree

from timers.storages.base import fault
from timers.storages.http_session import time_ns

MAX_PAGE_BYTES = 64 * 1024 * 1024


class BlobItem(NamedTuple):
    """An object of a listing, or the common beginning of several keys, which ends with a slash."""

    key: str
    is_prefix: bool
    size: int = 0
    modified_ns: int | None = None
    is_folder: bool = False
    """True for the object by which some tools mark a folder."""


def read_page(body: bytes, path: str) -> tuple[list[BlobItem], str]:
    """Return the items of a page of a listing, and the marker of the next page; raises faults of `path`."""
    try:
        text = body.decode()
        if "<!DOCTYPE" in text:
            raise fault("unsupported", f"{path}: the listing has a DOCTYPE.")
        page = ElementTree.fromstring(text)
        return list(_items(page)), page.findtext("NextMarker") or ""
    except (ElementTree.ParseError, ValueError) as error:
        raise fault("storage_error", f"{path}: the listing cannot be read.") from error


def _items(page: ElementTree.Element) -> Iterator[BlobItem]:
    if page.tag != "EnumerationResults":
        raise ValueError(page.tag)
    for prefix in page.iterfind("Blobs/BlobPrefix"):
        yield BlobItem(_name(prefix), is_prefix=True)
    for blob in page.iterfind("Blobs/Blob"):
        marks = [blob.findtext("Metadata/hdi_isfolder"), blob.findtext("Metadata/Hdi_isfolder")]
        yield BlobItem(
            _name(blob),
            is_prefix=False,
            size=int(blob.findtext("Properties/Content-Length") or 0),
            modified_ns=time_ns(blob.findtext("Properties/Last-Modified")),
            is_folder="true" in marks or blob.findtext("Properties/ResourceType") == "directory",
        )


def _name(item: ElementTree.Element) -> str:
    name = item.find("Name")
    text = "" if name is None else name.text or ""
    is_encoded = name is not None and name.get("Encoded") == "true"
    return unquote(text, errors="surrogateescape") if is_encoded else text
