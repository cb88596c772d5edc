"""Who is calling: Bearer tokens and sessions, tried at the native REST API."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client

from timers import clock
from timers.models import Token
from timers.services.people import tokens

PATH = "/api/v1/timers"


@pytest.fixture
def token(owner: Any) -> tuple[Token, str]:
    return tokens.create_token(owner=owner, name="tests", now=clock.now())


def get(authorization: str) -> Any:
    return Client().get(PATH, headers={"Authorization": authorization})


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER"])
def test_a_token_opens_the_door(token: tuple[Token, str], scheme: str) -> None:
    assert get(f"{scheme} {token[1]}").status_code == 200


@pytest.mark.parametrize(
    "authorization", ["Bearer", "Bearer ", "Bearer wrong", "Bearer a b", "Bearer \u00e9", "Basic YQ=="]
)
def test_what_is_no_token_is_refused_with_a_challenge(token: tuple[Token, str], authorization: str) -> None:
    answer = get(authorization)

    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"] == "Bearer"
    assert answer.json()["error"]["fields"] == {}


def test_nobody_is_refused_with_a_challenge(db: None) -> None:
    answer = Client().get(PATH)

    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"] == "Bearer"
    assert answer.json()["error"]["code"] == "not_authenticated"


def test_a_revoked_token_is_refused(token: tuple[Token, str], owner: Any) -> None:
    tokens.revoke_token(token[0], by=owner, now=clock.now())

    assert get(f"Bearer {token[1]}").status_code == 401


def test_an_expired_token_is_refused(owner: Any) -> None:
    _, text = tokens.create_token(owner=owner, name="old", days=1, now=clock.now() - timedelta(days=1))

    assert get(f"Bearer {text}").status_code == 401


def test_the_token_of_somebody_who_left_is_refused(token: tuple[Token, str], owner: Any) -> None:
    owner.is_active = False
    owner.save()

    assert get(f"Bearer {token[1]}").status_code == 401


@pytest.mark.parametrize(("scopes", "status"), [([], 200), (["api"], 200), (["api", "x"], 200), (["urn:other"], 403)])
def test_a_token_with_scopes_needs_that_of_this_door(owner: Any, scopes: list[str], status: int) -> None:
    _, text = tokens.create_token(owner=owner, name="scoped", scopes=scopes, now=clock.now())

    assert get(f"Bearer {text}").status_code == status


def test_a_bad_token_is_refused_even_with_a_session(owner: Any) -> None:
    client = Client()
    client.force_login(owner)

    assert client.get(PATH).status_code == 200
    assert client.get(PATH, headers={"Authorization": "Bearer wrong"}).status_code == 401


def test_a_session_needs_the_csrf_token_to_change_something(owner: Any) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(owner)
    asked = {"schedule": {"type": "once"}}

    assert client.get(PATH).status_code == 200
    refused = client.post("/api/v1/schedules/preview", asked, content_type="application/json")
    assert refused.status_code == 403
    assert refused.json()["error"]["code"] == "permission_denied"

    client.cookies["csrftoken"] = "a" * 32
    accepted = client.post(
        "/api/v1/schedules/preview", asked, content_type="application/json", headers={"X-CSRFToken": "a" * 32}
    )
    assert accepted.status_code == 200


def test_a_token_needs_no_csrf_token(token: tuple[Token, str]) -> None:
    client = Client(enforce_csrf_checks=True, headers={"Authorization": f"Bearer {token[1]}"})

    answer = client.post("/api/v1/schedules/preview", {"schedule": {"type": "once"}}, content_type="application/json")

    assert answer.status_code == 200
