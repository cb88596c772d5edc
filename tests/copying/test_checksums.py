"""Digests of streams, and checksums that people give."""

from __future__ import annotations

import hashlib
import io

import pytest

from timers.copying import checksums
from timers.errors import Invalid


@pytest.mark.parametrize("algorithm", list(checksums.ALGORITHMS))
def test_a_stream_is_digested_piece_by_piece(algorithm: str) -> None:
    data = b"0123456789" * 100_000

    assert checksums.digest(io.BytesIO(data), algorithm) == hashlib.new(algorithm, data).hexdigest()


def test_an_empty_stream_has_a_digest_too() -> None:
    assert checksums.digest(io.BytesIO()) == hashlib.sha256().hexdigest()


def test_an_algorithm_is_known_by_name_however_spelled_or_by_length() -> None:
    assert checksums.expected("AB" * 32, "SHA-256") == ("ab" * 32, "sha256")
    assert checksums.expected("ab" * 16, None) == ("ab" * 16, "md5")


@pytest.mark.parametrize(
    ("checksum", "algorithm", "field"),
    [
        ("", None, "DATA.0.external_checksum"),
        ("xyz", None, "DATA.0.external_checksum"),
        ("abc", None, "DATA.0.external_checksum"),
        ("ab" * 16, "sha256", "DATA.0.external_checksum"),
        (7, None, "DATA.0.external_checksum"),
        ("ab" * 16, "crc32", "DATA.0.checksum_algorithm"),
        ("ab" * 16, 5, "DATA.0.checksum_algorithm"),
    ],
)
def test_a_checksum_that_cannot_be_one_is_refused(checksum: object, algorithm: object, field: str) -> None:
    with pytest.raises(Invalid) as caught:
        checksums.expected(checksum, algorithm, field="DATA.0.external_checksum")

    assert list(caught.value.fields) == [field]


def test_case_does_not_matter_when_digests_are_compared() -> None:
    assert checksums.agree("AB", "ab")
    assert not checksums.agree("ab", "ac")
