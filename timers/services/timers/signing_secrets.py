"""The secrets that a timer's deliveries are signed with: one that is valid, and for a day those before it."""

from __future__ import annotations

import base64
import secrets
import threading
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import Q

from timers.actions.base import ACTIONS
from timers.models import SigningSecret, Timer
from timers.services import events

SECRET_BYTES = 32
ROTATION = timedelta(hours=24)
"""Time for which deliveries are also signed with the previous secret after a rotation."""

KEPT, KEPT_FOR = 5_000, timedelta(minutes=1)
"""How many timers' keys a process keeps, and how long: a rotated secret stays valid for a day, so nobody notices."""

_lock = threading.Lock()
_kept: dict[UUID, tuple[datetime, tuple[bytes, ...]]] = {}


def rotate(timer: Timer, *, by: Any, now: datetime) -> str:
    """Return a new secret ("whsec_..."), shown this once; the ones before stay valid for a day."""
    with transaction.atomic():
        SigningSecret.objects.filter(timer=timer, expires_at__isnull=True).update(expires_at=now + ROTATION)
        SigningSecret.objects.filter(timer=timer, expires_at__lte=now).delete()
        key = _add(timer, now=now)
        events.record("signing_secret_rotated", now=now, by=by, owner=timer.owner, timer_id=timer.pk)
    return "whsec_" + key


def keys(timer_id: UUID, *, now: datetime) -> tuple[bytes, ...]:
    """Return the keys that deliveries are signed with, newest first."""
    valid = SigningSecret.objects.filter(Q(expires_at__isnull=True) | Q(expires_at__gt=now), timer_id=timer_id)
    return tuple(base64.b64decode(row.secret["key"]) for row in valid.order_by("-pk"))


def keys_of_late(timer_id: UUID, *, now: datetime) -> tuple[bytes, ...]:
    """Return the keys that deliveries are signed with, newest first; those of a minute ago will do."""
    until, kept = _kept.get(timer_id, (now, ()))
    if until <= now:
        kept = keys(timer_id, now=now)
        with _lock:
            if len(_kept) >= KEPT:
                _kept.clear()
            _kept[timer_id] = (now + KEPT_FOR, kept)
    return kept


def ensure(timer: Timer, *, now: datetime) -> None:
    """Make a first secret for a timer whose action signs its deliveries, where it has none."""
    signs = timer.action in ACTIONS and ACTIONS.get(timer.action).signs_deliveries
    if signs and not timer.signing_secrets.exists():
        _add(timer, now=now)


def _add(timer: Timer, *, now: datetime) -> str:
    key = base64.b64encode(secrets.token_bytes(SECRET_BYTES)).decode()
    SigningSecret.objects.create(timer=timer, secret={"key": key}, created_at=now)
    return key
