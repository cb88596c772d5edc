"""Browsers that are logged in, and executions to look at."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.cache import cache
from django.test import Client

from tests.factories import make_collection
from timers import clock
from timers.lifecycle import ExecutionStatus
from timers.models import Collection, Execution, Process, Timer


@pytest.fixture(autouse=True)
def still_clock(monkeypatch: pytest.MonkeyPatch, now: datetime) -> None:
    """The pages take the test's instant for now."""
    monkeypatch.setattr(clock, "now", lambda: now)


@pytest.fixture(autouse=True)
def empty_cache() -> Iterator[None]:
    """No failed log-in of another test counts."""
    cache.clear()
    yield
    cache.clear()


class Browser(Client):
    """A client that reads a page as it is laid out: where the templates break a line beside a tag says nothing."""

    def request(self, **request: Any) -> Any:
        response = super().request(**request)
        if not response.streaming and "html" in response.get("Content-Type", ""):
            response.content = _without_line_breaks(response.content.decode()).encode()
        return response


_WITHIN_TEXT = r"(?:time|b|strong|code|a|span data-relative)\b"


def _without_line_breaks(html: str) -> str:
    """Return the markup with no line breaks beside tags, and with a space for each within a text."""
    kept = re.split(r"(<(pre|textarea)\b.*?</\2>)", html, flags=re.DOTALL)
    for number in range(0, len(kept), 3):
        around = re.sub(rf"(?<=[^\s>])\s*\n\s*(?=<(?:{_WITHIN_TEXT}|span\b))", " ", kept[number])
        around = re.sub(rf"(</{_WITHIN_TEXT}[^>]*>)\s*\n\s*(?=[^\s<]|<{_WITHIN_TEXT})", r"\1 ", around)
        beside_tags = re.sub(r"(?<=>)\s*\n\s*|\s*\n\s*(?=<)", "", around)
        kept[number] = re.sub(r"\s*\n\s*", " ", beside_tags)
    return "".join(part for number, part in enumerate(kept) if number % 3 < 2)


def _browser(user: Any) -> Client:
    client = Browser()
    client.force_login(user)
    return client


@pytest.fixture
def owners_browser(owner: Any) -> Client:
    """The owner's browser."""
    return _browser(owner)


@pytest.fixture
def strangers_browser(stranger: Any) -> Client:
    return _browser(stranger)


@pytest.fixture
def admins_browser(admin: Any) -> Client:
    return _browser(admin)


@pytest.fixture
def alive(db: None, now: datetime) -> None:
    """A dispatcher and a cluster gave a sign of life."""
    for role in ("dispatcher", "cluster"):
        Process.objects.create(role=role, name="here:1", started_at=now, seen_at=now)


@pytest.fixture
def places(owner: Any, tmp_path: Path, settings: Any) -> tuple[Collection, Collection]:
    """Two collections with a folder each; the first holds a file."""
    settings.TIMERS_LOCAL_ROOTS = (tmp_path,)
    made = []
    for name in ("raw", "archive"):
        (tmp_path / name / "home").mkdir(parents=True)
        made.append(make_collection(owner, tmp_path / name))
    (tmp_path / "raw" / "home" / "run-1.h5").write_bytes(b"data" * 500)
    return made[0], made[1]


def ran(timer: Timer, at: datetime, *, status: str = ExecutionStatus.COMPLETED, **fields: Any) -> Execution:
    """Return a stored execution of the timer that took two seconds."""
    unfinished = status in (ExecutionStatus.PENDING, ExecutionStatus.RUNNING, ExecutionStatus.RETRYING)
    return Execution.objects.create(
        **{
            "timer": timer,
            "definition": timer.definition,
            "scheduled_for": at,
            "run_at": at,
            "created_at": at,
            "started_at": at + timedelta(milliseconds=9),
            "finished_at": None if unfinished else at + timedelta(seconds=2),
            "status": status,
            "attempt": 1,
            **fields,
        }
    )


def fields_of_webhook(**changes: Any) -> dict[str, Any]:
    """Return what a browser sends for a good webhook timer."""
    return {
        "action": "webhook",
        "name": "Tell the hook",
        "url": "https://hooks.example.org/timers",
        "method": "POST",
        "content_kind": "json",
        "content": '{"hello": "there"}',
        "when": "recurring",
        "interval": "2",
        "unit": "3600",
        "timezone": "UTC",
        **changes,
    }
