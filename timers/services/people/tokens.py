"""Tokens and client keys: made, recognised and revoked. Only hashes of secrets are kept."""

from __future__ import annotations

import hashlib
import hmac
import json
import secrets
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.contrib.auth import get_user_model
from django.db import IntegrityError, transaction
from django.db.models import Q

from timers import validation
from timers.clock import to_us
from timers.errors import Conflict, Invalid
from timers.models import ClientKey, Token
from timers.services import events

CONDUCTOR_SCOPE = "conductor"
"""What a token needs for the interface of Conductor clients, if it is not for everything."""

API_SCOPE = "api"
"""What a token needs for the native REST API, if it is not for everything."""

TOKEN_MARK = "tmr_"
"""How our tokens begin, so that people and secret scanners recognise them."""

PERSONAL, ACCESS, REFRESH, CODE = "personal", "access", "refresh", "code"
OPENING = (PERSONAL, ACCESS)
"""The kinds of tokens that open interfaces; the others are only exchanged for such."""

USE_IS_NOTED_EVERY = timedelta(minutes=1)
MAX_DAYS = 36_500

Question = tuple[str, list[Any]]
"""A statement for owner_id and scopes of a caller, and its parameters; no row when there is none."""


def create_token(
    *,
    owner: Any,
    name: str,
    days: int | None = None,
    scopes: Iterable[str] = (),
    kind: str = PERSONAL,
    now: datetime,
    value: str | None = None,
) -> tuple[Token, str]:
    """Return a new token and its text, which is shown this once; no scopes means all rights of the owner.

    `value` is a text to use instead of a random one. Raises Invalid naming name, days or value, Conflict when that
    text is a token already.
    """
    text = TOKEN_MARK + secrets.token_urlsafe(32) if value is None else _usable(value)
    token = Token(
        owner=owner,
        name=validation.name(name),
        digest=digest(text),
        prefix=text[: min(12, len(text) // 3)],
        kind=kind,
        scopes=list(scopes),
        created_at=now,
        expires_at=_expiry(days, now),
    )
    with transaction.atomic():
        _insert(token)
        events.record("token_created", now=now, by=owner, owner=owner, object_id=token.pk, text=token.name)
    return token, text


def create_key(*, owner: Any, name: str, now: datetime) -> tuple[ClientKey, str]:
    """Return a new client key and its secret, which is shown this once. Raises Invalid naming name."""
    secret = secrets.token_urlsafe(32)
    with transaction.atomic():
        key = ClientKey.objects.create(owner=owner, name=validation.name(name), digest=digest(secret), created_at=now)
        events.record("key_created", now=now, by=owner, owner=owner, object_id=key.pk, text=key.name)
    return key, secret


def renew_key(key: ClientKey, *, by: Any, now: datetime) -> str:
    """Return a new secret of the key, shown this once; the old one is void, and so are the tokens that it got.

    Raises Conflict when it is revoked.
    """
    secret = secrets.token_urlsafe(32)
    with transaction.atomic():
        if not ClientKey.objects.filter(pk=key.pk, revoked_at__isnull=True).update(digest=digest(secret)):
            raise Conflict("A revoked client key gets no new secret.")
        _end_tokens(key, now=now)
        events.record("key_renewed", now=now, by=by, owner=key.owner, object_id=key.pk, text=key.name)
    return secret


def issue(*, kind: str, scopes: Iterable[str], lasts: timedelta, now: datetime, **fields: Any) -> str:
    """Return the text of a new token that a program holds, for this once; `fields` are the others of the row."""
    text = TOKEN_MARK + secrets.token_urlsafe(32)
    Token.objects.create(
        **fields,
        kind=kind,
        digest=digest(text),
        prefix=text[:12],
        scopes=list(scopes),
        created_at=now,
        expires_at=now + lasts,
    )
    return text


def issue_for_key(key: ClientKey, *, now: datetime) -> str:
    """Return the text of a token of a day's life for a Conductor client that showed this key."""
    return issue(
        kind=ACCESS,
        scopes=[CONDUCTOR_SCOPE],
        lasts=timedelta(days=1),
        now=now,
        owner=key.owner,
        name=key.name,
        client_id=key.client_id,
    )


def authenticate_token(value: str, *, now: datetime) -> Token | None:
    """Return the token with this text when it is valid and its owner active; notes that it was used."""
    token = find_token(value, kinds=OPENING, now=now)
    if token is not None:
        _note_use(token, now=now)
    return token


def find_token(value: str, *, kinds: Iterable[str], now: datetime) -> Token | None:
    """Return the token of one of these kinds with this text when it is valid and its owner active."""
    valid = Token.objects.select_related("owner").filter(revoked_at__isnull=True, kind__in=list(kinds))
    token = valid.filter(digest=digest(value)).first()
    if token is None or not token.owner.is_active or (token.expires_at is not None and token.expires_at <= now):
        return None
    return token


def in_passing(value: str, *, now: datetime) -> Question:
    """Return the question for a valid token that was used a moment ago, so that its use need not be noted."""
    users = get_user_model()._meta.db_table
    sql = (
        f"select t.owner_id, t.scopes from timers_token t join {users} u on u.id = t.owner_id where t.digest = %s "
        "and t.revoked_at is null and (t.expires_at is null or t.expires_at > %s) and u.is_active "
        "and t.last_used_at > %s"
    )
    return sql, [digest(value), to_us(now), to_us(now - USE_IS_NOTED_EVERY)]


def named(username: str) -> Question:
    """Return the question for the active user of that name, who needs no token."""
    users = get_user_model()._meta.db_table
    return f"select id as owner_id, '[]' as scopes from {users} where username = %s and is_active", [username]


def opens(scopes: Any, scope: str) -> bool:
    """Return whether scopes, as raw SQL reads them, open what needs `scope`."""
    known = json.loads(scopes) if isinstance(scopes, str) else scopes
    return not known or scope in known


def has_expired(value: str, *, now: datetime) -> bool:
    """Return whether this text was a token that is merely out of date: a new one would do."""
    return Token.objects.filter(digest=digest(value), revoked_at__isnull=True, expires_at__lte=now).exists()


def authenticate_key(client_id: str | UUID, secret: str, *, now: datetime) -> ClientKey | None:
    """Return the client key when the pair fits, it is not revoked and its owner active; notes that it was used."""
    known = ClientKey.objects.select_related("owner").filter(revoked_at__isnull=True)
    identifier = validation.uuid(client_id)
    key = None if identifier is None else known.filter(client_id=identifier).first()
    if key is None or not hmac.compare_digest(key.digest, digest(secret)) or not key.owner.is_active:
        return None
    _note_use(key, now=now)
    return key


def allows(token: Token, scope: str) -> bool:
    """Return whether the token opens what needs `scope`; one without scopes opens everything."""
    return not token.scopes or scope in token.scopes


def revoke_token(token: Token, *, by: Any, now: datetime) -> None:
    """End a token for good; a revoked one stays as it is."""
    _revoke(token, "token_revoked", by=by, now=now)


def revoke_key(key: ClientKey, *, by: Any, now: datetime) -> None:
    """End a client key for good, and the tokens that it got; a revoked one stays as it is."""
    with transaction.atomic():
        _revoke(key, "key_revoked", by=by, now=now)
        _end_tokens(key, now=now)


def digest(text: str) -> str:
    """Return what is kept of a secret text: random ones need no salt and no slow hash."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def _usable(value: str) -> str:
    if not value or not value.isascii() or not value.isprintable() or " " in value:
        raise Invalid({"value": "A token consists of visible ASCII characters without blanks."})
    return value


def _expiry(days: int | None, now: datetime) -> datetime | None:
    if days is None:
        return None
    if not 0 < days <= MAX_DAYS:
        raise Invalid({"days": f"Give a number of days from 1 to {MAX_DAYS:,}."})
    return now + timedelta(days=days)


def _insert(token: Token) -> None:
    try:
        with transaction.atomic():
            token.save(force_insert=True)
    except IntegrityError as error:
        raise Conflict("This token exists already.") from error


def _note_use(credential: Token | ClientKey, *, now: datetime) -> None:
    """Write down the use, but not more often than it is of interest: reading must not become writing."""
    last = credential.last_used_at
    if last is None or last <= now - USE_IS_NOTED_EVERY:
        unknown_or_older = Q(last_used_at__isnull=True) | Q(last_used_at__lt=now)
        type(credential).objects.filter(unknown_or_older, pk=credential.pk).update(last_used_at=now)


def _revoke(credential: Token | ClientKey, verb: str, *, by: Any, now: datetime) -> None:
    with transaction.atomic():
        if type(credential).objects.filter(pk=credential.pk, revoked_at__isnull=True).update(revoked_at=now):
            owner, name = credential.owner, credential.name
            events.record(verb, now=now, by=by, owner=owner, object_id=credential.pk, text=name)


def _end_tokens(key: ClientKey, *, now: datetime) -> None:
    Token.objects.filter(client_id=key.client_id, revoked_at__isnull=True).update(revoked_at=now)
