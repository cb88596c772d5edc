"""Tokens and client keys."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from timers.errors import Conflict, Invalid
from timers.models import ClientKey, Event, Token
from timers.services.people import tokens


def test_only_a_hash_of_a_token_is_kept(owner: Any, now: datetime) -> None:
    token, text = tokens.create_token(owner=owner, name="laptop", now=now)

    stored = Token.objects.values().get()
    assert text not in map(str, stored.values())
    assert text.startswith("tmr_")
    assert text.startswith(token.prefix)
    assert len(token.prefix) <= 12
    assert (stored["kind"], stored["scopes"], stored["expires_at"]) == ("personal", [], None)


def test_no_two_tokens_are_alike(owner: Any, now: datetime) -> None:
    texts = {tokens.create_token(owner=owner, name="laptop", now=now)[1] for _ in range(20)}

    assert len(texts) == 20


def test_a_given_text_becomes_the_token(owner: Any, now: datetime) -> None:
    token, text = tokens.create_token(owner=owner, name="first", now=now, value="given-by-the-operator")

    assert text == "given-by-the-operator"
    assert tokens.authenticate_token("given-by-the-operator", now=now) == token


def test_a_text_cannot_be_two_tokens(owner: Any, stranger: Any, now: datetime) -> None:
    tokens.create_token(owner=owner, name="first", now=now, value="given")

    with pytest.raises(Conflict):
        tokens.create_token(owner=stranger, name="second", now=now, value="given")
    assert Token.objects.get().owner == owner


@pytest.mark.parametrize("value", ["", "with blank", "line\n", "\u00e9"])
def test_a_text_that_no_header_can_carry_is_refused(owner: Any, now: datetime, value: str) -> None:
    with pytest.raises(Invalid) as caught:
        tokens.create_token(owner=owner, name="x", now=now, value=value)
    assert list(caught.value.fields) == ["value"]


@pytest.mark.parametrize("days", [0, -1, 36_501])
def test_a_token_is_valid_for_a_sensible_number_of_days(owner: Any, now: datetime, days: int) -> None:
    with pytest.raises(Invalid) as caught:
        tokens.create_token(owner=owner, name="x", days=days, now=now)
    assert list(caught.value.fields) == ["days"]


def test_a_token_needs_a_name(owner: Any, now: datetime) -> None:
    with pytest.raises(Invalid) as caught:
        tokens.create_token(owner=owner, name="", now=now)
    assert list(caught.value.fields) == ["name"]


def test_a_token_is_recognised_until_it_expires(owner: Any, now: datetime) -> None:
    token, text = tokens.create_token(owner=owner, name="short", days=1, now=now)

    assert tokens.authenticate_token(text, now=now + timedelta(hours=23)) == token
    assert tokens.authenticate_token(text, now=now + timedelta(days=1)) is None
    assert tokens.authenticate_token(text + "x", now=now) is None


def test_a_revoked_token_is_not_recognised_and_stays_revoked(owner: Any, now: datetime) -> None:
    token, text = tokens.create_token(owner=owner, name="lost", now=now)

    tokens.revoke_token(token, by=owner, now=now)
    tokens.revoke_token(token, by=owner, now=now + timedelta(hours=1))

    assert tokens.authenticate_token(text, now=now) is None
    token.refresh_from_db()
    assert token.revoked_at == now
    assert list(Event.objects.values_list("verb", flat=True)) == ["token_created", "token_revoked"]


def test_nobody_who_left_is_recognised(owner: Any, now: datetime) -> None:
    _, text = tokens.create_token(owner=owner, name="laptop", now=now)
    key, secret = tokens.create_key(owner=owner, name="worker", now=now)
    owner.is_active = False
    owner.save()

    assert tokens.authenticate_token(text, now=now) is None
    assert tokens.authenticate_key(key.client_id, secret, now=now) is None


def test_use_is_noted_at_most_once_a_minute(owner: Any, now: datetime, django_assert_num_queries: Any) -> None:
    token, text = tokens.create_token(owner=owner, name="busy", now=now)

    with django_assert_num_queries(2):
        tokens.authenticate_token(text, now=now)
    with django_assert_num_queries(1):
        tokens.authenticate_token(text, now=now + timedelta(seconds=59))
    token.refresh_from_db()
    assert token.last_used_at == now
    tokens.authenticate_token(text, now=now + timedelta(seconds=60))
    token.refresh_from_db()
    assert token.last_used_at == now + timedelta(seconds=60)


def test_a_client_key_is_recognised_by_its_pair(owner: Any, now: datetime) -> None:
    key, secret = tokens.create_key(owner=owner, name="worker", now=now)

    assert tokens.authenticate_key(key.client_id, secret, now=now) == key
    assert tokens.authenticate_key(str(key.client_id), secret, now=now) == key
    assert tokens.authenticate_key(str(key.client_id), "wrong", now=now) is None
    assert tokens.authenticate_key("no uuid", secret, now=now) is None
    assert secret not in map(str, ClientKey.objects.values().get().values())


def test_a_revoked_client_key_is_not_recognised(owner: Any, now: datetime) -> None:
    key, secret = tokens.create_key(owner=owner, name="worker", now=now)

    tokens.revoke_key(key, by=owner, now=now)

    assert tokens.authenticate_key(key.client_id, secret, now=now) is None


def test_a_token_without_scopes_opens_everything(owner: Any, now: datetime) -> None:
    whole, _ = tokens.create_token(owner=owner, name="all", now=now)
    part, _ = tokens.create_token(owner=owner, name="some", scopes=["api"], now=now)

    assert tokens.allows(whole, "anything")
    assert tokens.allows(part, "api")
    assert not tokens.allows(part, "conductor")
