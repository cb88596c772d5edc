"""Tokens that apps get: a code when somebody agrees, exchanged for access and refresh tokens, one per resource server.

All that comes from one agreement shares its `grant`. A code serves once. A refresh token is followed by a new one, and
serves until that has been used: an answer that got lost, or that nobody kept, logs nobody out.
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

CODE_LASTS = timedelta(minutes=10)
ACCESS_LASTS = timedelta(hours=48)
REFRESH_LASTS = timedelta(days=180)
REPEAT_IS_HARMLESS = timedelta(minutes=1)
"""So long after a code or refresh token was used up, using it again is taken for a repetition, later for theft."""
UNUSED_KEPT = timedelta(hours=1)
"""How long a new refresh token waits to be used when the one before is used again."""


@dataclass(frozen=True)
class Issued:
    """What an app is told of the tokens for one resource server, this once."""

    resource_server: str
    scopes: tuple[str, ...]
    access: str
    refresh: str | None
    expires_in: int


def agree(
    *,
    owner: Any,
    client_id: str,
    name: str,
    wanted: Iterable[scopes.Scope],
    offline: bool,
    code: str,
    details: Mapping[str, Any],
    now: datetime,
) -> None:
    """Note that somebody lets an app do this, and keep the code that it will exchange. Raises Invalid naming scope."""
    granted = scopes.merge(wanted)
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
            expires_at=now + CODE_LASTS,
        )
        events.record("app_let_in", now=now, by=owner, owner=owner, object_id=UUID(client_id), text=name)


def find(text: str, *, kind: str, client_id: str, now: datetime) -> Token | None:
    """Return the code or refresh token of that app if it is still good; one that comes back later ends its grant."""
    held = Token.objects.filter(digest=access.digest(text), kind=kind, client_id=client_id)
    found = held.select_related("owner").first()
    if found is None or not found.owner.is_active:
        return None
    if found.revoked_at is not None:
        if found.revoked_at + REPEAT_IS_HARMLESS < now and found.grant is not None:
            end(found.grant, now=now)
        return None
    return None if found.expires_at is not None and found.expires_at <= now else found


def exchange(held: Token, *, names: Iterable[str] | None = None, now: datetime) -> list[Issued]:
    """Use a code or a refresh token; return what comes of it. Raises Conflict when it was used up meanwhile."""
    again = held.kind == access.REFRESH
    with transaction.atomic():
        used = {"expires_at": now + REFRESH_LASTS} if again else {"revoked_at": now}
        if not Token.objects.filter(pk=held.pk, revoked_at__isnull=True).update(last_used_at=now, **used):
            raise Conflict("This was used already.")
        if again:
            _follow(held, now=now)
        return issue(
            owner=held.owner,
            client_id=str(held.client_id),
            name=held.name,
            names=held.scopes if names is None else names,
            kept=held.scopes,
            refresh=again or bool(held.details.get("offline")),
            follows=held if again else None,
            grant=held.grant,
            now=now,
        )


def _follow(held: Token, *, now: datetime) -> None:
    """End the refresh token that this one, which is used now, came after; drop earlier ones that nobody kept."""
    before = held.details.get("follows")
    Token.objects.filter(pk=before, revoked_at__isnull=True).update(revoked_at=now)
    after = Token.objects.filter(grant=held.grant, details__follows=str(held.pk), last_used_at__isnull=True)
    after.filter(kind=access.REFRESH, created_at__lt=now - UNUSED_KEPT).delete()


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
) -> list[Issued]:
    """Return new tokens for these scopes, one per resource server. A refresh token keeps the scopes of its server.

    `follows` is the refresh token that the new one comes after.
    """
    details = {} if follows is None else {"follows": str(follows.pk)}
    issued = []
    groups = scopes.by_server(names)
    keeping = scopes.by_server(names if kept is None else kept)
    with transaction.atomic():
        for server, group in groups.items():
            common = {"owner": owner, "name": name, "client_id": client_id, "resource_server": server, "grant": grant}
            text = access.issue(kind=access.ACCESS, scopes=group, lasts=ACCESS_LASTS, now=now, **common)
            again = None
            if refresh:
                again = access.issue(
                    kind=access.REFRESH,
                    scopes=keeping[server],
                    lasts=REFRESH_LASTS,
                    now=now,
                    details=details,
                    **common,
                )
            issued.append(Issued(server, tuple(group), text, again, int(ACCESS_LASTS.total_seconds())))
    return issued


def revoke(text: str, *, now: datetime) -> None:
    """End the token with this text, and the access tokens that came of it when it is a refresh token.

    Whoever holds a token may end it; one that does not exist is ended already.
    """
    held = Token.objects.select_related("owner").filter(digest=access.digest(text)).exclude(kind=access.CODE).first()
    if held is None:
        return
    if held.kind == access.PERSONAL:
        access.revoke_token(held, by=held.owner, now=now)
        return
    same = Token.objects.filter(pk=held.pk)
    if held.kind == access.REFRESH and held.grant is not None:
        same = Token.objects.filter(grant=held.grant, resource_server=held.resource_server)
    same.filter(revoked_at__isnull=True).update(revoked_at=now)


def end(grant: UUID, *, now: datetime) -> None:
    """End all tokens that came of one agreement."""
    Token.objects.filter(grant=grant, revoked_at__isnull=True).update(revoked_at=now)
