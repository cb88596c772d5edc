"""Tokens and client keys: made and shown once, listed, revoked."""

from __future__ import annotations

import uuid
from typing import Any

from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.views.decorators.http import require_POST

from timers import clock
from timers.errors import Invalid, TimersError
from timers.models import ClientKey, Token
from timers.queries.oauth_clients import authorized_apps
from timers.queries.transfers import listing as queries
from timers.services.people import consents
from timers.services.people import tokens as access
from timers.web import page
from timers.web.people import client_snippets
from timers.web.people.forms import KeyForm, PlainForm, TokenForm


@page.page
def tokens(request: HttpRequest) -> HttpResponse:
    """Show the reader's tokens and keys, and how to use them."""
    return _page(request)


@require_POST
@page.page
def create_token(request: HttpRequest) -> HttpResponse:
    """Make a token and show it, this once: it is in no address, no message and no log."""
    form = TokenForm(request.POST)

    def make(name: str, days: int | None, may: str) -> dict[str, Any]:
        scopes = [may] if may else []
        token, value = access.create_token(owner=request.user, name=name, days=days, scopes=scopes, now=clock.now())
        return {"made_token": token, "value": value}

    return _page(request, token_form=form, **_made(form, make))


@require_POST
@page.page
def create_key(request: HttpRequest) -> HttpResponse:
    """Make a client key and show its secret, this once."""
    form = KeyForm(request.POST)

    def make(name: str) -> dict[str, Any]:
        key, secret = access.create_key(owner=request.user, name=name, now=clock.now())
        return {"made_key": key, "value": secret}

    return _page(request, key_form=form, **_made(form, make))


@require_POST
@page.page
def revoke_token(request: HttpRequest, token_id: uuid.UUID) -> HttpResponse:
    """End a token for good."""
    token = page.found(Token.objects.filter(owner=request.user.pk, pk=token_id).first())
    access.revoke_token(token, by=request.user, now=clock.now())
    messages.success(request, f"The token “{token.name}” is revoked.")
    return HttpResponseRedirect(reverse("tokens"))


@require_POST
@page.page
def renew_key(request: HttpRequest, client_id: uuid.UUID) -> HttpResponse:
    """Give a client key a new secret and show it, this once; the old one opens nothing any more."""
    key = page.found(ClientKey.objects.filter(owner=request.user.pk, pk=client_id).first())
    try:
        secret = access.renew_key(key, by=request.user, now=clock.now())
    except TimersError as error:
        messages.error(request, error.message)
        return HttpResponseRedirect(reverse("tokens"))
    return _page(request, made_key=key, value=secret, renewed=True)


@require_POST
@page.page
def revoke_key(request: HttpRequest, client_id: uuid.UUID) -> HttpResponse:
    """End a client key for good."""
    key = page.found(ClientKey.objects.filter(owner=request.user.pk, pk=client_id).first())
    access.revoke_key(key, by=request.user, now=clock.now())
    messages.success(request, f"The client key “{key.name}” is revoked.")
    return HttpResponseRedirect(reverse("tokens"))


@require_POST
@page.page
def revoke_app(request: HttpRequest, client_id: uuid.UUID) -> HttpResponse:
    """Take back what the reader let an app do."""
    app = page.found(
        next((granted for granted in authorized_apps(request.user) if granted.client_id == client_id), None)
    )
    consents.withdraw(owner=request.user, client_id=client_id, now=clock.now())
    messages.success(request, f"“{app.name}” is no longer authorized.")
    return HttpResponseRedirect(reverse("tokens"))


def _made(form: PlainForm, make: Any) -> dict[str, Any]:
    """Return what was made, or nothing after noting at the fields what is wrong."""
    if not form.is_valid():
        return {}
    try:
        return make(**form.cleaned_data)
    except Invalid as error:
        form.take(error.fields, {})
    except TimersError as error:
        form.add_error(None, error.message)
    return {}


def _page(
    request: HttpRequest, *, token_form: TokenForm | None = None, key_form: KeyForm | None = None, **made: Any
) -> HttpResponse:
    context = {
        "tokens": queries.tokens(request.user),
        "apps": authorized_apps(request.user),
        "keys": queries.client_keys(request.user),
        "token_form": token_form if token_form is not None and not made else TokenForm(),
        "key_form": key_form if key_form is not None and not made else KeyForm(),
        "to_paste": _to_paste(**made),
        "api_scope": access.API_SCOPE,
        "current": "tokens",
        **made,
    }
    return page.render(request, "timers/tokens.html", context, now=clock.now())


def _to_paste(*, made_token: Token | None = None, made_key: ClientKey | None = None, value: str = "", **_: Any) -> Any:
    """Return the lines to paste; those for what was just made hold its secret."""
    return client_snippets.lines(
        settings.TIMERS_BASE_URL,
        token=value if made_token else "",
        client_id=str(made_key.client_id) if made_key else "",
        secret=value if made_key else "",
    )
