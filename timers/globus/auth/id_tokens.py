"""Signed OpenID Connect id tokens, and the public key that verifies them."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import Any

import jwt
from jwt.algorithms import RSAAlgorithm

from timers.services.people import identities, signing_keys

ALGORITHM = "RS512"
LIFETIME = timedelta(hours=48)
ORGANIZATION = "Timers"


def sign(*, user: Any, audience: str, issuer: str, nonce: str | None, now: datetime) -> str:
    """Return a signed id token of a user for one app (`audience`). `nonce` ties it to the app's request."""
    key = signing_keys.key(now=now)
    claims = {
        **user_claims(user),
        "iss": issuer.rstrip("/"),
        "aud": audience,
        "iat": int(now.timestamp()),
        "exp": int((now + LIFETIME).timestamp()),
        **({} if nonce is None else {"nonce": nonce}),
    }
    return jwt.encode(claims, key.private, algorithm=ALGORITHM, headers={"kid": key.id})


def public_keys(*, now: datetime) -> dict[str, Any]:
    """Return the public keys that verify tokens (JWKS)."""
    key = signing_keys.key(now=now)
    public = json.loads(RSAAlgorithm.to_jwk(key.private.public_key()))
    public.pop("key_ops", None)
    return {"keys": [{**public, "kid": key.id, "use": "sig", "alg": ALGORITHM}]}


def user_claims(user: Any) -> dict[str, Any]:
    """Return the claims about a user that apps receive."""
    return {
        "sub": str(identities.id_of(user)),
        "preferred_username": user.get_username(),
        "name": user.get_full_name() or user.get_username(),
        "email": user.email or None,
        "organization": ORGANIZATION,
    }
