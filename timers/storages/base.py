"""The contract of a storage, the place of a collection's files; and the registry of kinds.

Paths are collection paths ("/", "/a/b"; see `copying.paths`): absolute, normalised, below the storage's own root. Every
failure outside is an ExternalError whose message names the path and whose reason is one of REASONS.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import asdict, dataclass
from types import MappingProxyType
from typing import Any, ClassVar, NamedTuple, Protocol, Self
from uuid import UUID

from timers import parameters as declared
from timers.copying import paths
from timers.copying.plan import Entry, Kind, Lookup
from timers.errors import ExternalError, Forbidden
from timers.parameters import Parameter
from timers.registry import Registry

__all__ = [
    "REASONS",
    "STORAGES",
    "Abilities",
    "Batch",
    "Digest",
    "Done",
    "Entry",
    "FileProperties",
    "Kind",
    "Lookup",
    "PartialFile",
    "Permissions",
    "PrefetchedListing",
    "Reader",
    "Result",
    "SourceFault",
    "Storage",
    "Writer",
    "fault",
    "is_partial",
    "partial_name",
    "partial_prefix",
    "source_faults",
]

REASONS: dict[str, bool] = {
    "not_found": False,
    "permission_denied": False,
    "path_outside": False,
    "not_a_folder": False,
    "not_a_file": False,
    "already_exists": False,
    "not_empty": False,
    "clash": False,
    "name_too_long": False,
    "bad_name": False,
    "name_collision": False,
    "unknown_kind": False,
    "unsupported": False,
    "no_space": True,
    "quota": True,
    "storage_error": True,
    "connection_error": True,
    "unavailable": True,
    "login_failed": False,
    "host_key_refused": False,
    "target_refused": False,
    "source_changed": True,
    "checksum_mismatch": True,
    "changed_afterwards": False,
}
"""Reasons for which a storage can fail, and whether trying again can help."""

CHUNK_BYTES = 256 * 1024

_PARTIAL = re.compile(r"\.timers-[0-9a-f]{12}-\d+(m\d+)?-\d+\.part")


def partial_name(transfer_id: UUID, file: str, slice_number: int) -> str:
    """Return the temporary name of a file.

    `file` is the number of its row, "12", or that of a member of a bundle, "12m3".

    The name tells which slice wrote it, so that no slice finishes a file that another took over.
    """
    return f"{partial_prefix(transfer_id, file)}{slice_number}.part"


def partial_prefix(transfer_id: UUID, file: str | None = None) -> str:
    """Return the beginning of the names of all partial files of one transfer, or of one of its files."""
    return f".timers-{transfer_id.hex[-12:]}-" if file is None else f".timers-{transfer_id.hex[-12:]}-{file}-"


def is_partial(name: str) -> bool:
    """Return whether a name is that of a partial file, which is neither listed nor copied nor deleted as a file."""
    return name[:8] == ".timers-" and _PARTIAL.fullmatch(name) is not None


class Digest(Protocol):
    """Protocol of all digests."""

    def update(self, data: bytes | memoryview, /) -> None: ...


def fault(reason: str, message: str) -> ExternalError:
    """Return the error for one of the REASONS."""
    return ExternalError(message, retryable=REASONS[reason], reason=reason)


@contextmanager
def _ignore_not_found() -> Iterator[None]:
    try:
        yield
    except ExternalError as error:
        if error.reason != "not_found":
            raise


class SourceFault(Exception):
    """A fault of the source, raised where a fault of the destination could be met too."""

    def __init__(self, error: ExternalError) -> None:
        super().__init__(error.message)
        self.error = error


class source_faults(AbstractContextManager[None]):
    """Context manager that turns faults within it into SourceFault, for what is asked of the source only."""

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        if isinstance(error, ExternalError):
            raise SourceFault(error) from error


@dataclass(frozen=True)
class Abilities:
    """Capabilities of a storage beyond the basic operations.

    They are shown to users, and decide how files are copied.
    """

    write: bool = True  # files can be written and deleted
    rename: bool = False  # an entry can be moved without copying it
    times: bool = False  # a file keeps a given modification time
    permissions: bool = False  # files and folders have mode bits
    properties: bool = False  # files have a content type, metadata and a storage class
    exact_names: bool = False  # names are the same only if all their bytes are
    both_kinds: bool = False  # a file and a folder can have the same name
    folders: bool = True  # folders exist by themselves, even empty ones
    resume: bool = False  # a partial file can be resumed
    checksums: tuple[str, ...] = ()  # algorithms of the digests that the store itself can state
    quick_stat: bool = False  # looking up one name costs next to nothing
    links: bool = False  # symbolic links can be read and made
    streams: int = 1  # number of files at a time that makes it faster, each over its own connection

    def document(self) -> dict[str, Any]:
        """Return the capabilities as JSON."""
        return {**asdict(self), "checksums": list(self.checksums)}


@dataclass(frozen=True)
class PartialFile:
    """An unfinished file that an earlier slice left beside its target: its name, and the number of bytes that count."""

    name: str
    size: int


class Permissions(NamedTuple):
    """The mode bits of a source.

    A new entry gets them cut by the umask, and one that is replaced keeps its own; with `exact` both get just these.
    Set-user-id, set-group-id and sticky bits are never carried over.
    """

    mode: int
    exact: bool = False


class FileProperties(NamedTuple):
    """What an object store keeps about a file beside its content; None and empty where nothing is said."""

    content_type: str | None = None
    content_encoding: str | None = None
    content_disposition: str | None = None
    content_language: str | None = None
    cache_control: str | None = None
    metadata: Mapping[str, str] = MappingProxyType({})
    storage_class: str | None = None


class Batch(NamedTuple):
    """Small files of one folder that are copied or compared together.

    Partial file number n is named `head` + n + `tail`.
    """

    source: str
    destination: str
    names: Sequence[str]
    head: str = ""
    tail: str = ""
    replaces: bool = True
    """False when no file of these names was there: then the mode of one that came since is not kept."""


class Done(NamedTuple):
    """A file of a batch that is in place, or was the same; with the values of the file when it was read."""

    size: int
    modified_ns: int
    digest: str | None


class PrefetchedListing(NamedTuple):
    """The entries of a folder, and the entries of another folder under the same names."""

    entries: Sequence[Entry]
    there: Mapping[str, Entry]


Result = Done | ExternalError | SourceFault | None
"""Outcome of one file of a batch; None when the file has to be processed by itself."""


class Reader(ABC):
    """A file opened for reading; a context manager. `opened` is its entry at that moment."""

    position: int
    opened: Entry
    properties: FileProperties | None = None
    """Properties of the file; None where the store has none."""

    @abstractmethod
    def read(self, size: int) -> bytes:
        """Return the next bytes, at most `size`; empty at the end."""

    @abstractmethod
    def stat(self) -> Entry:
        """Return the present entry of the opened file."""

    def feed(self, digest: Digest, size: int) -> int:
        """Give the next bytes, at most `size`, to a digest; return how many there were."""
        count = 0
        while count < size and (data := self.read(min(size - count, CHUNK_BYTES))):
            digest.update(data)
            count += len(data)
        return count

    def close(self) -> None:  # noqa: B027  not every store holds something open
        """Release what reading needs."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class Writer(ABC):
    """A file that is written under a temporary name beside its target. It ends with commit, keep or discard."""

    self_checking: ClassVar[bool] = False
    """True when the store compares a digest of everything it receives with ours, and refuses a difference.

    Nothing is read back then. Where it is False, `read_back` returns what the store really holds.
    """

    chunk_bytes: ClassVar[int] = CHUNK_BYTES
    """Number of bytes that `copy_from` reads at once."""

    path: str
    written: int
    not_kept: Sequence[str] = ()
    """After `commit`: what the store did not keep of what was asked for: "times", "mode"."""

    @abstractmethod
    def write(self, data: bytes | memoryview) -> None:
        """Append all of `data`."""

    def copy_from(self, reader: Reader, max_bytes: int, digest: Digest | None = None) -> int:
        """Append the reader's next bytes, at most `max_bytes`, in the fastest way; return their number, 0 at its end.

        `digest` is given the same bytes, as they were read from the source. Raises SourceFault for faults of the
        reader.
        """
        with source_faults():
            data = reader.read(min(max_bytes, self.chunk_bytes))
        if digest is not None:
            digest.update(data)
        self.write(data)
        return len(data)

    def can_verify(self, reader: Reader) -> bool:
        """Return whether `copy_verified_from` works with this reader; it is faster than reading back for a digest."""
        return False

    def copy_verified_from(self, reader: Reader, max_bytes: int, digest: Digest) -> int:
        """Append like `copy_from`, and compare what was written with what was read; raises `checksum_mismatch`."""
        raise NotImplementedError

    @abstractmethod
    def read_back(self, offset: int) -> Reader:
        """Return a reader over what has been written so far, from `offset` on.

        Not called for a `self_checking` writer.
        """

    @abstractmethod
    def sync(self) -> None:
        """Make sure that what was written survives a loss of power."""

    @abstractmethod
    def commit(self, *, modified_ns: int | None = None, permissions: Permissions | None = None) -> None:
        """Move the file into place, replacing an existing one; with that modification time and mode where given.

        The existing file is there until the new one has taken its place. While it is written, the file is readable by
        nobody who could not read it afterwards. A store that does not keep a time or mode says so in `not_kept`.
        """

    @abstractmethod
    def keep(self) -> PartialFile:
        """Stop, and keep the partial file to be resumed; only with the capability `resume`."""

    @abstractmethod
    def discard(self) -> None:
        """Remove what was written. Has no effect after commit and keep."""


class Storage(ABC):
    """One place with files. Opened by one thread for a limited time, closed afterwards (context manager)."""

    kind: ClassVar[str]
    label: ClassVar[str]
    heading: ClassVar[str] = ""
    """Heading of its form; empty for the label."""
    abilities: ClassVar[Abilities] = Abilities()
    parameters: ClassVar[tuple[Parameter, ...]] = ()
    """Parameters of its collections: the fields of their form and of the API document."""
    for_administrators: ClassVar[bool] = False
    """True when only administrators can offer collections of this kind."""

    @classmethod
    def clean(cls, parameters: Mapping[str, Any], *, owner: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        """Return (public parameters, secrets), checked, both without `kind`.

        Raises Invalid with field names relative to the parameters, and Forbidden when `owner` may not use this place.
        """
        if cls.for_administrators and not owner.is_staff:
            raise Forbidden(f"Only administrators can offer collections of the kind {cls.label}.")
        public = declared.read(cls.parameters, parameters)
        return public, {name: public.pop(name) for name in cls.secret_names() if name in public}

    @classmethod
    def secret_names(cls) -> tuple[str, ...]:
        """Return the names of the parameters that are kept encrypted."""
        return tuple(parameter.name for parameter in cls.parameters if parameter.secret)

    @classmethod
    def recipients(cls) -> dict[str, str]:
        """Return the parameters that say to whom secrets are sent, and the word for each: all where none is named."""
        named = {parameter.name: parameter.recipient for parameter in cls.parameters if parameter.recipient}
        public = [parameter for parameter in cls.parameters if not parameter.secret]
        return named or {parameter.name: parameter.label for parameter in public}

    @classmethod
    def place(cls, parameters: Mapping[str, Any]) -> str:
        """Return where a collection is, in a few words, from its public parameters."""
        return str(next(iter(parameters.values()), ""))

    @classmethod
    def encrypts(cls, parameters: Mapping[str, Any]) -> bool:
        """Return whether everything that is sent to a collection is encrypted on its way, by its public parameters."""
        return True

    @classmethod
    def allowed_folders(cls) -> Sequence[Any]:
        """Return the folders that the operator limits collections of this kind to; empty where there are none."""
        return ()

    @abstractmethod
    def __init__(self, parameters: Mapping[str, Any], secrets: Mapping[str, Any]) -> None: ...

    @abstractmethod
    def list(self, path: str) -> Iterator[Entry]:
        """Yield all entries of a folder, in no order, without following links; streaming.

        An entry that cannot be carried elsewhere under its name is yielded too, with its name as it is below the
        folder (bytes that are no UTF-8 as lone surrogates, slashes included).
        """

    @abstractmethod
    def stat(self, path: str) -> Entry:
        """Return the entry at a path; a link is a link. Raises `not_found`."""

    def find(self, path: str) -> Entry | None:
        """Return the entry at a path, None where there is none."""
        try:
            return self.stat(path)
        except ExternalError as error:
            if error.reason == "not_found":
                return None
            raise

    @abstractmethod
    def open(self, path: str, *, offset: int = 0) -> Reader:
        """Open a regular file for reading from `offset` on."""

    @abstractmethod
    def write(
        self,
        path: str,
        *,
        partial: str,
        resume: PartialFile | None = None,
        properties: FileProperties | None = None,
    ) -> Writer:
        """Start to write a file under the temporary name `partial` in the target's folder.

        `properties` are those that the file gets; a store without the capability `properties` ignores them.

        With `resume`, continue that older partial file: it is renamed to `partial` and cut to its size. Raises
        `not_found` when the older partial file does not exist or is shorter than that.
        """

    @abstractmethod
    def mkdir(self, path: str, *, permissions: Permissions | None = None) -> bool:
        """Make a folder and its parents; return whether it was missing. Raises `not_a_folder` where a file exists.

        `permissions` are those of the new folder itself; we can always write into it as long as it was not given
        others by `set_attributes`.
        """

    @abstractmethod
    def delete(self, path: str) -> None:
        """Remove a file, a link or an empty folder. Raises `not_found` and `not_empty`.

        A store with keys takes the spelling of a key that no path expresses too: the folder, a slash, and the name that
        `list` yields.
        """

    def delete_folder(self, path: str) -> None:
        """Remove an empty folder, and never a file of the same name, which a store can have with `both_kinds`."""
        self.delete(path)

    @abstractmethod
    def address(self) -> tuple[str, ...]:
        """Return the real location of the root.

        A storage lies inside another one if its address continues that of the other.
        """

    def set_attributes(
        self, path: str, *, modified_ns: int | None = None, permissions: Permissions | None = None
    ) -> Sequence[str]:
        """Set the modification time and the mode of a file or folder; return what the store did not keep.

        Only with the capability `times` or `permissions`. The words are those of `Writer.not_kept`.
        """
        return [
            *(["times"] if modified_ns is not None else []),
            *(["mode"] if permissions is not None else []),
        ]

    def rename(self, source: str, target: str) -> None:
        """Move an entry; only with the capability `rename`. Raises `already_exists`."""
        raise fault("unsupported", f"This storage cannot rename {source}.")

    def set_aside(self, source: str, target: str) -> None:
        """Give an entry a second place, `target`; afterwards it may still be at `source`, or not.

        Only with the capability `rename`. Raises `not_found`, and `already_exists` when there is something at `target`.
        """
        self.rename(source, target)

    def read_link(self, path: str) -> str:
        """Return the text of a symbolic link, as it was written; only with the capability `links`."""
        raise fault("unsupported", f"This storage has no symbolic links: {path}.")

    def make_link(self, path: str, text: str) -> None:
        """Make a symbolic link with the given text, replacing a file or link; an existing link is never followed.

        Only with the capability `links`. Raises `not_found` without the folder, `already_exists` over a folder.
        """
        raise fault("unsupported", f"This storage has no symbolic links: {path}.")

    def digest(self, path: str, algorithm: str) -> str | None:
        """Return the digest that the store itself states for a file, in lower-case hex; None when it has none.

        Called only for the algorithms in the capability `checksums`.
        """
        return None

    @contextmanager
    def lookup(self, path: str) -> Iterator[Lookup]:
        """Provide a function that returns what the store has in a folder under a name, whatever it calls that entry.

        A store that ignores case answers for "README" with its "readme". A store with the capability `both_kinds` is
        asked for the folder of a name by the name with a slash at its end.
        """
        entries = {entry.name: entry for entry in self.list(path)}
        if self.abilities.exact_names:
            yield entries.get
            return
        spellings = {paths.fold(name) for name in entries}

        def find(name: str) -> Entry | None:
            entry = entries.get(name)
            if entry is not None or paths.fold(name) not in spellings:
                return entry
            return self.find(paths.join(path, name))

        yield find

    def remove_partial(self, path: str, partial: str) -> None:
        """Remove a partial file (named as by `keep`) of the file at `path`; a missing one is no fault."""
        with _ignore_not_found():
            self.delete(paths.join(paths.parent(path), partial))

    def sweep(self, files: Sequence[str], *, prefix: str, keep: Container[str]) -> None:
        """Remove the partial files that a worker which died left of these files, except the names in `keep`.

        `prefix` is the beginning of the names of all partial files of this transfer.
        """
        for folder in {paths.parent(path) for path in files}:
            with _ignore_not_found():
                names = [entry.name for entry in self.list(folder) if entry.name.startswith(prefix)]
                for name in names:
                    if name not in keep:
                        self.remove_partial(paths.join(folder, name), name)

    def prefetch_listing(
        self, source: Storage, folder: str, *, destination_folder: str | None
    ) -> Callable[[], PrefetchedListing | None] | None:
        """Start to list a folder of the source in the background, and to look its names up in `destination_folder`.

        Return a function that waits for the listing. It returns None when the folder has to be listed the usual way:
        the folder is too large, or there was a fault. Return None where the storage has no such way.
        """
        return None

    def batches_at_once(self, source: Storage) -> int:
        """Return how many batches from `source` are best copied at once; 0 where files are copied one by one."""
        return 0

    def copy_batches(
        self,
        source: Storage,
        batches: Sequence[Batch],
        *,
        verify: bool,
        times: bool,
        exact_modes: bool,
        within: float,
        valid: float,
    ) -> Sequence[Sequence[Result]]:
        """Copy batches, each file through a partial file; return the results of their files, in order.

        With `exact_modes` every file gets the mode of its source, else as with Permissions that are not exact. A list
        is shorter when `within` seconds have passed. No file is moved into place later than `valid` seconds from
        now. Called only where `batches_at_once` is not 0.
        """
        raise NotImplementedError

    def compare_batches(
        self, source: Storage, batches: Sequence[Batch], *, within: float
    ) -> Sequence[Sequence[Result]]:
        """Compare files with those of the same names here, batch by batch; the result is None where they differ."""
        raise NotImplementedError

    def sync_all(self, writers: Sequence[Writer]) -> None:
        """Sync many partial files at once, before they are moved into place."""
        for writer in writers:
            writer.sync()

    def sync_folders(self, paths: Sequence[str]) -> None:  # noqa: B027  only disks need it
        """Make sure that moves into these folders survive a loss of power."""

    def close(self) -> None:  # noqa: B027  not every store holds something open
        """Release connections and handles."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


STORAGES: Registry[Storage] = Registry("kind")
STORAGES.register("local", "timers.storages.local.LocalStorage")
STORAGES.register("s3", "timers.storages.s3.S3Storage")
STORAGES.register("gcs", "timers.storages.gcs.GcsStorage")
STORAGES.register("sftp", "timers.storages.sftp.SftpStorage")
STORAGES.register("webdav", "timers.storages.webdav.WebDavStorage")
STORAGES.register("smb", "timers.storages.smb.SmbStorage")
STORAGES.register("azure", "timers.storages.azure.AzureStorage")
STORAGES.register("http", "timers.storages.http_files.HttpFilesStorage")
