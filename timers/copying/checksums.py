"""Digests of streams, and the names of the algorithms."""

from __future__ import annotations

import hashlib
import hmac
from typing import Any, Protocol

from timers.errors import Invalid

DEFAULT_ALGORITHM = "sha256"
ALGORITHMS = {"md5": 32, "sha1": 40, "sha256": 64, "sha384": 96, "sha512": 128}
"""Known algorithms and the length of their digests in hexadecimal digits."""
CHUNK_BYTES = 256 * 1024


class Stream(Protocol):
    """An object that is read in chunks; an empty chunk is the end."""

    def read(self, size: int, /) -> bytes: ...


def new(algorithm: str = DEFAULT_ALGORITHM) -> Any:
    """Return a new digest object, to be fed by `update`."""
    return hashlib.new(algorithm, usedforsecurity=False)


def digest(stream: Stream, algorithm: str = DEFAULT_ALGORITHM) -> str:
    """Return the hexadecimal digest of the rest of the stream."""
    result = new(algorithm)
    while chunk := stream.read(CHUNK_BYTES):
        result.update(chunk)
    return result.hexdigest()


def agree(first: str, second: str) -> bool:
    """Return whether two hexadecimal digests are equal, regardless of upper and lower case."""
    return hmac.compare_digest(first.lower(), second.lower())


def expected(checksum: object, algorithm: object, *, field: str = "external_checksum") -> tuple[str, str]:
    """Return (digest, algorithm) of a given checksum; without an algorithm, the length of the digest determines it.

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
    """Return the canonical name of an algorithm; raises Invalid naming `field`."""
    name = algorithm.lower().replace("-", "") if isinstance(algorithm, str) else ""
    if name not in ALGORITHMS:
        raise Invalid({field: f"Unknown algorithm; known: {', '.join(ALGORITHMS)}."})
    return name


def _by_length(checksum: str) -> str | None:
    return next((name for name, length in ALGORITHMS.items() if length == len(checksum)), None)
