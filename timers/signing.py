"""Signing what is sent, as Standard Webhooks says."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Iterable
from datetime import datetime


def headers(delivery: str, content: bytes, *, at: datetime, secrets: Iterable[bytes]) -> dict[str, str]:
    """Return the headers that name a delivery and prove where it comes from; unsigned where there is no secret.

    `delivery` is the same over all attempts.
    """
    named = {"webhook-id": delivery, "webhook-timestamp": str(int(at.timestamp()))}
    signed = f"{delivery}.{named['webhook-timestamp']}.".encode() + content
    signatures = [signature(secret, signed) for secret in secrets]
    return {**named, "webhook-signature": " ".join(signatures)} if signatures else named


def signature(secret: bytes, signed: bytes) -> str:
    """Return the signature of Standard Webhooks, version 1."""
    return f"v1,{base64.b64encode(hmac.new(secret, signed, hashlib.sha256).digest()).decode()}"
