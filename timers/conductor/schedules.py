"""Schedules: saved, read, listed, deleted, paused and resumed; their tags."""

from __future__ import annotations

from django.http import HttpResponse
from rest_framework.request import Request
from rest_framework.response import Response

from timers import clock
from timers.conductor import documents
from timers.conductor.base import ConductorView, body, done, listed
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


def rows(request: Request) -> TimerQuerySet:
    """Return the caller's schedules with what their documents need."""
    schedules = by_name.timers_of(request.user).select_related("owner", "schedule", "definition__created_by")
    return schedules.prefetch_related("tag_rows")


def found(request: Request, name: str) -> Timer:
    """Return the caller's schedule of that name; raises NotFound."""
    return by_name.find(request.user, name)


class Schedules(ConductorView):
    def get(self, request: Request) -> Response:
        """List schedules, of one workflow where it is named."""
        schedules = select(rows(request).order_by("name", "id"), workflow=request.query_params.get("workflowName", ""))
        now = clock.now()
        return Response([write_schedule(timer, now=now) for timer in schedules])

    def post(self, request: Request) -> Response:
        """Create a schedule, or replace the one of that name."""
        now, wish = clock.now(), read_schedule(body(request))
        by_name.save(
            owner=request.user,
            name=wish.name,
            schedule=wish.schedule,
            body=wish.body,
            policies=wish.policies,
            description=wish.description,
            paused=wish.paused,
            now=now,
        )
        return Response(write_schedule(found(request, wish.name), now=now))


class ScheduleSearch(ConductorView):
    def get(self, request: Request) -> Response:
        """List schedules in pages: by a part of the name, workflow and whether paused."""
        query, now = request.query_params, clock.now()
        text = query.get("freeText", "*")
        schedules = select(
            rows(request).order_by("name", "id"),
            workflow=query.get("workflowName", ""),
            names=[query.get("scheduleName", ""), "" if text == "*" else text],
            statuses=["paused" if queries.flag(query, "paused") else "active"] if "paused" in query else [],
        )
        start = queries.whole(query, "start", default=0, maximum=10**9)
        size = queries.whole(query, "size", default=100, maximum=MAX_SCHEDULES)
        results = [write_schedule(timer, now=now) for timer in schedules[start : start + size]]
        return Response({"totalHits": schedules.count(), "results": results})


class ScheduleOne(ConductorView):
    def get(self, request: Request, name: str) -> Response:
        return Response(write_schedule(found(request, name), now=clock.now()))

    def delete(self, request: Request, name: str) -> HttpResponse:
        """Delete a schedule; one that is not there is gone already."""
        timer = rows(request).filter(name=name).first()
        if timer is not None:
            timers.delete(timer, by=request.user, now=clock.now())
        return done()


class SearchOrOne(ScheduleOne):
    """The path of the search is also that of a schedule with its name, when nothing is searched for."""

    def get(self, request: Request, name: str) -> Response:
        if not request.query_params and rows(request).filter(name=name).exists():
            return super().get(request, name)
        return ScheduleSearch().get(request)


def pause(request: Request, name: str, reason: str) -> None:
    """Pause a schedule; one that is over has nothing to pause."""
    by_name.pause(found(request, name), reason=reason[:MAX_REASON_LENGTH], by=request.user, now=clock.now())


def resume(request: Request, name: str) -> None:
    """Resume a schedule; what it missed is not made up for."""
    timer = found(request, name)
    if timer.status != "ended":
        timers.resume(timer, by=request.user, now=clock.now())


class SchedulePause(ConductorView):
    def put(self, request: Request, name: str) -> HttpResponse:
        pause(request, name, request.query_params.get("reason", ""))
        return done()

    get = put


class ScheduleResume(ConductorView):
    def put(self, request: Request, name: str) -> HttpResponse:
        resume(request, name)
        return done()

    get = put


class SchedulesAtOnce(ConductorView):
    """Pauses or resumes the schedules whose names are sent as an array."""

    resumes = False

    def put(self, request: Request) -> Response:
        failed, succeeded = {}, []
        for name in listed(request):
            try:
                resume(request, str(name)) if self.resumes else pause(request, str(name), "")
                succeeded.append(name)
            except (NotFound, Conflict) as error:
                failed[str(name)] = error.message
        return Response({"bulkErrorResults": failed, "bulkSuccessfulResults": succeeded})


class ScheduleTags(ConductorView):
    def get(self, request: Request, name: str) -> Response:
        return Response(write_tags(found(request, name)))

    def put(self, request: Request, name: str) -> HttpResponse:
        """Replace all tags."""
        self._write(request, name, read_tags(listed(request)))
        return done()

    post = put

    def delete(self, request: Request, name: str) -> HttpResponse:
        """Remove the tags that are equal in key and value."""
        removed = set(read_tags(listed(request)))
        present = [(tag["key"], tag["value"]) for tag in documents.write_tags(found(request, name))]
        if removed & set(present):
            self._write(request, name, [pair for pair in present if pair not in removed])
        return done()

    @staticmethod
    def _write(request: Request, name: str, pairs: list[tuple[str, str]]) -> None:
        timers.set_tags(found(request, name), tags=tags_by_key(pairs), by=request.user, now=clock.now())
