"""Planning of a transfer: the steps that make a destination match a source.

Every entry is decided by itself, without touching source or destination.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from enum import IntEnum, StrEnum
from typing import NamedTuple, Protocol

from timers.clock import clamp_us, from_us

Lookup = Callable[[str], "Entry | None"]
"""Function that returns the entry of a folder under a name; None when there is none."""

TIME_TOLERANCE_NS = 2_000_000_000
"""Largest difference of two modification times that count as the same: FAT keeps even seconds only."""


class Kind(StrEnum):
    """Kind of a folder's entry.

    Links are never followed; `other` are sockets, devices and pipes. `unknown` is an entry whose kind the store does
    not tell, even when it is asked for that entry alone.
    """

    FILE = "file"
    DIR = "dir"
    SYMLINK = "symlink"
    OTHER = "other"
    UNKNOWN = "unknown"


class Entry(NamedTuple):
    """One entry of a folder. A tuple, because a transfer may have a million of them.

    A listing has every entry, also one whose name cannot be the last name of a path (`paths.is_carriable`). `mode` has
    the permission bits, None where the store has none.
    """

    name: str
    kind: Kind
    size: int = 0
    modified_ns: int | None = None
    mode: int | None = None

    @property
    def modified_us(self) -> int | None:
        """Modification time in microseconds, within the years 1 to 9999; None when the store does not provide it."""
        return None if self.modified_ns is None else clamp_us(self.modified_ns // 1000)

    @property
    def modified_at(self) -> datetime | None:
        """Modification time, to the microsecond; None when the store does not provide it."""
        return None if self.modified_ns is None else from_us(clamp_us(self.modified_ns // 1000))


class SyncLevel(IntEnum):
    """Comparison of an existing file. Each level above SIZE compares the size first."""

    EXISTS = 0
    SIZE = 1
    MTIME = 2
    CHECKSUM = 3

    @property
    def word(self) -> str:
        return _WORDS[self]


class FileVerdict(StrEnum):
    """Result of the comparison of a source, or of its absence, with the destination: the words of a dry run."""

    ADD = "add"
    CHANGE = "change"
    SAME = "same"
    DELETE = "delete"


_WORDS = {level: level.name.lower() for level in SyncLevel}


class StepKind(StrEnum):
    """Kind of a step. COMPARE is decided by reading both files; the last five change nothing.

    IGNORE leaves out what the user's options leave out, LEAVE what cannot be copied at all, such as a pipe; UNKNOWN
    is an entry whose kind nobody knows.
    """

    COPY = "copy"
    LINK = "link"
    FOLLOW = "follow"
    MKDIR = "mkdir"
    DELETE = "delete"
    COMPARE = "compare"
    SKIP = "skip"
    IGNORE = "ignore"
    LEAVE = "leave"
    UNKNOWN = "unknown"
    CLASH = "clash"


class PlannedEntry(NamedTuple):
    """The decision about one entry.

    `level` is the comparison that was really used. `verdict` is its result, None until both files were read. `there` is
    the existing entry at the destination. `explanation` is set for a CLASH.
    """

    kind: StepKind
    entry: Entry
    level: str | None = None
    verdict: str | None = None
    there: Entry | None = None
    explanation: str = ""


class Links(StrEnum):
    """Handling of symbolic links (recursive_symlinks): left out, made again, or replaced by their target."""

    IGNORE = "ignore"
    KEEP = "keep"
    COPY = "copy"


class EntryFilter(Protocol):
    """Protocol of a filter. `path` leads from the item's root to the entry: "logs/a.txt"."""

    def includes(self, entry: Entry, path: str) -> bool:
        """Return whether an entry of the source is copied."""

    def covers(self, entry: Entry, path: str) -> bool:
        """Return whether an entry of the destination belongs to what is mirrored."""


class CopyRules(NamedTuple):
    """The options that decide about an entry."""

    level: SyncLevel | None = None
    links: Links = Links.IGNORE
    selection: EntryFilter | None = None
    now_ns: int = 0
    """The present instant: a source whose time lies after it cannot be compared by time."""
    proves_same: bool = False
    """True when files count as the same only after their content was compared, because the source will be removed."""
    both_kinds: bool = False
    """True when the destination can hold a file and a folder of one name."""


# members of enums, as names of the module: they are needed for every file
_COPY, _IGNORE, _SKIP, _CLASH = StepKind.COPY, StepKind.IGNORE, StepKind.SKIP, StepKind.CLASH
_COMPARE = StepKind.COMPARE
_EXISTS, _SIZE, _CHECKSUM = SyncLevel.EXISTS, SyncLevel.SIZE, SyncLevel.CHECKSUM
_BY_SIZE, _BY_TIME, _BY_CONTENT = SyncLevel.SIZE.word, SyncLevel.MTIME.word, SyncLevel.CHECKSUM.word
_ADD, _CHANGE, _SAME = FileVerdict.ADD.value, FileVerdict.CHANGE.value, FileVerdict.SAME.value
_FILE, _DIR = Kind.FILE, Kind.DIR
_OF_ODD_KINDS = {Kind.OTHER: StepKind.LEAVE, Kind.UNKNOWN: StepKind.UNKNOWN}
_OF_LINKS = {Links.IGNORE: StepKind.IGNORE, Links.KEEP: StepKind.LINK, Links.COPY: StepKind.FOLLOW}


def folder_steps(
    listing: Iterable[Entry],
    *,
    there: Lookup | None,
    rules: CopyRules,
    below: str = "",
) -> Iterator[PlannedEntry]:
    """Yield one step for each entry of a source folder; `there` is None when the destination folder does not exist.

    `below` leads from the item's root to the folder: "" or "logs/".
    """
    selection = rules.selection
    for entry in listing:
        kind = entry.kind
        if selection is not None and not selection.includes(entry, below + entry.name):
            yield PlannedEntry(_IGNORE, entry)
        elif kind is _FILE:
            yield (
                PlannedEntry(_COPY, entry, None, _ADD) if there is None else file_step(entry, there(entry.name), rules)
            )
        elif kind is _DIR:
            name = f"{entry.name}/" if rules.both_kinds else entry.name
            yield folder_step(entry, there(name) if there else None)
        elif kind is Kind.SYMLINK:
            yield link_step(entry, there(entry.name) if there else None, rules.links)
        else:
            yield PlannedEntry(_OF_ODD_KINDS[kind], entry)


def entry_step(entry: Entry, there: Entry | None, rules: CopyRules) -> PlannedEntry:
    """Return the step for one entry that is a folder, a symbolic link or else a file."""
    if entry.kind is _DIR:
        return folder_step(entry, there)
    if entry.kind is Kind.SYMLINK:
        return link_step(entry, there, rules.links)
    return file_step(entry, there, rules)


def file_step(entry: Entry, there: Entry | None, rules: CopyRules) -> PlannedEntry:  # noqa: PLR0911  a table of cases
    """Return the step for a source file, given the existing entry at its destination."""
    if there is None:
        return PlannedEntry(_COPY, entry, None, _ADD)
    _, there_kind, there_size, there_ns, _ = there
    level, _, _, now_ns, proves_same, _ = rules  # unpacked, because this is called for every file
    if there_kind is _DIR:
        return PlannedEntry(_CLASH, entry, there=there, explanation="a folder exists where the file should go")
    if there_kind is not _FILE or level is None:
        return PlannedEntry(_COPY, entry, None, _CHANGE, there)
    if level is _EXISTS:
        return PlannedEntry(_SKIP, entry, level.word, _SAME, there)
    _, _, size, modified_ns, _ = entry
    if size != there_size:
        return PlannedEntry(_COPY, entry, _BY_SIZE, _CHANGE, there)
    if proves_same or level is _CHECKSUM:
        return PlannedEntry(_COMPARE, entry, _BY_CONTENT, None, there)
    if level is _SIZE:
        return PlannedEntry(_SKIP, entry, _BY_SIZE, _SAME, there)
    if modified_ns is not None and there_ns is not None:
        if there_ns + TIME_TOLERANCE_NS >= modified_ns:
            return PlannedEntry(_SKIP, entry, _BY_TIME, _SAME, there)
        if modified_ns <= now_ns:
            return PlannedEntry(_COPY, entry, _BY_TIME, _CHANGE, there)
    # a time is missing, or lies in the future: no copy could ever be as new as that
    return PlannedEntry(_COMPARE, entry, _BY_CONTENT, None, there)


def folder_step(entry: Entry, there: Entry | None) -> PlannedEntry:
    """Return the step for a source folder; SKIP means that it exists already."""
    if there is None:
        return PlannedEntry(StepKind.MKDIR, entry, None, _ADD)
    if there.kind is _DIR:
        return PlannedEntry(StepKind.SKIP, entry, SyncLevel.EXISTS.word, _SAME, there)
    what = "a symbolic link" if there.kind is Kind.SYMLINK else "an entry that is not a folder"
    return PlannedEntry(_CLASH, entry, there=there, explanation=f"{what} exists where the folder should go")


def link_step(entry: Entry, there: Entry | None, links: Links) -> PlannedEntry:
    """Return the step for a symbolic link of the source: make it again, or FOLLOW it to its target."""
    if links is Links.KEEP and there is not None and there.kind is _DIR:
        return PlannedEntry(_CLASH, entry, there=there, explanation="a folder exists where the link should go")
    return PlannedEntry(_OF_LINKS[links], entry, None, _ADD if there is None else _CHANGE, there)


def extras(
    listing: Iterable[Entry],
    *,
    in_source: Lookup,
    selection: EntryFilter | None = None,
    below: str = "",
    source_has_both_kinds: bool = False,
    both_kinds: bool = False,
) -> Iterator[Entry]:
    """Yield the entries of a destination folder that the source does not have under their very names.

    Where the destination has `both_kinds`, a file is not the folder of its name, nor the reverse. Entries that the
    selection does not cover are not yielded.
    """
    for entry in listing:
        name = f"{entry.name}/" if source_has_both_kinds and entry.kind is _DIR else entry.name
        if selection is not None and not selection.covers(entry, below + entry.name):
            continue
        source = in_source(name)
        if source is None or (both_kinds and (source.kind is _DIR) != (entry.kind is _DIR)):
            yield entry


def may_delete(deletions: int, *, total: int, limit: int | None) -> bool:
    """Return whether so many deletions are allowed.

    Up to `limit` are allowed; without a limit up to 1,000, or a quarter of the `total` entries.
    """
    if limit is not None:
        return deletions <= limit
    return deletions <= 1000 or deletions * 4 <= total
