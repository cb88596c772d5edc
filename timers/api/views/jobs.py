"""Jobs: the older document of a timer that calls a URL."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.db import transaction
from rest_framework.request import Request
from rest_framework.response import Response

from timers import clock, validation
from timers.api import examples
from timers.api.base import ApiView, body, repeatable
from timers.api.schema import described
from timers.api.serializers.timers import JobRequest, TimerAnswer
from timers.api.views import timers as views
from timers.errors import Invalid
from timers.services.timers import commands as timers

OUR_NAMES = {
    "body.url": "callback_url",
    "body.json": "callback_body",
    "schedule.datetime": "start_time",
    "schedule.start": "start_time",
    "schedule.interval_seconds": "interval",
    "schedule.end.datetime": "stop_after.date",
    "schedule.end.n": "stop_after.n_runs",
}


class JobList(ApiView):
    @described(
        "create_job",
        "Create a timer from a job document",
        tag="timers",
        status=201,
        request=JobRequest,
        sends=examples.NEW_JOB,
        answer=TimerAnswer,
        example=examples.TIMER_ANSWER,
        description="A webhook timer that POSTs `callback_body` as JSON to `callback_url`: every `interval` seconds "
        "from `start_time` on, or once when there is no interval.",
    )
    @repeatable
    def post(self, request: Request) -> Response:
        job = JobRequest.read(body(request))
        validation.required(job, ["name", "callback_url"])
        try:
            with transaction.atomic():
                timer = timers.create(
                    owner=request.user,
                    action="webhook",
                    name=job["name"],
                    schedule=_schedule(job),
                    body=_webhook(job),
                    by=request.user,
                    now=clock.now(),
                )
                made = views.answer(timer.pk)
        except Invalid as error:
            raise Invalid({OUR_NAMES.get(name, name): texts for name, texts in error.fields.items()}) from error
        return Response(made, status=201)


def _webhook(job: Mapping[str, Any]) -> dict[str, Any]:
    webhook = {"url": job["callback_url"], "method": "POST"}
    return webhook if job.get("callback_body") is None else {**webhook, "json": job["callback_body"]}


def _schedule(job: Mapping[str, Any]) -> dict[str, Any]:
    start = _either(job, "start_time", "start")
    end = _end(job)
    if job.get("interval") is None:
        if end:
            raise Invalid({"stop_after": "Without an interval the job runs once; there is nothing to stop."})
        return {"type": "once", "datetime": start} if start is not None else {"type": "once"}
    schedule = {"type": "recurring", "interval_seconds": job["interval"]}
    return schedule | ({} if start is None else {"start": start}) | ({"end": end} if end else {})


def _either(job: Mapping[str, Any], name: str, other: str) -> Any:
    """Return what stands under one of two spellings of a field."""
    given = [job[spelling] for spelling in (name, other) if job.get(spelling) is not None]
    if len(given) > 1 and given[0] != given[1]:
        raise Invalid({other: f"This says something else than {name}; give one of them."})
    return given[0] if given else None


def _end(job: Mapping[str, Any]) -> dict[str, Any]:
    """Return our form of `stop_after`: an instant, {"date"?, "n_runs"?}, or nothing; and of `stop_after_n`."""
    stop = job.get("stop_after")
    if not isinstance(stop, Mapping):
        stop = {"date": stop}
    unknown = set(stop) - {"date", "n_runs"}
    if unknown:
        raise Invalid({f"stop_after.{name}": "Unknown field; known: date, n_runs." for name in sorted(unknown)})
    date = stop.get("date")
    runs = stop.get("n_runs") if stop.get("n_runs") is not None else job.get("stop_after_n")
    given = {"datetime": date, "n": runs}
    found = {name: value for name, value in given.items() if value is not None}
    return {"condition": "time" if date is not None else "iterations", **found} if found else {}
