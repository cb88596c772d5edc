"""The contract of a storage: where files of a collection are. And the registry of kinds.

Paths are collection paths ("/", "/a/b"; see `copying.paths`): absolute, normalised, below the storage's own root.
Whatever goes wrong outside is an ExternalError whose message names the path and whose reason is one of REASONS.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
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
    "Kind",
    "Listed",
    "Lookup",
    "Reader",
    "Result",
    "SourceFault",
    "Storage",
    "UnfinishedFile",
    "Writer",
    "fault",
    "is_part",
    "part_name",
    "part_prefix",
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
    "unsupported": False,
    "no_space": True,
    "quota": True,
    "storage_error": True,
    "connection_error": True,
    "login_failed": False,
    "host_key_refused": False,
    "target_refused": False,
    "source_changed": True,
    "checksum_mismatch": True,
    "changed_afterwards": False,
}
"""Why a storage can fail, and whether trying again can help."""

PIECE = 256 * 1024

_PART = re.compile(r"\.timers-[0-9a-f]{12}-\d+(m\d+)?-\d+\.part")


def part_name(transfer_id: UUID, file: str, slice_number: int) -> str:
    """Return the temporary name of a file (a row's number, "12", or that of a member of a pack, "12m3").

    It says whose it is, so that nobody finishes what another took over.
    """
    return f"{part_prefix(transfer_id, file)}{slice_number}.part"


def part_prefix(transfer_id: UUID, file: str | None = None) -> str:
    """Return how the names of all parts of one transfer begin, or of one of its files."""
    return f".timers-{transfer_id.hex[-12:]}-" if file is None else f".timers-{transfer_id.hex[-12:]}-{file}-"


def is_part(name: str) -> bool:
    """Return whether a name is that of an unfinished part: neither listed nor copied nor deleted as a file."""
    return name[:8] == ".timers-" and _PART.fullmatch(name) is not None


class Digest(Protocol):
    """What digests have in common."""

    def update(self, data: bytes | memoryview, /) -> None: ...


def fault(reason: str, message: str) -> ExternalError:
    """Return the error for a reason out of REASONS."""
    return ExternalError(message, retryable=REASONS[reason], reason=reason)


@contextmanager
def _unless_gone() -> Iterator[None]:
    try:
        yield
    except ExternalError as error:
        if error.reason != "not_found":
            raise


class SourceFault(Exception):
    """A fault met while reading the source, where one of the destination would be met too."""

    def __init__(self, error: ExternalError) -> None:
        super().__init__(error.message)
        self.error = error


@dataclass(frozen=True)
class Abilities:
    """What a storage can do beyond the six verbs. Shown to people, and asked for by the copier."""

    rename: bool = False  # an entry can be moved without copying it
    times: bool = False  # a file keeps the modification time that it is given
    folders: bool = True  # folders exist by themselves, also empty ones
    resume: bool = False  # an unfinished part can be gone on with
    checksums: tuple[str, ...] = ()  # digests that the store itself can state
    quick_stat: bool = False  # looking one name up costs next to nothing
    links: bool = False  # symbolic links can be read and made
    streams: int = 1  # how many files at a time make it faster, each over a connection of its own

    def document(self) -> dict[str, Any]:
        return {**asdict(self), "checksums": list(self.checksums)}


@dataclass(frozen=True)
class UnfinishedFile:
    """An unfinished file that an earlier slice left beside its target: its name, and how much of it counts."""

    name: str
    size: int


class Batch(NamedTuple):
    """Small files of one folder that are copied or compared together; part number n is named `head` + n + `tail`."""

    source: str
    destination: str
    names: Sequence[str]
    head: str = ""
    tail: str = ""


class Done(NamedTuple):
    """A file of a lot that is in place, or was found the same, as it was when it was read."""

    size: int
    modified_ns: int
    digest: str | None


class Listed(NamedTuple):
    """What a folder holds, and what another one holds under the same names."""

    entries: Sequence[Entry]
    there: Mapping[str, Entry]


Result = Done | ExternalError | SourceFault | None
"""What came of one file of a lot; None when it has to be looked at by itself."""


class Reader(ABC):
    """A file opened for reading; a context manager. `opened` is what it was like then."""

    position: int
    opened: Entry

    @abstractmethod
    def read(self, size: int) -> bytes:
        """Return the next bytes, at most `size`; nothing at the end."""

    @abstractmethod
    def stat(self) -> Entry:
        """Return what the opened file is like now."""

    def feed(self, digest: Digest, size: int) -> int:
        """Give the next bytes, at most `size`, to a digest; return how many there were."""
        fed = 0
        while fed < size and (data := self.read(min(size - fed, PIECE))):
            digest.update(data)
            fed += len(data)
        return fed

    def close(self) -> None:  # noqa: B027  not every store holds something open
        """Let go of what reading needs."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class Writer(ABC):
    """A file being written under a temporary name beside its target. It ends by one of commit, keep and discard."""

    self_checking: ClassVar[bool] = False
    """Whether the store compares a digest of all that it receives with ours and refuses what differs.

    Nothing is read back then. Where it is False, `read_back` gives what the store really holds.
    """

    piece: ClassVar[int] = PIECE
    """How many bytes `take` asks a reader for at once."""

    path: str
    written: int

    @abstractmethod
    def write(self, data: bytes | memoryview) -> None:
        """Append all of `data`."""

    def take(self, reader: Reader, most: int, feed: Digest | None = None) -> int:
        """Append the reader's next bytes, at most `most`, the fastest way there is; 0 means its end was reached.

        `feed` is given the same bytes, as they were read from the source.
        """
        try:
            data = reader.read(min(most, self.piece))
        except ExternalError as error:
            raise SourceFault(error) from error
        if feed is not None:
            feed.update(data)
        self.write(data)
        return len(data)

    def compares(self, reader: Reader) -> bool:
        """Return whether `take_checked` can be used with this reader, which is faster than to read back by digest."""
        return False

    def take_checked(self, reader: Reader, most: int, digest: Digest) -> int:
        """Append like `take`, and compare what was written with what was read; raises `checksum_mismatch`."""
        raise NotImplementedError

    @abstractmethod
    def read_back(self, offset: int) -> Reader:
        """Return a reader over what has been written so far, from `offset` on. Not asked of what is `self_checking`."""

    @abstractmethod
    def seal(self) -> None:
        """Make sure that what was written survives a loss of power."""

    @abstractmethod
    def commit(self, *, modified_ns: int | None = None) -> None:
        """Move the file into place, replacing what is there, with that modification time if one is given."""

    @abstractmethod
    def keep(self) -> UnfinishedFile:
        """Stop for now and leave the part to be gone on with; only where the ability `resume` is declared."""

    @abstractmethod
    def discard(self) -> None:
        """Remove what was written. Harmless after commit and keep."""


class Storage(ABC):
    """One place with files. Opened for a piece of work by one thread, closed afterwards (context manager)."""

    kind: ClassVar[str]
    label: ClassVar[str]
    heading: ClassVar[str] = ""
    """What its form is called; empty for the label."""
    abilities: ClassVar[Abilities] = Abilities()
    parameters: ClassVar[tuple[Parameter, ...]] = ()
    """What its collections are made of: the fields of their form, and of the API document."""
    for_administrators: ClassVar[bool] = False
    """Whether only administrators can offer collections of this kind."""

    @classmethod
    def clean(cls, parameters: Mapping[str, Any], *, owner: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        """Return (public parameters, secrets), checked, both without `kind`.

        Raises Invalid with field names relative to the parameters, and Forbidden when `owner` may not have it.
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
    def allowed_folders(cls) -> Sequence[Any]:
        """Return the folders that the operator limits collections of this kind to; empty where there are none."""
        return ()

    @abstractmethod
    def __init__(self, parameters: Mapping[str, Any], secrets: Mapping[str, Any]) -> None: ...

    @abstractmethod
    def list(self, path: str) -> Iterator[Entry]:
        """Yield what a folder holds, in no order, without links' targets; streaming."""

    @abstractmethod
    def stat(self, path: str) -> Entry:
        """Return what stands at a path; a link is a link. Raises `not_found`."""

    @abstractmethod
    def open(self, path: str, *, offset: int = 0) -> Reader:
        """Open a regular file for reading from `offset` on."""

    @abstractmethod
    def write(self, path: str, *, part: str, resume: UnfinishedFile | None = None) -> Writer:
        """Begin to write a file under the temporary name `part` in the target's folder.

        With `resume`, go on with that older part: it is renamed to `part` and cut to the size that counts.
        Raises `not_found` when the older part is not there or shorter than that.
        """

    @abstractmethod
    def mkdir(self, path: str) -> bool:
        """Make a folder and its parents; return whether it was missing. Raises `not_a_folder` where a file is."""

    @abstractmethod
    def delete(self, path: str) -> None:
        """Remove a file, a link or an empty folder. Raises `not_found` and `not_empty`."""

    @abstractmethod
    def address(self) -> tuple[str, ...]:
        """Return where the root really is: it lies in another storage if its address continues that one's."""

    def rename(self, source: str, target: str) -> None:
        """Move an entry, where the ability `rename` is declared. Raises `already_exists`."""
        raise fault("unsupported", f"This storage cannot rename {source}.")

    def read_link(self, path: str) -> str:
        """Return what a symbolic link says, as it was written; where the ability `links` is declared."""
        raise fault("unsupported", f"This storage knows no symbolic links: {path}.")

    def make_link(self, path: str, text: str) -> None:
        """Make a symbolic link that says `text`, in place of a file or link that is there; never follows it.

        Where the ability `links` is declared. Raises `not_found` without the folder, `already_exists` over a folder.
        """
        raise fault("unsupported", f"This storage knows no symbolic links: {path}.")

    def digest(self, path: str, algorithm: str) -> str | None:
        """Return the digest that the store itself states for a file, in lower-case hex; None when it has none.

        Asked only for the algorithms in the ability `checksums`.
        """
        return None

    @contextmanager
    def looking(self, path: str) -> Iterator[Lookup]:
        """Give a function that tells what a folder holds under a name."""
        held = {entry.name: entry for entry in self.list(path)}
        yield held.get

    def remove_part(self, path: str, part: str) -> None:
        """Remove an unfinished part (named as `keep` did) of the file at `path`; a part that is gone is no fault."""
        with _unless_gone():
            self.delete(paths.join(paths.parent(path), part))

    def sweep(self, files: Sequence[str], *, prefix: str, keep: Container[str]) -> None:
        """Remove the parts that a worker which died left of these files, but those whose names are to be kept.

        `prefix` is how the names of the parts of this transfer begin.
        """
        for folder in {paths.parent(path) for path in files}:
            with _unless_gone():
                left = [entry.name for entry in self.list(folder) if entry.name.startswith(prefix)]
                for name in left:
                    if name not in keep:
                        self.remove_part(paths.join(folder, name), name)

    def list_ahead(self, source: Storage, folder: str, *, here: str | None) -> Callable[[], Listed | None] | None:
        """Begin to list a folder of the source, and look its names up in the folder `here`, beside other work.

        Return what waits for the answer, which is None when the folder is to be listed the usual way: it is too large,
        or there was a fault. Return None where there is no such way.
        """
        return None

    def lots_at_once(self, source: Storage) -> int:
        """Return how many lots from there are best copied at once; 0 where there is no faster way than one by one."""
        return 0

    def copy_batches(
        self, source: Storage, batches: Sequence[Batch], *, verify: bool, times: bool, within: float, valid: float
    ) -> Sequence[Sequence[Result]]:
        """Copy lots, each file by way of a part; return what came of their files, in order.

        A list ends early when the time, `within` so many seconds, was up. Nothing is moved into place later than
        `valid` seconds from now. Asked only where `lots_at_once` says so.
        """
        raise NotImplementedError

    def compare_batches(
        self, source: Storage, batches: Sequence[Batch], *, within: float
    ) -> Sequence[Sequence[Result]]:
        """Compare files with those of the same names here, batch by batch; None where they differ."""
        raise NotImplementedError

    def seal_all(self, writers: Sequence[Writer]) -> None:
        """Seal many parts at once, before they are moved into place."""
        for writer in writers:
            writer.seal()

    def settle_folders(self, paths: Sequence[str]) -> None:  # noqa: B027  only disks need it
        """Make sure that moves into these folders survive a loss of power."""

    def close(self) -> None:  # noqa: B027  not every store holds something open
        """Let go of connections and handles."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


STORAGES: Registry[Storage] = Registry("kind")
STORAGES.register("local", "timers.storages.local.LocalStorage")
STORAGES.register("s3", "timers.storages.s3.S3Storage")
STORAGES.register("sftp", "timers.storages.sftp.SftpStorage")
