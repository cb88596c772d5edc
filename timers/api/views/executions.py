"""Executions: what ran, what was skipped and why, what waits."""

from __future__ import annotations

from uuid import UUID

from rest_framework.request import Request
from rest_framework.response import Response

from timers import clock
from timers.api import examples, filters, query_parameters
from timers.api.base import ApiView, find, repeatable
from timers.api.schema import FIELDS, LIMIT, MARKER, described, query
from timers.api.serializers.executions import ExecutionPage, ExecutionSerializer
from timers.api.views import timers as views
from timers.models import Execution
from timers.models.executions import ExecutionQuerySet
from timers.queries.paging import HISTORY_ORDER, Order
from timers.services.executions import commands as executions

FILTERS = [
    LIMIT,
    MARKER,
    FIELDS,
    query("status", "A comma list of pending, running, retrying, completed, failed, cancelled, skipped."),
    query("trigger", "A comma list of schedule, manual, catch_up, rerun."),
    query("since", "Planned at or after this instant."),
    query("until", "Planned at or before this instant."),
]


def found(request: Request, execution_id: str) -> Execution:
    """Return the execution of that id that the caller may know of."""
    return find(Execution.objects.visible_to(request.user), execution_id)


def answer(execution_id: UUID) -> dict[str, object]:
    """Return the document of an execution as it is now."""
    return ExecutionSerializer(Execution.objects.get(pk=execution_id)).data


def _page(rows: ExecutionQuerySet, request: Request, order: Order) -> Response:
    params = request.query_params
    only = query_parameters.words(params, "fields", ExecutionSerializer.names()) or None
    page = query_parameters.page(params, filters.executions(rows, params), order)
    shown = ExecutionSerializer(page.rows, many=True, only=only).data
    return Response({"executions": shown, "marker": page.next_marker})


class ExecutionList(ApiView):
    @described(
        "list_executions",
        "List executions",
        tag="executions",
        answer=ExecutionPage,
        example=examples.EXECUTION_PAGE,
        parameters=[
            *FILTERS,
            query("timer_id", "Of this timer.", type={"type": "string", "format": "uuid"}),
            query("action", "A comma list of timer types."),
            query("tag", "key or key:value of the timer; repeated, all must be there.", many=True),
        ],
        description="Newest first, by planned instant; skipped occurrences included.",
    )
    def get(self, request: Request) -> Response:
        return _page(Execution.objects.visible_to(request.user), request, filters.EXECUTION_ORDER)


class TimerExecutions(ApiView):
    @described(
        "list_timer_executions",
        "List a timer's executions",
        tag="executions",
        answer=ExecutionPage,
        example=examples.EXECUTION_PAGE,
        parameters=FILTERS,
        description="Newest first, by planned instant; skipped occurrences included. Also after the timer was deleted.",
    )
    def get(self, request: Request, timer_id: str) -> Response:
        timer = views.timer_of(request, timer_id)
        return _page(Execution.objects.filter(timer=timer), request, HISTORY_ORDER)


class ExecutionDetail(ApiView):
    @described(
        "get_execution",
        "Read an execution",
        tag="executions",
        answer=ExecutionSerializer,
        example=examples.EXECUTION,
    )
    def get(self, request: Request, execution_id: str) -> Response:
        return Response(ExecutionSerializer(found(request, execution_id)).data)


class ExecutionCancel(ApiView):
    @described(
        "cancel_execution",
        "Cancel an execution",
        tag="executions",
        status=202,
        answer=ExecutionSerializer,
        example=examples.EXECUTION,
        description="What waits is cancelled at once; what runs is asked to stop. A finished one: 409.",
    )
    @repeatable
    def post(self, request: Request, execution_id: str) -> Response:
        execution = found(request, execution_id)
        executions.cancel(execution, by=request.user, now=clock.now())
        return Response(answer(execution.pk), status=202)


class ExecutionRerun(ApiView):
    @described(
        "rerun_execution",
        "Run an execution again",
        tag="executions",
        status=202,
        answer=ExecutionSerializer,
        example=examples.MANUAL_EXECUTION,
        description="A new execution of what the timer is told to do now, with the trigger `rerun`.",
    )
    @repeatable
    def post(self, request: Request, execution_id: str) -> Response:
        execution = executions.rerun(found(request, execution_id), by=request.user, now=clock.now())
        return Response(answer(execution.pk), status=202)
