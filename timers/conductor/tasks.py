"""Tasks for real workers: polled for, reported on, read, logged."""

from __future__ import annotations

import json
import time
from contextlib import suppress

from django.http import HttpRequest, HttpResponse, JsonResponse
from rest_framework.request import Request
from rest_framework.response import Response

from timers import clock, validation
from timers.conductor.base import ConductorView, body, done, plain, text
from timers.conductor.long_poll_slots import turn_to_wait
from timers.conductor.workflow_documents import read_id, read_result, read_status, write_run, write_task
from timers.errors import Invalid
from timers.http_api import bodies, queries
from timers.models import WorkflowStep
from timers.services.workflows import worker_tasks as service
from timers.services.workflows.worker_tasks import WorkerResult

MAX_WAIT_MS = 5_000
SHORT_MS = 100
"""What clients say who come again ten times a second: holding them back would cost more than it saves."""

LOOK_EVERY = 0.05
MAX_NAMES = 100


def _batch_poll(request: HttpRequest, owner_id: int, name: str) -> HttpResponse:
    """Hand out up to `count` tasks; where there is none, wait up to `timeout` milliseconds for one."""
    count = queries.whole(request.GET, "count", default=1, maximum=service.MAX_BATCH)
    steps = _waited_for(request, owner_id, name, count)
    return JsonResponse([write_task(each, each.run) for each in steps], safe=False)


def _poll(request: HttpRequest, owner_id: int, name: str) -> HttpResponse:
    """Hand out one task, or answer an empty 204."""
    steps = service.poll(owner_id, name, worker=request.GET.get("workerid", ""), now=clock.now())
    return JsonResponse(write_task(steps[0], steps[0].run)) if steps else HttpResponse(status=204)


batch_poll = plain(_batch_poll)
poll = plain(_poll)


def _waited_for(request: HttpRequest, owner_id: int, name: str, count: int) -> list[WorkflowStep]:
    worker = _clean(request.GET.get("workerid", ""))
    steps = service.poll(owner_id, name, worker=worker, count=count, now=clock.now())
    milliseconds = queries.whole(request.GET, "timeout", default=0, maximum=MAX_WAIT_MS)
    if steps or not count or milliseconds <= SHORT_MS:
        return steps
    ends = time.monotonic() + milliseconds / 1000
    with turn_to_wait() as may_wait:
        while may_wait and not steps and (left := ends - time.monotonic()) > 0:
            time.sleep(min(LOOK_EVERY, left))
            steps = service.poll(owner_id, name, worker=worker, count=count, now=clock.now())
    return steps


def _clean(worker: str) -> str:
    return worker.replace("\0", "")[:255]


class TaskResults(ConductorView):
    def post(self, request: Request) -> HttpResponse:
        """Take in a result; the answer is the task's bare id."""
        return text(service.report(request.user, read_result(body(request)), now=clock.now()).pk)


class TaskResultsAndNext(ConductorView):
    def post(self, request: Request) -> HttpResponse:
        """Take in a result, and hand out the next task of that type if there is one."""
        result, now = read_result(body(request)), clock.now()
        step = service.report(request.user, result, now=now)
        if step.type != "SIMPLE" or result.extend_lease:
            return done()
        worker = _clean(result.worker or step.worker or "")
        following = service.poll(request.user.pk, step.name, worker=worker, now=clock.now())
        return Response(write_task(following[0], following[0].run)) if following else done()


class TaskDetail(ConductorView):
    def get(self, request: Request, task_id: str) -> Response:
        step = service.find(request.user, task_id)
        return Response(write_task(step, step.run))


class TaskByReference(ConductorView):
    """Reports on a task by its workflow and reference name; the body is its output."""

    answers_run = False

    def post(self, request: Request, workflow_id: str, reference: str, status: str) -> HttpResponse:
        run_id = read_id(workflow_id, "workflow run")
        step = service.find_by_reference(request.user, run_id, reference)
        output = request.data if isinstance(request.data, dict) else {"result": request.data}
        worker = _clean(request.query_params.get("workerid", "")) or None
        result = WorkerResult(
            run_id=run_id, step_id=step.pk, status=read_status(status.upper()), output=output, worker=worker
        )
        service.report(request.user, result, now=clock.now())
        if not self.answers_run:
            return text(step.pk)
        run = service.find(request.user, str(step.pk)).run
        return Response(write_run(run, run.steps.order_by("seq")))


class TaskLog(ConductorView):
    """The lines that workers write about a task."""

    def get(self, request: Request, task_id: str) -> Response:
        lines = service.find(request.user, task_id).logs
        return Response([{**line, "taskId": task_id} for line in lines])

    def post(self, request: Request, task_id: str) -> HttpResponse:
        service.add_log(service.find(request.user, task_id), _line(request), now=clock.now())
        return done()

    parser_classes = []


def _line(request: Request) -> str:
    """Return the text that was sent: as JSON, as JSON whose quotes were stripped, or bare.

    The client strips them, and with them one that ends the text itself.
    """
    text = request._request.body.decode(errors="replace").replace("\0", "")
    for written in (text, f'"{text}"', f'"{text}""') if request.content_type == "application/json" else (text,):
        with suppress(Invalid):
            value = bodies.json_value(written.encode())
            return value if isinstance(value, str) else json.dumps(value)
    return text


class QueueSizes(ConductorView):
    def get(self, request: Request) -> Response:
        """Return how many tasks wait for a worker, for each type that is named."""
        names = request.query_params.getlist("taskType")
        if len(names) > MAX_NAMES:
            raise Invalid({"taskType": f"At most {MAX_NAMES} at once."})
        return Response(
            service.waiting_counts(request.user, [validation.path_name(each, "taskType") for each in names])
        )
