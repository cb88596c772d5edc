"""The key by which the site vouches for people."""

from __future__ import annotations

from datetime import datetime

import pytest

from timers.models import SigningKey
from timers.services.people import signing_keys

pytestmark = pytest.mark.django_db


def test_the_key_is_made_once_and_kept_encrypted(now: datetime) -> None:
    first, second = (signing_keys.key(now=now) for _ in range(2))

    assert first.id == second.id
    assert first.private.private_numbers() == second.private.private_numbers()
    stored = SigningKey.objects.extra(select={"raw": "private"}).values_list("raw", flat=True).get()
    assert "PRIVATE" not in stored


def test_of_two_processes_that_make_one_at_once_one_wins(now: datetime, monkeypatch: pytest.MonkeyPatch) -> None:
    made = signing_keys._generate
    winner: list[signing_keys.RsaKey] = []

    def slow() -> dict[str, str]:
        monkeypatch.setattr(signing_keys, "_generate", made)
        winner.append(signing_keys.key(now=now))  # what the other process does meanwhile
        return made()

    monkeypatch.setattr(signing_keys, "_generate", slow)
    mine = signing_keys.key(now=now)

    assert (mine.id, mine.private.private_numbers()) == (winner[0].id, winner[0].private.private_numbers())
