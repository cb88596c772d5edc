"""Views of schedules and their tags: save, read, list, delete, pause, resume."""

from __future__ import annotations

from django.http import HttpResponse
from rest_framework.request import Request
from rest_framework.response import Response

from timers import clock
from timers.conductor import documents
from timers.conductor.base import ConductorView, empty_response, read_array, read_object
from timers.conductor.documents import read_schedule, read_tags, tags_by_key, write_schedule, write_tags
from timers.errors import Conflict, NotFound
from timers.http_api import queries
from timers.models import Timer
from timers.models.timers import TimerQuerySet
from timers.queries.timers.filters import select
from timers.services.timers import by_name
from timers.services.timers import commands as timers

MAX_SCHEDULES = 1_000
MAX_REASON_LENGTH = 10_000


def schedules_of(request: Request) -> TimerQuerySet:
    """Return the caller's schedules, with the related rows that their documents need."""
    schedules = by_name.timers_of(request.user).select_related("owner", "schedule", "definition__created_by")
    return schedules.prefetch_related("tag_rows")


def get_schedule(request: Request, name: str) -> Timer:
    """Return the caller's schedule of this name; raises NotFound."""
    return by_name.find(request.user, name)


class ScheduleList(ConductorView):
    def get(self, request: Request) -> Response:
        """List the caller's schedules, those of one workflow if it is named."""
        workflow = request.query_params.get("workflowName", "")
        schedules = select(schedules_of(request).order_by("name", "id"), workflow=workflow)
        now = clock.now()
        return Response([write_schedule(timer, now=now) for timer in schedules])

    def post(self, request: Request) -> Response:
        """Create a schedule, or replace the one of the same name."""
        now, schedule = clock.now(), read_schedule(read_object(request))
        by_name.save(
            owner=request.user,
            name=schedule.name,
            schedule=schedule.schedule,
            body=schedule.body,
            policies=schedule.policies,
            description=schedule.description,
            paused=schedule.paused,
            now=now,
        )
        return Response(write_schedule(get_schedule(request, schedule.name), now=now))


class ScheduleSearch(ConductorView):
    def get(self, request: Request) -> Response:
        """List a page of schedules, filtered by part of the name, workflow, and paused or not."""
        query, now = request.query_params, clock.now()
        text = query.get("freeText", "*")
        schedules = select(
            schedules_of(request).order_by("name", "id"),
            workflow=query.get("workflowName", ""),
            names=[query.get("scheduleName", ""), "" if text == "*" else text],
            statuses=["paused" if queries.flag(query, "paused") else "active"] if "paused" in query else [],
        )
        start = queries.whole(query, "start", default=0, maximum=10**9)
        size = queries.whole(query, "size", default=100, maximum=MAX_SCHEDULES)
        results = [write_schedule(timer, now=now) for timer in schedules[start : start + size]]
        return Response({"totalHits": schedules.count(), "results": results})


class ScheduleDetail(ConductorView):
    def get(self, request: Request, name: str) -> Response:
        return Response(write_schedule(get_schedule(request, name), now=clock.now()))

    def delete(self, request: Request, name: str) -> HttpResponse:
        """Delete a schedule. An unknown name is no error."""
        timer = schedules_of(request).filter(name=name).first()
        if timer is not None:
            timers.delete(timer, by=request.user, now=clock.now())
        return empty_response()


class ScheduleSearchOrDetail(ScheduleDetail):
    """The search; without a query, the schedule with the name `search` if there is one."""

    def get(self, request: Request, name: str) -> Response:
        if not request.query_params and schedules_of(request).filter(name=name).exists():
            return super().get(request, name)
        return ScheduleSearch().get(request)


def pause(request: Request, name: str, reason: str) -> None:
    """Pause a schedule. One that has ended is left as it is."""
    by_name.pause(get_schedule(request, name), reason=reason[:MAX_REASON_LENGTH], by=request.user, now=clock.now())


def resume(request: Request, name: str) -> None:
    """Resume a schedule. Missed occurrences are not made up for."""
    timer = get_schedule(request, name)
    if timer.status != "ended":
        timers.resume(timer, by=request.user, now=clock.now())


class SchedulePause(ConductorView):
    def put(self, request: Request, name: str) -> HttpResponse:
        pause(request, name, request.query_params.get("reason", ""))
        return empty_response()

    get = put


class ScheduleResume(ConductorView):
    def put(self, request: Request, name: str) -> HttpResponse:
        resume(request, name)
        return empty_response()

    get = put


class ScheduleBulkAction(ConductorView):
    """Pauses or resumes the schedules named in the array of the request's body."""

    resumes = False

    def put(self, request: Request) -> Response:
        failed, succeeded = {}, []
        for name in read_array(request):
            try:
                resume(request, str(name)) if self.resumes else pause(request, str(name), "")
                succeeded.append(name)
            except (NotFound, Conflict) as error:
                failed[str(name)] = error.message
        return Response({"bulkErrorResults": failed, "bulkSuccessfulResults": succeeded})


class ScheduleTags(ConductorView):
    def get(self, request: Request, name: str) -> Response:
        return Response(write_tags(get_schedule(request, name)))

    def put(self, request: Request, name: str) -> HttpResponse:
        """Replace all tags."""
        self._write(request, name, read_tags(read_array(request)))
        return empty_response()

    post = put

    def delete(self, request: Request, name: str) -> HttpResponse:
        """Remove the tags that have the same key and value."""
        removed = set(read_tags(read_array(request)))
        present = [(tag["key"], tag["value"]) for tag in documents.write_tags(get_schedule(request, name))]
        if removed & set(present):
            self._write(request, name, [pair for pair in present if pair not in removed])
        return empty_response()

    @staticmethod
    def _write(request: Request, name: str, pairs: list[tuple[str, str]]) -> None:
        timers.set_tags(get_schedule(request, name), tags=tags_by_key(pairs), by=request.user, now=clock.now())
