"""The pages of workflows and of their runs."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.test import Client

from tests.services.workflows.factories import carry_out, define, http, simple, start, wait
from timers.actions.base import Outcome
from timers.models import Execution, WorkflowDefinition, WorkflowRun
from timers.queries.workflows import listing as queries
from timers.services.timers import commands as timers
from timers.services.workflows import definitions as workflow_definitions

pytestmark = pytest.mark.django_db


def text(answer: Any) -> str:
    return str(answer.content.decode())


def test_an_empty_list_says_what_a_workflow_is(owners_browser: Client) -> None:
    assert "runs tasks in order" in text(owners_browser.get("/workflows/"))


def test_the_list_shows_definitions_and_runs_to_their_owner_alone(
    owners_browser: Client, strangers_browser: Client, owner: Any, now: datetime
) -> None:
    run = start(owner, http(), now=now, description="Calls somebody")
    schedule = {"type": "recurring", "interval_seconds": 60}
    timer = timers.create(owner=owner, action="workflow", name="t", schedule=schedule, body={"name": "flow"}, now=now)

    page = text(owners_browser.get("/workflows/"))
    own = text(owners_browser.get(f"/workflows/{WorkflowDefinition.objects.get().pk}/"))

    assert f"/timers/{timer.pk}/" in own.split('id="used-by"')[1]
    assert "Calls somebody" in page and "1 timer" in page and f"/workflow-runs/{run.pk}/" in page
    assert "No run is in this state" in text(owners_browser.get("/workflows/?status=failed"))
    assert str(run.pk) not in text(strangers_browser.get("/workflows/"))
    assert strangers_browser.get(f"/workflow-runs/{run.pk}/").status_code == 404
    assert strangers_browser.get(f"/workflows/{WorkflowDefinition.objects.get().pk}/").status_code == 404


def test_the_list_costs_the_same_for_any_number(
    owners_browser: Client, owner: Any, now: datetime, django_assert_max_num_queries: Any
) -> None:
    for number in range(5):
        start(owner, http(), now=now, name=f"flow {number}")

    with django_assert_max_num_queries(10):
        owners_browser.get("/workflows/")


def test_a_run_costs_the_same_for_any_number_of_tasks(
    owners_browser: Client, owner: Any, now: datetime, django_assert_max_num_queries: Any
) -> None:
    run = start(owner, http("call"), *(simple(f"ask{number}") for number in range(5)), now=now)
    carry_out(now)

    with django_assert_max_num_queries(9):
        owners_browser.get(f"/workflow-runs/{run.pk}/")


def test_a_run_shows_its_tasks_with_times_inputs_and_outputs(owners_browser: Client, owner: Any, now: datetime) -> None:
    run = start(owner, http("call"), simple("ask", x="${call.output.response.body.ok}"), wait("later"), now=now)
    carry_out(now)

    page = text(owners_browser.get(f"/workflow-runs/{run.pk}/"))

    assert 'role="img"' in page and "call completed, ask waiting" in page
    assert "waits for a worker that polls for ask" in page and "waits for ask" in page
    assert "https://example.org/" in page and "&quot;x&quot;: true" in page
    assert 'data-live="2"' in page
    part = text(owners_browser.get(f"/workflow-runs/{run.pk}/", headers={"HX-Request": "true"}))
    assert part.startswith('<div id="run"') and "<html" not in part


def test_a_failed_run_says_why(owners_browser: Client, owner: Any, now: datetime) -> None:
    run = start(owner, http("call"), now=now)
    carry_out(now + timedelta(seconds=5), Outcome.failed("example.org answered 404.", reason="http_status"))

    page = text(owners_browser.get(f"/workflow-runs/{run.pk}/"))

    assert "Task call: example.org answered 404." in page and "Terminate" not in page


def test_a_run_is_started_from_the_form_of_its_inputs(owners_browser: Client, owner: Any, now: datetime) -> None:
    definition = define(owner, simple(), now=now, inputParameters=["region", "count"], inputTemplate={"region": "eu"})
    page = text(owners_browser.get(f"/workflows/{definition.pk}/"))
    assert (
        '<label for="input-count">count</label>' in page and 'name="input-region" id="input-region" value="eu"' in page
    )

    given = {"input-region": "us", "input-count": "5", "input": '{"more": [true]}'}
    answer = owners_browser.post(f"/workflows/{definition.pk}/start/", given)

    run = WorkflowRun.objects.get()
    assert answer.headers["Location"] == f"/workflow-runs/{run.pk}/"
    assert run.input == {"region": "us", "count": 5, "more": [True]}


@pytest.mark.parametrize("given", ["{", "[1]", '{"a": "\\u0000"}'])
def test_input_that_cannot_be_read_is_told_at_its_field(
    owners_browser: Client, owner: Any, now: datetime, given: str
) -> None:
    definition = define(owner, simple(), now=now)

    answer = owners_browser.post(f"/workflows/{definition.pk}/start/", {"input": given})

    assert answer.status_code == 400
    assert 'role="alert"' in text(answer) and 'id="input_error"' in text(answer)
    assert not WorkflowRun.objects.exists()


def test_a_run_is_terminated_and_run_again(owners_browser: Client, owner: Any, now: datetime) -> None:
    run = start(owner, simple(), now=now, input={"x": 1})

    owners_browser.post(f"/workflow-runs/{run.pk}/terminate/")
    owners_browser.post(f"/workflow-runs/{run.pk}/terminate/")
    owners_browser.post(f"/workflow-runs/{run.pk}/rerun/")

    states = WorkflowRun.objects.values_list("status", "input")
    assert sorted(states) == [("running", {"x": 1}), ("terminated", {"x": 1})]


def test_a_definition_is_registered_as_json_and_taken_out(owners_browser: Client, owner: Any) -> None:
    begin = text(owners_browser.get("/workflows/new/"))
    assert "order_processing" in begin
    document = {"name": "flow", "tasks": [simple()]}

    made = owners_browser.post("/workflows/new/", {"definition": json.dumps(document)})
    again = owners_browser.post("/workflows/new/", {"definition": json.dumps(document)})
    bad = owners_browser.post(
        "/workflows/new/", {"definition": json.dumps({**document, "tasks": [{**simple(), "type": "SWITCH"}]})}
    )

    row = WorkflowDefinition.objects.get()
    assert made.headers["Location"] == f"/workflows/{row.pk}/"
    assert again.status_code == 400 and "already" in text(again)
    assert bad.status_code == 400 and "tasks.0.type" in text(bad)
    assert '"version": 2' in text(owners_browser.get(f"/workflows/new/?from={row.pk}")).replace("&quot;", '"')
    owners_browser.post(f"/workflows/{row.pk}/unregister/")
    assert not WorkflowDefinition.objects.exists()


def test_forms_are_offered_the_workflows_with_their_inputs(owner: Any, stranger: Any, now: datetime) -> None:
    define(owner, simple(), now=now, inputParameters=["x"])

    (choice,) = queries.choices(owner)

    assert (choice.name, choice.versions, [each.name for each in choice.inputs]) == ("flow", (1,), ["x"])
    assert queries.choices(stranger) == []


def test_an_execution_leads_to_the_run_that_it_started(owners_browser: Client, owner: Any, now: datetime) -> None:
    run = start(owner, simple(), now=now)
    schedule = {"type": "recurring", "interval_seconds": 60}
    timer = timers.create(owner=owner, action="workflow", name="t", schedule=schedule, body={"name": "flow"}, now=now)
    execution = timers.run_now(timer, by=owner, now=now)
    Execution.objects.filter(pk=execution.pk).update(workflow_id=run.pk)

    page = text(owners_browser.get(f"/executions/{execution.pk}/"))
    htmx = {"HX-Request": "true", "HX-Target": "execution-workflow"}
    part = text(owners_browser.get(f"/executions/{execution.pk}/", headers=htmx))

    assert f'href="/workflow-runs/{run.pk}/"' in page
    for shown in (page, part):
        assert "0 of 1 tasks finished" in shown and "waits for a worker that polls for" in shown
    assert part.startswith('<section class="card" id="execution-workflow" data-live="2"')


@pytest.mark.parametrize("model", ["workflowrun", "workflowdefinition", "taskdefinition"])
def test_the_admin_shows_them(admins_browser: Client, owner: Any, now: datetime, model: str) -> None:
    run = start(owner, simple(), now=now)
    task = workflow_definitions.define_task(owner=owner, document={"name": "ask"}, now=now)
    shown = {
        "workflowrun": run.pk,
        "workflowdefinition": WorkflowDefinition.objects.get().pk,
        "taskdefinition": task.pk,
    }

    assert admins_browser.get(f"/admin/timers/{model}/?q=a").status_code == 200
    assert admins_browser.get(f"/admin/timers/{model}/{shown[model]}/change/").status_code == 200
