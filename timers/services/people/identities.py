"""The ids by which apps know people: stable, and the same at every login."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from uuid import NAMESPACE_URL, UUID, uuid5

from django.contrib.auth import get_user_model


def id_of(user: Any) -> UUID:
    """Return the id of a person."""
    return uuid5(NAMESPACE_URL, f"timers:user:{user.pk}")


def known_to(user: Any) -> Iterable[Any]:
    """Return the people that a user may know of: themselves; everybody for administrators."""
    people = get_user_model().objects.filter(is_active=True)
    return people if user.is_staff else people.filter(pk=user.pk)


def find(user: Any, *, ids: Iterable[str] = (), names: Iterable[str] = ()) -> list[Any]:
    """Return those people by id or by name that a user may know of."""
    wanted, called = {text.lower() for text in ids}, {text.lower() for text in names}
    return [
        each
        for each in known_to(user)
        if str(id_of(each)) in wanted or called & {each.get_username().lower(), each.email.lower()} - {""}
    ]


def scope_id(name: str) -> UUID:
    """Return the id of a scope, which clients expect beside its name."""
    return uuid5(NAMESPACE_URL, f"timers:scope:{name}")
