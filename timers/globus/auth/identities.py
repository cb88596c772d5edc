"""Views of identities, consents, and apps that register themselves."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any
from uuid import UUID

from rest_framework.request import Request
from rest_framework.response import Response

from timers import clock, formatting, scopes, validation
from timers.errors import Forbidden, Invalid, NotFound
from timers.globus import errors
from timers.globus.auth import id_tokens
from timers.globus.auth.server import basic
from timers.globus.base import GlobusView, token_of
from timers.globus.errors import MISSING
from timers.http_api.errors import ProblemRaised
from timers.models import ClientKey, Consent, Token
from timers.services.people import consents, identities, oauth_clients

MAX_LOOKUPS = 1_000


class AuthView(GlobusView):
    """A view of the Auth service that needs a token."""

    invalid = HTTPStatus.BAD_REQUEST
    shape = staticmethod(errors.of_auth)
    accepts_scope = staticmethod(lambda scope: scopes.server_of(scope) == scopes.AUTH_SERVER)


class UserInfo(AuthView):
    """GET /v2/oauth2/userinfo"""

    def get(self, request: Request) -> Response:
        token = token_of(request)
        if token is None:
            raise Forbidden("A token is needed.")
        claims = claims_of(token)
        entry = {"sub": claims["sub"], "username": claims["preferred_username"], "status": "used"}
        more = {"name": claims["name"], "email": claims["email"], "organization": claims["organization"]}
        provider = {"identity_provider": None, "identity_provider_display_name": id_tokens.ORGANIZATION}
        return Response({**claims, **provider, "identity_set": [{**entry, **more, **provider}]})

    post = get


class IdentityList(AuthView):
    """GET /v2/api/identities"""

    def get(self, request: Request) -> Response:
        ids, names = (_comma_list(request.query_params.get(name, "")) for name in ("ids", "usernames"))
        if len(ids) + len(names) > MAX_LOOKUPS:
            raise Invalid({"ids": f"At most {MAX_LOOKUPS:,} at once."})
        token = token_of(request)
        entries = [
            _identity(id_tokens.user_claims(user)) for user in identities.find(request.user, ids=ids, names=names)
        ]
        if (
            token is not None
            and str(identity_of(token)) in ids
            and str(identity_of(token)) != str(identities.id_of(request.user))
        ):
            entries.append(_identity(claims_of(token)))
        return Response({"identities": entries, "included": {"identity_providers": []}})


class IdentityDetail(AuthView):
    """GET /v2/api/identities/{id}"""

    def get(self, request: Request, identity_id: str) -> Response:
        users = identities.find(request.user, ids=[identity_id])
        if not users:
            raise NotFound("There is no such identity.")
        return Response({"identity": _identity(id_tokens.user_claims(users[0]))})


class ConsentList(AuthView):
    """GET /v2/api/identities/{id}/consents: the consents of the caller's app"""

    def get(self, request: Request, identity_id: str) -> Response:
        token = token_of(request)
        if token is None or validation.uuid(identity_id) not in {identity_of(token), identities.id_of(request.user)}:
            raise NotFound("There is no such identity.")
        granted = consents.granted_to(request.user, token.client_id)
        numbers = {(consent.client_id, consent.path): consent.pk for consent in granted}
        return Response({"consents": [_consent(consent, numbers) for consent in granted]})


class ClientRegistration(AuthView):
    """POST /v2/api/clients: register an app"""

    authentication_classes: list[Any] = []
    permission_classes: list[Any] = []

    def post(self, request: Request) -> Response:
        requested = request.data.get("client")
        if not isinstance(requested, dict):
            raise Invalid({"client": MISSING if requested is None else "This must be an object."})
        template = requested.get("template_id")
        if template is not None and validation.uuid(template) is None:
            raise Invalid({"client.template_id": "This is not a UUID."})
        app, secret = oauth_clients.register(
            name=requested.get("name"),
            template_id=str(template or ""),
            address=request.META.get("REMOTE_ADDR", ""),
            now=clock.now(),
        )
        client = {
            "id": str(app.client_id),
            "name": app.name,
            "parent_client": str(template) if template else None,
            "public_client": False,
            "visibility": "private",
            "redirect_uris": [],
            "scopes": [],
            "grant_types": ["authorization_code", "refresh_token"],
        }
        credential = {
            "id": str(app.client_id),
            "client": str(app.client_id),
            "name": app.name,
            "secret": secret,
            "created": formatting.iso(app.created_at),
        }
        return Response({"client": client, "included": {"client_credential": credential}}, status=201)


class ClientDetail(AuthView):
    """DELETE /v2/api/clients/{id}: remove an app that registered itself"""

    authentication_classes: list[Any] = []
    permission_classes: list[Any] = []

    def delete(self, request: Request, client_id: str) -> Response:
        app_id, secret = basic(request.headers.get("Authorization", ""))
        app = oauth_clients.authenticate(app_id, secret, now=clock.now())
        if app is None:
            raise ProblemRaised(401, "UNAUTHORIZED", "The app's id or secret is wrong.")
        if validation.uuid(client_id) != UUID(app.client_id) or not oauth_clients.unregister(UUID(app.client_id)):
            raise NotFound("There is no such app.")
        return Response({"client": {"id": app.client_id}})


def identity_of(token: Token) -> UUID:
    """Return the identity of a token towards other services. A client key is an identity of its own."""
    return token.client_id if token.client_id and is_key(token) else identities.id_of(token.owner)


def claims_of(token: Token) -> dict[str, Any]:
    """Return the claims about the identity of a token."""
    if not is_key(token):
        return id_tokens.user_claims(token.owner)
    key = str(token.client_id)
    return {
        "sub": key,
        "preferred_username": f"{key}@clients.auth.globus.org",
        "name": token.name,
        "email": token.owner.email or None,
        "organization": id_tokens.ORGANIZATION,
    }


def is_key(token: Token) -> bool:
    """Return whether a client key got the token for itself, without a person's consent."""
    key = token.client_id
    return key is not None and token.grant is None and ClientKey.objects.filter(client_id=key).exists()


def _identity(claims: dict[str, Any]) -> dict[str, Any]:
    return {
        "id": claims["sub"],
        "username": claims["preferred_username"],
        "name": claims["name"],
        "email": claims["email"],
        "organization": claims["organization"],
        "status": "used",
        "identity_provider": None,
    }


def _consent(consent: Consent, numbers: dict[tuple[UUID, str], int]) -> dict[str, Any]:
    names = consent.path.split(" ")
    above = [" ".join(names[: end + 1]) for end in range(len(names))]
    return {
        "id": consent.pk,
        "client": str(consent.client_id),
        "scope": str(identities.scope_id(names[-1])),
        "scope_name": names[-1],
        "dependency_path": [numbers[consent.client_id, path] for path in above],
        "effective_identity": str(identities.id_of(consent.owner)),
        "status": "approved",
        "created": formatting.iso(consent.created_at),
        "updated": formatting.iso(consent.updated_at),
        "last_used": formatting.iso(consent.last_used_at),
        "allows_refresh": consent.allows_refresh,
        "auto_approved": False,
        "atomically_revocable": False,
    }


def _comma_list(text: str) -> list[str]:
    return [word.strip() for word in text.split(",") if word.strip()]
