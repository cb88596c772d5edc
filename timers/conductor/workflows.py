"""Runs of workflows: started, read, terminated, searched."""

from __future__ import annotations

import time
from typing import Any

from django.http import HttpResponse
from rest_framework.request import Request
from rest_framework.response import Response

from timers import clock
from timers.conductor.base import ConductorView, body, done, text
from timers.conductor.long_poll_slots import turn_to_wait
from timers.conductor.search_query import parse, sort
from timers.conductor.workflow_documents import read_instant_ms, write_run, write_summary
from timers.errors import Conflict, Invalid
from timers.http_api import queries
from timers.lifecycle import WorkflowStatus
from timers.models import WorkflowRun
from timers.queries.workflows import runs as run_queries
from timers.services.workflows import runs as service
from timers.workflow_rules.definitions import read_version

MAX_RUNS = 1_000
MAX_REASON_LENGTH = 1_000
LONGEST_WAIT, USUAL_WAIT = 30, 10
LOOK_EVERY = 0.05


def _start(request: Request, document: dict[str, Any]) -> WorkflowRun:
    return service.start(owner=request.user, body=document, by=request.user, now=clock.now())


def _write(run: WorkflowRun, *, with_tasks: bool = True) -> dict[str, Any]:
    return write_run(run, run.steps.order_by("seq") if with_tasks else None)


class WorkflowNew(ConductorView):
    def post(self, request: Request) -> HttpResponse:
        """Start what a StartWorkflowRequest names; the answer is the run's bare id."""
        document = {key: value for key, value in body(request).items() if value is not None}
        return text(_start(request, document).pk)


def _named(request: Request, name: str, version: str | None) -> dict[str, Any]:
    wanted = request.query_params
    document: dict[str, Any] = {"name": name, "input": body(request)}
    if version:
        document["version"] = read_version(int(version) if version.isdigit() else version, "version")
    if wanted.get("correlationId"):
        document["correlationId"] = wanted["correlationId"]
    if wanted.get("priority"):
        document["priority"] = queries.whole(wanted, "priority", default=0, maximum=99)
    return document


class WorkflowRunDetail(ConductorView):
    """A run by its id; a workflow to start by its name."""

    def get(self, request: Request, name: str) -> Response:
        run = service.get_for(request.user, name)
        return Response(_write(run, with_tasks=queries.flag(request.query_params, "includeTasks", default=True)))

    def post(self, request: Request, name: str) -> HttpResponse:
        return text(_start(request, _named(request, name, request.query_params.get("version"))).pk)

    def delete(self, request: Request, name: str) -> HttpResponse:
        """Terminate a run; one that has ended is left as it is."""
        run = service.get_for(request.user, name)
        reason = request.query_params.get("reason") or None
        try:
            service.terminate(run, by=request.user, reason=reason and reason[:MAX_REASON_LENGTH], now=clock.now())
        except Conflict:
            run.refresh_from_db()
            if run.status == WorkflowStatus.RUNNING:
                raise
        return done()


class WorkflowRemoval(ConductorView):
    def delete(self, request: Request, name: str) -> HttpResponse:
        """Remove a run that has ended, with its tasks."""
        service.remove(service.get_for(request.user, name), by=request.user, now=clock.now())
        return done()


class WorkflowState(ConductorView):
    def get(self, request: Request, name: str) -> Response:
        """Return how a run stands, with its output and variables where they are asked for."""
        run, wanted = service.get_for(request.user, name), request.query_params
        document = {
            "workflowId": str(run.pk),
            "correlationId": run.correlation_id,
            "status": run.status.upper(),
            "output": run.output if queries.flag(wanted, "includeOutput") else None,
            "variables": run.variables if queries.flag(wanted, "includeVariables") else None,
        }
        return Response(document)


class WorkflowExecution(ConductorView):
    def post(self, request: Request, name: str, version: str | None = None) -> Response:
        """Start a workflow and wait for its end, or for the seconds that were asked for."""
        document = body(request)
        if "name" not in document and "workflowDef" not in document:
            document = _named(request, name, version)
        else:
            document = {"name": name, **{key: value for key, value in document.items() if value is not None}}
        run = _start(request, document)
        seconds = queries.whole(request.query_params, "waitForSeconds", default=USUAL_WAIT, maximum=LONGEST_WAIT)
        ends = time.monotonic() + seconds
        with turn_to_wait() as may_wait:
            while may_wait and run.status == WorkflowStatus.RUNNING and time.monotonic() < ends:
                time.sleep(LOOK_EVERY)
                run.refresh_from_db()
        more = {"requestId": request.query_params.get("requestId"), "createdBy": run.owner.get_username()}
        return Response({**_write(run), **more})


class WorkflowsRunning(ConductorView):
    def get(self, request: Request, name: str) -> Response:
        """List the ids of the runs of a workflow that go on."""
        runs = WorkflowRun.objects.running().filter(owner=request.user, name=name)
        if (version := queries.whole(request.query_params, "version", default=0, maximum=2**31 - 1)) > 0:
            runs = runs.filter(version=version)
        return Response([str(pk) for pk in runs.order_by("-created_at").values_list("pk", flat=True)[:MAX_RUNS]])


class WorkflowsCorrelated(ConductorView):
    def get(self, request: Request, name: str, correlation_id: str) -> Response:
        """List the runs of a workflow that were started with one correlation id."""
        wanted = request.query_params
        runs = WorkflowRun.objects.filter(owner=request.user, name=name, correlation_id=correlation_id)
        if not queries.flag(wanted, "includeClosed"):
            runs = runs.running()
        with_tasks = queries.flag(wanted, "includeTasks")
        return Response([_write(each, with_tasks=with_tasks) for each in runs.order_by("-created_at")[:MAX_RUNS]])


FIELDS = {
    **{name: name for name in ("workflowId", "correlationId", "version", "status", "startTime", "endTime")},
    **dict.fromkeys(("workflowType", "workflowName"), "workflowType"),
    "updateTime": "updateTime",
}
SORTS = {
    "startTime": "created_at",
    "endTime": "finished_at",
    "updateTime": "updated_at",
    "workflowType": "name",
    "workflowName": "name",
    "status": "status",
}
TIMES = {"startTime": "created_at", "endTime": "finished_at", "updateTime": "updated_at"}


class WorkflowSearch(ConductorView):
    def get(self, request: Request) -> Response:
        """Search runs with the grammar of the executions' search."""
        wanted = request.query_params
        clauses = [
            _condition(each.field, each.operator, each.values) for each in parse(wanted.get("query", ""), known=FIELDS)
        ]
        page = run_queries.search(
            request.user,
            conditions=clauses,
            text=wanted.get("freeText", "*"),
            order=sort(wanted.get("sort", ""), known=SORTS, usual="created_at"),
            start=queries.whole(wanted, "start", default=0, maximum=10**9),
            size=queries.whole(wanted, "size", default=100, maximum=MAX_RUNS),
        )
        return Response({"totalHits": page.total, "results": [write_summary(each) for each in page.rows]})


def _condition(field: str, operator: str, values: tuple[str, ...]) -> run_queries.Condition:
    """Return a clause in our terms; raises Invalid for one that cannot be compared so."""
    if field in TIMES:
        return TIMES[field], operator, [read_instant_ms(value) for value in values]
    if operator not in ("=", "IN"):
        raise Invalid({"query": f"{field} is compared with = or IN, not with {operator}."})
    if field == "status":
        unknown = [value for value in values if value.lower() not in [*WorkflowStatus, "paused"]]
        if unknown:
            raise Invalid({"query": f"There is no status {unknown[0][:50]!r}."})
        return "status", "IN", [value.lower() for value in values]
    if field == "version":
        if not all(value.isascii() and value.isdigit() and len(value) < 10 for value in values):
            raise Invalid({"query": "A version is a whole number."})
        return "version", "IN", [int(value) for value in values]
    return {"workflowType": "name", "workflowId": "id", "correlationId": "correlation_id"}[field], "IN", list(values)
