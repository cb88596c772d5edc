"""Callers of the Conductor interface: each member of the cast with a token, and a still clock."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from django.test import Client

from timers import clock
from timers.services.people import tokens

BASE = "/conductor/api"
WIRE = Path(__file__).resolve().parents[1] / "wire" / "conductor"


def recorded(name: str) -> Any:
    """Return a document as the wire carries it."""
    return json.loads((WIRE / f"{name}.json").read_text())


def save_request(name: str = "nightly", **changes: Any) -> dict[str, Any]:
    request = {"name": "flow", "version": 1, "input": {"n": 1}, "idempotencyStrategy": "FAIL"}
    return {"name": name, "cronExpression": "0 0 2 * * ?", "startWorkflowRequest": request, **changes}


class Caller:
    """Calls paths below /conductor/api as somebody, the way the client does: `{}` where nothing is sent."""

    def __init__(self, user: Any) -> None:
        _, self.token = tokens.create_token(owner=user, name="tests", now=clock.now())
        self.client = Client(headers={"X-Authorization": self.token})

    def get(self, path: str, /, **query: Any) -> Any:
        return self.client.get(BASE + path, query, content_type="application/json")

    def send(self, method: str, path: str, document: Any = None, **headers: str) -> Any:
        body = json.dumps({} if document is None else document)
        return self.client.generic(method, BASE + path, body, content_type="application/json", headers=headers)

    def post(self, path: str, document: Any = None, **headers: str) -> Any:
        return self.send("POST", path, document, **headers)

    def put(self, path: str, document: Any = None) -> Any:
        return self.send("PUT", path, document)

    def delete(self, path: str, document: Any = None) -> Any:
        return self.send("DELETE", path, document)

    def save(self, name: str = "nightly", **changes: Any) -> Any:
        answer = self.post("/scheduler/schedules", save_request(name, **changes))
        assert answer.status_code == 200, answer.content
        return answer.json()


@pytest.fixture(autouse=True)
def still_clock(monkeypatch: pytest.MonkeyPatch, now: datetime) -> None:
    """The interface takes the test's instant for now."""
    monkeypatch.setattr(clock, "now", lambda: now)


@pytest.fixture
def calls(owner: Any) -> Caller:
    return Caller(owner)


@pytest.fixture
def stranger_calls(stranger: Any) -> Caller:
    return Caller(stranger)
