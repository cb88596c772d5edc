"""Polls that find nothing are answered before the site is asked; all others reach it."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.test import RequestFactory

from tests.conductor.conftest import BASE, Caller
from tests.services.workflows.factories import simple, start
from timers.conductor.empty_poll_middleware import EmptyPollMiddleware
from timers.services.people import tokens

pytestmark = pytest.mark.django_db


def site(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    return [b"the site"]


def poll(
    token: str | None, path: str = "/tasks/poll/batch/ask?workerid=w&count=1&timeout=100", method: str = "GET"
) -> Any:
    headers = {} if token is None else {"X-Authorization": token}
    environ = RequestFactory(headers={"host": "localhost", **headers}).generic(method, BASE + path).environ
    return b"".join(EmptyPollMiddleware(site)(environ, lambda status, headers: None))


@pytest.fixture
def used(calls: Caller) -> str:
    """A token whose use has just been noted."""
    assert calls.get("/tasks/poll/batch/ask").json() == []
    return calls.token


def test_who_polls_in_vain_is_answered_at_once(used: str) -> None:
    assert poll(used) == b"[]"
    assert poll(used, "/tasks/poll/batch/ask") == b"[]"


def test_at_an_open_door_too(owner: Any, settings: Any) -> None:
    settings.TIMERS_CONDUCTOR_OPEN = "owner"
    assert poll(None) == b"[]"

    owner.is_active = False
    owner.save()
    assert poll(None) == b"the site"
    settings.TIMERS_CONDUCTOR_OPEN = ""
    assert poll(None) == b"the site"


def test_whoever_finds_a_task_reaches_the_site(used: str, owner: Any, stranger: Any, now: datetime) -> None:
    start(owner, simple(), now=now)

    assert poll(used) == b"the site"
    assert poll(used, "/tasks/poll/batch/other") == b"[]"
    assert poll(Caller(stranger).token) == b"the site", "its use is to be noted"


@pytest.mark.parametrize(
    ("path", "method"),
    [
        ("/tasks/poll/batch/ask?timeout=3000", "GET"),
        ("/tasks/poll/batch/ask?timeout=x", "GET"),
        ("/tasks/poll/batch/ask?count=-1", "GET"),
        ("/tasks/poll/batch/ask", "POST"),
        ("/tasks/poll/batch/", "GET"),
        ("/tasks/poll/batch/a%2Fb", "GET"),
        ("/tasks/poll/batch/a%00b", "GET"),
        ("/tasks/poll/batch/%C3%A4", "GET"),
        ("/tasks/poll/ask", "GET"),
    ],
)
def test_all_else_reaches_the_site(used: str, path: str, method: str) -> None:
    assert poll(used, path, method) == b"the site"


def test_a_token_that_is_not_good_reaches_the_site_from_that_moment_on(
    used: str, owner: Any, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = tokens.find_token(used, kinds=tokens.API_KINDS, now=now)
    assert token is not None
    assert poll("unknown") == poll("") == poll(" ") == b"the site"

    token.scopes = ["api"]
    token.save()
    assert poll(used) == b"the site"
    token.scopes, token.expires_at = [], now - timedelta(seconds=1)
    token.save()
    assert poll(used) == b"the site"
    token.expires_at = None
    token.save()
    assert poll(used) == b"[]"
    tokens.revoke_token(token, by=owner, now=now)
    assert poll(used) == b"the site"
