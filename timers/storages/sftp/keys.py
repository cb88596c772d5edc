"""Keys as users paste them: public keys of servers, and private keys for the login."""

from __future__ import annotations

import binascii
import io
from base64 import b64decode, b64encode
from typing import NamedTuple

import paramiko
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

TYPES = ("ssh-ed25519", "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521", "ssh-rsa")
MAX_KEYS = 10
_AUTHORITY = "@cert-authority"

PrivateKey = ed25519.Ed25519PrivateKey | ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey


class HostKey(NamedTuple):
    """A server's public key. `blob` is what the server presents, and the input of its fingerprint.

    With `authority_for` it is the key of an authority that signs the keys of the hosts with these names.
    """

    type: str
    blob: bytes
    authority_for: str = ""

    @classmethod
    def of_line(cls, line: str) -> HostKey:
        """Return the key of a line such as "ssh-ed25519 AAAA..."."""
        key_type, encoded = line.split()[:2]
        return cls(key_type, b64decode(encoded))

    def __str__(self) -> str:
        before = f"{_AUTHORITY} {self.authority_for} " if self.authority_for else ""
        return f"{before}{self.type} {b64encode(self.blob).decode()}"


class KeyRefused(ValueError):
    """A key that cannot be used; the message is a sentence. `of_passphrase` is True when the passphrase is wrong."""

    def __init__(self, message: str, *, of_passphrase: bool = False) -> None:
        super().__init__(message)
        self.of_passphrase = of_passphrase


def read_host_keys(pasted: str) -> tuple[HostKey, ...]:
    """Return the keys of lines such as "ssh-ed25519 AAAA...", with or without a host before; raises KeyRefused.

    Lines that begin with "@cert-authority NAMES" have the key of an authority.
    """
    lines = [line.strip() for line in pasted.splitlines()]
    keys = tuple(dict.fromkeys(_host_key(line) for line in lines if line and not line.startswith("#")))
    if not keys:
        raise KeyRefused('Give the server\'s public key, such as "ssh-ed25519 AAAA..." or a line of known_hosts.')
    if len(keys) > MAX_KEYS:
        raise KeyRefused(f"At most {MAX_KEYS} keys; give those of this server only.")
    return keys


def _host_key(line: str) -> HostKey:
    words = line.split()
    if words[0] == _AUTHORITY:
        if len(words) < 4 or words[1].startswith("|") or words[2] not in TYPES:
            raise KeyRefused("Give an authority as in known_hosts: @cert-authority *.example.org ssh-ed25519 AAAA...")
        return HostKey(words[2], _blob(words[2], words[3]), words[1])
    if words[0].startswith("@"):
        raise KeyRefused("Of lines with a marker only those with @cert-authority are understood here.")
    for at in (0, 1):
        if len(words) > at + 1 and words[at] in TYPES:
            return HostKey(words[at], _blob(words[at], words[at + 1]))
    raise KeyRefused(f"This is not a public key of a server; known types: {', '.join(TYPES)}.")


def _blob(kind: str, encoded: str) -> bytes:
    try:
        blob = b64decode(encoded, validate=True)
        serialization.load_ssh_public_key(f"{kind} {encoded}".encode())
    except (binascii.Error, ValueError, UnsupportedAlgorithm):
        raise KeyRefused(f"The {kind} key is incomplete or damaged.") from None
    return blob


def read_private_key(pasted: str, passphrase: str | None) -> PrivateKey:
    """Return a private key from OpenSSH or PEM text; raises KeyRefused."""
    data = pasted.strip().replace("\r\n", "\n").encode() + b"\n"
    secret = passphrase.encode() if passphrase else None
    try:
        if b"BEGIN OPENSSH PRIVATE KEY" in data:
            key: object = serialization.load_ssh_private_key(data, secret)
        else:
            key = serialization.load_pem_private_key(data, secret)
    except (TypeError, ValueError, UnsupportedAlgorithm) as error:
        raise _refusal(data, secret, error) from None
    if not isinstance(key, PrivateKey):
        raise KeyRefused("Only ed25519, ECDSA and RSA keys can be used.")
    return key


def _refusal(data: bytes, secret: bytes | None, error: Exception) -> KeyRefused:
    if secret is None and (isinstance(error, TypeError) or "password-protected" in str(error)):
        return KeyRefused("The key is protected: its passphrase is needed.", of_passphrase=True)
    if secret is not None and isinstance(error, TypeError):
        return KeyRefused("The key is not protected: leave the passphrase out.", of_passphrase=True)
    if secret is not None and (b"ENCRYPTED" in data or b"OPENSSH" in data):
        return KeyRefused("The key cannot be read: the passphrase is wrong, or the key is damaged.", of_passphrase=True)
    return KeyRefused("This is not a private key in OpenSSH or PEM form.")


def for_login(pasted: str, passphrase: str | None) -> paramiko.PKey:
    """Return a private key in the form of the SSH library."""
    key = read_private_key(pasted, passphrase)
    plain = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.OpenSSH, serialization.NoEncryption()
    ).decode()
    if isinstance(key, rsa.RSAPrivateKey):
        return paramiko.RSAKey.from_private_key(io.StringIO(plain))
    if isinstance(key, ec.EllipticCurvePrivateKey):
        return paramiko.ECDSAKey.from_private_key(io.StringIO(plain))
    return paramiko.Ed25519Key.from_private_key(io.StringIO(plain))
