"""Timers and jobs."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models import Count, OuterRef, Subquery
from django.db.models.functions import Coalesce
from rest_framework.request import Request
from rest_framework.response import Response

from timers import clock, scopes, validation
from timers.errors import Invalid, NotFound
from timers.globus import errors
from timers.globus.base import GlobusView, number, token_of
from timers.globus.timers import listing, reading
from timers.globus.timers.reading import JobRequest
from timers.globus.timers.schedules import MIN_INTERVAL_SECONDS
from timers.globus.timers.writing import write_job, write_timer
from timers.lifecycle import TimerStatus
from timers.models import Execution, Timer
from timers.models.timers import TimerQuerySet
from timers.queries.timers import results
from timers.queries.timers.results import Runs
from timers.services.executions import commands as executions
from timers.services.globus import flows, origins
from timers.services.people import consents
from timers.services.timers import commands as timers

RESULTS_SHOWN = 10
MAX_RESULTS = 100


class TimersDoor(GlobusView):
    """A view of the Timers service."""

    shape = staticmethod(errors.of_timers)
    opens = staticmethod(lambda scope: scope == scopes.TIMERS)


def rows() -> TimerQuerySet:
    """Return timers with all that their documents need.

    `begun_runs` is read together with the count of those that ended: a run moves from the one to the other when it
    ends, and is counted once whenever that is.
    """
    begun = Execution.objects.unfinished().filter(timer=OuterRef("pk"), started_at__isnull=False)
    counted = begun.order_by().values("timer").annotate(number=Count("pk")).values("number")
    timers = Timer.objects.select_related("owner", "definition", "schedule", "origin")
    return timers.annotate(begun_runs=Coalesce(Subquery(counted), 0))


def timer_of(request: Request, timer_id: str) -> Timer:
    """Return the timer of that id that the caller may know of; a deleted one is gone."""
    known = rows().visible_to(request.user).filter(listing.expressible()).exclude(status=TimerStatus.DELETED)
    key = validation.uuid(timer_id)
    timer = known.filter(pk=key).first() if key is not None else None
    if timer is None:
        raise NotFound(f"There is no timer {timer_id[:40]}.")
    return timer


class TimerCreation(TimersDoor):
    """POST /v2/timer"""

    def post(self, request: Request) -> Response:
        now = clock.now()
        try:
            job = reading.read_timer(request.data.get("timer"), now=now)
            timer = create(job, request, now=now)
        except Invalid as error:
            raise error.under("body.timer") from None
        return Response({"timer": write_timer(timer)}, status=201)


class JobCollection(TimersDoor):
    """GET and POST /jobs/"""

    def get(self, request: Request) -> Response:
        limit = number(request.query_params, "result_count", default=RESULTS_SHOWN, minimum=0, maximum=MAX_RESULTS)
        shown = list(listing.select_timers(rows().visible_to(request.user), request.query_params))
        runs = results.runs_of(shown, limit=limit)
        return Response({"jobs": [write_job(timer, runs[timer.pk]) for timer in shown]})

    def post(self, request: Request) -> Response:
        now = clock.now()
        try:
            job = reading.read_job(request.data, now=now)
            timer = create(job, request, now=now)
        except Invalid as error:
            raise error.under("body") from None
        return Response(write_job(timer, Runs(), fresh=True), status=201)


class JobOne(TimersDoor):
    """GET, PATCH and DELETE /jobs/{id}"""

    def get(self, request: Request, timer_id: str) -> Response:
        timer = timer_of(request, timer_id)
        limit = number(request.query_params, "page_size", default=RESULTS_SHOWN, minimum=1, maximum=MAX_RESULTS)
        runs, marker = results.page(timer, limit=limit, marker=request.query_params.get("results_pt"))
        return Response(write_job(timer, runs, marker=marker))

    def patch(self, request: Request, timer_id: str) -> Response:
        timer, now = timer_of(request, timer_id), clock.now()
        try:
            changes = reading.read_changes(request.data, now=now)
            if changes:
                timers.update(timer, changes=changes, by=request.user, now=now, minimum_interval=MIN_INTERVAL_SECONDS)
        except Invalid as error:
            raise error.under("body") from None
        return Response(document(timer_of(request, timer_id)))

    def delete(self, request: Request, timer_id: str) -> Response:
        timer = timer_of(request, timer_id)
        timers.delete(timer, by=request.user, now=clock.now())
        return Response(document(rows().get(pk=timer.pk)))


class JobPause(TimersDoor):
    """POST /jobs/{id}/pause"""

    def post(self, request: Request, timer_id: str) -> Response:
        timer = timers.pause(timer_of(request, timer_id), by=request.user, now=clock.now())
        return Response({"message": f"Successfully paused job {timer.pk}."})


class JobResume(TimersDoor):
    """POST /jobs/{id}/resume"""

    def post(self, request: Request, timer_id: str) -> Response:
        timer = timer_of(request, timer_id)
        resume(timer, request, update=_update_credentials(request), now=clock.now())
        return Response({"message": f"Successfully resumed job {timer.pk}."})


def create(job: JobRequest, request: Request, *, now: datetime) -> Timer:
    """Return a new timer as it is before it runs for the first time. Raises Invalid with the names of the document."""
    token = token_of(request)
    try:
        action, body = _action_of(job, request)
        with transaction.atomic():
            timer = timers.create(
                owner=request.user,
                action=action,
                name=job.name,
                schedule=job.schedule,
                body=body,
                policies=reading.POLICIES,
                by=request.user,
                now=now,
                minimum_interval=MIN_INTERVAL_SECONDS,
            )
            origins.record(timer, document=job.document, client_id=token.client_id if token is not None else None)
            return rows().get(pk=timer.pk)
    except Invalid as error:
        fields = {job.spelled(name): texts for name, texts in error.fields.items()}
        raise Invalid(fields) from error


def _action_of(job: JobRequest, request: Request) -> tuple[str, dict[str, Any]]:
    """Return the action that a timer carries out and its body; raises Invalid naming flow_id."""
    if job.flow_id is None:
        return job.action, job.body
    flow = flows.find(request.user, job.flow_id)
    if flow is None:
        raise Invalid({"flow_id": f"There is no flow {job.flow_id}."})
    return flow.action, flow.body(job.body)


def resume(timer: Timer, request: Request, *, update: bool | None, now: datetime) -> None:
    """Let a timer go on and make up its last missed run, or the one that failed for want of a consent."""
    wanting = timer.status == TimerStatus.PAUSED and timer.status_reason == consents.MISSING
    token, planned = token_of(request), timer.schedule.next_planned_at
    with transaction.atomic():
        if wanting if update is None else update:
            origins.hand_over(timer, client_id=token.client_id if token is not None else None)
        last = results.newest(timer) if wanting and (planned is None or planned > now) else None
        if last is not None and last.failure_reason == consents.ConsentRequired.code:
            executions.rerun(last, by=request.user, now=now)
        timers.resume(timer, by=request.user, now=now, run_missed=True)


def document(timer: Timer) -> dict[str, Any]:
    """Return the document of a timer with its last runs."""
    runs, marker = results.page(timer, limit=RESULTS_SHOWN, marker=None)
    return write_job(timer, runs, marker=marker)


def _update_credentials(request: Request) -> bool | None:
    """Return what body or query say; None leaves it to the reason for which the timer stands still."""
    value = request.data.get("update_credentials", request.query_params.get("update_credentials"))
    if isinstance(value, str):
        value = {"true": True, "1": True, "false": False, "0": False, "": None}.get(value.lower(), value)
    return None if value is None else validation.flag(value, "body.update_credentials")
