"""Files of another machine over SFTP. Confined to a root, as far as the protocol can see.

Version 3 knows no handles of folders, so each folder that is used is asked for its real path: where that is not the one
below the root, a symbolic link is on the way, and links are never followed. Files are looked at before they are opened.
Who may swap things on the server between the two steps can do so with the account's rights anyway.

Modification times are whole seconds. A server that cannot replace a file in one step (`posix-rename@openssh.com`) has
nothing under the name for a moment; one that cannot sync (`fsync@openssh.com`) may lose what it took last.
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
from timers.storages.base import Abilities, Entry, Kind, Reader, Storage, UnfinishedFile, Writer, fault
from timers.storages.sftp.faults import meaning
from timers.storages.sftp.files import SftpReader, SftpWriter, encoded, entry, is_folder
from timers.storages.sftp.login import Account, log_in
from timers.storages.sftp.parameters import PARAMETERS
from timers.storages.sftp.parameters import clean as clean_parameters
from timers.storages.sftp.pool import SESSIONS
from timers.storages.sftp.session import CREATE, EXCLUSIVE, READ, WRITE, SftpSession
from timers.storages.sftp.wire import Refused

_FOLDERS = 10_000


class SftpStorage(Storage):
    """A folder of an SFTP server, reached with one account. The server is known by its key."""

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
        words = json.dumps([dict(parameters), dict(secrets), networks], sort_keys=True, default=str)
        self._key = hashlib.sha256(words.encode()).hexdigest()
        self._held: SftpSession | None = None
        self._is_closed = False
        self._known: dict[str, bytes] = {}

    # Looking

    def list(self, path: str) -> Iterator[Entry]:
        with self._refusals(path):
            folder = self._folder(path)
        try:
            for name, attributes in self._session.list(folder or b"/"):
                if name not in (b".", b".."):
                    yield entry(_name(name, path), attributes)
        except Refused as refused:
            raise self._not_listed(refused, path) from refused

    def stat(self, path: str) -> Entry:
        with self._refusals(path):
            return self._look(path)

    def read_link(self, path: str) -> str:
        with self._refusals(path):
            if self._look(path).kind is not Kind.SYMLINK:
                raise fault("unsupported", f"{path} is not a symbolic link.")
            return self._session.read_link(self._place(path)).decode("utf-8", "surrogateescape")

    def address(self) -> tuple[str, ...]:
        names = paths.parts(self._root.decode("utf-8", "surrogateescape"))
        return ("sftp", self._account.host, str(self._account.port), *names)

    # Files

    def open(self, path: str, *, offset: int = 0) -> Reader:
        with self._refusals(path):
            found = self._look(path)
            if found.kind is Kind.SYMLINK:
                raise fault("path_outside", f"{path} is a symbolic link; links are never followed.")
            if found.kind is not Kind.FILE:
                raise fault("not_a_file", f"{path} is not a file.")
            handle = self._session.open(self._place(path), READ)
            return SftpReader(self._session, handle, path=path, opened=found, offset=offset)

    def write(self, path: str, *, part: str, resume: UnfinishedFile | None = None) -> Writer:
        name = paths.join(paths.parent(path), part)
        with self._refusals(path):
            folder, place = self._folder(paths.parent(path)), self._place(name)
            if resume is not None:
                self._take_over(folder + b"/" + encoded(resume.name), place, resume.size)
                handle, readable = self._session.open(place, READ | WRITE), True
            else:
                handle, readable = self._create(place, name)
            writer = SftpWriter(
                self._session,
                handle,
                folder=folder,
                path=path,
                part=part,
                readable=readable,
                written=resume.size if resume else 0,
            )
            if resume is not None:
                self._session.truncate(handle, resume.size)
            return writer

    def seal_all(self, writers: Sequence[Writer]) -> None:
        ours = [writer for writer in writers if isinstance(writer, SftpWriter)]
        for writer, asked in [(writer, writer.begin_seal()) for writer in ours]:
            writer.finish_seal(asked)

    # Names

    def mkdir(self, path: str) -> bool:
        if path == paths.ROOT:
            self.stat(path)
            return False
        there = self._there(path)
        if there is None:
            self.mkdir(paths.parent(path))
            return self._make_folder(path)
        if there.kind is Kind.SYMLINK:
            raise fault("path_outside", f"{path} is a symbolic link; links are never followed.")
        if there.kind is not Kind.DIR:
            raise fault("not_a_folder", f"{path} is not a folder.")
        return False

    def delete(self, path: str) -> None:
        if path == paths.ROOT:
            raise fault("permission_denied", "The root of a collection cannot be deleted.")
        with self._refusals(path):
            found, place = self._look(path), self._place(path)
            self._forget(path)
            if found.kind is not Kind.DIR:
                self._session.remove(place)
                return
            try:
                self._session.remove_folder(place)
            except Refused as refused:
                raise self._folder_not_deleted(refused, path) from refused

    def rename(self, source: str, target: str) -> None:
        with self._refusals(source):
            self._look(source)
        if self._there(target) is not None:
            raise fault("already_exists", f"{target} exists already.")
        self._forget(source)
        with self._refusals(source):
            self._session.rename(self._place(source), self._place(target))

    def make_link(self, path: str, text: str) -> None:
        if not text or "\0" in text:
            raise fault("bad_name", f"{path}: a symbolic link cannot say {text!r}.")
        there = self._there(path)
        if there is not None and there.kind is Kind.DIR:
            raise fault("already_exists", f"{path} is a folder.")
        with self._refusals(path):
            place = self._place(path)
            if there is None:
                self._session.make_link(place, encoded(text))
                return
            beside = place.rpartition(b"/")[0] + f"/.timers-{tokens.token_hex(6)}-0-0.part".encode()
            self._session.make_link(beside, encoded(text))
            self._session.replace(beside, place)

    def close(self) -> None:
        self._is_closed = True
        held, self._held = self._held, None
        if held is not None:
            SESSIONS.give_back(self._key, held)

    # The session, and where things are

    @property
    def _session(self) -> SftpSession:
        """The session that this storage uses; a new one after it was lost."""
        held = self._held
        if held is None or held.is_lost:
            if self._is_closed:  # by another thread, because this one took too long
                raise fault("connection_error", f"The connection to {self._account.name} is closed.")
            if held is not None:
                held.end()
            self._known.clear()
            held = self._held = SESSIONS.take(self._key, lambda: log_in(self._account))
        return held

    def _folder(self, path: str) -> bytes:
        """Return where a folder is on the server, without a slash at the end (so "/" is empty); no link leads there."""
        session = self._session
        known = self._known.get(path)
        if known is not None:
            return known
        if path == paths.ROOT:
            place = session.real(self._root).rstrip(b"/")
        else:
            place = self._folder(paths.ROOT) + encoded(path)
            if session.real(place) != place:
                raise fault("path_outside", f"A symbolic link is on the way to {path}; links are never followed.")
        if len(self._known) >= _FOLDERS:
            self._known.clear()
        self._known[path] = place
        return place

    def _place(self, path: str) -> bytes:
        """Return where something is on the server; only its folder is known to be no link."""
        if path == paths.ROOT:
            return self._folder(path) or b"/"
        return self._folder(paths.parent(path)) + b"/" + encoded(paths.name_of(path))

    def _look(self, path: str) -> Entry:
        return entry(paths.name_of(path), self._session.lstat(self._place(path)))

    def _there(self, path: str) -> Entry | None:
        try:
            return self.stat(path)
        except ExternalError as error:
            if error.reason == "not_found":
                return None
            raise

    def _forget(self, path: str) -> None:
        for known in [known for known in self._known if known != paths.ROOT and paths.is_inside(known, path)]:
            del self._known[known]

    # Steps that need a second look

    def _create(self, place: bytes, name: str) -> tuple[bytes, bool]:
        """Return a handle of a new file, and whether it can be read too: some stores behind a server refuse that."""
        try:
            return self._session.open(place, READ | WRITE | CREATE | EXCLUSIVE), True
        except Refused as refused:
            error = meaning(refused, name)
            if error.reason in {"not_found", "already_exists", "no_space", "quota"}:
                raise error from refused
        if self._there(name) is not None:
            raise fault("already_exists", f"{name} exists already.")
        return self._session.open(place, WRITE | CREATE | EXCLUSIVE), False

    def _take_over(self, older: bytes, place: bytes, size: int) -> None:
        """Give an unfinished part its new name, if it is there, a file, and has that much."""
        found = entry("", self._session.lstat(older))
        if found.kind is not Kind.FILE or found.size < size:
            raise fault("not_found", "The unfinished part is shorter than it should be.")
        self._session.rename(older, place)

    def _make_folder(self, path: str) -> bool:
        with self._refusals(path):
            try:
                self._session.make_folder(self._place(path))
            except Refused:
                if is_folder(self._session, self._place(path)):
                    return False  # somebody else was first
                raise
        return True

    def _not_listed(self, refused: Refused, path: str) -> ExternalError:
        there = self._there(path)
        if there is not None and there.kind is not Kind.DIR:
            return fault("not_a_folder", f"{path} is not a folder.")
        return meaning(refused, path)

    def _folder_not_deleted(self, refused: Refused, path: str) -> ExternalError:
        error = meaning(refused, path)
        if error.reason == "storage_error" and next(self.list(path), None) is not None:
            return fault("not_empty", f"{path} is not empty.")
        return error

    @contextmanager
    def _refusals(self, path: str) -> Iterator[None]:
        try:
            yield
        except Refused as refused:
            raise meaning(refused, path) from refused


def _name(name: bytes, folder: str) -> str:
    """Return a name out of a listing. A server could name what lies elsewhere; nothing of that folder is used then."""
    told = name.decode("utf-8", "surrogateescape")
    if not paths.is_name(told):
        raise fault("bad_name", f"The server lists what cannot be a name in {folder}: {told[:100]!a}.")
    return told
