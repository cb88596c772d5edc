"""Tokens and client keys: create, authenticate and revoke. Only hashes of secrets are stored."""

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
"""Scope for the Conductor interface. A token without scopes does not need it."""

API_SCOPE = "api"
"""Scope for the native REST API. A token without scopes does not need it."""

TOKEN_PREFIX = "tmr_"
"""First characters of our tokens, so that people and secret scanners recognise them."""

PERSONAL, ACCESS, REFRESH, CODE = "personal", "access", "refresh", "code"
API_KINDS = (PERSONAL, ACCESS)
"""Kinds of tokens that give access to interfaces. The other kinds are only exchanged for such tokens."""

USE_RECORD_INTERVAL = timedelta(minutes=1)
MAX_DAYS = 36_500

CallerQuery = tuple[str, list[Any]]
"""SQL that selects owner_id and scopes of a caller, and its parameters. It yields no row for an unknown caller."""


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
    """Create a token and return it with its text, which is shown only once. No scopes means all rights of the owner.

    `value` is a text to use instead of a random one. Raises Invalid naming name, days or value, Conflict when a token
    with this text exists.
    """
    text = TOKEN_PREFIX + secrets.token_urlsafe(32) if value is None else _usable(value)
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
    """Create a client key and return it with its secret, which is shown only once. Raises Invalid naming name."""
    secret = secrets.token_urlsafe(32)
    with transaction.atomic():
        key = ClientKey.objects.create(owner=owner, name=validation.name(name), digest=digest(secret), created_at=now)
        events.record("key_created", now=now, by=owner, owner=owner, object_id=key.pk, text=key.name)
    return key, secret


def renew_key(key: ClientKey, *, by: Any, now: datetime) -> str:
    """Replace the secret of a key and revoke its tokens; return the new secret, which is shown only once.

    Raises Conflict when the key is revoked.
    """
    secret = secrets.token_urlsafe(32)
    with transaction.atomic():
        if not ClientKey.objects.filter(pk=key.pk, revoked_at__isnull=True).update(digest=digest(secret)):
            raise Conflict("A revoked client key cannot get a new secret.")
        _revoke_tokens(key, now=now)
        events.record("key_renewed", now=now, by=by, owner=key.owner, object_id=key.pk, text=key.name)
    return secret


def issue(*, kind: str, scopes: Iterable[str], lifetime: timedelta, now: datetime, **fields: Any) -> str:
    """Create a token of a program and return its text. `fields` are the other columns of the row."""
    text = TOKEN_PREFIX + secrets.token_urlsafe(32)
    Token.objects.create(
        **fields,
        kind=kind,
        digest=digest(text),
        prefix=text[:12],
        scopes=list(scopes),
        created_at=now,
        expires_at=now + lifetime,
    )
    return text


def issue_for_key(key: ClientKey, *, now: datetime) -> str:
    """Create a token for a Conductor client with this key, valid for a day; return its text."""
    return issue(
        kind=ACCESS,
        scopes=[CONDUCTOR_SCOPE],
        lifetime=timedelta(days=1),
        now=now,
        owner=key.owner,
        name=key.name,
        client_id=key.client_id,
    )


def authenticate_token(value: str, *, now: datetime) -> Token | None:
    """Return the token with this text if it is valid and its owner active, else None. Its use is recorded."""
    token = find_token(value, kinds=API_KINDS, now=now)
    if token is not None:
        _record_use(token, now=now)
    return token


def find_token(value: str, *, kinds: Iterable[str], now: datetime) -> Token | None:
    """Return the token of one of these kinds with this text if it is valid and its owner active, else None."""
    valid = Token.objects.select_related("owner").filter(revoked_at__isnull=True, kind__in=list(kinds))
    token = valid.filter(digest=digest(value)).first()
    if token is None or not token.owner.is_active or (token.expires_at is not None and token.expires_at <= now):
        return None
    return token


def query_by_token(value: str, *, now: datetime) -> CallerQuery:
    """Return the query for a valid token used within the last minute, so that its use need not be recorded."""
    users = get_user_model()._meta.db_table
    sql = (
        f"select t.owner_id, t.scopes from timers_token t join {users} u on u.id = t.owner_id where t.digest = %s "
        "and t.revoked_at is null and (t.expires_at is null or t.expires_at > %s) and u.is_active "
        "and t.last_used_at > %s"
    )
    return sql, [digest(value), to_us(now), to_us(now - USE_RECORD_INTERVAL)]


def query_by_username(username: str) -> CallerQuery:
    """Return the query for the active user of this name, who needs no token."""
    users = get_user_model()._meta.db_table
    return f"select id as owner_id, '[]' as scopes from {users} where username = %s and is_active", [username]


def scopes_allow(scopes: Any, scope: str) -> bool:
    """Return whether scopes, as raw SQL returns them, include `scope` or are empty."""
    known = json.loads(scopes) if isinstance(scopes, str) else scopes
    return not known or scope in known


def has_expired(value: str, *, now: datetime) -> bool:
    """Return whether this text is a token that has expired but was not revoked."""
    return Token.objects.filter(digest=digest(value), revoked_at__isnull=True, expires_at__lte=now).exists()


def authenticate_key(client_id: str | UUID, secret: str, *, now: datetime) -> ClientKey | None:
    """Return the client key if id and secret are right, it is valid and its owner active, else None; record its use."""
    known = ClientKey.objects.select_related("owner").filter(revoked_at__isnull=True)
    identifier = validation.uuid(client_id)
    key = None if identifier is None else known.filter(client_id=identifier).first()
    if key is None or not hmac.compare_digest(key.digest, digest(secret)) or not key.owner.is_active:
        return None
    _record_use(key, now=now)
    return key


def allows(token: Token, scope: str) -> bool:
    """Return whether the token has `scope`. A token without scopes has all of them."""
    return not token.scopes or scope in token.scopes


def revoke_token(token: Token, *, by: Any, now: datetime) -> None:
    """Revoke a token. A revoked one is left as it is."""
    _revoke(token, "token_revoked", by=by, now=now)


def revoke_key(key: ClientKey, *, by: Any, now: datetime) -> None:
    """Revoke a client key and its tokens. A revoked one is left as it is."""
    with transaction.atomic():
        _revoke(key, "key_revoked", by=by, now=now)
        _revoke_tokens(key, now=now)


def digest(text: str) -> str:
    """Return the hash that is stored for a secret text. Random texts need neither salt nor slow hash."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def _usable(value: str) -> str:
    if not value or not value.isascii() or not value.isprintable() or " " in value:
        raise Invalid({"value": "A token may contain only visible ASCII characters and no blanks."})
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


def _record_use(credential: Token | ClientKey, *, now: datetime) -> None:
    """Record the use at most once per interval, so that reading requests do not become writing ones."""
    last = credential.last_used_at
    if last is None or last <= now - USE_RECORD_INTERVAL:
        unknown_or_older = Q(last_used_at__isnull=True) | Q(last_used_at__lt=now)
        type(credential).objects.filter(unknown_or_older, pk=credential.pk).update(last_used_at=now)


def _revoke(credential: Token | ClientKey, verb: str, *, by: Any, now: datetime) -> None:
    with transaction.atomic():
        if type(credential).objects.filter(pk=credential.pk, revoked_at__isnull=True).update(revoked_at=now):
            owner, name = credential.owner, credential.name
            events.record(verb, now=now, by=by, owner=owner, object_id=credential.pk, text=name)


def _revoke_tokens(key: ClientKey, *, now: datetime) -> None:
    Token.objects.filter(client_id=key.client_id, revoked_at__isnull=True).update(revoked_at=now)
