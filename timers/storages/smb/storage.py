"""Files of a share of Windows, Samba or a network drive.

Links of Windows are listed as what they are and never followed: each folder on the way is asked whether it is one. A
Samba server follows the links on its own disk itself; a folder that leads back to one above it is listed as a link.

A file is written under a temporary name and renamed over the old one in one step. A name is the same in any case, which
only the server can tell for sure.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any
from weakref import WeakValueDictionary

from timers.copying import paths
from timers.copying.plan import TIME_TOLERANCE_NS
from timers.errors import ExternalError, Invalid
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
from timers.storages.smb.access import (
    AS_FILE,
    AS_FOLDER,
    CREATE,
    DELETE,
    READ,
    WITHOUT_FOLLOWING,
    WRITE,
    WRITE_ATTRIBUTES,
)
from timers.storages.smb.entries import FileAttributes, ticks_of
from timers.storages.smb.faults import DELETE_PENDING, RequestRefused, refusals
from timers.storages.smb.files import SmbReader, SmbWriter
from timers.storages.smb.names import server_path
from timers.storages.smb.parameters import DEFAULT_PORT, PARAMETERS, cleaned

if TYPE_CHECKING:
    from timers.storages.smb.session import SmbSession

PACKAGE = "smbprotocol"
MISSING_PACKAGE = f"Install {PACKAGE} (requirements-storages.txt) to use SMB."
_MAX_KNOWN_FOLDERS = 10_000
_SHORT_NAME_MARK = "~"
"""What the short names contain that a server gives to files with long ones."""


class SmbStorage(Storage):
    """A folder of a share, reached with one account."""

    kind = "smb"
    label = "SMB"
    heading = "A share of Windows, Samba or a network drive (SMB)"
    parameters = PARAMETERS
    abilities = Abilities(rename=True, times=True, resume=True, streams=4)

    @classmethod
    def clean(cls, parameters: Mapping[str, Any], *, owner: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        public, secrets = super().clean(parameters, owner=owner)
        if not secrets["password"]:
            raise Invalid({"password": "Give the password of the account."})
        if find_spec(PACKAGE) is None:
            raise Invalid({"": MISSING_PACKAGE})
        return cleaned(public), secrets

    @classmethod
    def place(cls, parameters: Mapping[str, Any]) -> str:
        port = f":{parameters['port']}" if parameters.get("port", DEFAULT_PORT) != DEFAULT_PORT else ""
        root = str(parameters.get("root") or "").rstrip("/")
        return f"{parameters.get('host', '')}{port}/{parameters.get('share', '')}{root}"

    @classmethod
    def encrypts(cls, parameters: Mapping[str, Any]) -> bool:
        return bool(parameters.get("encrypt", True))

    def __init__(self, parameters: Mapping[str, Any], secrets: Mapping[str, Any]) -> None:
        self._parameters, self._secrets = parameters, secrets
        self._root = paths.parts(parameters.get("root") or paths.ROOT)
        self._open_session: SmbSession | None = None
        self._is_closed = False
        self._folder_numbers: dict[str, int] = {}
        self._writers: WeakValueDictionary[str, SmbWriter] = WeakValueDictionary()

    # Reading folders

    def list(self, path: str) -> Iterator[Entry]:
        with refusals(path):
            self._check_folder(path)
            session, above = self._session, self._folder_numbers_above(path)
            handle, _ = session.open(self._server_path(path), access=READ, options=AS_FOLDER)
            try:
                for name, attributes in session.entries(handle):
                    if name == ".":
                        self._remember(path, attributes)
                        above |= {attributes.number} - {0}
                    elif name != "..":
                        leads_back = attributes.is_folder and attributes.number in above
                        yield attributes.entry(name)._replace(kind=Kind.SYMLINK if leads_back else attributes.kind)
            finally:
                session.close_quietly(handle)

    def stat(self, path: str) -> Entry:
        self._check_folder(paths.parent(path))
        with refusals(path):
            return self._session.attributes_at(self._server_path(path)).entry(paths.name_of(path))

    @contextmanager
    def lookup(self, path: str) -> Iterator[Lookup]:
        with super().lookup(path) as find:

            def look(name: str) -> Entry | None:
                try:
                    entry = find(name)
                    return self.find(paths.join(path, name)) if entry is None and _SHORT_NAME_MARK in name else entry
                except ExternalError as error:
                    if error.reason == "bad_name":
                        return None  # no server has an entry that SMB cannot name
                    raise

            yield look

    def address(self) -> tuple[str, ...]:
        host, port, share = (self._parameters[name] for name in ("host", "port", "share"))
        return ("smb", host, str(port), share.lower(), *map(paths.fold, self._root))

    # Files

    def open(self, path: str, *, offset: int = 0) -> Reader:
        entry = self.stat(path)
        if entry.kind is Kind.SYMLINK:
            raise fault("path_outside", f"{path} is a symbolic link; links are never followed.")
        if entry.kind is not Kind.FILE:
            raise fault("not_a_file", f"{path} is not a file.")
        with refusals(path):
            handle, attributes = self._session.open(self._server_path(path), access=READ, options=AS_FILE)
        return SmbReader(self._session, handle, path=path, opened=attributes.entry(entry.name), offset=offset)

    def write(
        self,
        path: str,
        *,
        partial: str,
        resume: PartialFile | None = None,
        properties: FileProperties | None = None,
    ) -> Writer:
        folder, target = paths.parent(path), self._server_path(path)
        self._check_folder(folder)
        partial_path = paths.join(folder, partial)
        with refusals(partial_path):
            handle = (
                self._create(partial_path)
                if resume is None
                else self._take_over(paths.join(folder, resume.name), partial_path, resume.size)
            )
        writer = SmbWriter(
            self._session,
            handle,
            path=path,
            partial=partial,
            target=target,
            written=resume.size if resume else 0,
        )
        self._writers[partial_path] = writer
        return writer

    def remove_partial(self, path: str, partial: str) -> None:
        writer = self._writers.pop(paths.join(paths.parent(path), partial), None)
        if writer is not None:
            writer.release()  # the server would keep the file as long as we hold it
        super().remove_partial(path, partial)

    # Names

    def mkdir(self, path: str, *, permissions: Permissions | None = None) -> bool:
        if path == paths.ROOT:
            self._check_folder(path)
            return False
        existing = self.find(path)
        if existing is None:
            self.mkdir(paths.parent(path))
            return self._make_folder(path)
        _must_be_folder(existing, path)
        return False

    def delete(self, path: str) -> None:
        if path == paths.ROOT:
            raise fault("permission_denied", "The root of a collection cannot be deleted.")
        with self._opened(path, access=DELETE) as handle:
            self._session.remove(handle)
        self._forget(path)
        with refusals(path):
            if self._is_deleted_later(path):
                raise fault("storage_error", f"{path} is in use on the server, which removes it afterwards.")

    def rename(self, source: str, target: str) -> None:
        self._check_folder(paths.parent(target))
        target_path = self._server_path(target)
        with self._opened(source, access=DELETE) as handle:
            try:
                self._session.rename(handle, target_path, replace=False)
            except RequestRefused:
                if self.find(target) is not None:
                    raise fault("already_exists", f"{target} exists already.") from None
                raise
        self._forget(source)

    def set_attributes(
        self, path: str, *, modified_ns: int | None = None, permissions: Permissions | None = None
    ) -> Sequence[str]:
        not_kept = ["mode"] if permissions is not None else []
        if modified_ns is not None and not self._set_time(path, modified_ns):
            not_kept.insert(0, "times")
        return not_kept

    def close(self) -> None:
        self._is_closed = True
        session, self._open_session = self._open_session, None
        if session is not None:
            session.end()

    # The session, and paths on the server

    @property
    def _session(self) -> SmbSession:
        """The session of this storage; a new one after it was lost."""
        session = self._open_session
        if session is None or session.is_lost:
            if self._is_closed:  # closed by another thread, because this one took too long
                raise fault("connection_error", f"The connection to {self._parameters['host']} is closed.")
            self._folder_numbers.clear()
            session = self._open_session = _log_in(self._parameters, self._secrets)
        return session

    def _server_path(self, path: str) -> str:
        return server_path(self._root, path)

    def _check_folder(self, path: str) -> None:
        """Raise a fault unless a folder and those above it are folders themselves, and no links to some."""
        self._session  # noqa: B018  a new one knows no folders
        if path in self._folder_numbers:
            return
        if path != paths.ROOT:
            self._check_folder(paths.parent(path))
        with refusals(path):
            attributes = self._session.attributes_at(self._server_path(path))
        _must_be_folder(attributes.entry(paths.name_of(path)), path)
        self._remember(path, attributes)

    def _remember(self, folder: str, attributes: FileAttributes) -> None:
        if len(self._folder_numbers) >= _MAX_KNOWN_FOLDERS:
            self._folder_numbers.clear()
        self._folder_numbers[folder] = attributes.number or self._folder_numbers.get(folder, 0)

    def _folder_numbers_above(self, path: str) -> set[int]:
        """Return the numbers of the folders above one, as far as they have been listed."""
        return {self._folder_numbers.get(folder, 0) for folder in (*paths.above(path), paths.ROOT)} - {0}

    def _forget(self, path: str) -> None:
        for folder in list(self._folder_numbers):
            if paths.is_inside(paths.fold_path(folder), paths.fold_path(path)):
                del self._folder_numbers[folder]

    def _is_deleted_later(self, path: str) -> bool:
        """Return whether the server waits with a deletion; another entry of that name in another case may be found."""
        try:
            self._session.attributes_at(self._server_path(path))
        except RequestRefused as refused:
            return refused.status == DELETE_PENDING
        return False

    # Operations with several requests

    @contextmanager
    def _opened(self, path: str, *, access: int) -> Iterator[bytes]:
        """Provide a handle of an entry, which is not followed where it is a link."""
        self._check_folder(paths.parent(path))
        with refusals(path):
            session = self._session
            handle, _ = session.open(self._server_path(path), access=access, options=WITHOUT_FOLLOWING)
            try:
                yield handle
            finally:
                session.close_quietly(handle)

    def _create(self, path: str) -> bytes:
        access = READ | WRITE | DELETE
        return self._session.open(
            self._server_path(path), access=access, disposition=CREATE, options=AS_FILE | WITHOUT_FOLLOWING
        )[0]

    def _take_over(self, older: str, path: str, size: int) -> bytes:
        """Rename a partial file and cut it; raises `not_found` unless it is a file with at least `size` bytes."""
        session, access = self._session, READ | WRITE | DELETE
        handle, attributes = session.open(self._server_path(older), access=access, options=AS_FILE | WITHOUT_FOLLOWING)
        try:
            if attributes.kind is not Kind.FILE or attributes.size < size:
                raise fault("not_found", "The partial file is shorter than it should be.")
            session.rename(handle, self._server_path(path), replace=False)
            session.set_size(handle, size)
        except BaseException:
            session.close_quietly(handle)
            raise
        return handle

    def _make_folder(self, path: str) -> bool:
        try:
            with refusals(path):
                handle, _ = self._session.open(
                    self._server_path(path), access=WRITE_ATTRIBUTES, disposition=CREATE, options=AS_FOLDER
                )
        except ExternalError as error:
            if error.reason != "already_exists":
                raise
            _must_be_folder(self.stat(path), path)
            return False  # somebody else made it first
        self._session.close_quietly(handle)
        return True

    def _set_time(self, path: str, modified_ns: int) -> bool:
        ticks = ticks_of(modified_ns)
        with self._opened(path, access=WRITE_ATTRIBUTES) as handle:
            if ticks is None:
                return False
            try:
                self._session.set_ticks(handle, ticks)
            except RequestRefused:
                return False
            kept_ns = self._session.attributes_of(handle).modified_ns
        return kept_ns is not None and abs(kept_ns - modified_ns) <= TIME_TOLERANCE_NS


def _must_be_folder(entry: Entry, path: str) -> None:
    if entry.kind is Kind.SYMLINK:
        raise fault("path_outside", f"{path} is a symbolic link; links are never followed.")
    if entry.kind is not Kind.DIR:
        raise fault("not_a_folder", f"{path} is not a folder.")


def _log_in(parameters: Mapping[str, Any], secrets: Mapping[str, Any]) -> SmbSession:
    """Return a new session; only now is the package needed."""
    try:
        login = import_module("timers.storages.smb.login")
    except ModuleNotFoundError as error:
        raise fault("unsupported", MISSING_PACKAGE) from error
    account = login.SmbAccount.read(parameters, secrets)
    log_in: Callable[[Any], SmbSession] = login.log_in
    return log_in(account)
