"""The key by which this site vouches for who logged in. Made when first needed; all processes share it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from timers.models import SigningKey

IDENTITIES = "identities"
BITS = 2048


@dataclass(frozen=True)
class RsaKey:
    """An RSA key; `id` names it where several may be known."""

    id: str
    private: rsa.RSAPrivateKey


def key(*, now: datetime) -> RsaKey:
    """Return the key, made if there is none yet; of several processes that make one at once, one wins."""
    row = SigningKey.objects.filter(purpose=IDENTITIES).first()
    if row is None:
        made = {"private": _made(), "created_at": now}
        row, _ = SigningKey.objects.get_or_create(purpose=IDENTITIES, defaults=made)
        row.refresh_from_db()
    stored: Any = row.private
    private = serialization.load_pem_private_key(stored["pem"].encode(), password=None)
    assert isinstance(private, rsa.RSAPrivateKey)
    return RsaKey(str(row.key_id), private)


def _made() -> dict[str, str]:
    private = rsa.generate_private_key(public_exponent=65537, key_size=BITS)
    pem = private.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return {"pem": pem.decode()}
