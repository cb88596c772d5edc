"""Files of another machine over SFTP, confined to a root as far as the protocol allows.

Version 3 has no handles of folders, so the real path of each folder is requested: where it differs from the one below
the root, a symbolic link is on the way, and links are never followed. Files are checked before they are opened. Whoever
can replace files on the server between the two steps can do so with the account's rights anyway.

Modification times are whole seconds. A server that cannot replace a file in one step (`posix-rename@openssh.com`) has
no file under the name for a moment. A server that cannot sync (`fsync@openssh.com`) may lose the last writes.
"""

from __future__ import annotations

import hashlib
import json
import secrets as tokens
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from django.conf import settings

from timers.copying import paths
from timers.errors import ExternalError
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
)
from timers.storages.sftp.faults import refusal_error
from timers.storages.sftp.files import SftpReader, SftpWriter, encoded, is_folder, to_entry
from timers.storages.sftp.login import Account, log_in
from timers.storages.sftp.parameters import PARAMETERS
from timers.storages.sftp.parameters import clean as clean_parameters
from timers.storages.sftp.pool import SESSIONS
from timers.storages.sftp.session import CREATE, EXCLUSIVE, READ, WRITE, SftpSession
from timers.storages.sftp.wire import Refused

_MAX_KNOWN_FOLDERS = 10_000


class SftpStorage(Storage):
    """A folder of an SFTP server, reached with one account. The server is verified by its key."""

    kind = "sftp"
    label = "SFTP"
    heading = "An SFTP server"
    parameters = PARAMETERS
    abilities = Abilities(rename=True, times=True, resume=True, links=True, streams=4)

    @classmethod
    def clean(cls, parameters: Mapping[str, Any], *, owner: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        return clean_parameters(parameters)

    @classmethod
    def place(cls, parameters: Mapping[str, Any]) -> str:
        port = f":{parameters['port']}" if parameters.get("port") else ""
        return f"{parameters.get('host', '')}{port}{parameters.get('root', '')}"

    def __init__(self, parameters: Mapping[str, Any], secrets: Mapping[str, Any]) -> None:
        self._account = Account.read(parameters, secrets)
        self._root = encoded(parameters.get("root") or "/")
        networks = [str(network) for network in settings.TIMERS_WEBHOOK_NETWORKS]
        settings_text = json.dumps([dict(parameters), dict(secrets), networks], sort_keys=True, default=str)
        self._key = hashlib.sha256(settings_text.encode()).hexdigest()
        self._borrowed_session: SftpSession | None = None
        self._is_closed = False
        self._folder_paths: dict[str, bytes] = {}

    # Reading folders

    def list(self, path: str) -> Iterator[Entry]:
        with self._refusals(path):
            folder = self._folder(path)
        try:
            for name, attributes in self._session.list(folder or b"/"):
                if name not in (b".", b".."):
                    yield to_entry(_name(name, path), attributes)
        except Refused as refused:
            raise self._list_error(refused, path) from refused

    def stat(self, path: str) -> Entry:
        with self._refusals(path):
            return self._lstat(path)

    def read_link(self, path: str) -> str:
        with self._refusals(path):
            if self._lstat(path).kind is not Kind.SYMLINK:
                raise fault("unsupported", f"{path} is not a symbolic link.")
            return self._session.read_link(self._server_path(path)).decode("utf-8", "surrogateescape")

    def address(self) -> tuple[str, ...]:
        names = paths.parts(self._root.decode("utf-8", "surrogateescape"))
        return ("sftp", self._account.host, str(self._account.port), *names)

    # Files

    def open(self, path: str, *, offset: int = 0) -> Reader:
        with self._refusals(path):
            entry = self._lstat(path)
            if entry.kind is Kind.SYMLINK:
                raise fault("path_outside", f"{path} is a symbolic link; links are never followed.")
            if entry.kind is not Kind.FILE:
                raise fault("not_a_file", f"{path} is not a file.")
            handle = self._session.open(self._server_path(path), READ)
            return SftpReader(self._session, handle, path=path, opened=entry, offset=offset)

    def write(
        self,
        path: str,
        *,
        partial: str,
        resume: PartialFile | None = None,
        properties: FileProperties | None = None,
    ) -> Writer:
        name = paths.join(paths.parent(path), partial)
        with self._refusals(path):
            folder, server_path = self._folder(paths.parent(path)), self._server_path(name)
            if resume is not None:
                self._take_over(folder + b"/" + encoded(resume.name), server_path, resume.size)
                handle, readable = self._session.open(server_path, READ | WRITE), True
            else:
                handle, readable = self._create(server_path, name)
            writer = SftpWriter(
                self._session,
                handle,
                folder=folder,
                path=path,
                partial=partial,
                readable=readable,
                written=resume.size if resume else 0,
            )
            if resume is not None:
                self._session.truncate(handle, resume.size)
            return writer

    def sync_all(self, writers: Sequence[Writer]) -> None:
        sftp_writers = [writer for writer in writers if isinstance(writer, SftpWriter)]
        for writer, request_id in [(writer, writer.begin_sync()) for writer in sftp_writers]:
            writer.finish_sync(request_id)

    # Names

    def mkdir(self, path: str, *, permissions: Permissions | None = None) -> bool:
        if path == paths.ROOT:
            self.stat(path)
            return False
        existing = self._existing(path)
        if existing is None:
            self.mkdir(paths.parent(path))
            return self._make_folder(path)
        if existing.kind is Kind.SYMLINK:
            raise fault("path_outside", f"{path} is a symbolic link; links are never followed.")
        if existing.kind is not Kind.DIR:
            raise fault("not_a_folder", f"{path} is not a folder.")
        return False

    def delete(self, path: str) -> None:
        if path == paths.ROOT:
            raise fault("permission_denied", "The root of a collection cannot be deleted.")
        with self._refusals(path):
            entry, server_path = self._lstat(path), self._server_path(path)
            self._forget(path)
            if entry.kind is not Kind.DIR:
                self._session.remove(server_path)
                return
            try:
                self._session.remove_folder(server_path)
            except Refused as refused:
                raise self._delete_folder_error(refused, path) from refused

    def rename(self, source: str, target: str) -> None:
        with self._refusals(source):
            self._lstat(source)
        if self._existing(target) is not None:
            raise fault("already_exists", f"{target} exists already.")
        self._forget(source)
        with self._refusals(source):
            self._session.rename(self._server_path(source), self._server_path(target))

    def make_link(self, path: str, text: str) -> None:
        if not text or "\0" in text:
            raise fault("bad_name", f"{path}: a symbolic link cannot contain {text!r}.")
        existing = self._existing(path)
        if existing is not None and existing.kind is Kind.DIR:
            raise fault("already_exists", f"{path} is a folder.")
        with self._refusals(path):
            server_path = self._server_path(path)
            if existing is None:
                self._session.make_link(server_path, encoded(text))
                return
            partial_path = server_path.rpartition(b"/")[0] + f"/.timers-{tokens.token_hex(6)}-0-0.part".encode()
            self._session.make_link(partial_path, encoded(text))
            self._session.replace(partial_path, server_path)

    def close(self) -> None:
        self._is_closed = True
        session, self._borrowed_session = self._borrowed_session, None
        if session is not None:
            SESSIONS.release(self._key, session)

    # The session, and paths on the server

    @property
    def _session(self) -> SftpSession:
        """The session of this storage; a new one after it was lost."""
        session = self._borrowed_session
        if session is None or session.is_lost:
            if self._is_closed:  # closed by another thread, because this one took too long
                raise fault("connection_error", f"The connection to {self._account.name} is closed.")
            if session is not None:
                session.end()
            self._folder_paths.clear()
            session = self._borrowed_session = SESSIONS.acquire(self._key, lambda: log_in(self._account))
        return session

    def _folder(self, path: str) -> bytes:
        """Return the server's path of a folder, without a slash at the end (so "/" is empty); no link is on the way."""
        session = self._session
        known = self._folder_paths.get(path)
        if known is not None:
            return known
        if path == paths.ROOT:
            server_path = session.real_path(self._root).rstrip(b"/")
        else:
            server_path = self._folder(paths.ROOT) + encoded(path)
            if session.real_path(server_path) != server_path:
                raise fault("path_outside", f"A symbolic link is on the way to {path}; links are never followed.")
        if len(self._folder_paths) >= _MAX_KNOWN_FOLDERS:
            self._folder_paths.clear()
        self._folder_paths[path] = server_path
        return server_path

    def _server_path(self, path: str) -> bytes:
        """Return the server's path of a collection path; only its folder is known to be no link."""
        if path == paths.ROOT:
            return self._folder(path) or b"/"
        return self._folder(paths.parent(path)) + b"/" + encoded(paths.name_of(path))

    def _lstat(self, path: str) -> Entry:
        return to_entry(paths.name_of(path), self._session.lstat(self._server_path(path)))

    def _existing(self, path: str) -> Entry | None:
        try:
            return self.stat(path)
        except ExternalError as error:
            if error.reason == "not_found":
                return None
            raise

    def _forget(self, path: str) -> None:
        for folder in list(self._folder_paths):
            if folder != paths.ROOT and paths.is_inside(folder, path):
                del self._folder_paths[folder]

    # Operations with a second request

    def _create(self, server_path: bytes, name: str) -> tuple[bytes, bool]:
        """Return a handle of a new file, and whether it can be read too: some stores behind a server refuse that."""
        try:
            return self._session.open(server_path, READ | WRITE | CREATE | EXCLUSIVE), True
        except Refused as refused:
            error = refusal_error(refused, name)
            if error.reason in {"not_found", "already_exists", "no_space", "quota"}:
                raise error from refused
        if self._existing(name) is not None:
            raise fault("already_exists", f"{name} exists already.")
        return self._session.open(server_path, WRITE | CREATE | EXCLUSIVE), False

    def _take_over(self, older: bytes, server_path: bytes, size: int) -> None:
        """Rename a partial file; raises `not_found` unless it is a file with at least `size` bytes."""
        entry = to_entry("", self._session.lstat(older))
        if entry.kind is not Kind.FILE or entry.size < size:
            raise fault("not_found", "The partial file is shorter than it should be.")
        self._session.rename(older, server_path)

    def _make_folder(self, path: str) -> bool:
        with self._refusals(path):
            try:
                self._session.make_folder(self._server_path(path))
            except Refused:
                if is_folder(self._session, self._server_path(path)):
                    return False  # somebody else made it first
                raise
        return True

    def _list_error(self, refused: Refused, path: str) -> ExternalError:
        existing = self._existing(path)
        if existing is not None and existing.kind is not Kind.DIR:
            return fault("not_a_folder", f"{path} is not a folder.")
        return refusal_error(refused, path)

    def _delete_folder_error(self, refused: Refused, path: str) -> ExternalError:
        error = refusal_error(refused, path)
        if error.reason == "storage_error" and next(self.list(path), None) is not None:
            return fault("not_empty", f"{path} is not empty.")
        return error

    @contextmanager
    def _refusals(self, path: str) -> Iterator[None]:
        try:
            yield
        except Refused as refused:
            raise refusal_error(refused, path) from refused


def _name(name: bytes, folder: str) -> str:
    """Return a decoded name of a listing.

    A server could list a name that leads elsewhere; such a folder is not used at all.
    """
    decoded = name.decode("utf-8", "surrogateescape")
    if not paths.is_name(decoded):
        raise fault("bad_name", f"The server lists an invalid name in {folder}: {decoded[:100]!a}.")
    return decoded
