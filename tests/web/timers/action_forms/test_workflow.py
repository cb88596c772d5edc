"""Making a timer that starts a workflow: a field for each input that it names."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest
from django.test import Client

from tests.web.conftest import fields_of_webhook
from timers.models import Timer
from timers.services.workflows import definitions as workflow_definitions

pytestmark = pytest.mark.django_db

DOCUMENT = {
    "name": "invoice",
    "version": 2,
    "inputParameters": ["region", "limit"],
    "inputTemplate": {"limit": 10},
    "tasks": [{"name": "send", "taskReferenceName": "send", "type": "SIMPLE"}],
}


@pytest.fixture
def invoice(owner: Any, now: datetime) -> None:
    workflow_definitions.register(owner=owner, document=DOCUMENT, overwrite=True, now=now)


def _fields(**changes: Any) -> dict[str, Any]:
    return fields_of_webhook(action="workflow", name="Invoices", workflow="0:invoice", **changes)


@pytest.mark.usefixtures("invoice")
def test_the_inputs_of_the_chosen_workflow_are_asked_for(owners_browser: Client) -> None:
    part = owners_browser.get("/timers/new/inputs/", {"workflow": "0:invoice"}).content.decode()

    assert 'name="input-region"' in part
    assert 'name="input-limit" id="input-limit" value="10"' in part


@pytest.mark.usefixtures("invoice")
def test_a_timer_is_made_with_the_input_that_was_filled_in(owners_browser: Client) -> None:
    fields = _fields(**{"input-region": "eu", "input-limit": "5", "input": '{"more": true}'})

    answer = owners_browser.post("/timers/new/", fields)

    assert answer.status_code == 302
    timer = Timer.objects.get()
    assert timer.definition is not None
    assert timer.definition.body == {"name": "invoice", "input": {"more": True, "region": "eu", "limit": 5}}
    page = owners_browser.get(f"/timers/{timer.pk}/edit/").content.decode()
    assert 'name="input-region" id="input-region" value="eu"' in page


@pytest.mark.usefixtures("invoice")
def test_what_cannot_be_read_is_told_at_its_field(owners_browser: Client) -> None:
    answer = owners_browser.post("/timers/new/", _fields(input="[1]"))

    page = answer.content.decode()
    assert "Give a JSON object" in page
    assert 'id="input_error"' in page
    assert not Timer.objects.exists()


def test_without_workflows_the_choice_says_so(owners_browser: Client) -> None:
    page = owners_browser.get("/timers/new/").content.decode()

    assert "You have no workflows yet." in page
