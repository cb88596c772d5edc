"""Attributes of files as SMB servers state them, and the entries that they make."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import NamedTuple

from timers.storages.base import Entry, Kind, fault
from timers.storages.smb.names import decoded

_DIRECTORY, _REPARSE_POINT = 0x10, 0x400
_STANDS_FOR_ANOTHER = 0x20000000
_SYMLINK_TAGS = frozenset({0xA000000C, 0xA000001D})
_SPECIAL_TAGS = frozenset({0x80000014, 0x80000023, 0x80000024, 0x80000025, 0x80000026})
"""Sockets, pipes and devices, and what a server for NFS keeps."""

_TICK_NS = 100
_TICKS_TO_1970 = 116_444_736_000_000_000
_MAX_TICKS = 2**63 - 1

_OPENED = struct.Struct("<24xQ16xQI")
_DESCRIBED = struct.Struct("<16xQ16xQI")
_LISTED = struct.Struct("<I20xQ8xQ8xIII4xQ")
_TAG = struct.Struct("<4xI")


class FileAttributes(NamedTuple):
    """Size, time in ticks since 1601, attribute bits and tag of a file; its number where the server states it."""

    size: int
    ticks: int
    bits: int
    tag: int = 0
    number: int = 0

    @property
    def is_folder(self) -> bool:
        return bool(self.bits & _DIRECTORY)

    @property
    def has_tag(self) -> bool:
        return bool(self.bits & _REPARSE_POINT)

    @property
    def kind(self) -> Kind:
        """Kind of the entry. Most tags mark ordinary files that are stored in another way."""
        if self.has_tag and self.tag in _SYMLINK_TAGS:
            return Kind.SYMLINK
        if self.has_tag and (self.tag in _SPECIAL_TAGS or self.tag & _STANDS_FOR_ANOTHER):
            return Kind.OTHER
        return Kind.DIR if self.is_folder else Kind.FILE

    @property
    def modified_ns(self) -> int | None:
        return (self.ticks - _TICKS_TO_1970) * _TICK_NS if self.ticks else None

    def entry(self, name: str) -> Entry:
        """Return the entry of that name."""
        return Entry(name, self.kind, 0 if self.is_folder else self.size, self.modified_ns)


def ticks_of(modified_ns: int) -> int | None:
    """Return a time as servers keep it; None for one that they cannot keep."""
    ticks = modified_ns // _TICK_NS + _TICKS_TO_1970
    return ticks if 0 < ticks <= _MAX_TICKS else None


def opened(answer: bytes) -> FileAttributes:
    """Return the attributes in the answer to opening or closing a file."""
    ticks, size, bits = _unpacked(_OPENED, answer)
    return FileAttributes(size, ticks, bits)


def described(answer: bytes) -> FileAttributes:
    """Return the attributes in the description of an open file."""
    ticks, size, bits = _unpacked(_DESCRIBED, answer)
    return FileAttributes(size, ticks, bits)


def tag_of(answer: bytes) -> int:
    """Return the tag in the description of an open file."""
    return int(_unpacked(_TAG, answer)[0])


def listed(answer: bytes) -> Iterator[tuple[str, FileAttributes]]:
    """Yield the names and attributes in one part of a listing."""
    step, offset = 1, 0
    while step:
        step, ticks, size, bits, length, tag, number = _unpacked(_LISTED, answer, offset)
        name = answer[offset + _LISTED.size : offset + _LISTED.size + length]
        if len(name) < length or length % 2:
            raise fault("storage_error", "The server's listing is cut off.")
        yield decoded(name), FileAttributes(size, ticks, bits, tag, number)
        offset += step


def _unpacked(layout: struct.Struct, answer: bytes, offset: int = 0) -> tuple[int, ...]:
    try:
        return layout.unpack_from(answer, offset)
    except struct.error as error:
        raise fault("storage_error", "The server's answer is cut off.") from error
