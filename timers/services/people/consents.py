"""What people let apps do: granted as trees of scopes, asked for where an app reaches files, and withdrawn."""

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
"""What a timer says that was paused for want of a consent."""

MAX_PATH_LENGTH = 2_000


class ConsentRequired(Forbidden):
    """An app reaches for files of collections that it was not let into; `required_scopes` are what to ask for."""

    code = "consent_required"

    def __init__(self, required_scopes: Iterable[str]) -> None:
        super().__init__(MISSING)
        self.required_scopes = list(required_scopes)


def grant(*, owner: Any, client_id: str, granted: Iterable[scopes.Scope], allows_refresh: bool, now: datetime) -> None:
    """Keep what an app may do from now on, beside what it may already. Raises Invalid naming scope."""
    wanted = [" ".join(path) for path in scopes.paths(granted)]
    if any(len(path) > MAX_PATH_LENGTH for path in wanted):
        raise Invalid({"scope": "This scope needs too long a chain of others."})
    for path in wanted:
        known, made = Consent.objects.get_or_create(
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
        if not made:
            known.allows_refresh = known.allows_refresh or allows_refresh
            known.updated_at = known.last_used_at = now
            known.save(update_fields=["allows_refresh", "updated_at", "last_used_at"])


def granted_to(owner: Any, client_id: UUID | None) -> list[Consent]:
    """Return what somebody lets an app do, or all apps, roots before what they need."""
    found = Consent.objects.filter(owner=owner)
    return list((found if client_id is None else found.filter(client_id=client_id)).order_by("pk"))


def withdraw(*, owner: Any, client_id: UUID, now: datetime) -> None:
    """Take everything back that somebody let an app do, its tokens too."""
    with transaction.atomic():
        Consent.objects.filter(owner=owner, client_id=client_id).delete()
        Token.objects.filter(owner=owner, client_id=client_id, revoked_at__isnull=True).update(revoked_at=now)
        events.record("consents_withdrawn", now=now, by=owner, owner=owner, object_id=client_id)


# Reaching files


def require_for_transfer(token: Token | None, collections: Iterable[Collection]) -> None:
    """Raise ConsentRequired when the token's app was not let into one of the collections."""
    client_id = None if token is None else token.client_id
    missing = _missing(token and token.owner, client_id, collections, root=scopes.TRANSFER)
    if missing:
        raise ConsentRequired(f"{scopes.TRANSFER}[*{scopes.data_access(each)}]" for each in missing)


def require_for_timer(timer_id: UUID, body: Mapping[str, Any]) -> None:
    """Raise ConsentRequired when the app that made a timer was not let into the collections of its transfer."""
    origin = TimerOrigin.objects.select_related("timer__owner").filter(pk=timer_id, client_id__isnull=False).first()
    if origin is not None:
        missing = _missing(origin.timer.owner, origin.client_id, _collections(body), root=scopes.TIMERS)
        if missing:
            raise ConsentRequired(required_by_timers(missing))


def required_of_timer(timer: Timer) -> list[str]:
    """Return the scopes that an app has to ask for so that this timer can run."""
    body = timer.definition.body if timer.definition is not None else {}
    return required_by_timers(each.pk for each in _collections(body) if needs_consent(each))


def required_by_timers(collection_ids: Iterable[UUID]) -> list[str]:
    """Return the scopes by which timers may reach the files of these collections."""
    return [f"{scopes.TIMERS}[{scopes.TRANSFER}[*{scopes.data_access(each)}]]" for each in collection_ids]


def needs_consent(collection: Collection) -> bool:
    """Return whether apps have to be let into the collection one by one."""
    return collection.entity_type == MAPPED and not collection.high_assurance


def _collections(body: Mapping[str, Any]) -> list[Collection]:
    ids = [body[name] for name in ("source_endpoint", "destination_endpoint") if body.get(name)]
    return list(Collection.objects.filter(pk__in=ids).order_by("pk"))


def _missing(owner: Any, client_id: UUID | None, collections: Iterable[Collection], *, root: str) -> list[UUID]:
    """Return the collections that the app may not reach; none for what has all rights: tokens made by hand, keys."""
    wanted = sorted({each.pk for each in collections if needs_consent(each)})
    if not wanted or client_id is None or _acts_as(client_id, owner):
        return []
    held = Consent.objects.filter(owner=owner, client_id=client_id, path__startswith=root + " ")
    paths = list(held.values_list("path", flat=True))
    return [each for each in wanted if not any(_leads(path, each) for path in paths)]


def _acts_as(client_id: UUID, owner: Any) -> bool:
    """Return whether this is a key of the owner: it has all of the owner's rights."""
    return ClientKey.objects.filter(client_id=client_id, owner=owner).exists()


def _leads(path: str, collection_id: UUID) -> bool:
    return path.endswith(f"{scopes.TRANSFER} {scopes.data_access(collection_id)}")
