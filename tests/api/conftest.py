"""Callers of the native REST API: each member of the cast with a token."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.test import Client

from tests.factories import make_collection, make_webhook_timer
from timers import clock
from timers.models import Execution, Transfer
from timers.services.people import tokens
from timers.services.transfers import commands as transfers

BASE = "/api/v1"


class Caller:
    """Calls paths below /api/v1 as somebody, and sends JSON."""

    def __init__(self, user: Any) -> None:
        self.user = user
        _, self.token = tokens.create_token(owner=user, name="tests", now=clock.now())
        self.client = Client(headers={"Authorization": f"Bearer {self.token}"})

    def get(self, path: str, /, **query: Any) -> Any:
        return self.client.get(BASE + path, query)

    def delete(self, path: str) -> Any:
        return self.client.delete(BASE + path)

    def post(self, path: str, document: Any = None, **headers: str) -> Any:
        return self.send("POST", path, document, **headers)

    def patch(self, path: str, document: Any) -> Any:
        return self.send("PATCH", path, document)

    def put(self, path: str, document: Any) -> Any:
        return self.send("PUT", path, document)

    def send(self, method: str, path: str, document: Any, **headers: str) -> Any:
        """Send a JSON document; None means no body and no content type at all."""
        if document is None:
            return self.client.generic(method, BASE + path, b"", content_type="", headers=headers)
        return self.raw(method, path, json.dumps(document).encode(), **headers)

    def raw(self, method: str, path: str, body: bytes, content_type: str = "application/json", **headers: str) -> Any:
        return self.client.generic(method, BASE + path, body, content_type=content_type, headers=headers)


@pytest.fixture
def owner_calls(owner: Any) -> Caller:
    return Caller(owner)


@pytest.fixture
def stranger_calls(stranger: Any) -> Caller:
    return Caller(stranger)


@pytest.fixture
def admin_calls(admin: Any) -> Caller:
    return Caller(admin)


@pytest.fixture
def timer(owner: Any) -> Any:
    """A webhook timer of the owner that runs every hour."""
    return make_webhook_timer(owner, now=clock.now())


@pytest.fixture
def wish(owner: Any, tmp_path: Path, settings: Any) -> dict[str, Any]:
    """A transfer between two collections of the owner."""
    settings.TIMERS_LOCAL_ROOTS = (tmp_path,)
    ids = []
    for name in ("here", "there"):
        (tmp_path / name).mkdir()
        ids.append(str(make_collection(owner, tmp_path / name).pk))
    item = {"source_path": "/data/", "destination_path": "/copy/", "recursive": True}
    return {"source_endpoint": ids[0], "destination_endpoint": ids[1], "label": "Copy", "DATA": [item]}


@pytest.fixture
def transfer(owner: Any, wish: dict[str, Any]) -> Transfer:
    """A transfer of the owner that waits."""
    return transfers.submit(owner=owner, body=wish, now=clock.now())


def record(timer: Any, scheduled_for: datetime, **fields: Any) -> Execution:
    """Store an execution of the timer that completed, unless `fields` say otherwise."""
    return Execution.objects.create(
        **{
            "timer": timer,
            "definition_id": timer.definition_id,
            "status": "completed",
            "scheduled_for": scheduled_for,
            "run_at": scheduled_for,
            "created_at": scheduled_for,
            "started_at": scheduled_for + timedelta(seconds=1),
            "finished_at": scheduled_for + timedelta(seconds=3),
            "attempt": 1,
            **fields,
        }
    )


def skip(timer: Any, scheduled_for: datetime, reason: str = "overlap", **fields: Any) -> Execution:
    """Store an occurrence of the timer that was left out."""
    left_out = {"status": "skipped", "skip_reason": reason, "started_at": None, "attempt": 0}
    return record(timer, scheduled_for, **left_out, **fields)
