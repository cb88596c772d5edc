"""Containers of Azure Blob Storage.

A container has no folders, only keys. A folder exists when a key begins with its name and a slash; a folder that is
made gets an empty object of that name, its marker. Where a file and a folder have the same name, both are listed; the
name means the file, and with a slash at its end the folder.

A key that no path can express (`a//b`, `a/` with content) is listed in the folder up to which it is a path, under the
rest of it.
"""

from __future__ import annotations

import binascii
import re
from base64 import b64decode
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from timers.copying import paths
from timers.errors import Invalid
from timers.parameters import Parameter, ParameterType
from timers.storages.azure.faults import refuse_answer
from timers.storages.azure.listing import MAX_PAGE_BYTES, BlobItem, read_page
from timers.storages.azure.session import AzureSession
from timers.storages.azure.writing import AzureWriter
from timers.storages.base import (
    Abilities,
    Entry,
    FileProperties,
    Kind,
    Lookup,
    PartialFile,
    Permissions,
    Reader,
    Storage,
    Writer,
    fault,
)
from timers.storages.http_places import names_of, read_url
from timers.storages.http_reading import HttpReader
from timers.storages.http_session import HttpResponse, http_faults, time_ns

_CONTAINER = re.compile(r"[a-z0-9](?:-?[a-z0-9]){2,62}|\$root|\$web|\$logs")
_ACCOUNT_NAME = re.compile(r"[a-z0-9]{3,24}")
_METADATA = "x-ms-meta-"


class AzureStorage(Storage):
    """A container, or a prefix of one, reached with the key of its account."""

    kind = "azure"
    label = "Azure"
    heading = "A container of Azure Blob Storage"
    parameters = (
        Parameter(name="container", label="Container", required=True),
        Parameter(
            name="prefix",
            label="Prefix",
            help_text="Only what lies below it; empty for the whole container.",
            beside=True,
        ),
        Parameter(name="account_name", label="Account name", required=True, recipient="account"),
        Parameter(name="account_key", label="Account key", required=True, secret=True, beside=True),
        Parameter(
            name="endpoint_url",
            label="Endpoint URL",
            type=ParameterType.URL,
            help_text="Of another store with the same API; empty for Azure.",
            recipient="endpoint",
        ),
    )
    abilities = Abilities(properties=True, exact_names=True, both_kinds=True, folders=False, streams=8)

    @classmethod
    def clean(cls, parameters: Mapping[str, Any], *, owner: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        public, secrets = super().clean(parameters, owner=owner)
        if not _CONTAINER.fullmatch(public["container"]):
            raise Invalid({"container": "Give a container's name: 3 to 63 lower-case letters, digits and hyphens."})
        if not _ACCOUNT_NAME.fullmatch(public["account_name"]):
            raise Invalid({"account_name": "Give the account's name: 3 to 24 lower-case letters and digits."})
        if not _is_key(secrets["account_key"]):
            raise Invalid({"account_key": "Give one of the account's access keys, as it is shown."})
        if "prefix" in public:
            public["prefix"] = _prefix(public["prefix"])
        if "endpoint_url" in public:
            try:
                public["endpoint_url"] = read_url(public["endpoint_url"])
            except Invalid as error:
                raise Invalid({"endpoint_url": error.fields["url"]}) from error
        return public, secrets

    @classmethod
    def place(cls, parameters: Mapping[str, Any]) -> str:
        names = ("endpoint_url", "account_name", "container", "prefix")
        return "/".join(filter(None, (str(parameters.get(name) or "").strip("/") for name in names)))

    @classmethod
    def encrypts(cls, parameters: Mapping[str, Any]) -> bool:
        return not str(parameters.get("endpoint_url", "")).startswith("http:")

    def __init__(self, parameters: Mapping[str, Any], secrets: Mapping[str, Any]) -> None:
        account = parameters["account_name"]
        self._container, self._prefix = parameters["container"], parameters.get("prefix", "")
        self._session = AzureSession(
            parameters.get("endpoint_url") or f"https://{account}.blob.core.windows.net",
            self._container,
            self._prefix,
            account=account,
            key=secrets["account_key"],
        )

    # Reading folders

    def list(self, path: str) -> Iterator[Entry]:
        start, exists = self._session.folder_key(path), path == paths.ROOT
        folders: set[str] = set()
        for item in self._items(path, prefix=start, delimiter="/"):
            exists = True
            name = item.key[len(start) :]
            if not item.is_prefix and not item.is_folder:
                if name or item.size:
                    yield _file_entry(name, item)
            elif (folder := name.removesuffix("/")) and paths.is_name(folder):
                if folder not in folders:
                    folders.add(folder)
                    yield Entry(folder, Kind.DIR)
            elif item.is_prefix:
                for inner in self._items(path, prefix=item.key):
                    yield _file_entry(inner.key[len(start) :], inner)
        if not exists:
            if self._head(path) is not None:
                raise fault("not_a_folder", f"{path} is not a folder.")
            raise fault("not_found", f"{path} does not exist.")

    def _items(self, path: str, **query: str) -> Iterator[BlobItem]:
        """Yield the items of a listing, page by page."""
        marker = {"include": "metadata"}
        while True:
            location = self._session.listing_location(**query, **marker)
            with self._session.request("GET", location, path=path) as response:
                if response.status != 200:
                    refuse_answer(response, path)
                with http_faults(path, self._session.target.authority):
                    body = response.read_all(MAX_PAGE_BYTES)
            if body is None:
                raise fault("unsupported", f"{path}: the listing is too long.")
            items, following = read_page(body, path)
            yield from items
            if not following:
                return
            marker = {"include": "metadata", "marker": following}

    def stat(self, path: str) -> Entry:
        folder = path.rstrip("/") or paths.ROOT
        entry = self._head(path) if folder == path != paths.ROOT else None
        if entry is not None:
            return entry
        if folder != paths.ROOT and not self._is_folder(folder):
            raise fault("not_found", f"{path} does not exist.")
        if folder == paths.ROOT:
            next(self._items(path, prefix=self._session.folder_key(folder), maxresults="1"), None)
        return Entry(paths.name_of(folder), Kind.DIR)

    @contextmanager
    def lookup(self, path: str) -> Iterator[Lookup]:
        entries = {f"{entry.name}/" if entry.kind is Kind.DIR else entry.name: entry for entry in self.list(path)}
        yield entries.get

    def _head(self, path: str) -> Entry | None:
        """Return the entry of a file; None when there is no such file, or only the mark of a folder."""
        with self._session.request("HEAD", self._session.location(path), path=path) as response:
            if response.status == 404 and response.header("x-ms-error-code") != "ContainerNotFound":
                return None
            if response.status != 200:
                refuse_answer(response, path)
            if (response.header(f"{_METADATA}hdi_isfolder") or "").lower() == "true":
                return None
            modified_ns = time_ns(response.header("last-modified"))
            return Entry(paths.name_of(path), Kind.FILE, response.length or 0, modified_ns)

    def _is_folder(self, path: str) -> bool:
        return next(self._items(path, prefix=self._session.folder_key(path), maxresults="1"), None) is not None

    # Files

    def open(self, path: str, *, offset: int = 0) -> Reader:
        if path == paths.ROOT:
            raise fault("not_a_file", f"{path} is a folder.")
        if self._head(path) is None:
            if self._is_folder(path):
                raise fault("not_a_file", f"{path} is a folder.")
            raise fault("not_found", f"{path} does not exist.")
        return AzureReader(self._session, path, offset=offset, stat=lambda: self.stat(path))

    def write(
        self,
        path: str,
        *,
        partial: str,
        resume: PartialFile | None = None,
        properties: FileProperties | None = None,
    ) -> Writer:
        return AzureWriter(self._session, path, properties)

    # Folders, deleting

    def mkdir(self, path: str, *, permissions: Permissions | None = None) -> bool:
        if path == paths.ROOT or self._is_folder(path):
            return False
        headers = {"x-ms-blob-type": "BlockBlob"}
        location = self._session.location(path, folder=True)
        with self._session.request("PUT", location, path=path, headers=headers) as response:
            if response.status != 201:
                refuse_answer(response, path)
        return True

    def delete(self, path: str) -> None:
        if path == paths.ROOT:
            raise fault("permission_denied", "The root of a collection cannot be deleted.")
        if {".", ".."} & set(path.split("/")):
            raise fault("bad_name", f"{path}: a key with '.' or '..' as a name cannot be asked for safely.")
        if self._head(path) is not None:
            self._delete_object(self._session.location(path), path)
        elif path.endswith("/"):
            raise fault("not_found", f"{path} does not exist.")
        else:
            self.delete_folder(path)

    def delete_folder(self, path: str) -> None:
        marker, marks = self._session.folder_key(path), 0
        for item in self._items(path, prefix=marker, maxresults="2"):
            if item.key != marker or item.size:
                raise fault("not_empty", f"{path} is not empty.")
            marks += 1
        if not marks:
            raise fault("not_found", f"{path} does not exist.")
        self._delete_object(self._session.location(path, folder=True), path)

    def _delete_object(self, location: str, path: str) -> None:
        with self._session.request("DELETE", location, path=path) as response:
            if response.status != 202:
                refuse_answer(response, path)

    def address(self) -> tuple[str, ...]:
        target = self._session.target
        endpoint = (target.host, str(target.port), *names_of(target.path))
        return ("azure", *endpoint, *paths.parts(self._prefix))

    def close(self) -> None:
        self._session.close()


class AzureReader(HttpReader):
    """An object with its properties."""

    def __init__(self, session: AzureSession, path: str, *, offset: int, stat: Callable[[], Entry]) -> None:
        self._more: dict[str, Any] = {}
        super().__init__(session, path, offset=offset, stat=stat, with_properties=True)
        if self.properties is not None:
            self.properties = self.properties._replace(**self._more)

    def _begin(self, response: HttpResponse) -> None:
        if response.status not in (200, 206):
            refuse_answer(response, self._path)
        super()._begin(response)
        self._more = {
            "metadata": response.headers_after(_METADATA),
            "storage_class": response.header("x-ms-access-tier"),
        }


def _file_entry(name: str, item: BlobItem) -> Entry:
    return Entry(name, Kind.FILE, item.size, item.modified_ns)


def _is_key(text: str) -> bool:
    try:
        return len(b64decode(text, validate=True)) >= 16
    except (binascii.Error, ValueError):
        return False


def _prefix(text: str) -> str:
    names = text.strip("/").split("/")
    if names != [""] and not all(map(paths.is_carriable, names)):
        raise Invalid({"prefix": "The prefix cannot contain '//', '.' or '..' as a name."})
    return "/".join([*names, ""]) if names != [""] else ""
