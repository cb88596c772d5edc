"""Digests of streams, and the names that people give to the ways of making them."""

from __future__ import annotations

import hashlib
import hmac
from typing import Any, Protocol

from timers.errors import Invalid

DEFAULT = "sha256"
ALGORITHMS = {"md5": 32, "sha1": 40, "sha256": 64, "sha384": 96, "sha512": 128}
"""Known algorithms with the length of their digests in hexadecimal digits."""
CHUNK = 256 * 1024


class Stream(Protocol):
    """Anything that is read piece by piece; an empty piece is the end."""

    def read(self, size: int, /) -> bytes: ...


def new(algorithm: str = DEFAULT) -> Any:
    """Return a fresh digest, to be fed by `update`."""
    return hashlib.new(algorithm, usedforsecurity=False)


def digest(stream: Stream, algorithm: str = DEFAULT) -> str:
    """Return the hexadecimal digest of everything that is left in the stream."""
    feed = new(algorithm)
    while piece := stream.read(CHUNK):
        feed.update(piece)
    return feed.hexdigest()


def agree(one: str, other: str) -> bool:
    """Return whether two hexadecimal digests are the same, whatever the case of their letters."""
    return hmac.compare_digest(one.lower(), other.lower())


def expected(checksum: object, algorithm: object, *, field: str = "external_checksum") -> tuple[str, str]:
    """Return (digest, algorithm) of a checksum that somebody gave; without an algorithm its length tells.

    Raises Invalid naming `field`, or "checksum_algorithm" beside it.
    """
    if not isinstance(checksum, str) or not checksum or set(checksum.lower()) - set("0123456789abcdef"):
        raise Invalid({field: "Give the checksum as hexadecimal digits."})
    sibling = f"{field.rpartition('.')[0]}.checksum_algorithm".lstrip(".")
    name = check_algorithm(algorithm, field=sibling) if algorithm is not None else _by_length(checksum)
    if name is None or len(checksum) != ALGORITHMS[name]:
        known = ", ".join(f"{name} ({length} digits)" for name, length in ALGORITHMS.items())
        raise Invalid({field: f"The length does not fit the algorithm; known: {known}."})
    return checksum.lower(), name


def check_algorithm(algorithm: object, *, field: str) -> str:
    """Return our name of an algorithm that somebody named; raises Invalid naming `field`."""
    name = algorithm.lower().replace("-", "") if isinstance(algorithm, str) else ""
    if name not in ALGORITHMS:
        raise Invalid({field: f"Unknown algorithm; known: {', '.join(ALGORITHMS)}."})
    return name


def _by_length(checksum: str) -> str | None:
    return next((name for name, length in ALGORITHMS.items() if length == len(checksum)), None)
