"""Workflows: registered, listed, read, taken out; their runs started, listed, read, terminated."""

from __future__ import annotations

from typing import Any

from drf_spectacular.types import OpenApiTypes
from rest_framework.request import Request
from rest_framework.response import Response

from timers import clock, validation
from timers.api import examples, filters, query_parameters
from timers.api.base import ApiView, body, find, repeatable
from timers.api.schema import FIELDS, LIMIT, MARKER, described, query
from timers.api.serializers.workflows import (
    NewWorkflowRequest,
    StartWorkflowRequest,
    TerminateRequest,
    WorkflowPage,
    WorkflowRunPage,
    WorkflowRunSerializer,
    WorkflowRunWithTasksSerializer,
    WorkflowSerializer,
)
from timers.models import WorkflowDefinition, WorkflowRun
from timers.models.workflows import WorkflowRunQuerySet
from timers.services.workflows import definitions as workflow_definitions
from timers.services.workflows import runs as workflow_runs

VERSION = query("version", "The newest where none is named.", type=OpenApiTypes.INT)


class WorkflowList(ApiView):
    @described(
        "list_workflows",
        "List workflows",
        tag="workflows",
        answer=WorkflowPage,
        example=examples.WORKFLOW_PAGE,
        parameters=[LIMIT, MARKER, query("q", "Part of the name, whatever the case.")],
        description="All versions, by name, newest version first.",
    )
    def get(self, request: Request) -> Response:
        params = request.query_params
        rows = WorkflowDefinition.objects.visible_to(request.user).select_related("owner")
        if text := query_parameters.text(params, "q"):
            rows = rows.filter(name__icontains=text)
        page = query_parameters.page(params, rows, filters.WORKFLOW_ORDER)
        return Response({"workflows": WorkflowSerializer(page.rows, many=True).data, "marker": page.next_marker})

    @described(
        "register_workflow",
        "Register a workflow",
        tag="workflows",
        status=201,
        request=NewWorkflowRequest,
        sends=examples.NEW_WORKFLOW,
        answer=WorkflowSerializer,
        example=examples.WORKFLOW,
        description="Tasks run one after the other. Types: SIMPLE, HTTP, SET_VARIABLE, WAIT, TERMINATE, TRANSFER, "
        "CODE; any other is refused. One that exists is replaced with `overwrite`, else 409.",
    )
    @repeatable
    def post(self, request: Request) -> Response:
        document = NewWorkflowRequest.read(body(request))
        row = workflow_definitions.register(
            owner=request.user,
            document=validation.required_mapping(document, "definition"),
            overwrite=validation.flag(document.get("overwrite"), "overwrite"),
            now=clock.now(),
            by=request.user,
        )
        return Response(WorkflowSerializer(row).data, status=201)


class WorkflowDetail(ApiView):
    @described(
        "get_workflow",
        "Read a workflow",
        tag="workflows",
        answer=WorkflowSerializer,
        example=examples.WORKFLOW,
        parameters=[VERSION],
    )
    def get(self, request: Request, name: str) -> Response:
        return Response(WorkflowSerializer(_found(request, name)).data)

    @described(
        "unregister_workflow",
        "Take out a workflow",
        tag="workflows",
        answer=WorkflowSerializer,
        example=examples.WORKFLOW,
        parameters=[VERSION],
        description="One version. Runs of it go on, as each keeps its own copy.",
    )
    def delete(self, request: Request, name: str) -> Response:
        row = _found(request, name)
        shown = WorkflowSerializer(row).data
        workflow_definitions.unregister(row, by=request.user, now=clock.now())
        return Response(shown)


def _found(request: Request, name: str) -> WorkflowDefinition:
    version = request.query_params.get("version")
    wanted = None if not version else query_parameters.whole(version, "version", most=2**31 - 1)
    return workflow_definitions.find(request.user, name, wanted)


def _rows(request: Request) -> WorkflowRunQuerySet:
    return WorkflowRun.objects.visible_to(request.user).select_related("owner")


def _answer(request: Request, run_id: Any) -> Any:
    return WorkflowRunWithTasksSerializer(find(_rows(request), str(run_id))).data


class WorkflowRunList(ApiView):
    @described(
        "list_workflow_runs",
        "List workflow runs",
        tag="workflows",
        answer=WorkflowRunPage,
        example=examples.WORKFLOW_RUN_PAGE,
        parameters=[
            LIMIT,
            MARKER,
            FIELDS,
            query("status", "A comma list of running, completed, failed, timed_out, terminated."),
            query("workflow", "The name of the workflow."),
            query("correlation_id", "What they were started with."),
            query("timer_id", "The timer that started them.", type=OpenApiTypes.UUID),
        ],
        description="Newest first.",
    )
    def get(self, request: Request) -> Response:
        params = request.query_params
        only = query_parameters.words(params, "fields", WorkflowRunSerializer.names()) or None
        page = query_parameters.page(params, filters.workflow_runs(_rows(request), params), filters.WORKFLOW_RUN_ORDER)
        shown = WorkflowRunSerializer(page.rows, many=True, only=only).data
        return Response({"workflow_runs": shown, "marker": page.next_marker})

    @described(
        "start_workflow",
        "Start a workflow",
        tag="workflows",
        status=201,
        request=StartWorkflowRequest,
        sends={"name": "order_processing", "input": {"region": "eu"}},
        answer=WorkflowRunWithTasksSerializer,
        example=examples.WORKFLOW_RUN_WITH_TASKS,
        description="Now, without a timer. There is no such workflow: 404.",
    )
    @repeatable
    def post(self, request: Request) -> Response:
        document = {key: value for key, value in body(request).items() if value is not None}
        run = workflow_runs.start(owner=request.user, body=document, by=request.user, now=clock.now())
        return Response(_answer(request, run.pk), status=201)


class WorkflowRunDetail(ApiView):
    @described(
        "get_workflow_run",
        "Read a workflow run",
        tag="workflows",
        answer=WorkflowRunWithTasksSerializer,
        example=examples.WORKFLOW_RUN_WITH_TASKS,
    )
    def get(self, request: Request, run_id: str) -> Response:
        return Response(_answer(request, run_id))


class WorkflowRunTerminate(ApiView):
    @described(
        "terminate_workflow_run",
        "Terminate a workflow run",
        tag="workflows",
        status=202,
        request=TerminateRequest,
        sends={"reason": "Wrong day"},
        answer=WorkflowRunWithTasksSerializer,
        example=examples.WORKFLOW_RUN_WITH_TASKS,
        description="Its unfinished tasks are cancelled. One that has ended: 409.",
    )
    @repeatable
    def post(self, request: Request, run_id: str) -> Response:
        run = find(_rows(request), run_id)
        reason = validation.text(TerminateRequest.read(body(request)).get("reason"), "reason") or None
        workflow_runs.terminate(run, by=request.user, reason=reason, now=clock.now())
        return Response(_answer(request, run.pk), status=202)
