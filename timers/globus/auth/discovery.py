"""Public documents for OpenID Connect clients: the configuration and the public keys."""

from __future__ import annotations

from typing import Any

from rest_framework.request import Request
from rest_framework.response import Response

from timers import clock
from timers.globus.auth import id_tokens
from timers.globus.auth.identities import AuthView
from timers.globus.base import base_url


class PublicDocument(AuthView):
    """A view that needs no token."""

    authentication_classes: list[Any] = []
    permission_classes: list[Any] = []


class PublicKeys(PublicDocument):
    """GET the public keys (JWKS)"""

    def get(self, request: Request) -> Response:
        return Response(id_tokens.public_keys(now=clock.now()))


class OpenIDConfiguration(PublicDocument):
    """GET /.well-known/openid-configuration"""

    def get(self, request: Request) -> Response:
        base = base_url(request)
        return Response(
            {
                "issuer": base.rstrip("/"),
                "authorization_endpoint": f"{base}v2/oauth2/authorize",
                "token_endpoint": f"{base}v2/oauth2/token",
                "userinfo_endpoint": f"{base}v2/oauth2/userinfo",
                "revocation_endpoint": f"{base}v2/oauth2/token/revoke",
                "introspection_endpoint": f"{base}v2/oauth2/token/introspect",
                "jwks_uri": f"{base}jwk.json",
                "response_types_supported": ["code"],
                "response_modes_supported": ["query"],
                "grant_types_supported": ["authorization_code", "refresh_token", "client_credentials"],
                "subject_types_supported": ["public"],
                "id_token_signing_alg_values_supported": [id_tokens.ALGORITHM],
                "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post", "none"],
                "code_challenge_methods_supported": ["S256"],
                "scopes_supported": ["openid", "profile", "email"],
                "claims_supported": ["sub", "iss", "aud", "exp", "iat", "name", "preferred_username", "email"],
            }
        )
