"""Workflows: the list, one definition with its form to start it, registering one, and runs with their tasks."""

from __future__ import annotations

import json
import uuid
from typing import Any

from django.contrib import messages
from django.http import HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.views.decorators.http import require_POST

from timers import clock, storable
from timers.errors import Invalid, TimersError
from timers.lifecycle import WorkflowStatus
from timers.models import WorkflowDefinition, WorkflowRun
from timers.queries.workflows import listing as queries
from timers.queries.workflows import run_detail as runs
from timers.services.workflows import definitions as workflow_definitions
from timers.services.workflows import runs as workflow_runs
from timers.web import page
from timers.web.page import HtmxHttpRequest
from timers.web.workflows import inputs as workflow_inputs

STATUS_CHOICES = (
    ("", "All"),
    *((status.value, status.value.replace("_", " ").capitalize()) for status in WorkflowStatus),
)
EXAMPLE = {
    "name": "order_processing",
    "version": 1,
    "description": "Ask the shop, wait, then let a worker charge.",
    "inputParameters": ["region"],
    "tasks": [
        {
            "name": "ask_shop",
            "taskReferenceName": "ask",
            "type": "HTTP",
            "inputParameters": {
                "http_request": {
                    "uri": "https://shop.example.org/orders?region=${workflow.input.region}",
                    "method": "GET",
                }
            },
        },
        {"name": "pause", "taskReferenceName": "pause", "type": "WAIT", "inputParameters": {"duration": "30 seconds"}},
        {
            "name": "charge",
            "taskReferenceName": "charge",
            "type": "SIMPLE",
            "inputParameters": {"orders": "${ask.output.response.body}"},
        },
    ],
}


@page.page
def workflows_list(request: HtmxHttpRequest) -> HttpResponse:
    """Show the workflows, and the newest runs of all of them."""
    now, status = clock.now(), request.GET.get("status", "")
    context = {
        "workflows": queries.workflows_page(request.user, marker=request.GET.get("after")),
        "listed": runs.runs_page(request.user, now=now, status=status, marker=request.GET.get("marker")),
        "status": status,
        "statuses": STATUS_CHOICES,
        "current": "workflows",
        "refresh": request.get_full_path(),
    }
    return page.render(
        request, _part(request, "timers/_workflow_runs_live.html", "timers/workflows.html"), context, now=now
    )


def _part(request: HtmxHttpRequest, part: str, whole: str) -> str:
    return part if page.wants_part(request) else whole


@page.page
def definition(request: HtmxHttpRequest, definition_id: int) -> HttpResponse:
    """Show one version of a workflow, with the form to start it and its runs."""
    return _show(request, _find(request, definition_id))


def _show(request: HtmxHttpRequest, row: WorkflowDefinition, *, oops: str = "", status: int = 200) -> HttpResponse:
    now = clock.now()
    inputs = queries.inputs_of(row.document)
    listed = runs.runs_page(request.user, now=now, name=row.name, owner=row.owner, marker=request.GET.get("marker"))
    context = {
        "definition": row,
        "versions": queries.versions_of(row),
        "used_by": queries.timers_by_workflow([row.owner_id])[row.owner_id, row.name],
        "starters": queries.starters_of(row),
        "input_fields": _filled(request, inputs),
        "input_rest": request.POST.get(workflow_inputs.REST, workflow_inputs.rest(inputs)),
        "listed": listed,
        "oops": oops,
        "current": "workflows",
        "refresh": reverse("workflow", args=[row.pk]),
    }
    return page.render(request, "timers/workflow.html", context, now=now, status=status)


def _filled(request: HtmxHttpRequest, inputs: Any) -> list[workflow_inputs.InputField]:
    """Return the fields as they were sent, or as they are at first."""
    fields = workflow_inputs.fields(inputs)
    sent = request.POST
    return [workflow_inputs.InputField(field.name, sent.get(field.html_name, field.value)) for field in fields]


@require_POST
@page.page
def start(request: HtmxHttpRequest, definition_id: int) -> HttpResponse:
    """Start this version of a workflow with what was filled in, and show the run."""
    row = _find(request, definition_id)
    try:
        given = workflow_inputs.read(request.POST)
        storable.check(given)
        body = {"name": row.name, "version": row.version, "input": given}
        run = workflow_runs.start(owner=row.owner, body=body, by=request.user, now=clock.now())
    except TimersError as error:
        return _show(request, row, oops=_sentence(error), status=400)
    return HttpResponseRedirect(reverse("workflow-run", args=[run.pk]))


def _sentence(error: TimersError) -> str:
    return next(iter(error.fields.values()))[0] if isinstance(error, Invalid) else error.message


@page.page
def new(request: HtmxHttpRequest) -> HttpResponse:
    """Register a definition, given as JSON; one to begin with is shown first."""
    text = request.POST.get("definition", "")
    oops: list[str] = []
    if request.method == "POST":
        made = _register(request, text, oops)
        if made is not None:
            messages.success(request, f"{made} is registered.")
            return HttpResponseRedirect(reverse("workflow", args=[made.pk]))
    else:
        text = _to_begin_with(request)
    context = {"text": text, "oops": oops, "current": "workflows"}
    return page.render(request, "timers/workflow_form.html", context, now=clock.now(), status=400 if oops else 200)


def _to_begin_with(request: HtmxHttpRequest) -> str:
    """Return the definition that is to be changed, with its next version, or an example."""
    base = request.GET.get("from", "")
    row = queries.find(request.user, int(base)) if base.isascii() and base.isdigit() and len(base) < 18 else None
    document: dict[str, Any] = EXAMPLE
    if row is not None:
        document = {**row.document, "version": queries.versions_of(row)[0].version + 1}
    return json.dumps(document, indent=2, ensure_ascii=False)


def _register(request: HtmxHttpRequest, text: str, oops: list[str]) -> WorkflowDefinition | None:
    try:
        document = json.loads(text)
        storable.check(document)
        if not isinstance(document, dict):
            raise Invalid({"": "A definition is a JSON object."})
        return workflow_definitions.register(
            owner=request.user,
            document=document,
            overwrite=bool(request.POST.get("overwrite")),
            now=clock.now(),
            by=request.user,
        )
    except Invalid as error:
        oops += [f"{field}: {text}" if field else text for field, texts in error.fields.items() for text in texts]
    except TimersError as error:
        oops.append(error.message)
    except (ValueError, RecursionError) as error:
        oops.append(f"This is not JSON: {error}.")
    return None


@require_POST
@page.page
def unregister(request: HtmxHttpRequest, definition_id: int) -> HttpResponse:
    """Take out one version of a workflow; its runs stay."""
    row = _find(request, definition_id)
    workflow_definitions.unregister(row, by=request.user, now=clock.now())
    messages.success(request, f"{row.name} v{row.version} was unregistered; its runs stay.")
    return HttpResponseRedirect(reverse("workflows"))


# Runs


@page.page
def run(request: HtmxHttpRequest, run_id: uuid.UUID) -> HttpResponse:
    """Show one run with its tasks; to htmx only what changes."""
    now = clock.now()
    workflow_run: WorkflowRun = page.found(runs.find_run(request.user, run_id))
    shown = runs.run_detail(workflow_run, now=now)
    named = WorkflowDefinition.objects.filter(
        owner=workflow_run.owner, name=workflow_run.name, version=workflow_run.version
    ).first()
    context = {
        "run": workflow_run,
        "shown": shown,
        "definition": named,
        "current": "workflows",
        "refresh": request.get_full_path(),
    }
    return page.render(
        request, _part(request, "timers/_workflow_run_live.html", "timers/workflow_run.html"), context, now=now
    )


@require_POST
@page.page
def terminate(request: HtmxHttpRequest, run_id: uuid.UUID) -> HttpResponse:
    """End a run that goes on."""
    workflow_run = page.found(runs.find_run(request.user, run_id))
    now = clock.now()
    page.attempt(
        request,
        lambda: workflow_runs.terminate(workflow_run, by=request.user, now=now),
        "The workflow run was terminated.",
    )
    return page.back(request, reverse("workflow-run", args=[workflow_run.pk]))


@require_POST
@page.page
def rerun(request: HtmxHttpRequest, run_id: uuid.UUID) -> HttpResponse:
    """Start the same again with the same input, and show that run."""
    workflow_run = page.found(runs.find_run(request.user, run_id))
    try:
        again = workflow_runs.rerun(workflow_run, by=request.user, now=clock.now())
    except TimersError as error:
        messages.error(request, error.message)
        return page.back(request, reverse("workflow-run", args=[workflow_run.pk]))
    return HttpResponseRedirect(reverse("workflow-run", args=[again.pk]))


def _find(request: HtmxHttpRequest, definition_id: int) -> WorkflowDefinition:
    found: WorkflowDefinition = page.found(queries.find(request.user, definition_id))
    return found
