"""Secret address of a user's calendar: created, renewed, read, revoked. Only a hash of the secret is kept."""

from __future__ import annotations

import secrets
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import Q

from timers.models import CalendarFeed
from timers.services import events
from timers.services.people.tokens import digest

READ_NOTE_INTERVAL = timedelta(minutes=1)


def make(owner: Any, *, now: datetime) -> str:
    """Return a new secret, which is shown this once; an older one of the owner opens nothing any more."""
    secret = secrets.token_urlsafe(32)
    fields = {"digest": digest(secret), "created_at": now, "last_read_at": None}
    with transaction.atomic():
        _, is_new = CalendarFeed.objects.update_or_create(owner=owner, defaults=fields)
        events.record("calendar_made" if is_new else "calendar_renewed", now=now, by=owner, owner=owner)
    return secret


def revoke(owner: Any, *, now: datetime) -> None:
    """Revoke the address; without one nothing changes."""
    with transaction.atomic():
        deleted, _ = CalendarFeed.objects.filter(owner=owner).delete()
        if deleted:
            events.record("calendar_revoked", now=now, by=owner, owner=owner)


def owner_of(secret: str, *, now: datetime) -> Any | None:
    """Return the owner of the calendar that a secret opens, and note the reading.

    None for a wrong secret and for an inactive owner.
    """
    feed = CalendarFeed.objects.select_related("owner").filter(digest=digest(secret)).first()
    if feed is None or not feed.owner.is_active:
        return None
    if feed.last_read_at is None or feed.last_read_at <= now - READ_NOTE_INTERVAL:
        is_older = Q(last_read_at__isnull=True) | Q(last_read_at__lt=now)
        CalendarFeed.objects.filter(is_older, pk=feed.pk, digest=feed.digest).update(last_read_at=now)
    return feed.owner
