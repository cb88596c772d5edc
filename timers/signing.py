"""Signatures of webhook deliveries, as specified by Standard Webhooks."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Iterable
from datetime import datetime


def headers(delivery: str, content: bytes, *, at: datetime, secrets: Iterable[bytes]) -> dict[str, str]:
    """Return the headers with id, time and signatures of a delivery; without signature if there is no secret.

    `delivery` is an id that stays the same for all attempts.
    """
    identified = {"webhook-id": delivery, "webhook-timestamp": str(int(at.timestamp()))}
    signed = f"{delivery}.{identified['webhook-timestamp']}.".encode() + content
    signatures = [signature(secret, signed) for secret in secrets]
    return {**identified, "webhook-signature": " ".join(signatures)} if signatures else identified


def signature(secret: bytes, signed: bytes) -> str:
    """Return the signature of Standard Webhooks, version 1: `v1,` and base64."""
    return f"v1,{base64.b64encode(hmac.new(secret, signed, hashlib.sha256).digest()).decode()}"
