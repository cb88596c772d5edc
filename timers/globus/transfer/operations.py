"""Views of immediate operations in a collection: list a folder, stat, make a folder, rename."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

from rest_framework.request import Request
from rest_framework.response import Response

from timers.copying import paths
from timers.copying.plan import Entry, Kind
from timers.errors import ExternalError, Forbidden, Invalid, NotFound
from timers.globus.base import number, token_of
from timers.globus.errors import MISSING
from timers.globus.transfer import filters
from timers.globus.transfer.base import TransferServiceView, get_endpoint, result_document
from timers.http_api.errors import ProblemRaised
from timers.models import Collection
from timers.services.collections import commands as collections
from timers.services.collections.commands import FolderEntry
from timers.services.people import consents
from timers.services.people.consents import ConsentRequired

MAX_LISTED = 100_000

_COLUMNS = {"name": "name", "type": "type", "size": "size", "last_modified": "last_modified"}
_NEVER = datetime.min.replace(tzinfo=UTC)
_KEYS = ("name", "type", "size", "last_modified")


class FileOperation(TransferServiceView):
    """A view of the files of a collection. The caller's app needs a consent for it."""

    missing = "ClientError.NotFound"
    failed = "ExternalError"

    @contextmanager
    def open_collection(self, request: Request, endpoint_id: str) -> Iterator[Collection]:
        """Yield the collection; its errors become errors of this service."""
        collection = get_endpoint(request, endpoint_id)
        consents.require_for_transfer(token_of(request), [collection])
        try:
            yield collection
        except NotFound as error:
            raise ProblemRaised(404, self.missing, error.message) from error
        except ConsentRequired:
            raise
        except Forbidden as error:
            raise ProblemRaised(403, "EndpointPermissionDenied", error.message) from error
        except ExternalError as error:
            raise ProblemRaised(502, f"ExternalError.{error.reason}", error.message) from error


class FolderListing(FileOperation):
    """GET .../ls"""

    def get(self, request: Request, endpoint_id: str) -> Response:
        query = request.query_params
        limit = number(query, "limit", default=MAX_LISTED, minimum=0, maximum=MAX_LISTED)
        offset = number(query, "offset", default=0, minimum=0, maximum=MAX_LISTED)
        path = query.get("path") or None
        with self.open_collection(request, endpoint_id) as collection:
            listing = collections.list_directory(collection, path)
        matches = _predicate(query.getlist("filter"))
        visible = [entry for entry in listing.entries if _visible(entry, query.get("show_hidden"))]
        entries = [entry for entry in visible if matches(entry)]
        entries = _ordered(entries, query.get("orderby", ""))
        shown = [write_file(entry, collection) for entry in entries[offset : offset + limit]]
        return Response(
            {
                "DATA_TYPE": "file_list",
                "endpoint": str(collection.pk),
                "path": _as_folder(path or collection.default_directory),
                "absolute_path": _as_folder(listing.path),
                "length": len(shown),
                "total": len(entries),
                "limit": limit,
                "offset": offset,
                "rename_supported": True,
                "symlink_supported": False,
                "DATA": shown,
            }
        )


class Stat(FileOperation):
    """GET .../stat"""

    missing = "NotFound"

    def get(self, request: Request, endpoint_id: str) -> Response:
        path = request.query_params.get("path") or None
        with self.open_collection(request, endpoint_id) as collection:
            return Response(write_file(collections.stat(collection, path), collection))


class MakeDirectory(FileOperation):
    """POST .../mkdir"""

    def post(self, request: Request, endpoint_id: str) -> Response:
        path = _text(request.data.get("path"), "path")
        with self.open_collection(request, endpoint_id) as collection:
            try:
                collections.make_directory(collection, path)
            except Invalid as error:
                if _exists(error):
                    raise ProblemRaised(502, "ExternalError.MkdirFailed.Exists", error.message) from error
                raise
        document = result_document(
            request, "mkdir_result", "DirectoryCreated", "The directory was created successfully."
        )
        return Response(document, status=202)


class Rename(FileOperation):
    """POST .../rename"""

    def post(self, request: Request, endpoint_id: str) -> Response:
        old, new = (_text(request.data.get(name), name) for name in ("old_path", "new_path"))
        with self.open_collection(request, endpoint_id) as collection:
            try:
                collections.rename(collection, old, new)
            except Invalid as error:
                if _exists(error):
                    raise ProblemRaised(409, "ExternalError.RenameFailed.Exists", error.message) from error
                raise
        return Response(result_document(request, "result", "FileRenamed", "File or directory renamed successfully."))


def _exists(error: Invalid) -> bool:
    return "exist" in error.message


def _text(value: object, name: str) -> str:
    if not isinstance(value, str) or not value:
        raise Invalid({name: MISSING if value is None else "This must be text."})
    return value


def _as_folder(path: str) -> str:
    return path if path.endswith("/") else f"{path}/"


# Filters and order of entries


def _visible(entry: FolderEntry, show_hidden: str | None) -> bool:
    return (show_hidden or "1").lower() not in ("0", "false") or not entry.name.startswith(".")


def _predicate(texts: list[str]) -> Callable[[FolderEntry], bool]:
    """Return a predicate: does an entry meet all conditions of one of the filters? Raises Invalid."""
    read = [[_test(key, values) for key, values in filters.clauses(text).items()] for text in texts]
    return lambda entry: not read or any(all(test(entry) for test in tests) for tests in read)


def _test(key: str, values: list[str]) -> Callable[[FolderEntry], bool]:
    if key == "name":
        return lambda entry: filters.matches_any(values, entry.name)
    if key == "type":
        return lambda entry: filters.matches_any(values, _kind(entry))
    if key == "size":
        compare = _comparison(values[0])
        return lambda entry: compare(entry.size)
    if key == "last_modified":
        return _span(values)
    raise Invalid({"filter": f"Unknown key {key[:100]!r}; known: {', '.join(_KEYS)}."})


def _comparison(text: str) -> Callable[[int], bool]:
    sign, digits = ("", text) if text[:1].isdigit() else (text[:1], text[1:].lstrip("="))
    or_equal = text[1:2] == "="
    if not digits.isascii() or not digits.isdigit() or sign not in ("", "=", "<", ">", "!") or len(digits) > 18:
        raise Invalid({"filter": "Compare sizes by size:>1000 and the like."})
    reference = int(digits)
    return {
        "": lambda size: size == reference,
        "=": lambda size: size == reference,
        "!": lambda size: size != reference,
        "<": lambda size: size < reference or (or_equal and size == reference),
        ">": lambda size: size > reference or (or_equal and size == reference),
    }[sign]


def _span(values: list[str]) -> Callable[[FolderEntry], bool]:
    low, high = (filters.instant(value) if value else None for value in (*values, "")[:2])

    def inside(entry: FolderEntry) -> bool:
        at = entry.modified_at
        return at is not None and (low is None or low <= at) and (high is None or at <= high)

    return inside


def _ordered(entries: list[FolderEntry], text: str) -> list[FolderEntry]:
    for column, falls in reversed(filters.orders(text, _COLUMNS)):
        entries = sorted(entries, key=lambda entry, column=column: _sort_key(entry, column), reverse=falls)  # type: ignore[misc]
    return entries


def _sort_key(entry: FolderEntry, column: str) -> Any:
    return {"name": entry.name, "type": _kind(entry), "size": entry.size, "last_modified": entry.modified_at or _NEVER}[
        column
    ]


# Documents


def write_file(entry: Entry | FolderEntry, collection: Collection) -> dict[str, Any]:
    """Return the document of a file or folder in a collection."""
    kind = _kind(entry)
    return {
        "DATA_TYPE": "file",
        "name": entry.name or paths.ROOT,
        "type": kind,
        "size": entry.size,
        "last_modified": _written(entry.modified_at),
        "permissions": "0755" if kind == "dir" else "0644",
        "user": collection.owner.get_username(),
        "group": collection.owner.get_username(),
        **dict.fromkeys(("link_target", "link_user", "link_group", "link_size", "link_last_modified")),
    }


def _kind(entry: Entry | FolderEntry) -> str:
    return "dir" if entry.kind == Kind.DIR else "file"


def _written(instant: datetime | None) -> str | None:
    """Return the instant to the second, with a blank instead of the T of other times."""
    return None if instant is None else instant.replace(microsecond=0).isoformat(sep=" ")
