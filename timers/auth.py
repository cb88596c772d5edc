"""Who is calling: the same tokens at every door that speaks HTTP APIs, and the browser's session."""

from __future__ import annotations

from typing import Any

from rest_framework import authentication, exceptions
from rest_framework.request import Request

from timers import clock
from timers.models import Token
from timers.services import access


class BearerAuthentication(authentication.BaseAuthentication):
    """`Authorization: Bearer TOKEN`. Without that header another way may still do; with a bad one none does."""

    keyword = "Bearer"
    scope: str | None = access.API_SCOPE
    """What the token must open; a door with scopes of its own says None and looks at `request.auth` itself."""

    def authenticate(self, request: Request) -> tuple[Any, Token] | None:
        scheme, _, value = request.headers.get("Authorization", "").strip().partition(" ")
        if scheme.lower() != self.keyword.lower():
            return None
        token = access.authenticate_token(value.strip(), now=clock.now())
        if token is None:
            raise exceptions.AuthenticationFailed("The token is unknown, has expired or was revoked.")
        if self.scope is not None and not access.allows(token, self.scope):
            raise exceptions.PermissionDenied("The token was made for other things than this API.")
        return token.owner, token

    def authenticate_header(self, request: Request) -> str:
        return self.keyword


class SessionAuthentication(authentication.SessionAuthentication):
    """The browser's session; requests that change something need the CSRF token too."""
