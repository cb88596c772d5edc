"""Accounts: the first one of an empty database, passwords, and e-mail addresses."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.conf import settings
from django.contrib.auth import get_user_model
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.db import transaction

from timers.channels.base import CHANNELS
from timers.errors import Invalid
from timers.services import events
from timers.services.people import tokens


@dataclass(frozen=True)
class FirstAccount:
    """Credentials of the first account, shown to the operator only once."""

    username: str
    password: str
    token: str


def make_first(*, now: datetime) -> FirstAccount | None:
    """Create an administrator with a token; return None if there are users already.

    Password and token come from the settings, or are random.
    """
    users = get_user_model().objects
    with transaction.atomic():
        if users.exists():
            return None
        password = settings.TIMERS_ADMIN_PASSWORD or secrets.token_urlsafe(12)
        user = users.create_superuser(username=settings.TIMERS_ADMIN_USERNAME, password=password)
        _, token = tokens.create_token(
            owner=user, name="first token", now=now, value=settings.TIMERS_ADMIN_TOKEN or None
        )
    return FirstAccount(user.get_username(), password, token)


def change_password(user: Any, *, present: str, new: str, now: datetime) -> None:
    """Store a new password. Raises Invalid naming `present` when that is wrong, `new` when it is too easy to guess."""
    if not user.check_password(present):
        raise Invalid({"present": "This is not your current password."})
    try:
        validate_password(new, user)
    except ValidationError as error:
        raise Invalid({"new": " ".join(error.messages)}) from None
    with transaction.atomic():
        user.set_password(new)
        user.save(update_fields=["password"])
        events.record("password_changed", now=now, by=user, owner=user)


def change_address(user: Any, *, email: str, now: datetime) -> None:
    """Store the e-mail address of a user, empty for none; raises Invalid naming `email`."""
    try:
        user.email = CHANNELS.get("email").clean_target(email.strip(), owner=user)
    except Invalid as error:
        raise error.under("email") from None
    with transaction.atomic():
        user.save(update_fields=["email"])
        events.record("address_changed", now=now, by=user, owner=user)
