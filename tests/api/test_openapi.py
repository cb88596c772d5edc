"""The OpenAPI document, its page, and whether the server keeps to it."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from html.parser import HTMLParser
from typing import Any

import pytest
import schemathesis
from django.core.signals import request_finished, request_started
from django.db import close_old_connections
from django.test import Client
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode
from schemathesis.checks import CHECKS

from tests.api.conftest import BASE, Caller, record
from timers import clock
from timers.api import examples, openapi
from timers.api.openapi import IDEMPOTENCY_KEY
from timers.api.routes import ROUTES
from timers.api.serializers.executions import ExecutionSerializer
from timers.api.serializers.timers import NewTimer, TimerWithResultsSerializer
from timers.api.serializers.transfers import FileSerializer, TransferSerializer
from timers.models import Timer, Transfer
from timersite.wsgi import application

OPERATIONS = sorted((route, method) for route, method, _ in openapi.operations(openapi.document()))
KEPT = ["not_a_server_error", "status_code_conformance", "content_type_conformance", "response_schema_conformance"]
TRIMMED = "response_schema_conformance"
"""`fields` trims documents to what was asked for: that is what it is for."""
PROMISED = {
    "GET /timers",
    "POST /timers",
    "POST /timers/bulk",
    "GET /timers/{timer_id}",
    "PATCH /timers/{timer_id}",
    "DELETE /timers/{timer_id}",
    "POST /timers/{timer_id}/pause",
    "POST /timers/{timer_id}/resume",
    "POST /timers/{timer_id}/run",
    "GET /timers/{timer_id}/executions",
    "GET /timers/{timer_id}/next",
    "GET /timers/{timer_id}/tags",
    "PUT /timers/{timer_id}/tags",
    "POST /timers/{timer_id}/signing-secret",
    "GET /executions",
    "GET /executions/{execution_id}",
    "POST /executions/{execution_id}/cancel",
    "POST /executions/{execution_id}/rerun",
    "POST /jobs",
    "POST /schedules/preview",
    "GET /scheduling",
    "POST /scheduling/pause",
    "POST /scheduling/resume",
    "GET /collections",
    "POST /collections",
    "GET /collections/{collection_id}",
    "PATCH /collections/{collection_id}",
    "DELETE /collections/{collection_id}",
    "GET /collections/{collection_id}/ls",
    "POST /collections/{collection_id}/test",
    "GET /transfers",
    "POST /transfers",
    "GET /transfers/{transfer_id}",
    "GET /transfers/{transfer_id}/files",
    "GET /transfers/{transfer_id}/manifest",
    "GET /transfers/{transfer_id}/events",
    "POST /transfers/{transfer_id}/cancel",
    "POST /transfers/{transfer_id}/pause",
    "POST /transfers/{transfer_id}/resume",
    "POST /transfers/{transfer_id}/rerun",
    "GET /workflows",
    "POST /workflows",
    "GET /workflows/{name}",
    "DELETE /workflows/{name}",
    "GET /workflow-runs",
    "POST /workflow-runs",
    "GET /workflow-runs/{run_id}",
    "POST /workflow-runs/{run_id}/terminate",
}


def test_the_document_describes_every_path_once() -> None:
    described = {f"{method.upper()} {route.removeprefix(BASE)}" for route, method in OPERATIONS}

    assert described == PROMISED
    assert len({path for path, _ in ROUTES}) == len(ROUTES)


@pytest.mark.parametrize("path", ["/schema", "/schema/"])
def test_the_document_is_open_to_everybody(path: str) -> None:
    answer = Client().get(BASE + path)

    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.json()["openapi"].startswith("3.")
    assert "bearer" in answer.json()["components"]["securitySchemes"]


@pytest.mark.parametrize(("route", "method"), OPERATIONS)
def test_every_operation_has_examples_and_errors(route: str, method: str) -> None:
    operation = openapi.document()["paths"][route][method]

    status = next(status for status in operation["responses"] if status.startswith("2"))
    assert operation["responses"][status]["content"]["application/json"]["examples"]
    assert {"400", "401", "403", "404", "409", "429"} <= set(operation["responses"])
    if "requestBody" in operation:
        assert operation["requestBody"]["content"]["application/json"]["examples"]
    if method == "post":
        assert IDEMPOTENCY_KEY in operation["parameters"]


def test_examples_have_the_fields_of_the_documents() -> None:
    assert list(examples.TIMER_ANSWER["timer"]) == TimerWithResultsSerializer.names()
    assert list(examples.EXECUTION) == ExecutionSerializer.names()
    assert set(examples.NEW_TIMER["timer"]) <= set(NewTimer.names())
    assert list(examples.TRANSFER) == TransferSerializer.names()
    assert list(examples.FILE_PAGE["files"][0]) == FileSerializer.names()


class _Names(HTMLParser):
    """Collects what a page loads and which parts it names."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.loads: list[str] = []
        self.ids: set[str] = set()
        self.inline = 0
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        self.ids |= {found["id"] or ""} if "id" in found else set()
        self.loads += [found[name] or "" for name in ("src", "href") if name in found and tag in {"script", "link"}]
        self.inline += ("style" in found) + (tag == "style") + (tag == "script" and "src" not in found)


@pytest.mark.parametrize("path", ["/docs", "/docs/"])
def test_the_page_shows_every_operation_and_loads_nothing_foreign(path: str, db: None) -> None:
    answer = Client().get(BASE + path)

    page = _Names(answer.content.decode())
    assert answer.status_code == 200
    assert {openapi.document()["paths"][route][method]["operationId"] for route, method in OPERATIONS} <= page.ids
    assert page.loads
    assert all(url.startswith("/") and not url.startswith("//") for url in page.loads)
    assert page.inline == 0
    assert "unsafe-inline" not in answer.headers["Content-Security-Policy"]


@pytest.fixture
def known(timer: Timer, transfer: Transfer) -> dict[str, str]:
    """Ids of things that exist, so that more than 404 is seen."""
    execution = record(timer, clock.now())
    return {"timer_id": str(timer.pk), "execution_id": str(execution.pk), "transfer_id": str(transfer.pk)}


@pytest.fixture
def one_connection() -> Iterator[None]:
    """Keep the connection over requests, as Django's test client does: the test's transaction is on it."""
    for signal in (request_started, request_finished):
        signal.disconnect(close_old_connections)
    yield
    for signal in (request_started, request_finished):
        signal.connect(close_old_connections)


@lru_cache(maxsize=1)
def served() -> Any:
    """The document as the server hands it out."""
    return schemathesis.openapi.from_wsgi(f"{BASE}/schema/", application)


@pytest.mark.usefixtures("one_connection")
@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE], ids=lambda mode: mode.value)
@pytest.mark.parametrize("described", OPERATIONS, ids=" ".join)
def test_the_server_keeps_to_the_document(
    owner_calls: Caller, known: dict[str, str], described: tuple[str, str], mode: GenerationMode, database: str
) -> None:
    route, method = described
    headers = {"Authorization": f"Bearer {owner_calls.token}"}
    few = settings(
        max_examples=8 if database == "sqlite" else 2,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )

    @few
    @given(case=served()[route][method].as_strategy(generation_mode=mode), exists=st.booleans())
    def check(case: Any, exists: bool) -> None:
        if exists and case.path_parameters:
            case.path_parameters.update({name: known[name] for name in case.path_parameters if name in known})
        response = case.call(headers=headers)
        kept = [each for each in KEPT if each != TRIMMED or "fields" not in (case.query or {})]
        case.validate_response(response, checks=CHECKS.get_by_names(kept), headers=headers)

    check()
