"""How often each page asks the database when there are many rows of everything."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from tests.factories import make_webhook_timer
from tests.services.workflows.factories import carry_out, http, start
from tests.web.conftest import ran
from tests.web.transfers.factories import Places, make_dry_run, make_transfer
from timers.models import Attempt, Timer, Transfer, WorkflowDefinition, WorkflowRun
from timers.services.people import tokens
from timers.services.timers import commands as service

pytestmark = pytest.mark.django_db

PAGES: Mapping[str, int] = {
    "/": 25,
    "/?q=timer&status=active": 23,
    "/timers/{timer}/": 17,
    "/timers/{timer}/edit/": 13,
    "/timers/{timer}/delete/": 7,
    "/timers/{timer}/versions/": 9,
    "/timers/new/": 10,
    "/executions/{execution}/": 14,
    "/activity/": 11,
    "/activity/?hour=2026-01-01T13:00Z": 11,
    "/transfers/": 7,
    "/transfers/{transfer}/": 10,
    "/transfers/{dry_run}/": 18,
    "/collections/": 8,
    "/collections/{collection}/": 11,
    "/collections/new/": 6,
    "/workflows/": 9,
    "/workflows/{workflow}/": 11,
    "/workflow-runs/{run}/": 9,
    "/tokens/": 10,
    "/account/": 6,
    "/scheduling/": 8,
    "/find/?q=timer": 10,
}
"""Page -> queries; session, user, the reader's preference, processes and the oldest due timer are five of each."""


@pytest.fixture
def ids(owner: Any, places: Places, now: datetime) -> Mapping[str, Any]:
    """Nine of everything; the ids of one of each."""
    for number in range(9):
        timer = make_webhook_timer(owner, name=f"timer {number}", tags={"team": f"t{number}"})
        execution = ran(timer, now - timedelta(hours=number), status="failed")
        ran(timer, now - timedelta(days=number, minutes=1))
        Attempt.objects.create(
            execution_id=execution.pk, number=1, started_at=now, finished_at=now, outcome="failed", details={}
        )
        service.update(timer, changes={"name": f"timer no. {number}"}, by=owner, now=now)
        make_transfer(owner, places, now)
        start(owner, http(), now=now, name=f"flow {number}")
        tokens.create_token(owner=owner, name=f"token {number}", now=now)
        tokens.create_key(owner=owner, name=f"key {number}", now=now)
    carry_out(now)
    dry_run = make_dry_run(owner, places, now)
    return {
        "timer": Timer.objects.first(),
        "execution": execution,
        "transfer": Transfer.objects.exclude(pk=dry_run.pk).first(),
        "dry_run": dry_run,
        "collection": places[0],
        "workflow": WorkflowDefinition.objects.first(),
        "run": WorkflowRun.objects.first(),
    }


def test_every_page_asks_the_database_as_often_as_it_is_known_to(
    owners_browser: Client, ids: Mapping[str, Any]
) -> None:
    keys = {name: thing.pk for name, thing in ids.items()}
    asked = {}
    for page in PAGES:
        owners_browser.get(page.format(**keys))  # what is kept in memory for a while is there
        with CaptureQueriesContext(connection) as queries:
            assert owners_browser.get(page.format(**keys)).status_code == 200
        asked[page] = len(queries)

    assert {page: count for page, count in asked.items() if count != PAGES[page]} == {}
