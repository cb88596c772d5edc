"""Digests of files that are partly copied, kept from one slice to the next while both run in this process.

They cannot be stored. A slice that finds none here continues without: the file is verified all the same, and read once
more at its end for the digest of the whole.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import Any, NamedTuple
from uuid import UUID

MAX_KEPT = 256


class Digests(NamedTuple):
    """Digests of a partly copied file: of the source from its first byte on, and of what was read back."""

    source: Any
    target: Any


_kept: OrderedDict[tuple[UUID, int], tuple[int, Digests]] = OrderedDict()
_lock = threading.Lock()


def keep(transfer: UUID, file: int, size: int, digests: Digests) -> None:
    """Keep the digests of the first `size` bytes of a file."""
    with _lock:
        _kept[transfer, file] = (size, digests)
        while len(_kept) > MAX_KEPT:
            _kept.popitem(last=False)


def take(transfer: UUID, file: int, size: int) -> Digests | None:
    """Return the digests of exactly the first `size` bytes, None if they are not known here.

    Each is returned only once.
    """
    with _lock:
        kept = _kept.pop((transfer, file), None)
    return kept[1] if kept is not None and kept[0] == size else None
