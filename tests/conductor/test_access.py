"""Tokens, and the interface as a whole."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import unquote

import pytest
from django.test import Client

from tests.conductor.conftest import BASE, Caller
from timers import clock
from timers.services.people import tokens

pytestmark = pytest.mark.django_db


def ask(token: str | None, path: str = "/scheduler/schedules") -> Any:
    headers = {} if token is None else {"X-Authorization": token}
    return Client(headers=headers).get(BASE + path)


def fetch(key_id: object, secret: object) -> Any:
    body = json.dumps({"keyId": key_id, "keySecret": secret})
    return Client().post(f"{BASE}/token", body, content_type="application/json")


def test_a_key_gives_a_token_that_opens_this_door_alone(owner: Any, now: datetime) -> None:
    key, secret = tokens.create_key(owner=owner, name="dev", now=now)

    answer = fetch(str(key.client_id), secret)

    token = answer.json()["token"]
    assert (answer.status_code, answer.json()["userId"]) == (200, "owner")
    assert ask(token).status_code == 200
    assert Client(headers={"Authorization": f"Bearer {token}"}).get("/api/v1/timers").status_code == 403


def test_a_bad_key_and_a_revoked_one_are_refused(owner: Any, now: datetime) -> None:
    key, secret = tokens.create_key(owner=owner, name="dev", now=now)
    token = fetch(str(key.client_id), secret).json()["token"]

    assert fetch(str(key.client_id), "wrong").status_code == 401
    assert fetch("no id", secret).status_code == 401
    assert fetch(None, None).status_code == 400
    tokens.revoke_key(key, by=owner, now=now)
    assert fetch(str(key.client_id), secret).status_code == 401
    assert ask(token).json()["error"] == "INVALID_TOKEN", "its tokens end with it"


@pytest.mark.parametrize("path", ["/scheduler/schedules", "/tasks/poll/batch/ask", "/nothing/here"])
def test_without_a_good_token_the_code_makes_clients_fetch_one(
    owner: Any, now: datetime, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    _, token = tokens.create_token(owner=owner, name="t", days=1, now=now)
    if path == "/nothing/here":
        assert ask(None, path).status_code == 404
        return

    for bad in (None, "unknown"):
        answer = ask(bad, path)
        assert (answer.status_code, answer.json()["error"], answer.json()["status"]) == (401, "INVALID_TOKEN", 401)
    assert ask(token, path).status_code == 200
    monkeypatch.setattr(clock, "now", lambda: now + timedelta(days=2))
    assert ask(token, path).json()["error"] == "EXPIRED_TOKEN"


def test_a_token_for_something_else_may_not_enter(owner: Any, now: datetime) -> None:
    _, token = tokens.create_token(owner=owner, name="t", scopes=["api"], now=now)

    for path in ("/scheduler/schedules", "/tasks/poll/batch/ask"):
        answer = ask(token, path)
        assert (answer.status_code, "error" in answer.json()) == (403, False)


def test_an_open_door_needs_no_token_and_has_none_to_give(owner: Any, settings: Any) -> None:
    settings.TIMERS_CONDUCTOR_OPEN = "owner"

    assert fetch("a", "b").status_code == 404
    assert ask(None).json() == []
    assert ask(None, "/tasks/poll/batch/ask").json() == []
    settings.TIMERS_CONDUCTOR_OPEN = "nobody"
    assert ask(None).status_code == 403


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/nothing", 404),
        ("GET", "/scheduler/schedules/", 404),
        ("GET", "/scheduler/schedules/a%2Fb", 404),
        ("POST", "/metadata/workflow/flow/tags", 404),
        ("PATCH", "/scheduler/schedules", 405),
        ("POST", "/tasks/poll/batch/ask", 405),
        ("POST", "/scheduler/nextFewSchedules", 405),
        ("GET", "/token", 405),
    ],
)
def test_unknown_paths_and_verbs_answer_json(calls: Caller, method: str, path: str, status: int) -> None:
    answer = calls.send(method, path)

    assert (answer.status_code, answer.json()["status"]) == (status, status)
    assert status != 404 or unquote(path) in answer.json()["message"]
    assert answer.headers["Content-Type"].startswith("application/json")


@pytest.mark.parametrize(
    "body", [b"{", b"[1]", b'"x"', b'{"name": NaN}', b"\xff", b'{"name": "a\\u0000"}', b"[" * 5000]
)
def test_a_body_that_cannot_be_read_is_refused(calls: Caller, body: bytes) -> None:
    for path in ("/scheduler/schedules", "/metadata/workflow", "/workflow", "/tasks", "/token"):
        answer = calls.client.generic("POST", BASE + path, body, content_type="application/json")
        assert (answer.status_code, answer.json()["status"]) == (400, 400), path


def test_answers_are_json_or_text_whatever_is_accepted(calls: Caller) -> None:
    answer = calls.post("/workflow", {"name": "nothing"}, Accept="text/plain")

    assert (answer.status_code, answer.json()["message"]) == (404, "There is no workflow nothing.")
