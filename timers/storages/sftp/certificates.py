"""Certificates of host keys: a server is known by an authority that signed its key, instead of by the key itself."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterable
from datetime import datetime
from fnmatch import fnmatchcase

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import SSHCertificate, SSHCertificateType

from timers.storages.sftp.keys import HostKey

_RSA_SIGNATURES = (b"rsa-sha2-256", b"rsa-sha2-512")


class CertificateRefused(ValueError):
    """A certificate that does not prove who the server is; the message is the end of a sentence."""


def check(blob: bytes, *, authorities: Iterable[HostKey], host: str, port: int, now: datetime) -> None:
    """Check the certificate that a server presented; raises CertificateRefused.

    That the server has the private key was proved by the key exchange.
    """
    certificate = _load(blob)
    authority_blob = _blob_of(certificate)
    matching = [key for key in authorities if key.blob == authority_blob and matches(key.authority_for, host, port)]
    if not matching:
        raise CertificateRefused("is not signed by an authority that is known for this host")
    if certificate.type is not SSHCertificateType.HOST:
        raise CertificateRefused("is that of a user")
    names = [name.decode("utf-8", "replace") for name in certificate.valid_principals]
    if names and not any(fnmatchcase(host, name.lower()) for name in names):
        raise CertificateRefused(f"is for {', '.join(names)[:200]!r}, not for this host")
    if not certificate.valid_after <= now.timestamp() < certificate.valid_before:
        raise CertificateRefused("is not valid today")
    if certificate.critical_options:
        raise CertificateRefused("has conditions that are not known here")


def matches(patterns: str, host: str, port: int) -> bool:
    """Return whether the names of a line of known_hosts, such as "*.example.org,!x.example.org", stand for a host."""
    spellings = [f"[{host}]:{port}", host]
    words = patterns.lower().split(",")
    refused = [word[1:] for word in words if word.startswith("!")]
    return not _any_matches(refused, spellings) and _any_matches(words, spellings)


def _any_matches(patterns: Iterable[str], spellings: Iterable[str]) -> bool:
    escaped = [pattern.replace("[", "[[]") for pattern in patterns]
    return any(fnmatchcase(spelling, pattern) for spelling in spellings for pattern in escaped)


def _load(blob: bytes) -> SSHCertificate:
    kind = blob[4 : 4 + int.from_bytes(blob[:4])]
    try:
        certificate = serialization.load_ssh_public_identity(kind + b" " + b64encode(blob))
        if not isinstance(certificate, SSHCertificate):
            raise CertificateRefused("is none")
        certificate.verify_cert_signature()
        authority = certificate.signature_key()
    except (ValueError, AssertionError, UnsupportedAlgorithm, InvalidSignature) as error:
        if isinstance(error, CertificateRefused):
            raise
        raise CertificateRefused("is damaged, or signed in a way that is not accepted here") from error
    if isinstance(authority, rsa.RSAPublicKey):
        signed_with = blob[: -4 - authority.key_size // 8]
        if not signed_with.endswith(_RSA_SIGNATURES):
            raise CertificateRefused("is signed in a way that is not safe any more")
    return certificate


def _blob_of(certificate: SSHCertificate) -> bytes:
    line = certificate.signature_key().public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH)
    return HostKey.of_line(line.decode()).blob
