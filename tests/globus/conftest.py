"""Callers of the Globus interface, and the apps through which people come."""

from __future__ import annotations

import base64
import hashlib
import html
import json
import re
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from django.test import Client

from tests.factories import make_collection
from timers import clock
from timers.models import Collection
from timers.services.people import signing_keys, tokens

BASE = "/globus"
SITE = "http://testserver/globus/"
APP = "61338d24-54d5-408f-a10d-66c06b59f6d2"
VERIFIER = "a-verifier-that-is-long-enough-for-what-the-standard-asks"


@pytest.fixture(scope="session")
def signing_key() -> dict[str, str]:
    """A key that all tests share: making one takes longer than a test."""
    return signing_keys._generate()


@pytest.fixture(autouse=True)
def one_signing_key(signing_key: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(signing_keys, "_generate", lambda: signing_key)


class Caller:
    """Calls paths below /globus with a token, and sends JSON."""

    def __init__(self, token: str) -> None:
        self.token = token
        self.client = Client(headers={"Authorization": f"Bearer {token}"}, raise_request_exception=True)

    def get(self, path: str, /, **query: Any) -> Any:
        return self.client.get(BASE + path, query)

    def delete(self, path: str) -> Any:
        return self.client.delete(BASE + path)

    def post(self, path: str, document: Any = None) -> Any:
        return self.send("POST", path, document)

    def send(self, method: str, path: str, document: Any) -> Any:
        """Send a JSON document; None means no body and no content type at all."""
        if document is None:
            return self.client.generic(method, BASE + path, b"", content_type="")
        return self.client.generic(method, BASE + path, json.dumps(document).encode(), content_type="application/json")


def by_hand(user: Any, *scopes: str) -> Caller:
    """Return a caller with a token made by hand."""
    return Caller(tokens.create_token(owner=user, name="tests", scopes=scopes, now=clock.now())[1])


@pytest.fixture
def owner_calls(owner: Any) -> Caller:
    return by_hand(owner)


@pytest.fixture
def stranger_calls(stranger: Any) -> Caller:
    return by_hand(stranger)


@pytest.fixture
def collections(owner: Any, tmp_path: Path, settings: Any) -> tuple[Collection, Collection]:
    """Two collections of the owner, into which apps need not be let one by one."""
    settings.TIMERS_LOCAL_ROOTS = (tmp_path,)
    for name in ("here", "there"):
        (tmp_path / name).mkdir()
    (tmp_path / "here" / "file.txt").write_text("four")
    here, there = (make_collection(owner, tmp_path / name) for name in ("here", "there"))
    return here, there


@pytest.fixture
def mapped(collections: tuple[Collection, Collection]) -> tuple[Collection, Collection]:
    """The same two, into which apps have to be let."""
    for each in collections:
        each.entity_type = "GCSv5_mapped_collection"
        each.save()
    return collections


@pytest.fixture
def transfer_body(collections: tuple[Collection, Collection]) -> dict[str, Any]:
    return body_between(*collections)


def body_between(source: Collection, destination: Collection) -> dict[str, Any]:
    """Return the transfer of one file as the SDK sends it."""
    return {
        "DATA_TYPE": "transfer",
        "source_endpoint": str(source.pk),
        "destination_endpoint": str(destination.pk),
        "DATA": [{"DATA_TYPE": "transfer_item", "source_path": "/file.txt", "destination_path": "/~/copy.txt"}],
    }


# Apps


class Browser:
    """Somebody who is logged in and answers the page that asks about an app."""

    def __init__(self, user: Any) -> None:
        self.client = Client(raise_request_exception=True)
        self.client.force_login(user)

    def asked(self, **changes: str) -> Any:
        """Return the page that an app's request leads to."""
        return self.client.get(f"{BASE}/v2/oauth2/authorize", wish(**changes))

    def answer(self, button: str = "allow", **changes: str) -> dict[str, str]:
        """Press a button there; return what the app is told."""
        page = self.asked(**changes)
        query = html.unescape(re.sub(r"^[^?]*\?", "", page.request["QUERY_STRING"]))
        response = self.client.post(f"{BASE}/v2/oauth2/authorize?{query}", {button: "yes"})
        assert response.status_code == 302, response.content
        return {name: values[0] for name, values in parse_qs(urlsplit(response["Location"]).query).items()}


def wish(**changes: str) -> dict[str, str]:
    """Return the request of an app that keeps no secret."""
    challenge = base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).decode().rstrip("=")
    asked = {
        "client_id": APP,
        "redirect_uri": f"{SITE}v2/web/auth-code",
        "scope": "openid",
        "state": "_default",
        "response_type": "code",
        "access_type": "online",
        "code_challenge": challenge,
        "code_challenge_method": "S256",
        **changes,
    }
    return {name: value for name, value in asked.items() if value}


def token_request(app: tuple[str, str] | None = None, /, **fields: str) -> Any:
    """Send a form to the token endpoint, as an app that proves who it is or as one that only names itself."""
    client = Client(raise_request_exception=True)
    if app is None:
        return client.post(f"{BASE}/v2/oauth2/token", {"client_id": APP, **fields})
    pair = base64.b64encode(":".join(app).encode()).decode()
    return client.post(f"{BASE}/v2/oauth2/token", fields, headers={"Authorization": f"Basic {pair}"})


def redeem(code: str, **changes: str) -> Any:
    """Exchange a code as the app that asked for it."""
    fields = {
        "grant_type": "authorization_code",
        "code": code,
        "code_verifier": VERIFIER,
        "redirect_uri": f"{SITE}v2/web/auth-code",
        **changes,
    }
    return token_request(**fields)


def tokens_for(user: Any, scope: str, **changes: str) -> dict[str, dict[str, Any]]:
    """Return the tokens that an app gets for these scopes, by resource server."""
    code = Browser(user).answer(scope=scope, **changes)["code"]
    answer = redeem(code).json()
    return {each["resource_server"]: each for each in (answer, *answer["other_tokens"])}
