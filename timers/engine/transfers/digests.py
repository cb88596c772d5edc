"""Digests of files that are not copied to their end, kept from one slice to the next while both run in this process.

They cannot be stored. A slice that finds none here goes on without: the file is verified all the same, and read once
more at its end for the digest of the whole.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import Any, NamedTuple
from uuid import UUID

MAX_KEPT = 256


class Digests(NamedTuple):
    """What was read at the source from the file's first byte on, and what was read back at the destination."""

    here: Any
    there: Any


_kept: OrderedDict[tuple[UUID, int], tuple[int, Digests]] = OrderedDict()
_lock = threading.Lock()


def keep(transfer: UUID, file: int, size: int, both: Digests) -> None:
    """Keep the digests of the first `size` bytes of a file."""
    with _lock:
        _kept[transfer, file] = (size, both)
        while len(_kept) > MAX_KEPT:
            _kept.popitem(last=False)


def take(transfer: UUID, file: int, size: int) -> Digests | None:
    """Return the digests of exactly the first `size` bytes, if they are known here; they are handed out once."""
    with _lock:
        kept = _kept.pop((transfer, file), None)
    return kept[1] if kept is not None and kept[0] == size else None
