"""Consents of users to apps: granted as trees of scopes, required for access to files, and withdrawn."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import transaction

from timers import scopes
from timers.errors import Forbidden, Invalid
from timers.models import ClientKey, Collection, Consent, Timer, TimerOrigin, Token
from timers.services import events

MAPPED = "GCSv5_mapped_collection"
MISSING = "Missing data_access consent"
"""Status reason of a timer that was paused for lack of a consent."""

MAX_PATH_LENGTH = 2_000


class ConsentRequired(Forbidden):
    """An app lacks the consent to access files of collections. `required_scopes` are the scopes to request."""

    code = "consent_required"

    def __init__(self, required_scopes: Iterable[str]) -> None:
        super().__init__(MISSING)
        self.required_scopes = list(required_scopes)


def grant(*, owner: Any, client_id: str, granted: Iterable[scopes.Scope], allows_refresh: bool, now: datetime) -> None:
    """Store consents for an app in addition to its existing ones. Raises Invalid naming scope."""
    paths = [" ".join(path) for path in scopes.paths(granted)]
    if any(len(path) > MAX_PATH_LENGTH for path in paths):
        raise Invalid({"scope": "This scope has too long a chain of dependent scopes."})
    for path in paths:
        consent, created = Consent.objects.get_or_create(
            owner=owner,
            client_id=client_id,
            path=path,
            defaults={
                "allows_refresh": allows_refresh,
                "created_at": now,
                "updated_at": now,
                "last_used_at": now,
            },
        )
        if not created:
            consent.allows_refresh = consent.allows_refresh or allows_refresh
            consent.updated_at = consent.last_used_at = now
            consent.save(update_fields=["allows_refresh", "updated_at", "last_used_at"])


def granted_to(owner: Any, client_id: UUID | None) -> list[Consent]:
    """Return the owner's consents for an app, or for all apps; parents before their dependent scopes."""
    granted = Consent.objects.filter(owner=owner)
    return list((granted if client_id is None else granted.filter(client_id=client_id)).order_by("pk"))


def withdraw(*, owner: Any, client_id: UUID, now: datetime) -> None:
    """Delete all consents of the owner for an app, and revoke its tokens."""
    with transaction.atomic():
        Consent.objects.filter(owner=owner, client_id=client_id).delete()
        Token.objects.filter(owner=owner, client_id=client_id, revoked_at__isnull=True).update(revoked_at=now)
        events.record("consents_withdrawn", now=now, by=owner, owner=owner, object_id=client_id)


# Access to files


def require_for_transfer(token: Token | None, collections: Iterable[Collection]) -> None:
    """Raise ConsentRequired when the token's app lacks the consent for one of the collections."""
    client_id = None if token is None else token.client_id
    missing = _missing(token and token.owner, client_id, collections, root=scopes.TRANSFER)
    if missing:
        raise ConsentRequired(f"{scopes.TRANSFER}[*{scopes.data_access(collection_id)}]" for collection_id in missing)


def require_for_timer(timer_id: UUID, body: Mapping[str, Any]) -> None:
    """Raise ConsentRequired when the app that created a timer lacks the consent for its transfer's collections."""
    origin = TimerOrigin.objects.select_related("timer__owner").filter(pk=timer_id, client_id__isnull=False).first()
    if origin is not None:
        missing = _missing(origin.timer.owner, origin.client_id, _collections(body), root=scopes.TIMERS)
        if missing:
            raise ConsentRequired(required_by_timers(missing))


def required_of_timer(timer: Timer) -> list[str]:
    """Return the scopes that an app has to request so that the timer can run."""
    body = timer.definition.body if timer.definition is not None else {}
    return required_by_timers(collection.pk for collection in _collections(body) if needs_consent(collection))


def required_by_timers(collection_ids: Iterable[UUID]) -> list[str]:
    """Return the scopes that give timers access to the files of these collections."""
    return [
        f"{scopes.TIMERS}[{scopes.TRANSFER}[*{scopes.data_access(collection_id)}]]" for collection_id in collection_ids
    ]


def needs_consent(collection: Collection) -> bool:
    """Return whether every app needs a consent of its own for the collection."""
    return collection.entity_type == MAPPED and not collection.high_assurance


def _collections(body: Mapping[str, Any]) -> list[Collection]:
    ids = [body[name] for name in ("source_endpoint", "destination_endpoint") if body.get(name)]
    return list(Collection.objects.filter(pk__in=ids).order_by("pk"))


def _missing(owner: Any, client_id: UUID | None, collections: Iterable[Collection], *, root: str) -> list[UUID]:
    """Return the collections that the app may not access; none for personal tokens and keys, which have all rights."""
    needed = sorted({collection_id.pk for collection_id in collections if needs_consent(collection_id)})
    if not needed or client_id is None or _is_key_of(client_id, owner):
        return []
    granted = Consent.objects.filter(owner=owner, client_id=client_id, path__startswith=root + " ")
    paths = list(granted.values_list("path", flat=True))
    return [collection_id for collection_id in needed if not any(_grants_access(path, collection_id) for path in paths)]


def _is_key_of(client_id: UUID, owner: Any) -> bool:
    """Return whether the client is a key of the owner, which has all of the owner's rights."""
    return ClientKey.objects.filter(client_id=client_id, owner=owner).exists()


def _grants_access(path: str, collection_id: UUID) -> bool:
    return path.endswith(f"{scopes.TRANSFER} {scopes.data_access(collection_id)}")
