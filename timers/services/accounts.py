"""The first account of an empty database."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import datetime

from django.conf import settings
from django.contrib.auth import get_user_model
from django.db import transaction

from timers.services import access


@dataclass(frozen=True)
class FirstAccount:
    """What the operator is shown once."""

    username: str
    password: str
    token: str


def make_first(*, now: datetime) -> FirstAccount | None:
    """Make an administrator with a token from the settings, random where they say nothing; None if anybody exists."""
    users = get_user_model().objects
    with transaction.atomic():
        if users.exists():
            return None
        password = settings.TIMERS_ADMIN_PASSWORD or secrets.token_urlsafe(12)
        user = users.create_superuser(username=settings.TIMERS_ADMIN_USERNAME, password=password)
        _, token = access.create_token(
            owner=user, name="first token", now=now, value=settings.TIMERS_ADMIN_TOKEN or None
        )
    return FirstAccount(user.get_username(), password, token)
