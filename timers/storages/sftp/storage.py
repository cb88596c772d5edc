"""Files of another machine over SFTP, confined to a root as far as the protocol allows.

Version 3 has no handles of folders, so the real path of each folder is requested: where it differs from the one below
the root, a symbolic link is on the way, and links are never followed. Files are checked before they are opened. Whoever
can replace files on the server between the two steps can do so with the account's rights anyway.

Modification times are whole seconds. With a server that cannot replace a file in one step
(`posix-rename@openssh.com`), no file is under the name for a moment (see `replacing`). A server that cannot sync
(`fsync@openssh.com`) may lose the last writes.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Container, Iterator, Mapping, Sequence
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
from timers.storages.sftp import attributes, replacing
from timers.storages.sftp.entries import decoded, encoded, entries, entry_at, is_folder, to_entry
from timers.storages.sftp.faults import new_name_error, refusal_error
from timers.storages.sftp.files import SftpReader, SftpWriter
from timers.storages.sftp.login import Account, log_in
from timers.storages.sftp.parameters import PARAMETERS
from timers.storages.sftp.parameters import clean as clean_parameters
from timers.storages.sftp.pool import SESSIONS
from timers.storages.sftp.replacing import TargetIsFolder
from timers.storages.sftp.session import CREATE, EXCLUSIVE, READ, WRITE, Handle, SftpSession, temporary_name
from timers.storages.sftp.wire import Attributes, Refused

_MAX_KNOWN_FOLDERS = 10_000


class SftpStorage(Storage):
    """A folder of an SFTP server, reached with one account. The server is verified by its key."""

    kind = "sftp"
    label = "SFTP"
    heading = "An SFTP server"
    parameters = PARAMETERS
    abilities = Abilities(rename=True, times=True, permissions=True, resume=True, links=True, streams=4)

    @classmethod
    def clean(cls, parameters: Mapping[str, Any], *, owner: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        return clean_parameters(parameters, may_open_algorithms=bool(getattr(owner, "is_staff", False)))

    @classmethod
    def place(cls, parameters: Mapping[str, Any]) -> str:
        port = f":{parameters['port']}" if parameters.get("port") else ""
        return f"{parameters.get('host', '')}{port}{parameters.get('root', '')}"

    def __init__(self, parameters: Mapping[str, Any], secrets: Mapping[str, Any]) -> None:
        self._account = Account.read(parameters, secrets)
        self._root = encoded(parameters.get("root") or "/")
        networks = [str(network) for network in settings.TIMERS_WEBHOOK_NETWORKS]
        account = {name: value for name, value in parameters.items() if name != "root"}
        settings_text = json.dumps([account, dict(secrets), networks], sort_keys=True, default=str)
        self._key = f"{self._account.name} {hashlib.sha256(settings_text.encode()).hexdigest()}"
        self._borrowed_session: SftpSession | None = None
        self._is_closed = False
        self._folder_paths: dict[str, bytes] = {}
        self._handles: list[Handle] = []

    # Reading folders

    def list(self, path: str) -> Iterator[Entry]:
        with self._refusals(path):
            folder = self._folder(path)
        try:
            yield from entries(self._session, folder)
        except Refused as refused:
            raise self._list_error(refused, path) from refused

    def stat(self, path: str) -> Entry:
        with self._refusals(path):
            return self._lstat(path)

    def read_link(self, path: str) -> str:
        with self._refusals(path):
            if self._lstat(path).kind is not Kind.SYMLINK:
                raise fault("unsupported", f"{path} is not a symbolic link.")
            return decoded(self._session.read_link(self._server_path(path)))

    def address(self) -> tuple[str, ...]:
        names = paths.parts(decoded(self._root))
        jump = self._account.jump
        way = [] if jump is None else ["through", jump.host, str(jump.port)]
        return ("sftp", *way, self._account.host, str(self._account.port), *names)

    # Files

    def open(self, path: str, *, offset: int = 0) -> Reader:
        with self._refusals(path):
            entry = self._lstat(path)
            if entry.kind is Kind.SYMLINK:
                raise self._link_fault(path)
            if entry.kind is Kind.UNKNOWN:
                raise fault("unknown_kind", f"The server does not say whether {path} is a file.")
            if entry.kind is not Kind.FILE:
                raise fault("not_a_file", f"{path} is not a file.")
            handle = self._opened(self._session.open(self._server_path(path), READ))
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
            flags = READ | WRITE if resume is not None else READ | WRITE | CREATE | EXCLUSIVE
            handle, existing = self._open_beside(server_path, self._server_path(path), flags)
            readable = isinstance(handle, Handle)
            if isinstance(handle, Refused):
                if resume is not None:
                    raise handle
                handle = self._create_unreadable(handle, server_path, name)
            writer = SftpWriter(
                self._session,
                self._opened(handle),
                folder=folder,
                path=path,
                partial=partial,
                readable=readable,
                existing=existing,
                written=resume.size if resume else 0,
            )
            if resume is not None:
                self._session.truncate(handle, resume.size)
            else:
                self._session.make_private(handle)
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
        existing = self.find(path)
        if existing is None:
            self.mkdir(paths.parent(path))
            return self._make_folder(path, permissions)
        if existing.kind is Kind.SYMLINK:
            raise self._link_fault(path)
        if existing.kind is not Kind.DIR:
            raise fault("not_a_folder", f"{path} is not a folder.")
        return False

    def set_attributes(
        self, path: str, *, modified_ns: int | None = None, permissions: Permissions | None = None
    ) -> Sequence[str]:
        with self._refusals(path):
            if self._lstat(path).kind is Kind.SYMLINK:
                raise self._link_fault(path)
            session, server_path = self._session, self._server_path(path)
            folder = self._folder(paths.parent(path))
            wanted = attributes.of_entry(session, folder, permissions=permissions, modified_ns=modified_ns)
            refused = attributes.set_by_path(session, server_path, wanted, wanted.names())
            if not refused and not wanted.names() <= session.kept.keys():
                attributes.look(session, wanted, session.lstat(server_path))
            return attributes.not_kept(session, wanted, refused)

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
        if self.find(target) is not None:
            raise fault("already_exists", f"{target} exists already.")
        self._forget(source)
        with self._refusals(source):
            self._session.rename(self._server_path(source), self._server_path(target))

    def set_aside(self, source: str, target: str) -> None:
        """Give an entry a second place.

        A file stays where it is too, if the server can make hard links (`hardlink@openssh.com`).
        """
        with self._refusals(source):
            is_file = self._lstat(source).kind is Kind.FILE
            if self.find(target) is not None:
                raise fault("already_exists", f"{target} exists already.")
            if not is_file or not self._session.makes_hard_link(self._server_path(source), self._server_path(target)):
                self.rename(source, target)

    def make_link(self, path: str, text: str) -> None:
        if not text or "\0" in text:
            raise fault("bad_name", f"{path}: a symbolic link cannot contain {text!r}.")
        existing = self.find(path)
        if existing is not None and existing.kind is Kind.DIR:
            raise fault("already_exists", f"{path} is a folder.")
        with self._refusals(path):
            server_path = self._server_path(path)
            if existing is None:
                try:
                    self._session.make_link(server_path, encoded(text))
                except Refused as refused:
                    raise new_name_error(self._session, refused, server_path, path) from refused
                return
            if not self._session.can_replace:
                replacing.repair(self._session, server_path)
            partial_path = server_path.rpartition(b"/")[0] + b"/" + temporary_name()
            self._session.make_link(partial_path, encoded(text))
            try:
                replacing.replace(self._session, partial_path, server_path)
            except (Refused, TargetIsFolder) as error:
                self._session.forget(*self._session.send(self._session.remove_request(partial_path)))
                if isinstance(error, Refused):
                    raise
                raise fault("already_exists", f"{path} is a folder.") from None

    def sweep(self, files: Sequence[str], *, prefix: str, keep: Container[str]) -> None:
        super().sweep(files, prefix=prefix, keep=keep)
        if self._session.can_replace:
            return
        for path in files:
            try:
                with self._refusals(path):
                    replacing.repair(self._session, self._server_path(path))
            except ExternalError as error:
                if error.reason != "not_found":
                    raise

    def close(self) -> None:
        self._is_closed = True
        session, self._borrowed_session = self._borrowed_session, None
        if session is not None:
            SESSIONS.release(self._key, session, in_use=any(handle.is_open for handle in self._handles))

    # The session, and paths on the server

    @property
    def _session(self) -> SftpSession:
        """The session of this storage; a new one after it was lost."""
        session = self._borrowed_session
        if session is None or session.is_lost:
            if self._is_closed:  # closed by another thread, because this one took too long
                raise fault("connection_error", f"The connection to {self._account.name} is closed.")
            if session is not None:
                SESSIONS.release(self._key, session)
            self._folder_paths.clear()
            self._handles.clear()
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
            if not self._leads_to(path, server_path, session.real_path(server_path)):
                raise self._link_fault(path)
        if len(self._folder_paths) >= _MAX_KNOWN_FOLDERS:
            self._folder_paths.clear()
        self._folder_paths[path] = server_path
        return server_path

    def _server_path(self, path: str) -> bytes:
        """Return the server's path of a collection path; only its folder is known to be no link."""
        if path == paths.ROOT:
            return self._folder(path) or b"/"
        return self._folder(paths.parent(path)) + b"/" + encoded(paths.name_of(path))

    def _leads_to(self, path: str, server_path: bytes, real_path: bytes) -> bool:
        """Return whether no link is on the way to a folder.

        A server that ignores case or the form of Unicode returns the real path in its own spelling.
        """
        if real_path == server_path:
            return True
        if paths.fold(decoded(real_path)) != paths.fold(decoded(server_path)):
            return False
        way = self._session.lstat_all([self._folder(paths.ROOT) + encoded(part) for part in _way_to(path)])
        return all(found is not None and to_entry("", found).kind is Kind.DIR for found in way)

    def _link_fault(self, path: str) -> ExternalError:
        """Return the fault that names the first symbolic link on the way to a path, and what it leads to."""
        root, way = self._folder(paths.ROOT), _way_to(path)
        for part, found in zip(way, self._session.lstat_all([root + encoded(part) for part in way]), strict=True):
            if found is not None and to_entry("", found).kind is Kind.SYMLINK:
                try:
                    leads_to = paths.readable(decoded(self._session.read_link(root + encoded(part))))
                except Refused:
                    break
                message = f"{part} is a symbolic link to {leads_to}; links are never followed."
                return fault("path_outside", message)
        return fault("path_outside", f"A symbolic link is on the way to {path}; links are never followed.")

    def _lstat(self, path: str) -> Entry:
        return entry_at(self._session, self._server_path(path), paths.name_of(path))

    def _forget(self, path: str) -> None:
        for folder in list(self._folder_paths):
            if folder != paths.ROOT and paths.is_inside(folder, path):
                del self._folder_paths[folder]

    # Operations with a second request

    def _open_beside(self, server_path: bytes, target: bytes, flags: int) -> tuple[Handle | Refused, Attributes | None]:
        """Open a partial file, and look at its target meanwhile; repair what a slice that died left of the target."""
        session = self._session
        looked_at = [target] if session.can_replace else [target, replacing.aside_path(target)]
        opening, *looking = session.send(
            session.open_request(server_path, flags), *map(session.lstat_request, looked_at)
        )
        try:
            opened: Handle | Refused = session.handle(opening)
        except Refused as refused:
            opened = refused
        existing, *aside = map(session.lstat_answer, looking)
        if aside and aside[0] is not None:
            replacing.finish_repair(session, target, stands=existing is not None)
            existing = existing or aside[0]
        return opened, existing

    def _create_unreadable(self, refused: Refused, server_path: bytes, name: str) -> Handle:
        """Return a handle of a new file that can only be written: some stores behind a server refuse more."""
        error = refusal_error(refused, name)
        if error.reason in {"not_found", "already_exists", "no_space", "quota"}:
            raise error from refused
        if self.find(name) is not None:
            raise fault("already_exists", f"{name} exists already.")
        return self._session.open(server_path, WRITE | CREATE | EXCLUSIVE)

    def _opened(self, handle: Handle) -> Handle:
        """Remember a handle: a session with open files is not handed on."""
        self._handles = [*(other for other in self._handles if other.is_open), handle]
        return handle

    def _take_over(self, older: bytes, server_path: bytes, size: int) -> None:
        """Rename a partial file; raises `not_found` unless it is a file with at least `size` bytes."""
        entry = entry_at(self._session, older, "")
        if entry.kind is not Kind.FILE or entry.size < size:
            raise fault("not_found", "The partial file is shorter than it should be.")
        self._session.rename(older, server_path)

    def _make_folder(self, path: str, permissions: Permissions | None) -> bool:
        # we write into it until it gets another mode by `set_attributes`
        mode = None if permissions is None else permissions.mode & 0o777 | 0o700
        with self._refusals(path):
            server_path = self._server_path(path)
            try:
                self._session.make_folder(server_path, mode)
            except Refused as refused:
                if is_folder(self._session, server_path):
                    return False  # somebody else made it first
                raise new_name_error(self._session, refused, server_path, path) from refused
        return True

    def _list_error(self, refused: Refused, path: str) -> ExternalError:
        existing = self.find(path)
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


def _way_to(path: str) -> list[str]:
    """Return the paths of the folders from the root's to a path, which is the last one."""
    return [*reversed([path, *paths.above(path)])]
