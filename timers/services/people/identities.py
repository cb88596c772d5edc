"""Identity ids: the stable ids by which apps know users."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from uuid import NAMESPACE_URL, UUID, uuid5

from django.contrib.auth import get_user_model


def id_of(user: Any) -> UUID:
    """Return the identity id of a user."""
    return uuid5(NAMESPACE_URL, f"timers:user:{user.pk}")


def known_to(user: Any) -> Iterable[Any]:
    """Return the users visible to a user: only themselves, or everybody for administrators."""
    people = get_user_model().objects.filter(is_active=True)
    return people if user.is_staff else people.filter(pk=user.pk)


def find(user: Any, *, ids: Iterable[str] = (), names: Iterable[str] = ()) -> list[Any]:
    """Return the users with these ids, names or e-mail addresses that are visible to a user."""
    wanted_ids, wanted_names = {text.lower() for text in ids}, {text.lower() for text in names}
    return [
        person
        for person in known_to(user)
        if str(id_of(person)) in wanted_ids
        or wanted_names & {person.get_username().lower(), person.email.lower()} - {""}
    ]


def scope_id(name: str) -> UUID:
    """Return the id of a scope. Clients expect one beside the name."""
    return uuid5(NAMESPACE_URL, f"timers:scope:{name}")
