"""OAuth2 clients (apps): known ones, registration, and authentication."""

from __future__ import annotations

import hmac
import secrets
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import transaction

from timers import validation
from timers.models import ClientKey, Consent, RegisteredApp, Token
from timers.services import limits
from timers.services.people import tokens

KNOWN = {
    UUID("61338d24-54d5-408f-a10d-66c06b59f6d2"): "Tutorial app",
    UUID("bc77d044-1f42-46cc-9702-87f756cd08a6"): "Timer command line",
    UUID("95fdeba8-fac2-42bd-a357-e068d82ff78e"): "Globus CLI",
}
"""Apps of released programs. They have no secret."""


@dataclass(frozen=True)
class App:
    """A program that requests tokens. `secret`: it has one. `owner`: the user it acts as without a consent."""

    client_id: str
    name: str
    secret: bool = False
    owner: Any = None
    known: bool = True


def find(client_id: object) -> App | None:
    """Return the app with this id. An unregistered UUID is an app without a secret, known only by its id.

    Return None for other text, and for revoked keys.
    """
    key = validation.uuid(client_id)
    if key is None:
        return None
    if key in KNOWN:
        return App(str(key), KNOWN[key])
    client_key = ClientKey.objects.select_related("owner").filter(client_id=key).first()
    if client_key is not None:
        usable = client_key.revoked_at is None and client_key.owner.is_active
        return App(str(key), client_key.name, secret=True, owner=client_key.owner) if usable else None
    registered = RegisteredApp.objects.filter(client_id=key).first()
    if registered is not None:
        return App(str(key), registered.name, secret=True)
    return App(str(key), f"App {key}", known=False)


def authenticate(client_id: object, secret: str, *, now: datetime) -> App | None:
    """Return the app if id and secret are right, else None."""
    key = validation.uuid(client_id)
    if key is None or not secret:
        return None
    client_key = tokens.authenticate_key(key, secret, now=now)
    if client_key is not None:
        return App(str(key), client_key.name, secret=True, owner=client_key.owner)
    registered = RegisteredApp.objects.filter(client_id=key).first()
    if registered is None or not hmac.compare_digest(registered.digest, tokens.digest(secret)):
        return None
    RegisteredApp.objects.filter(pk=key).update(last_used_at=now)
    return App(str(key), registered.name, secret=True)


def register(*, name: object, template_id: str, address: str, now: datetime) -> tuple[RegisteredApp, str]:
    """Create an app and return it with its secret, which is shown only once.

    Anybody may register one, so there is a limit for each address. Raises Invalid naming name, TooMany.
    """
    limits.take(limits.REGISTRATIONS, address, now=now)
    secret = secrets.token_urlsafe(32)
    app = RegisteredApp.objects.create(
        name=validation.name(name), template_id=template_id[:36], digest=tokens.digest(secret), created_at=now
    )
    return app, secret


def unregister(client_id: UUID) -> bool:
    """Delete an app that registered itself, with its tokens and consents; return whether there was one."""
    with transaction.atomic():
        deleted, _ = RegisteredApp.objects.filter(client_id=client_id).delete()
        if deleted:
            Token.objects.filter(client_id=client_id).delete()
            Consent.objects.filter(client_id=client_id).delete()
    return bool(deleted)
