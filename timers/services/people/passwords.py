"""Checking passwords of people who log in, wherever they do: slow to guess at, and on record.

Named in AUTHENTICATION_BACKENDS, so that no page that takes a password can leave it out.
"""

from __future__ import annotations

import logging
from typing import Any
from unicodedata import normalize

from django.contrib.auth.backends import ModelBackend
from django.http import HttpRequest

from timers import clock
from timers.services import limits
from timers.services.limits import LOGINS_FROM_ADDRESS, LOGINS_OF_NAME

MAX_NAME = 150

log = logging.getLogger(__name__)


class PasswordBackend(ModelBackend):
    """Django's accounts and passwords, with limits on wrong ones by name and address, and by address."""

    def authenticate(
        self, request: HttpRequest | None, username: str | None = None, password: str | None = None, **more: Any
    ) -> Any:
        """Return the user, None for a wrong name or password; raises TooMany."""
        if request is None:
            return super().authenticate(request, username=username, password=password, **more)
        now, address = clock.now(), str(request.META.get("REMOTE_ADDR", ""))
        subjects = ((LOGINS_OF_NAME, f"{address} {_normalised(username)}"), (LOGINS_FROM_ADDRESS, _network(address)))
        for limit, subject in subjects:
            limits.take(limit, subject, now=now)
        user = super().authenticate(request, username=username, password=password, **more)
        if user is None:
            shown = _normalised(username)
            log.warning("A log-in failed.", extra={"event": "login.failed", "user": shown, "address": address})
            return None
        limits.clear(*subjects[0])
        limits.give_back(*subjects[1], now=now)
        return user


def _normalised(username: object) -> str:
    """Return a name as the log-in looks it up, whatever its letters' width and case."""
    text = username if isinstance(username, str) else ""
    return normalize("NFKC", text).strip().casefold()[:MAX_NAME]


def _network(address: str) -> str:
    """Return what stands for an address: itself, or the /64 that one subscriber of IPv6 has."""
    return ":".join(address.split(":")[:4]) if ":" in address else address
