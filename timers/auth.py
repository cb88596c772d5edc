"""Who is calling: the same tokens at every interface that speaks HTTP APIs, and the browser's session."""

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
    """`Authorization: Bearer TOKEN`. Without that header another way may still do; with a bad one none does."""

    keyword = "Bearer"
    scope: str | None = tokens.API_SCOPE
    """What the token must open; a interface with scopes of its own says None and looks at `request.auth` itself."""

    def authenticate(self, request: Request) -> tuple[Any, Token] | None:
        scheme, _, value = request.headers.get("Authorization", "").strip().partition(" ")
        if scheme.lower() != self.keyword.lower():
            return None
        token = tokens.authenticate_token(value.strip(), now=clock.now())
        if token is None:
            raise exceptions.AuthenticationFailed("The token is unknown, has expired or was revoked.")
        if self.scope is not None and not tokens.allows(token, self.scope):
            raise exceptions.PermissionDenied("The token was made for other things than this API.")
        return token.owner, token

    def authenticate_header(self, request: Request) -> str:
        return self.keyword


class SessionAuthentication(authentication.SessionAuthentication):
    """The browser's session; requests that change something need the CSRF token too."""


class ConductorAuthentication(authentication.BaseAuthentication):
    """`X-Authorization: TOKEN`; without that header the user whom the administrator named, if any."""

    def authenticate(self, request: Request) -> tuple[Any, Token | None]:
        return conductor_caller(request.headers.get("X-Authorization"))

    def authenticate_header(self, request: Request) -> str:
        return "X-Authorization"


INVALID_TOKEN, EXPIRED_TOKEN = "INVALID_TOKEN", "EXPIRED_TOKEN"
"""Codes that make a Conductor client fetch a new token and ask once more."""


def is_open() -> bool:
    """Return whether Conductor clients without keys are let in."""
    return bool(settings.TIMERS_CONDUCTOR_OPEN)


def conductor_caller(value: str | None) -> tuple[Any, Token | None]:
    """Return the user, and the token if there is one; raises AuthenticationFailed or PermissionDenied."""
    if not value:
        return _open_user(), None
    now = clock.now()
    token = tokens.authenticate_token(value.strip(), now=now)
    if token is None and tokens.has_expired(value.strip(), now=now):
        raise exceptions.AuthenticationFailed("The token has expired.", code=EXPIRED_TOKEN)
    if token is None:
        raise exceptions.AuthenticationFailed("The token is unknown or was revoked.", code=INVALID_TOKEN)
    if not tokens.allows(token, tokens.CONDUCTOR_SCOPE):
        raise exceptions.PermissionDenied("The token was made for other things than this API.")
    return token.owner, token


def conductor_caller_in_passing(value: str | None) -> tokens.Question:
    """Return the question who is calling; no answer to it means that `conductor_caller` has to look."""
    return tokens.in_passing(value.strip(), now=clock.now()) if value else tokens.named(settings.TIMERS_CONDUCTOR_OPEN)


def _open_user() -> Any:
    if not is_open():
        raise exceptions.AuthenticationFailed("A token is needed in the header X-Authorization.", code=INVALID_TOKEN)
    name = settings.TIMERS_CONDUCTOR_OPEN
    found = get_user_model().objects.filter(username=name, is_active=True).first()
    if found is None:
        raise exceptions.PermissionDenied(f"TIMERS_CONDUCTOR_OPEN names {name}, and there is no such active user.")
    return found
