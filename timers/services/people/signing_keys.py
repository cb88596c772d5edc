"""The RSA key that signs id tokens. It is created when first needed and shared by all processes."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from timers.models import SigningKey

PURPOSE = "identities"
KEY_BITS = 2048


@dataclass(frozen=True)
class RsaKey:
    """An RSA key with its id."""

    id: str
    private: rsa.RSAPrivateKey


def key(*, now: datetime) -> RsaKey:
    """Return the key; create it if there is none. If several processes create one at once, one wins."""
    row = SigningKey.objects.filter(purpose=PURPOSE).first()
    if row is None:
        generated = {"private": _generate(), "created_at": now}
        row, _ = SigningKey.objects.get_or_create(purpose=PURPOSE, defaults=generated)
        row.refresh_from_db()
    stored: Any = row.private
    private = serialization.load_pem_private_key(stored["pem"].encode(), password=None)
    assert isinstance(private, rsa.RSAPrivateKey)
    return RsaKey(str(row.key_id), private)


def _generate() -> dict[str, str]:
    private = rsa.generate_private_key(public_exponent=65537, key_size=KEY_BITS)
    pem = private.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return {"pem": pem.decode()}
