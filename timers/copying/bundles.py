"""Bundles: many small files of one folder in one row.

A row per file would cost more to write than the file to copy. The text of a bundle is JSON: one list per field of
`Member`, in the order of the fields. Fields at the end that hold nothing are left out.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import NamedTuple

MAX_MEMBERS = 1000
MAX_BUNDLE_BYTES = 32 * 1024 * 1024
MAX_MEMBER_BYTES = 256 * 1024
"""Largest size of a member. A larger file has a row of its own and can be resumed."""


class Member(NamedTuple):
    """One file of a bundle.

    Instants are microseconds since 1970; `there_*` describe the existing file at the destination.
    """

    name: str
    size: int = 0
    modified_us: int | None = None
    there_size: int | None = None
    there_modified_us: int | None = None
    checksum: str | None = None


def encode(members: Sequence[Member]) -> str:
    """Return the text of a bundle; raises ValueError without a member."""
    columns = [list(column) for column in zip(*members, strict=True)]
    if not columns:
        raise ValueError("A bundle holds at least one member.")
    while columns[-1].count(None) == len(columns[-1]):
        columns.pop()
    return json.dumps(columns, ensure_ascii=False, separators=(",", ":"))


def decode(text: str) -> Iterator[Member]:
    """Yield the members of a bundle, in their order."""
    yield from map(Member, *json.loads(text))
