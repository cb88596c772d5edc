"""The pages that people see: where they agree to what an app asks for, and where a code is shown."""

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

LOGIN_IS_FRESH = timedelta(minutes=15)
"""So long after logging in, an app that asks for a new login is content."""

MAX_CODE_LENGTH = 200


@dataclass(frozen=True)
class RequestedScope:
    """One thing that an app asks for, in words, and what it includes."""

    text: str
    needs: tuple[RequestedScope, ...] = ()


@never_cache
@require_http_methods(["GET", "POST"])
def authorize(request: HttpRequest) -> HttpResponseBase:
    """Ask the reader whether an app may have what it asks for, and send it a code or a refusal."""
    now = clock.now()
    server = Server(base=base_url(request), now=now)
    uri = f"{base_url(request)}v2/oauth2/authorize?{request.GET.urlencode()}"
    try:
        queries.check(request.GET)
        _, asked = server.validate_authorization_request(uri)
    except OAuth2Error as error:
        return _refused(request, error)
    except (ValueError, Invalid):
        return _page(request, "authorize_error", {"problem": "The request cannot be read."}, status=400)
    if not request.user.is_authenticated:
        return redirect_to_login(request.get_full_path())
    if request.GET.get("prompt") == "login" and request.method == "GET" and _stale(request, now):
        logout(request)
        return redirect_to_login(request.get_full_path())
    if request.method == "POST":
        return _answered(request, server, uri, asked)
    return _asking(request, asked)


def _stale(request: HttpRequest, now: Any) -> bool:
    last = getattr(request.user, "last_login", None)
    return last is None or last < now - LOGIN_IS_FRESH


def _asking(request: HttpRequest, asked: dict[str, Any]) -> HttpResponseBase:
    target = urlsplit(asked["redirect_uri"])
    own = asked["redirect_uri"].startswith(base_url(request))
    context = {
        "app": asked["request"].client,
        "wishes": _wishes(asked["request"].wanted, request.user),
        "message": request.GET.get("session_message", "")[:500],
        "goes_to": "" if own else target.netloc,
        "offline": request.GET.get("access_type") == "offline",
    }
    page = _page(request, "authorize", context)
    if own:
        return page
    # the answer to the form leads to a program on the reader's machine, and browsers ask the form's own page about it
    permit = csp_update({"form-action": [SELF, f"{target.scheme}://{target.netloc}"]})
    return permit(lambda _: page)(request)


def _answered(request: HttpRequest, server: Server, uri: str, asked: dict[str, Any]) -> HttpResponse:
    if request.POST.get("allow") is None:
        told = [("error", "access_denied"), ("error_description", "The person refused.")]
        state = [("state", asked["state"])] if asked["state"] else []
        return HttpResponseRedirect(add_params_to_uri(asked["redirect_uri"], told + state))
    try:
        headers, _, _ = server.create_authorization_response(uri, credentials={"user": request.user})
    except Invalid as error:
        return _page(request, "authorize_error", {"problem": error.message}, status=400)
    return HttpResponseRedirect(headers["Location"])


def _refused(request: HttpRequest, error: OAuth2Error) -> HttpResponse:
    """Say on a page why an app's request cannot be asked about; nobody is sent anywhere."""
    words = {
        "invalid_scope": "The app asks for a scope that does not exist.",
        "mismatching_redirect_uri": "The app wants its code sent to an address that is not allowed.",
        "invalid_client_id": "The app's id is not known.",
    }
    detail = words.get(error.error) or error.description or error.error
    for name in ("MismatchingRedirectURIError", "InvalidClientIdError", "MissingCodeChallengeError"):
        if type(error).__name__ == name:
            detail = {
                "MismatchingRedirectURIError": words["mismatching_redirect_uri"],
                "InvalidClientIdError": words["invalid_client_id"],
                "MissingCodeChallengeError": "The app keeps no secret, so it must send a code challenge (PKCE).",
            }[name]
    return _page(request, "authorize_error", {"problem": detail, "code": error.error}, status=400)


@never_cache
@require_safe
def auth_code(request: HttpRequest) -> HttpResponse:
    """Show a code, for copying into the program that asked for it."""
    code = request.GET.get("code", "")
    shown = code if code.isascii() and code.isprintable() and len(code) <= MAX_CODE_LENGTH else ""
    refused = request.GET.get("error", "") == "access_denied"
    return _page(request, "auth_code", {"code": shown, "refused": refused})


def _page(request: HttpRequest, name: str, context: dict[str, Any], *, status: int = 200) -> HttpResponse:
    return render(request, f"timers/{name}.html", context, status=status)


# What an app asks for, in words


def _wishes(wanted: Sequence[scopes.Scope], user: Any) -> list[RequestedScope]:
    ids = {name.split("/")[-2] for path in scopes.paths(wanted) for name in path if name.endswith("/data_access")}
    names = {str(each.pk): each.display_name for each in Collection.objects.visible_to(user) if str(each.pk) in ids}
    return [_wish(scope, names) for scope in wanted]


def _wish(scope: scopes.Scope, names: dict[str, str]) -> RequestedScope:
    needs = tuple(_wish(each, names) for each in scope.needs)
    if scope.name.endswith("/data_access"):
        key = scope.name.split("/")[-2]
        return RequestedScope(f"read and change files in {names.get(key, f'the collection {key}')}", needs)
    return RequestedScope(scopes.words(scope.name), needs)
