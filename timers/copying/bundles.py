"""Many small things of one folder in one text: what a row per file would cost more to write than the file to copy.

The text is JSON: one list per field of `Member`, in their order, those at the end that hold nothing left out.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import NamedTuple

MAX_MEMBERS = 1000
MAX_BYTES = 32 * 1024 * 1024
SMALL = 256 * 1024
"""Files up to this size are copied as members of a pack; larger ones have a row, and can be gone on with, each."""


class Member(NamedTuple):
    """One file of a pack. Instants in microseconds since 1970; `there_*` is what stood at the destination."""

    name: str
    size: int = 0
    modified_us: int | None = None
    there_size: int | None = None
    there_modified_us: int | None = None
    checksum: str | None = None


def encode(members: Sequence[Member]) -> str:
    """Return the text of at least one member; ValueError for none."""
    columns = [list(column) for column in zip(*members, strict=True)]
    if not columns:
        raise ValueError("A pack holds at least one member.")
    while columns[-1].count(None) == len(columns[-1]):
        columns.pop()
    return json.dumps(columns, ensure_ascii=False, separators=(",", ":"))


def decode(text: str) -> Iterator[Member]:
    """Yield the members of a pack, in their order."""
    yield from map(Member, *json.loads(text))
