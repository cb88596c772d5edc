"""Authentication of callers: the same tokens at every HTTP interface, and the browser's session."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.contrib.auth import get_user_model
from rest_framework import authentication, exceptions
from rest_framework.request import Request

from timers import clock
from timers.models import Token
from timers.services.people import tokens


class BearerAuthentication(authentication.BaseAuthentication):
    """Authentication by `Authorization: Bearer TOKEN`.

    Without that header the next authentication class is tried. A bad token ends the request.
    """

    keyword = "Bearer"
    scope: str | None = tokens.API_SCOPE
    """Scope that the token needs. An interface with scopes of its own sets None and checks `request.auth` itself."""

    def authenticate(self, request: Request) -> tuple[Any, Token] | None:
        scheme, _, value = request.headers.get("Authorization", "").strip().partition(" ")
        if scheme.lower() != self.keyword.lower():
            return None
        token = tokens.authenticate_token(value.strip(), now=clock.now())
        if token is None:
            raise exceptions.AuthenticationFailed("The token is unknown, has expired or was revoked.")
        if self.scope is not None and not tokens.allows(token, self.scope):
            raise exceptions.PermissionDenied("The token has no access to this API.")
        return token.owner, token

    def authenticate_header(self, request: Request) -> str:
        return self.keyword


class SessionAuthentication(authentication.SessionAuthentication):
    """Authentication by the browser's session. Requests that change something need the CSRF token too."""


class ConductorAuthentication(authentication.BaseAuthentication):
    """Authentication by `X-Authorization: TOKEN`; without that header the user of TIMERS_CONDUCTOR_OPEN, if any."""

    def authenticate(self, request: Request) -> tuple[Any, Token | None]:
        return conductor_caller(request.headers.get("X-Authorization"))

    def authenticate_header(self, request: Request) -> str:
        return "X-Authorization"


INVALID_TOKEN, EXPIRED_TOKEN = "INVALID_TOKEN", "EXPIRED_TOKEN"
"""Codes that make a Conductor client fetch a new token and repeat the request."""


def is_open() -> bool:
    """Return whether Conductor clients without a token are accepted (TIMERS_CONDUCTOR_OPEN)."""
    return bool(settings.TIMERS_CONDUCTOR_OPEN)


def conductor_caller(value: str | None) -> tuple[Any, Token | None]:
    """Return the user and, if there is one, the token. Raises AuthenticationFailed or PermissionDenied."""
    if not value:
        return _open_user(), None
    now = clock.now()
    token = tokens.authenticate_token(value.strip(), now=now)
    if token is None and tokens.has_expired(value.strip(), now=now):
        raise exceptions.AuthenticationFailed("The token has expired.", code=EXPIRED_TOKEN)
    if token is None:
        raise exceptions.AuthenticationFailed("The token is unknown or was revoked.", code=INVALID_TOKEN)
    if not tokens.allows(token, tokens.CONDUCTOR_SCOPE):
        raise exceptions.PermissionDenied("The token has no access to this API.")
    return token.owner, token


def conductor_caller_query(value: str | None) -> tokens.CallerQuery:
    """Return the query for the caller's id. When it has no row, `conductor_caller` has to decide."""
    return (
        tokens.query_by_token(value.strip(), now=clock.now())
        if value
        else tokens.query_by_username(settings.TIMERS_CONDUCTOR_OPEN)
    )


def _open_user() -> Any:
    if not is_open():
        raise exceptions.AuthenticationFailed("A token is needed in the header X-Authorization.", code=INVALID_TOKEN)
    name = settings.TIMERS_CONDUCTOR_OPEN
    user = get_user_model().objects.filter(username=name, is_active=True).first()
    if user is None:
        raise exceptions.PermissionDenied(f"TIMERS_CONDUCTOR_OPEN names {name}, but no active user has that name.")
    return user
