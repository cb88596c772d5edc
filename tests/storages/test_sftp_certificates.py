"""Certificates of host keys: who signed them, for which hosts and until when."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import asyncssh
import pytest

from timers.storages.sftp import certificates, keys
from timers.storages.sftp.certificates import CertificateRefused
from timers.storages.sftp.keys import HostKey

NOW = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
HOST = asyncssh.generate_private_key("ssh-ed25519")


def authority_of(key: asyncssh.SSHKey, names: str = "*.example.org") -> HostKey:
    (read,) = keys.read_host_keys(f"@cert-authority {names} {key.export_public_key().decode()}")
    return read


def blob(authority: asyncssh.SSHKey, **changes: Any) -> bytes:
    given = {"principals": ["files.example.org"], "valid_after": "20260301", "valid_before": "20260401"}
    certificate = authority.generate_host_certificate(HOST, "host", **(given | changes))
    return bytes(certificate.public_data)


def check(presented: bytes, *authorities: HostKey, host: str = "files.example.org", port: int = 22) -> None:
    certificates.check(presented, authorities=authorities, host=host, port=port, now=NOW)


@pytest.mark.parametrize("kind", ["ssh-ed25519", "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp521", "ssh-rsa"])
def test_an_authority_of_any_kind_makes_a_host_known(kind: str) -> None:
    authority = asyncssh.generate_private_key(kind)

    check(blob(authority), authority_of(authority))


def test_a_certificate_for_all_hosts_or_a_pattern_of_hosts_is_one_for_this_host() -> None:
    authority = asyncssh.generate_private_key("ssh-ed25519")

    check(blob(authority, principals=[]), authority_of(authority))
    check(blob(authority, principals=["other.example.org", "*.Example.org"]), authority_of(authority))
    check(blob(authority), authority_of(authority, "[files.example.org]:2222"), port=2222)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"principals": ["other.example.org"]}, "is for 'other.example.org', not for this host"),
        ({"valid_before": "20260302"}, "is not valid today"),
        ({"valid_after": "20260303"}, "is not valid today"),
    ],
)
def test_a_certificate_for_others_or_another_time_is_refused(changes: dict[str, Any], words: str) -> None:
    authority = asyncssh.generate_private_key("ssh-ed25519")

    with pytest.raises(CertificateRefused, match=words):
        check(blob(authority, **changes), authority_of(authority))


def test_an_authority_of_other_hosts_or_an_unknown_one_is_refused() -> None:
    authority, other = (asyncssh.generate_private_key("ssh-ed25519") for _ in range(2))

    for known in (authority_of(other), authority_of(authority, "*.example.com"), authority_of(authority, "*,!files.*")):
        with pytest.raises(CertificateRefused, match="not signed by an authority that is known"):
            check(blob(authority), known)


def test_a_certificate_of_a_user_is_none_of_a_host() -> None:
    authority = asyncssh.generate_private_key("ssh-ed25519")
    presented = authority.generate_user_certificate(HOST, "user", principals=["files.example.org"])

    with pytest.raises(CertificateRefused, match="is that of a user"):
        check(bytes(presented.public_data), authority_of(authority))


def test_what_was_changed_or_is_no_certificate_is_refused() -> None:
    authority = asyncssh.generate_private_key("ssh-ed25519")
    presented = blob(authority)

    for damaged in (presented[:-1] + bytes([presented[-1] ^ 1]), presented[:200], HOST.public_data, b"", b"\0" * 40):
        with pytest.raises(CertificateRefused):
            check(damaged, authority_of(authority))


def test_a_signature_with_sha_1_is_not_safe_any_more() -> None:
    authority = asyncssh.generate_private_key("ssh-rsa")
    presented = blob(authority, sig_alg="ssh-rsa")

    with pytest.raises(CertificateRefused):
        check(presented, authority_of(authority))
