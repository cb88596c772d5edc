"""Views for task workers: poll, report results, read tasks, write logs."""

from __future__ import annotations

import json
import time
from contextlib import suppress

from django.http import HttpRequest, HttpResponse, JsonResponse
from rest_framework.request import Request
from rest_framework.response import Response

from timers import clock, validation
from timers.conductor.base import ConductorView, empty_response, plain_view, read_object, text_response
from timers.conductor.long_poll_slots import long_poll_slot
from timers.conductor.workflow_documents import read_id, read_result, read_status, write_run, write_task
from timers.errors import Invalid
from timers.http_api import bodies, queries
from timers.http_api.front import JSON_TYPES
from timers.models import WorkflowStep
from timers.services.workflows import worker_tasks as service
from timers.services.workflows.worker_tasks import WorkerResult

MAX_WAIT_MS = 5_000
MAX_SHORT_POLL_MS = 100
"""Timeout in milliseconds of clients that poll ten times a second; a wait would cost more than it saves."""

POLL_INTERVAL_SECONDS = 0.05
MAX_NAMES = 100


def _batch_poll(request: HttpRequest, owner_id: int, name: str) -> HttpResponse:
    """Hand out up to `count` tasks. When there is none, wait up to `timeout` milliseconds for one."""
    count = queries.whole(request.GET, "count", default=1, maximum=service.MAX_BATCH)
    steps = _poll_until_timeout(request, owner_id, name, count)
    return JsonResponse([write_task(step, step.run) for step in steps], safe=False)


def _poll(request: HttpRequest, owner_id: int, name: str) -> HttpResponse:
    """Hand out one task, or answer with an empty 204."""
    steps = service.poll(owner_id, name, worker=request.GET.get("workerid", ""), now=clock.now())
    return JsonResponse(write_task(steps[0], steps[0].run)) if steps else HttpResponse(status=204)


batch_poll = plain_view(_batch_poll)
poll = plain_view(_poll)


def _poll_until_timeout(request: HttpRequest, owner_id: int, name: str, count: int) -> list[WorkflowStep]:
    worker = _clean_worker_id(request.GET.get("workerid", ""))
    steps = service.poll(owner_id, name, worker=worker, count=count, now=clock.now())
    milliseconds = queries.whole(request.GET, "timeout", default=0, maximum=MAX_WAIT_MS)
    if steps or not count or milliseconds <= MAX_SHORT_POLL_MS:
        return steps
    ends = time.monotonic() + milliseconds / 1000
    with long_poll_slot() as may_wait:
        while may_wait and not steps and (left := ends - time.monotonic()) > 0:
            time.sleep(min(POLL_INTERVAL_SECONDS, left))
            steps = service.poll(owner_id, name, worker=worker, count=count, now=clock.now())
    return steps


def _clean_worker_id(worker: str) -> str:
    return worker.replace("\0", "")[:255]


class TaskResults(ConductorView):
    def post(self, request: Request) -> HttpResponse:
        """Record a result; the answer is the task's id as plain text."""
        return text_response(service.report(request.user, read_result(read_object(request)), now=clock.now()).pk)


class TaskResultsAndNext(ConductorView):
    def post(self, request: Request) -> HttpResponse:
        """Record a result and hand out the next task of the same type, if there is one."""
        result, now = read_result(read_object(request)), clock.now()
        step = service.report(request.user, result, now=now)
        if step.type != "SIMPLE" or result.extend_lease:
            return empty_response()
        worker = _clean_worker_id(result.worker or step.worker or "")
        following = service.poll(request.user.pk, step.name, worker=worker, now=clock.now())
        return Response(write_task(following[0], following[0].run)) if following else empty_response()


class TaskDetail(ConductorView):
    def get(self, request: Request, task_id: str) -> Response:
        step = service.find(request.user, task_id)
        return Response(write_task(step, step.run))


class TaskByReference(ConductorView):
    """Records a result of the task with this workflow and reference name; the body is its output."""

    answers_run = False

    def post(self, request: Request, workflow_id: str, reference: str, status: str) -> HttpResponse:
        run_id = read_id(workflow_id, "workflow run")
        step = service.find_by_reference(request.user, run_id, reference)
        output = request.data if isinstance(request.data, dict) else {"result": request.data}
        worker = _clean_worker_id(request.query_params.get("workerid", "")) or None
        result = WorkerResult(
            run_id=run_id, step_id=step.pk, status=read_status(status.upper()), output=output, worker=worker
        )
        service.report(request.user, result, now=clock.now())
        if not self.answers_run:
            return text_response(step.pk)
        run = service.find(request.user, str(step.pk)).run
        return Response(write_run(run, run.steps.order_by("seq")))


class TaskLog(ConductorView):
    """The log lines that workers write for a task."""

    def get(self, request: Request, task_id: str) -> Response:
        lines = service.find(request.user, task_id).logs
        return Response([{**line, "taskId": task_id} for line in lines])

    def post(self, request: Request, task_id: str) -> HttpResponse:
        service.add_log(service.find(request.user, task_id), _log_line(request), now=clock.now())
        return empty_response()

    parser_classes = []
    content_types = JSON_TYPES | {"text/plain", ""}


def _log_line(request: Request) -> str:
    """Return the log line of a request: JSON text, JSON text without its quotes, or plain text.

    The client strips the quotes, and with them a quote that ends the text itself.
    """
    text = request._request.body.decode(errors="replace").replace("\0", "")
    for candidate in (text, f'"{text}"', f'"{text}""') if request.content_type == "application/json" else (text,):
        with suppress(Invalid):
            value = bodies.json_value(candidate.encode())
            return value if isinstance(value, str) else json.dumps(value)
    return text


class QueueSizes(ConductorView):
    def get(self, request: Request) -> Response:
        """Return the number of tasks that wait for a worker, for each named type."""
        names = request.query_params.getlist("taskType")
        if len(names) > MAX_NAMES:
            raise Invalid({"taskType": f"At most {MAX_NAMES} at once."})
        return Response(
            service.waiting_counts(request.user, [validation.path_name(name, "taskType") for name in names])
        )
