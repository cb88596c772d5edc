"""The pages of the Auth service: the consent page, and the page that shows a code."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

from csp.constants import SELF
from csp.decorators import csp_update
from django.contrib.auth import logout
from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_safe
from oauthlib.common import add_params_to_uri
from oauthlib.oauth2 import OAuth2Error

from timers import clock, scopes
from timers.errors import Invalid
from timers.globus.auth.server import Server
from timers.globus.base import base_url
from timers.http_api import queries
from timers.models import Collection

MAX_LOGIN_AGE = timedelta(minutes=15)
"""Age of a login up to which it counts as new for an app that asks for a new login."""

MAX_CODE_LENGTH = 200


@dataclass(frozen=True)
class RequestedScope:
    """A requested scope in words, with the scopes that it includes."""

    text: str
    needs: tuple[RequestedScope, ...] = ()


@never_cache
@require_http_methods(["GET", "POST"])
def authorize(request: HttpRequest) -> HttpResponseBase:
    """Ask the user whether an app gets the requested scopes; redirect to the app with a code or a refusal."""
    now = clock.now()
    server = Server(base=base_url(request), now=now)
    uri = f"{base_url(request)}v2/oauth2/authorize?{request.GET.urlencode()}"
    try:
        queries.check(request.GET)
        _, authorization = server.validate_authorization_request(uri)
    except OAuth2Error as error:
        return _error_page(request, error)
    except (ValueError, Invalid):
        return _page(request, "authorize_error", {"problem": "The request cannot be read."}, status=400)
    if not request.user.is_authenticated:
        return redirect_to_login(request.get_full_path())
    if request.GET.get("prompt") == "login" and request.method == "GET" and _is_login_too_old(request, now):
        logout(request)
        return redirect_to_login(request.get_full_path())
    if request.method == "POST":
        return _redirect_with_decision(request, server, uri, authorization)
    return _consent_page(request, authorization)


def _is_login_too_old(request: HttpRequest, now: Any) -> bool:
    last = getattr(request.user, "last_login", None)
    return last is None or last < now - MAX_LOGIN_AGE


def _consent_page(request: HttpRequest, authorization: dict[str, Any]) -> HttpResponseBase:
    target = urlsplit(authorization["redirect_uri"])
    is_own_page = authorization["redirect_uri"].startswith(base_url(request))
    context = {
        "app": authorization["request"].client,
        "wishes": _requested_scopes(authorization["request"].requested_scopes, request.user),
        "message": request.GET.get("session_message", "")[:500],
        "goes_to": "" if is_own_page else target.netloc,
        "offline": request.GET.get("access_type") == "offline",
    }
    page = _page(request, "authorize", context)
    if is_own_page:
        return page
    # The form redirects to a program on the user's machine; browsers check that against the policy of this page.
    permit = csp_update({"form-action": [SELF, f"{target.scheme}://{target.netloc}"]})
    return permit(lambda _: page)(request)


def _redirect_with_decision(
    request: HttpRequest, server: Server, uri: str, authorization: dict[str, Any]
) -> HttpResponse:
    if request.POST.get("allow") is None:
        refusal = [("error", "access_denied"), ("error_description", "The user refused.")]
        state = [("state", authorization["state"])] if authorization["state"] else []
        return HttpResponseRedirect(add_params_to_uri(authorization["redirect_uri"], refusal + state))
    try:
        headers, _, _ = server.create_authorization_response(uri, credentials={"user": request.user})
    except Invalid as error:
        return _page(request, "authorize_error", {"problem": error.message}, status=400)
    return HttpResponseRedirect(headers["Location"])


def _error_page(request: HttpRequest, error: OAuth2Error) -> HttpResponse:
    """Return a page that says why an app's request is invalid. It does not redirect."""
    sentences = {
        "invalid_scope": "The app requests a scope that does not exist.",
        "mismatching_redirect_uri": "The app's redirect address is not allowed.",
        "invalid_client_id": "The app's id is unknown.",
    }
    detail = sentences.get(error.error) or error.description or error.error
    for name in ("MismatchingRedirectURIError", "InvalidClientIdError", "MissingCodeChallengeError"):
        if type(error).__name__ == name:
            detail = {
                "MismatchingRedirectURIError": sentences["mismatching_redirect_uri"],
                "InvalidClientIdError": sentences["invalid_client_id"],
                "MissingCodeChallengeError": "The app has no secret, so it must send a code challenge (PKCE).",
            }[name]
    return _page(request, "authorize_error", {"problem": detail, "code": error.error}, status=400)


@never_cache
@require_safe
def auth_code(request: HttpRequest) -> HttpResponse:
    """Return the page that shows a code, to be copied into the program that requested it."""
    code = request.GET.get("code", "")
    shown = code if code.isascii() and code.isprintable() and len(code) <= MAX_CODE_LENGTH else ""
    refused = request.GET.get("error", "") == "access_denied"
    return _page(request, "auth_code", {"code": shown, "refused": refused})


def _page(request: HttpRequest, name: str, context: dict[str, Any], *, status: int = 200) -> HttpResponse:
    return render(request, f"timers/{name}.html", context, status=status)


# Requested scopes in words


def _requested_scopes(requested: Sequence[scopes.Scope], user: Any) -> list[RequestedScope]:
    scope_names = {name for path in scopes.paths(requested) for name in path}
    ids = {name.split("/")[-2] for name in scope_names if name.endswith("/data_access")}
    names = {
        str(collection.pk): collection.display_name
        for collection in Collection.objects.visible_to(user)
        if str(collection.pk) in ids
    }
    return [_requested_scope(scope, names) for scope in requested]


def _requested_scope(scope: scopes.Scope, names: dict[str, str]) -> RequestedScope:
    needs = tuple(_requested_scope(inner, names) for inner in scope.needs)
    if scope.name.endswith("/data_access"):
        key = scope.name.split("/")[-2]
        return RequestedScope(f"read and change files in {names.get(key, f'the collection {key}')}", needs)
    return RequestedScope(scopes.describe(scope.name), needs)
