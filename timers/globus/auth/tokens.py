"""Views of the token endpoint: issue, revoke, validate and introspect tokens."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import RequestDataTooBig, SuspiciousOperation
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.http.multipartparser import MultiPartParserError
from django.http.response import HttpResponseBase
from django.utils.decorators import method_decorator
from django.views import View
from django.views.decorators.csrf import csrf_exempt
from oauthlib.oauth2 import OAuth2Error

from timers import clock
from timers.globus.auth.identities import claims_of, identity_of
from timers.globus.auth.server import Server, basic
from timers.globus.base import base_url
from timers.models import Token
from timers.services.people import oauth_clients, oauth_grants, tokens
from timers.services.people.oauth_clients import App


@method_decorator(csrf_exempt, name="dispatch")
class OAuthFormView(View):
    """A view that takes forms from programs and answers with OAuth2 errors."""

    http_method_names = ["post", "options"]

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        try:
            request.POST  # noqa: B018  parses the form, so that a broken one is refused before a field is read
        except RequestDataTooBig:
            return error_response("invalid_request", "The form is too large.", status=413)
        except (MultiPartParserError, SuspiciousOperation):
            return error_response("invalid_request", "The form cannot be read.")
        return super().dispatch(request, *args, **kwargs)

    def http_method_not_allowed(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        return error_response("invalid_request", "Use POST here.", status=405)


class TokenEndpoint(OAuthFormView):
    """POST /v2/oauth2/token"""

    def post(self, request: HttpRequest) -> HttpResponse:
        server = Server(base=base_url(request), now=clock.now())
        fields = [(name, value) for name, values in request.POST.lists() for value in values]
        headers = {"Authorization": request.headers.get("Authorization", "")}
        try:
            more, body, status = server.create_token_response(
                request.build_absolute_uri(request.path), "POST", fields, headers
            )
        except OAuth2Error as error:
            more, body, status = error.headers, error.json, error.status_code
        except ValueError:
            return error_response("invalid_request", "The form cannot be read.")
        kept = {name: value for name, value in more.items() if name == "WWW-Authenticate"}
        return HttpResponse(body, status=status, headers={**kept, **_NO_STORE, "Content-Type": "application/json"})


class TokenRevocation(OAuthFormView):
    """POST /v2/oauth2/token/revoke: anybody who has a token may revoke it."""

    def post(self, request: HttpRequest) -> HttpResponse:
        oauth_grants.revoke(request.POST.get("token", ""), now=clock.now())
        return _answer({"active": False})


class TokenValidation(OAuthFormView):
    """POST /v2/oauth2/token/validate"""

    def post(self, request: HttpRequest) -> HttpResponse:
        app = caller(request)
        if app is None:
            return _unknown_app()
        return _answer({"active": _visible_token(request, app) is not None})


class TokenIntrospection(OAuthFormView):
    """POST /v2/oauth2/token/introspect"""

    def post(self, request: HttpRequest) -> HttpResponse:
        app = caller(request)
        if app is None:
            return _unknown_app()
        token = _visible_token(request, app)
        return _answer({"active": False} if token is None else _introspected(token, request))


def caller(request: HttpRequest) -> App | None:
    """Return the calling app: authenticated by its secret, or by its id alone if it has no secret. None if unknown."""
    client_id, secret = basic(request.headers.get("Authorization", ""))
    if not secret:
        client_id, secret = client_id or request.POST.get("client_id", ""), request.POST.get("client_secret", "")
    if secret:
        return oauth_clients.authenticate(client_id, secret, now=clock.now())
    known = oauth_clients.find(client_id)
    return None if known is None or known.secret else known


def _visible_token(request: HttpRequest, app: App) -> Token | None:
    """Return the valid token of the request if the app may see it: its own, or one of its owner."""
    kinds = (*tokens.API_KINDS, tokens.REFRESH)
    token = tokens.find_token(request.POST.get("token", ""), kinds=kinds, now=clock.now())
    if token is None:
        return None
    is_visible = str(token.client_id) == app.client_id or (app.owner is not None and token.owner == app.owner)
    return token if is_visible else None


def _introspected(token: Token, request: HttpRequest) -> dict[str, Any]:
    claims = claims_of(token)
    identity = str(identity_of(token))
    include = request.POST.get("include", "").split(",")
    logged_in = {identity: {"auth_time": int(token.created_at.timestamp()), "idp": None, "acr": None, "amr": None}}
    return {
        "active": True,
        "scope": " ".join(token.scopes),
        "sub": claims["sub"],
        "username": claims["preferred_username"],
        "name": claims["name"],
        "email": claims["email"],
        "client_id": str(token.client_id) if token.client_id else None,
        "aud": [token.resource_server] if token.resource_server else [],
        "iss": base_url(request).rstrip("/"),
        "token_type": "Bearer",
        "iat": int(token.created_at.timestamp()),
        "nbf": int(token.created_at.timestamp()),
        "exp": int(token.expires_at.timestamp()) if token.expires_at is not None else None,
        **({"identity_set": [identity]} if "identity_set" in include or "identities_set" in include else {}),
        **({"session_info": {"authentications": logged_in}} if "session_info" in include else {}),
    }


_NO_STORE = {"Cache-Control": "no-store", "Pragma": "no-cache"}


def error_response(code: str, description: str, *, status: int = 400) -> JsonResponse:
    """Return an OAuth2 error."""
    return JsonResponse({"error": code, "error_description": description}, status=status, headers=_NO_STORE)


def _unknown_app() -> JsonResponse:
    return error_response("invalid_client", "The app's id or secret is wrong.", status=401)


def _answer(document: dict[str, Any]) -> JsonResponse:
    return JsonResponse(document, headers=_NO_STORE)
