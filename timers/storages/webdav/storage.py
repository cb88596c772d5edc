"""Files of a WebDAV server: Nextcloud, network drives, and other ones.

A server replaces a file by a move from a temporary name. Before that it is asked whether the target is a folder, which
a move would replace with everything in it. A folder is removed with everything in it too, so that it is listed just
before it is deleted.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterator, Mapping
from typing import Any

from timers.copying import paths
from timers.errors import ExternalError, Invalid
from timers.parameters import Parameter, ParameterType
from timers.storages.base import (
    Abilities,
    Entry,
    FileProperties,
    Kind,
    PartialFile,
    Permissions,
    Reader,
    Storage,
    Writer,
    fault,
    is_partial,
)
from timers.storages.http_places import names_of, read_url, server_address
from timers.storages.http_reading import HttpReader
from timers.storages.http_session import HttpSession, http_faults, refuse
from timers.storages.webdav.listing import REQUEST, Resource, resources
from timers.storages.webdav.writing import WebDavWriter

_MAX_KNOWN_FOLDERS = 10_000
_CUT_OFF = frozenset("?;")
"""Characters at which some servers end the target of a move, encoded or not."""


_PARTIAL_END, _PARTIAL_END_THERE = ".part", ".timers"
"""The end of the names of partial files, here and at the server: Nextcloud refuses names that end in `.part`."""


class _WebDavSession(HttpSession):
    """Calls partial files by their names at the server."""

    def location(self, path: str, *, folder: bool = False) -> str:
        if is_partial(paths.name_of(path)):
            path = path.removesuffix(_PARTIAL_END) + _PARTIAL_END_THERE
        return super().location(path, folder=folder)


def _own_name(name: str) -> str:
    """Return the name here of an entry of the server."""
    partial = name.removesuffix(_PARTIAL_END_THERE) + _PARTIAL_END
    return partial if name.endswith(_PARTIAL_END_THERE) and is_partial(partial) else name


class WebDavStorage(Storage):
    """A folder of a WebDAV server, reached with one account."""

    kind = "webdav"
    label = "WebDAV"
    heading = "A WebDAV server"
    parameters = (
        Parameter(
            name="url",
            label="URL",
            type=ParameterType.URL,
            required=True,
            help_text="Of the folder, like https://cloud.example.org/remote.php/dav/files/NAME.",
            recipient="address",
        ),
        Parameter(name="username", label="User name", required=True),
        Parameter(
            name="password",
            label="Password",
            required=True,
            secret=True,
            help_text="Best one that was made for this use alone.",
            beside=True,
        ),
    )
    abilities = Abilities(rename=True, streams=4)

    @classmethod
    def clean(cls, parameters: Mapping[str, Any], *, owner: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        public, secrets = super().clean(parameters, owner=owner)
        public["url"] = read_url(public["url"])
        if not public["username"] or ":" in public["username"]:
            raise Invalid({"username": "Give the name of the account on the server; it cannot contain a colon."})
        if not secrets["password"]:
            raise Invalid({"password": "Give the password of the account."})
        return public, secrets

    @classmethod
    def encrypts(cls, parameters: Mapping[str, Any]) -> bool:
        return str(parameters.get("url", "")).startswith("https:")

    def __init__(self, parameters: Mapping[str, Any], secrets: Mapping[str, Any]) -> None:
        account = f"{parameters['username']}:{secrets['password']}".encode()
        headers = {"Authorization": f"Basic {b64encode(account).decode()}"}
        self._session = _WebDavSession(parameters["url"], headers)
        self._known_folders: set[str] = set()

    # Reading folders

    def list(self, path: str) -> Iterator[Entry]:
        requested = names_of(self._session.location(path, folder=True))
        base: tuple[str, ...] | None = None
        for resource in self._propfind(path, depth=1, as_folder=True):
            if base is None:
                base = requested if resource.names[: len(requested)] == requested else resource.names
            if resource.names == base:
                if not resource.is_folder:
                    raise fault("not_a_folder", f"{path} is not a folder.")
            elif resource.names[:-1] == base:
                yield self._entry(resource, _own_name(resource.names[-1]), path)
            else:
                raise fault("storage_error", f"{path}: the server lists what is not in this folder.")
        if base is None:
            raise fault("storage_error", f"{path}: the server's listing is empty.")

    def stat(self, path: str) -> Entry:
        for resource in self._propfind(path, depth=0, as_folder=path == paths.ROOT):
            return self._entry(resource, paths.name_of(path), paths.parent(path))
        raise fault("storage_error", f"{path}: the server's answer is empty.")

    def _entry(self, resource: Resource, name: str, folder: str) -> Entry:
        """Return the entry of a resource; the size of a file is asked for where the answer does not tell it."""
        if resource.is_folder:
            return Entry(name, Kind.DIR, 0, resource.modified_ns)
        size = resource.size
        if resource.is_folder is False and size is None and paths.is_name(name):
            path = paths.join(folder, name)
            with self._session.request("HEAD", self._session.location(path), path=path) as response:
                size = response.length
        is_known = resource.is_folder is False and size is not None
        return Entry(name, Kind.FILE if is_known else Kind.UNKNOWN, size or 0, resource.modified_ns)

    def _propfind(self, path: str, *, depth: int, as_folder: bool) -> Iterator[Resource]:
        headers = {"Depth": str(depth), "Content-Type": "application/xml; charset=utf-8"}
        location = self._session.location(path, folder=as_folder)
        with self._session.request("PROPFIND", location, path=path, headers=headers, body=REQUEST) as response:
            if response.status == 404:
                raise self._missing_error(path, as_folder=as_folder)
            if response.status != 207:
                refuse(response, path)
            listing = resources(response, path)
            while True:
                with http_faults(path, self._session.target.authority):
                    resource = next(listing, None)
                if resource is None:
                    return
                yield resource

    def _missing_error(self, path: str, *, as_folder: bool) -> ExternalError:
        """Return the error for a path that a server does not know; some do not know a file by the name of a folder."""
        if as_folder and path != paths.ROOT and (entry := self.find(path)) is not None and entry.kind is not Kind.DIR:
            return fault("not_a_folder", f"{path} is not a folder.")
        return fault("not_found", f"{path} does not exist.")

    # Files

    def open(self, path: str, *, offset: int = 0) -> Reader:
        if self.stat(path).kind is Kind.DIR:
            raise fault("not_a_file", f"{path} is a folder.")
        return self._open_file(path, offset=offset)

    def _open_file(self, path: str, *, offset: int = 0) -> Reader:
        return HttpReader(self._session, path, offset=offset, stat=lambda: self.stat(path))

    def write(
        self,
        path: str,
        *,
        partial: str,
        resume: PartialFile | None = None,
        properties: FileProperties | None = None,
    ) -> Writer:
        self._must_be_folder(paths.parent(path))
        return WebDavWriter(self._session, path, partial, open_file=self._open_file, replace=self._replace)

    def _must_be_folder(self, path: str) -> None:
        if path in self._known_folders:
            return
        if self.stat(path).kind is not Kind.DIR:
            raise fault("not_a_folder", f"{path} is not a folder.")
        self._remember_folder(path)

    def _remember_folder(self, path: str) -> None:
        if len(self._known_folders) < _MAX_KNOWN_FOLDERS:
            self._known_folders.add(path)

    def _replace(self, source: str, target: str) -> None:
        """Move a file over another one, and never over a folder."""
        if not self._move(source, target, overwrite=False):
            existing = self.find(target)
            if existing is None:
                raise fault("storage_error", f"{target}: the server says that it exists, and does not show it.")
            if existing.kind is Kind.DIR:
                raise fault("not_a_file", f"{target} is a folder.")
            self._move(source, target, overwrite=True)
        if _CUT_OFF & set(paths.name_of(target)) and self.find(target) is None:
            raise fault("bad_name", f"{target}: the server does not take this name.")

    def _move(self, source: str, target: str, *, overwrite: bool) -> bool:
        """Move an entry; return False when another one is in the way and may not be overwritten."""
        headers = {
            "Destination": self._session.url(self._session.location(target)),
            "Overwrite": "T" if overwrite else "F",
        }
        with self._session.request("MOVE", self._session.location(source), path=target, headers=headers) as response:
            if response.status == 412 and not overwrite:
                return False
            if response.status not in (201, 204):
                refuse(response, source if response.status == 404 else target)
        return True

    # Folders, deleting, moving

    def mkdir(self, path: str, *, permissions: Permissions | None = None) -> bool:
        if path == paths.ROOT:
            self._must_be_folder(path)
            return False
        status = self._make_folder(path)
        if status == 409:
            self.mkdir(paths.parent(path))
            status = self._make_folder(path)
        if status == 201:
            self._remember_folder(path)
            return True
        self._must_be_folder(path)
        return False

    def _make_folder(self, path: str) -> int:
        """Make one folder; return 201 when it was made, 405 when something has its name, 409 without its parent."""
        with self._session.request("MKCOL", self._session.location(path, folder=True), path=path) as response:
            if response.status not in (201, 405, 409):
                refuse(response, path)
            return response.status

    def delete(self, path: str) -> None:
        if path == paths.ROOT:
            raise fault("permission_denied", "The root of a collection cannot be deleted.")
        is_folder = self.stat(path).kind is Kind.DIR
        if is_folder and next(self.list(path), None) is not None:
            raise fault("not_empty", f"{path} is not empty.")
        self._forget_folders(path)
        with self._session.request("DELETE", self._session.location(path, folder=is_folder), path=path) as response:
            if response.status not in (200, 202, 204):
                refuse(response, path)

    def rename(self, source: str, target: str) -> None:
        self._forget_folders(source)
        if not self._move(source, target, overwrite=False):
            raise fault("already_exists", f"{target} exists already.")

    def _forget_folders(self, path: str) -> None:
        self._known_folders = {folder for folder in self._known_folders if not paths.is_inside(folder, path)}

    def address(self) -> tuple[str, ...]:
        return server_address("webdav", self._session)

    def close(self) -> None:
        self._session.close()
