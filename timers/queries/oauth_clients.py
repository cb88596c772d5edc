"""Read model of the apps that a user has authorized, for the page of tokens."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import Max, Min

from timers import scopes
from timers.models import Consent, RegisteredApp, Token


@dataclass(frozen=True)
class AuthorizedApp:
    """One authorized app: its scopes in words, since when, and when it was last used."""

    client_id: UUID
    name: str
    may: list[str]
    since: datetime
    last_used_at: datetime | None


def authorized_apps(user: Any) -> list[AuthorizedApp]:
    """Return the apps that the user has authorized, newest first, from four queries."""
    since = dict(Consent.objects.filter(owner=user).values_list("client_id").annotate(Min("created_at")))
    tokens = Token.objects.filter(owner=user, client_id__in=list(since)).order_by("created_at")
    used = dict(tokens.order_by().values_list("client_id").annotate(Max("last_used_at")))
    names: dict[UUID, str] = {key: name for key, name in tokens.values_list("client_id", "name") if key is not None}
    names |= _registered(list(since))
    may: dict[UUID, list[str]] = {}
    for client_id, path in Consent.objects.filter(owner=user).order_by("pk").values_list("client_id", "path"):
        if " " not in path:
            may.setdefault(client_id, []).append(scopes.describe(path))
    apps = [
        AuthorizedApp(key, names.get(key, f"App {key}"), may.get(key, []), at, used.get(key))
        for key, at in since.items()
    ]
    return sorted(apps, key=lambda row: row.since, reverse=True)


def _registered(client_ids: list[UUID]) -> dict[UUID, str]:
    return dict(RegisteredApp.objects.filter(pk__in=client_ids).values_list("client_id", "name"))
