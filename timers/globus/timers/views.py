"""Views of timers and jobs."""

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
from timers.globus.timers.reading import TimerRequest
from timers.globus.timers.schedules import MIN_INTERVAL_SECONDS
from timers.globus.timers.writing import write_job, write_timer
from timers.lifecycle import TimerStatus
from timers.models import Execution, Timer
from timers.models.timers import TimerQuerySet
from timers.queries.timers import results
from timers.queries.timers.results import TimerRuns
from timers.services.executions import commands as executions
from timers.services.globus import flows, origins
from timers.services.people import consents
from timers.services.timers import commands as timers

DEFAULT_RESULTS = 10
MAX_RESULTS = 100


class TimersView(GlobusView):
    """A view of the Timers service."""

    shape = staticmethod(errors.of_timers)
    accepts_scope = staticmethod(lambda scope: scope == scopes.TIMERS)


def rows() -> TimerQuerySet:
    """Return timers with all rows and counts that their documents need.

    `begun_runs` counts started runs that have not ended. It is read in the same query as the count of ended runs,
    so that a run that ends meanwhile is counted exactly once.
    """
    begun_runs = Execution.objects.unfinished().filter(timer=OuterRef("pk"), started_at__isnull=False)
    counted = begun_runs.order_by().values("timer").annotate(number=Count("pk")).values("number")
    timers = Timer.objects.select_related("owner", "definition", "schedule", "origin")
    return timers.annotate(begun_runs=Coalesce(Subquery(counted), 0))


def get_timer(request: Request, timer_id: str) -> Timer:
    """Return the timer of this id that is visible to the caller; raises NotFound, also for a deleted one."""
    known = rows().visible_to(request.user).filter(listing.expressible()).exclude(status=TimerStatus.DELETED)
    key = validation.uuid(timer_id)
    timer = known.filter(pk=key).first() if key is not None else None
    if timer is None:
        raise NotFound(f"There is no timer {timer_id[:40]}.")
    return timer


class TimerCreation(TimersView):
    """POST /v2/timer"""

    def post(self, request: Request) -> Response:
        now = clock.now()
        try:
            requested = reading.read_timer(request.data.get("timer"), now=now)
            timer = create(requested, request, now=now)
        except Invalid as error:
            raise error.under("body.timer") from None
        return Response({"timer": write_timer(timer)}, status=201)


class JobCollection(TimersView):
    """GET and POST /jobs/"""

    def get(self, request: Request) -> Response:
        limit = number(request.query_params, "result_count", default=DEFAULT_RESULTS, minimum=0, maximum=MAX_RESULTS)
        shown = list(listing.filter_timers(rows().visible_to(request.user), request.query_params))
        runs = results.runs_of(shown, limit=limit)
        return Response({"jobs": [write_job(timer, runs[timer.pk]) for timer in shown]})

    def post(self, request: Request) -> Response:
        now = clock.now()
        try:
            requested = reading.read_job(request.data, now=now)
            timer = create(requested, request, now=now)
        except Invalid as error:
            raise error.under("body") from None
        return Response(write_job(timer, TimerRuns(), fresh=True), status=201)


class JobDetail(TimersView):
    """GET, PATCH and DELETE /jobs/{id}"""

    def get(self, request: Request, timer_id: str) -> Response:
        timer = get_timer(request, timer_id)
        limit = number(request.query_params, "page_size", default=DEFAULT_RESULTS, minimum=1, maximum=MAX_RESULTS)
        runs, marker = results.page(timer, limit=limit, marker=request.query_params.get("results_pt"))
        return Response(write_job(timer, runs, marker=marker))

    def patch(self, request: Request, timer_id: str) -> Response:
        timer, now = get_timer(request, timer_id), clock.now()
        try:
            changes = reading.read_changes(request.data, now=now)
            if changes:
                timers.update(timer, changes=changes, by=request.user, now=now, minimum_interval=MIN_INTERVAL_SECONDS)
        except Invalid as error:
            raise error.under("body") from None
        return Response(document(get_timer(request, timer_id)))

    def delete(self, request: Request, timer_id: str) -> Response:
        timer = get_timer(request, timer_id)
        timers.delete(timer, by=request.user, now=clock.now())
        return Response(document(rows().get(pk=timer.pk)))


class JobPause(TimersView):
    """POST /jobs/{id}/pause"""

    def post(self, request: Request, timer_id: str) -> Response:
        timer = timers.pause(get_timer(request, timer_id), by=request.user, now=clock.now())
        return Response({"message": f"Successfully paused job {timer.pk}."})


class JobResume(TimersView):
    """POST /jobs/{id}/resume"""

    def post(self, request: Request, timer_id: str) -> Response:
        timer = get_timer(request, timer_id)
        resume(timer, request, update=_update_credentials(request), now=clock.now())
        return Response({"message": f"Successfully resumed job {timer.pk}."})


def create(requested: TimerRequest, request: Request, *, now: datetime) -> Timer:
    """Create a timer and return it with its counts. Raises Invalid naming the fields of the document."""
    token = token_of(request)
    try:
        action, body = _action_and_body(requested, request)
        with transaction.atomic():
            timer = timers.create(
                owner=request.user,
                action=action,
                name=requested.name,
                schedule=requested.schedule,
                body=body,
                policies=reading.POLICIES,
                by=request.user,
                now=now,
                minimum_interval=MIN_INTERVAL_SECONDS,
            )
            origins.record(timer, document=requested.document, client_id=token.client_id if token is not None else None)
            return rows().get(pk=timer.pk)
    except Invalid as error:
        fields = {requested.spelled(name): texts for name, texts in error.fields.items()}
        raise Invalid(fields) from error


def _action_and_body(requested: TimerRequest, request: Request) -> tuple[str, dict[str, Any]]:
    """Return the action and body of the requested timer; raises Invalid naming flow_id."""
    if requested.flow_id is None:
        return requested.action, requested.body
    flow = flows.find(request.user, requested.flow_id)
    if flow is None:
        raise Invalid({"flow_id": f"There is no flow {requested.flow_id}."})
    return flow.action, flow.body(requested.body)


def resume(timer: Timer, request: Request, *, update: bool | None, now: datetime) -> None:
    """Resume a timer and run its last missed occurrence, or repeat the run that failed for lack of a consent."""
    lacks_consent = timer.status == TimerStatus.PAUSED and timer.status_reason == consents.MISSING
    token, planned = token_of(request), timer.schedule.next_planned_at
    with transaction.atomic():
        if lacks_consent if update is None else update:
            origins.set_client(timer, client_id=token.client_id if token is not None else None)
        last = results.newest(timer) if lacks_consent and (planned is None or planned > now) else None
        if last is not None and last.failure_reason == consents.ConsentRequired.code:
            executions.rerun(last, by=request.user, now=now)
        timers.resume(timer, by=request.user, now=now, run_missed=True)


def document(timer: Timer) -> dict[str, Any]:
    """Return the document of a timer, with its last runs."""
    runs, marker = results.page(timer, limit=DEFAULT_RESULTS, marker=None)
    return write_job(timer, runs, marker=marker)


def _update_credentials(request: Request) -> bool | None:
    """Return `update_credentials` of body or query; None means that the reason of the pause decides."""
    value = request.data.get("update_credentials", request.query_params.get("update_credentials"))
    if isinstance(value, str):
        value = {"true": True, "1": True, "false": False, "0": False, "": None}.get(value.lower(), value)
    return None if value is None else validation.flag(value, "body.update_credentials")
