"""Views of workflow runs: start, read, terminate, search."""

from __future__ import annotations

import time
from typing import Any

from django.http import HttpResponse
from rest_framework.request import Request
from rest_framework.response import Response

from timers import clock
from timers.conductor.base import ConductorView, empty_response, read_object, text_response
from timers.conductor.long_poll_slots import long_poll_slot
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
MAX_WAIT_SECONDS, DEFAULT_WAIT_SECONDS = 30, 10
POLL_INTERVAL_SECONDS = 0.05


def _start(request: Request, document: dict[str, Any]) -> WorkflowRun:
    return service.start(owner=request.user, body=document, by=request.user, now=clock.now())


def _write(run: WorkflowRun, *, with_tasks: bool = True) -> dict[str, Any]:
    return write_run(run, run.steps.order_by("seq") if with_tasks else None)


class WorkflowNew(ConductorView):
    def post(self, request: Request) -> HttpResponse:
        """Start the workflow of a StartWorkflowRequest; the answer is the run's id as plain text."""
        document = {key: value for key, value in read_object(request).items() if value is not None}
        return text_response(_start(request, document).pk)


def _start_document(request: Request, name: str, version: str | None) -> dict[str, Any]:
    query = request.query_params
    document: dict[str, Any] = {"name": name, "input": read_object(request)}
    if version:
        document["version"] = read_version(int(version) if version.isdigit() else version, "version")
    if query.get("correlationId"):
        document["correlationId"] = query["correlationId"]
    if query.get("priority"):
        document["priority"] = queries.whole(query, "priority", default=0, maximum=99)
    return document


class WorkflowRunView(ConductorView):
    """A run by its id (GET, DELETE); a workflow to start by its name (POST)."""

    def get(self, request: Request, name: str) -> Response:
        run = service.get_for(request.user, name)
        return Response(_write(run, with_tasks=queries.flag(request.query_params, "includeTasks", default=True)))

    def post(self, request: Request, name: str) -> HttpResponse:
        return text_response(_start(request, _start_document(request, name, request.query_params.get("version"))).pk)

    def delete(self, request: Request, name: str) -> HttpResponse:
        """Terminate a run. One that has ended is left as it is."""
        run = service.get_for(request.user, name)
        reason = request.query_params.get("reason") or None
        try:
            service.terminate(run, by=request.user, reason=reason and reason[:MAX_REASON_LENGTH], now=clock.now())
        except Conflict:
            run.refresh_from_db()
            if run.status == WorkflowStatus.RUNNING:
                raise
        return empty_response()


class WorkflowRemoval(ConductorView):
    def delete(self, request: Request, name: str) -> HttpResponse:
        """Remove a run that has ended, with its tasks."""
        service.remove(service.get_for(request.user, name), by=request.user, now=clock.now())
        return empty_response()


class WorkflowState(ConductorView):
    def get(self, request: Request, name: str) -> Response:
        """Return the status of a run, with output and variables if they are requested."""
        run, query = service.get_for(request.user, name), request.query_params
        document = {
            "workflowId": str(run.pk),
            "correlationId": run.correlation_id,
            "status": run.status.upper(),
            "output": run.output if queries.flag(query, "includeOutput") else None,
            "variables": run.variables if queries.flag(query, "includeVariables") else None,
        }
        return Response(document)


class WorkflowExecution(ConductorView):
    def post(self, request: Request, name: str, version: str | None = None) -> Response:
        """Start a workflow and wait for its end, at most `waitForSeconds` seconds."""
        document = read_object(request)
        if "name" not in document and "workflowDef" not in document:
            document = _start_document(request, name, version)
        else:
            document = {"name": name, **{key: value for key, value in document.items() if value is not None}}
        run = _start(request, document)
        seconds = queries.whole(
            request.query_params, "waitForSeconds", default=DEFAULT_WAIT_SECONDS, maximum=MAX_WAIT_SECONDS
        )
        ends = time.monotonic() + seconds
        with long_poll_slot() as may_wait:
            while may_wait and run.status == WorkflowStatus.RUNNING and time.monotonic() < ends:
                time.sleep(POLL_INTERVAL_SECONDS)
                run.refresh_from_db()
        more = {"requestId": request.query_params.get("requestId"), "createdBy": run.owner.get_username()}
        return Response({**_write(run), **more})


class RunningWorkflowList(ConductorView):
    def get(self, request: Request, name: str) -> Response:
        """List the ids of the running runs of a workflow."""
        runs = WorkflowRun.objects.running().filter(owner=request.user, name=name)
        if (version := queries.whole(request.query_params, "version", default=0, maximum=2**31 - 1)) > 0:
            runs = runs.filter(version=version)
        return Response([str(pk) for pk in runs.order_by("-created_at").values_list("pk", flat=True)[:MAX_RUNS]])


class CorrelatedWorkflowList(ConductorView):
    def get(self, request: Request, name: str, correlation_id: str) -> Response:
        """List the runs of a workflow with this correlation id."""
        query = request.query_params
        runs = WorkflowRun.objects.filter(owner=request.user, name=name, correlation_id=correlation_id)
        if not queries.flag(query, "includeClosed"):
            runs = runs.running()
        with_tasks = queries.flag(query, "includeTasks")
        return Response([_write(run, with_tasks=with_tasks) for run in runs.order_by("-created_at")[:MAX_RUNS]])


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
        """Search runs, in the query language of the search of executions."""
        query = request.query_params
        clauses = parse(query.get("query", ""), known=FIELDS)
        page = run_queries.search(
            request.user,
            conditions=[_condition(clause.field, clause.operator, clause.values) for clause in clauses],
            text=query.get("freeText", "*"),
            order=sort(query.get("sort", ""), known=SORTS, default="created_at"),
            start=queries.whole(query, "start", default=0, maximum=10**9),
            size=queries.whole(query, "size", default=100, maximum=MAX_RUNS),
        )
        return Response({"totalHits": page.total, "results": [write_summary(clause) for clause in page.rows]})


def _condition(field: str, operator: str, values: tuple[str, ...]) -> run_queries.Condition:
    """Return a clause as a condition on columns; raises Invalid for an operator or value its field does not allow."""
    if field in TIMES:
        return TIMES[field], operator, [read_instant_ms(value) for value in values]
    if operator not in ("=", "IN"):
        raise Invalid({"query": f"{field} must be compared with = or IN, not with {operator}."})
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
