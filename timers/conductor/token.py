"""View that issues a token for a client key. Clients fetch one first, and again when theirs has expired."""

from __future__ import annotations

from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request
from rest_framework.response import Response

from timers import auth, clock
from timers.auth import ConductorAuthentication
from timers.conductor.base import ConductorView, read_object
from timers.errors import Invalid, NotFound
from timers.services.people import tokens


class AnonymousAuthentication(ConductorAuthentication):
    """Authentication that accepts every caller as anonymous."""

    def authenticate(self, request: Request) -> None:  # type: ignore[override]
        return None


class TokenNew(ConductorView):
    authentication_classes = [AnonymousAuthentication]
    permission_classes = []

    def post(self, request: Request) -> Response:
        """Return a token valid for a day. 404 where no token is needed: clients then go on without one."""
        if auth.is_open():
            raise NotFound("No token is needed here.")
        document = read_object(request)
        key_id, secret = document.get("keyId"), document.get("keySecret")
        if not isinstance(key_id, str) or not isinstance(secret, str):
            raise Invalid({"keyId": "Give keyId and keySecret."})
        now = clock.now()
        key = tokens.authenticate_key(key_id, secret, now=now)
        if key is None:
            raise AuthenticationFailed("The key or its secret is wrong, or the key was revoked.")
        return Response({"token": tokens.issue_for_key(key, now=now), "userId": key.owner.get_username()})
