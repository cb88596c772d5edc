"""Tokens of apps: a code when a user consents, exchanged for access and refresh tokens, one per resource server.

All tokens of one consent share its `grant`. A code is valid once. A refresh token is replaced by a new one, but stays
valid until the new one has been used: a lost answer logs nobody out.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from django.db import transaction

from timers import scopes
from timers.errors import Conflict
from timers.models import Token
from timers.services import events
from timers.services.people import consents
from timers.services.people import tokens as access

CODE_LIFETIME = timedelta(minutes=10)
ACCESS_LIFETIME = timedelta(hours=48)
REFRESH_LIFETIME = timedelta(days=180)
REUSE_GRACE = timedelta(minutes=1)
"""Time after its use in which a second use of a code or refresh token counts as a repetition, and later as theft."""
UNUSED_REFRESH_RETENTION = timedelta(hours=1)
"""Age up to which an unused refresh token is kept when the one before it is used again."""


@dataclass(frozen=True)
class IssuedTokens:
    """New tokens for one resource server; their texts are shown only once. `expires_in` is in seconds."""

    resource_server: str
    scopes: tuple[str, ...]
    access: str
    refresh: str | None
    expires_in: int


def authorize(
    *,
    owner: Any,
    client_id: str,
    name: str,
    requested: Iterable[scopes.Scope],
    offline: bool,
    code: str,
    details: Mapping[str, Any],
    now: datetime,
) -> None:
    """Store a user's consent for an app, and the code that the app will exchange. Raises Invalid naming scope."""
    granted = scopes.merge(requested)
    with transaction.atomic():
        consents.grant(owner=owner, client_id=client_id, granted=granted, allows_refresh=offline, now=now)
        Token.objects.create(
            owner=owner,
            name=name,
            digest=access.digest(code),
            prefix=code[:4],
            kind=access.CODE,
            scopes=[scope.name for scope in granted],
            client_id=client_id,
            grant=uuid4(),
            details={**details, "offline": offline},
            created_at=now,
            expires_at=now + CODE_LIFETIME,
        )
        events.record("app_let_in", now=now, by=owner, owner=owner, object_id=UUID(client_id), text=name)


def find(text: str, *, kind: str, client_id: str, now: datetime) -> Token | None:
    """Return the valid code or refresh token of an app, None if there is none. A late second use revokes its grant."""
    matching = Token.objects.filter(digest=access.digest(text), kind=kind, client_id=client_id)
    token = matching.select_related("owner").first()
    if token is None or not token.owner.is_active:
        return None
    if token.revoked_at is not None:
        if token.revoked_at + REUSE_GRACE < now and token.grant is not None:
            revoke_grant(token.grant, now=now)
        return None
    return None if token.expires_at is not None and token.expires_at <= now else token


def exchange(token: Token, *, names: Iterable[str] | None = None, now: datetime) -> list[IssuedTokens]:
    """Exchange a code or refresh token for new tokens; return them. Raises Conflict when it was used meanwhile."""
    is_refresh = token.kind == access.REFRESH
    with transaction.atomic():
        used = {"expires_at": now + REFRESH_LIFETIME} if is_refresh else {"revoked_at": now}
        if not Token.objects.filter(pk=token.pk, revoked_at__isnull=True).update(last_used_at=now, **used):
            raise Conflict("This was used already.")
        if is_refresh:
            _rotate(token, now=now)
        return issue(
            owner=token.owner,
            client_id=str(token.client_id),
            name=token.name,
            names=token.scopes if names is None else names,
            kept=token.scopes,
            refresh=is_refresh or bool(token.details.get("offline")),
            follows=token if is_refresh else None,
            grant=token.grant,
            now=now,
        )


def _rotate(token: Token, *, now: datetime) -> None:
    """Revoke the predecessor of a refresh token that is used now; delete its unused successors of earlier uses."""
    before = token.details.get("follows")
    Token.objects.filter(pk=before, revoked_at__isnull=True).update(revoked_at=now)
    after = Token.objects.filter(grant=token.grant, details__follows=str(token.pk), last_used_at__isnull=True)
    after.filter(kind=access.REFRESH, created_at__lt=now - UNUSED_REFRESH_RETENTION).delete()


def issue(
    *,
    owner: Any,
    client_id: str,
    name: str,
    names: Iterable[str],
    refresh: bool,
    grant: UUID | None,
    now: datetime,
    kept: Iterable[str] | None = None,
    follows: Token | None = None,
) -> list[IssuedTokens]:
    """Create and return tokens for these scopes, one per resource server. A refresh token keeps its server's scopes.

    `follows` is the refresh token that the new one replaces.
    """
    details = {} if follows is None else {"follows": str(follows.pk)}
    issued = []
    groups = scopes.by_server(names)
    refresh_scopes = scopes.by_server(names if kept is None else kept)
    with transaction.atomic():
        for server, group in groups.items():
            common = {"owner": owner, "name": name, "client_id": client_id, "resource_server": server, "grant": grant}
            text = access.issue(kind=access.ACCESS, scopes=group, lifetime=ACCESS_LIFETIME, now=now, **common)
            refresh_text = None
            if refresh:
                refresh_text = access.issue(
                    kind=access.REFRESH,
                    scopes=refresh_scopes[server],
                    lifetime=REFRESH_LIFETIME,
                    now=now,
                    details=details,
                    **common,
                )
            issued.append(IssuedTokens(server, tuple(group), text, refresh_text, int(ACCESS_LIFETIME.total_seconds())))
    return issued


def revoke(text: str, *, now: datetime) -> None:
    """Revoke the token with this text and, for a refresh token, the access tokens issued with it.

    Anybody who has a token may revoke it. An unknown token is no error.
    """
    token = Token.objects.select_related("owner").filter(digest=access.digest(text)).exclude(kind=access.CODE).first()
    if token is None:
        return
    if token.kind == access.PERSONAL:
        access.revoke_token(token, by=token.owner, now=now)
        return
    related = Token.objects.filter(pk=token.pk)
    if token.kind == access.REFRESH and token.grant is not None:
        related = Token.objects.filter(grant=token.grant, resource_server=token.resource_server)
    related.filter(revoked_at__isnull=True).update(revoked_at=now)


def revoke_grant(grant: UUID, *, now: datetime) -> None:
    """Revoke all tokens of one grant."""
    Token.objects.filter(grant=grant, revoked_at__isnull=True).update(revoked_at=now)
