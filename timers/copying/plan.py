"""What is to be done so that a destination matches a source: decided entry by entry, without touching either."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from enum import IntEnum, StrEnum
from typing import NamedTuple, Protocol

from timers.clock import from_us

Lookup = Callable[[str], "Entry | None"]
"""What a folder holds under a name; None for nothing."""

TOLERANCE_NS = 2_000_000_000
"""How far two modification times may differ and still count as the same: FAT keeps even seconds only."""


class Kind(StrEnum):
    """What an entry of a folder is. Links are never followed; `other` are sockets, devices and pipes."""

    FILE = "file"
    DIR = "dir"
    SYMLINK = "symlink"
    OTHER = "other"


class Entry(NamedTuple):
    """One name in a folder, as a store tells it. A tuple, because a million of them pass through."""

    name: str
    kind: Kind
    size: int = 0
    modified_ns: int | None = None

    @property
    def modified_at(self) -> datetime | None:
        """When it was last changed, to the microsecond; None when the store does not say."""
        return None if self.modified_ns is None else from_us(self.modified_ns // 1000)


class SyncLevel(IntEnum):
    """How an existing file is compared. Each level above SIZE also looks at the size first."""

    EXISTS = 0
    SIZE = 1
    MTIME = 2
    CHECKSUM = 3

    @property
    def word(self) -> str:
        return _WORDS[self]


class FileVerdict(StrEnum):
    """What a source, or its absence, means for the destination: the words of a dry run."""

    ADD = "add"
    CHANGE = "change"
    SAME = "same"
    DELETE = "delete"


_WORDS = {level: level.name.lower() for level in SyncLevel}


class What(StrEnum):
    """What a step does. COMPARE is decided by reading both files; the last three change nothing."""

    COPY = "copy"
    LINK = "link"
    FOLLOW = "follow"
    MKDIR = "mkdir"
    DELETE = "delete"
    COMPARE = "compare"
    SKIP = "skip"
    IGNORE = "ignore"
    CLASH = "clash"


class PlannedEntry(NamedTuple):
    """One decision about one entry.

    `level` is the comparison that was really used, `verdict` what came of it (None until both were read), `there` what
    stands at the destination; `why` explains a CLASH.
    """

    what: What
    entry: Entry
    level: str | None = None
    verdict: str | None = None
    there: Entry | None = None
    why: str = ""


class Links(StrEnum):
    """What becomes of symbolic links (recursive_symlinks): left out, made again, or replaced by what they lead to."""

    IGNORE = "ignore"
    KEEP = "keep"
    COPY = "copy"


class Names(Protocol):
    """What a filter answers."""

    def includes(self, name: str, kind: str) -> bool: ...


# of enums, members that are looked up for every file
_COPY, _IGNORE, _SKIP = What.COPY, What.IGNORE, What.SKIP
_MTIME, _EXISTS, _BY_TIME = SyncLevel.MTIME, SyncLevel.EXISTS, SyncLevel.MTIME.word
_ADD, _CHANGE, _SAME = FileVerdict.ADD.value, FileVerdict.CHANGE.value, FileVerdict.SAME.value
_FILE, _DIR = Kind.FILE, Kind.DIR
_OF_LINKS = {Links.IGNORE: What.IGNORE, Links.KEEP: What.LINK, Links.COPY: What.FOLLOW}


def folder_steps(
    listing: Iterable[Entry],
    *,
    there: Lookup | None,
    rules: Names | None,
    level: SyncLevel | None,
    links: Links = Links.IGNORE,
) -> Iterator[PlannedEntry]:
    """Yield one step for each entry of a source folder; `there` is None when the destination folder does not exist."""
    for entry in listing:
        if rules is not None and not rules.includes(entry.name, entry.kind):
            yield PlannedEntry(_IGNORE, entry)
        elif entry.kind is _FILE:
            yield (
                PlannedEntry(_COPY, entry, None, _ADD) if there is None else file_step(entry, there(entry.name), level)
            )
        elif entry.kind is _DIR:
            yield folder_step(entry, there(entry.name) if there else None)
        elif entry.kind is Kind.SYMLINK and links is not Links.IGNORE:
            yield link_step(entry, there(entry.name) if there else None, links)
        else:
            yield PlannedEntry(_IGNORE, entry)


def file_step(entry: Entry, there: Entry | None, level: SyncLevel | None) -> PlannedEntry:
    """Return what a source file asks for, given what stands at its destination."""
    if there is None:
        return PlannedEntry(_COPY, entry, None, _ADD)
    if there.kind is _DIR:
        return PlannedEntry(What.CLASH, entry, why="a folder stands where the file should go")
    if there.kind is not _FILE or level is None:
        return PlannedEntry(_COPY, entry, None, _CHANGE, there)
    if level is _EXISTS:
        return PlannedEntry(_SKIP, entry, level.word, _SAME, there)
    if entry.size != there.size:
        return PlannedEntry(_COPY, entry, SyncLevel.SIZE.word, _CHANGE, there)
    return _same_size(entry, there, level)


def folder_step(entry: Entry, there: Entry | None) -> PlannedEntry:
    """Return what a source folder asks for; SKIP means that it is there already."""
    if there is None:
        return PlannedEntry(What.MKDIR, entry, None, _ADD)
    if there.kind is _DIR:
        return PlannedEntry(What.SKIP, entry, SyncLevel.EXISTS.word, _SAME, there)
    return PlannedEntry(What.CLASH, entry, why="something that is no folder stands where the folder should go")


def link_step(entry: Entry, there: Entry | None, links: Links) -> PlannedEntry:
    """Return what a symbolic link of the source asks for: to be made again, or (FOLLOW) what it leads to."""
    if links is Links.KEEP and there is not None and there.kind is _DIR:
        return PlannedEntry(What.CLASH, entry, why="a folder stands where the link should go")
    return PlannedEntry(_OF_LINKS[links], entry, None, _ADD if there is None else _CHANGE, there)


def extras(listing: Iterable[Entry], *, in_source: Lookup, rules: Names | None) -> Iterator[Entry]:
    """Yield what a destination folder holds that the source does not; what the rules leave out is left alone."""
    for entry in listing:
        if (rules is None or rules.includes(entry.name, entry.kind)) and in_source(entry.name) is None:
            yield entry


def _same_size(entry: Entry, there: Entry, level: SyncLevel) -> PlannedEntry:
    if level is _MTIME:
        return _by_time(entry, there)
    if level is SyncLevel.SIZE:
        return PlannedEntry(What.SKIP, entry, level.word, _SAME, there)
    return PlannedEntry(What.COMPARE, entry, level.word, None, there)


def _by_time(entry: Entry, there: Entry) -> PlannedEntry:
    if entry.modified_ns is None or there.modified_ns is None:
        why = "one of the two stores keeps no modification times, so they cannot be compared"
        return PlannedEntry(What.CLASH, entry, why=why)
    if there.modified_ns + TOLERANCE_NS < entry.modified_ns:
        return PlannedEntry(_COPY, entry, _BY_TIME, _CHANGE, there)
    return PlannedEntry(_SKIP, entry, _BY_TIME, _SAME, there)


def may_delete(deletions: int, *, of: int, most: int | None) -> bool:
    """Return whether so many deletions are allowed: up to `most`; by default 1,000, or a quarter of what is there."""
    if most is not None:
        return deletions <= most
    return deletions <= 1000 or deletions * 4 <= of
