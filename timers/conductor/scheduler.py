"""The scheduler as a whole: its switch, previews, the search of execution records, and their requeue."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from itertools import islice

from rest_framework.request import Request
from rest_framework.response import Response

from timers import clock
from timers.conductor import schedules
from timers.conductor.base import ConductorView
from timers.conductor.documents import ms, read_cron, read_ms, read_zone, write_record
from timers.conductor.search_query import parse, sort
from timers.errors import Invalid
from timers.http_api import queries
from timers.queries.workflows import schedule_records
from timers.scheduling.base import TICK
from timers.scheduling.bounds import BoundedSchedule
from timers.scheduling.clock_changes import DstGap, DstOverlap
from timers.scheduling.cron import CronSchedule
from timers.services.executions import commands
from timers.services.timers import pause_all

DONE = {"status": "done"}
PREVIEWED, MOST_PREVIEWED = 5, 1_000
FOUND, MOST_FOUND = 100, 1_000
SAMPLES = 10


class PauseAllSchedules(ConductorView):
    """Holds all of the caller's schedules, each keeping its own state."""

    def get(self, request: Request) -> Response:
        reason = request.query_params.get("reason", "")
        pause_all.pause_all(owner=request.user, by=request.user, reason=reason, now=clock.now())
        return Response(DONE)

    put = post = get


class ResumeAllSchedules(ConductorView):
    """Lets them go on; what came due meanwhile is not made up."""

    def get(self, request: Request) -> Response:
        pause_all.resume_all(owner=request.user, by=request.user, now=clock.now())
        return Response(DONE)

    put = post = get


class PauseAllOrOne(schedules.ScheduleOne):
    """Holds all by PUT and POST; by GET and DELETE the path is that of a schedule with this name."""

    def put(self, request: Request, name: str) -> Response:
        return PauseAllSchedules().get(request)

    post = put


class ResumeAllOrOne(schedules.ScheduleOne):
    """Lets all go on by PUT and POST; else as above."""

    def put(self, request: Request, name: str) -> Response:
        return ResumeAllSchedules().get(request)

    post = put


class Requeue(ConductorView):
    def get(self, request: Request) -> Response:
        """Wake again what was taken and not started; return how many those are."""
        ids = commands.requeue_stuck(request.user, now=clock.now())
        return Response({"recordIds.size": len(ids), "sampleIds": [str(each) for each in ids[:SAMPLES]]})

    post = put = get


class NextSchedules(ConductorView):
    def get(self, request: Request) -> Response:
        """Return the next slots of an expression, in UTC unless a zone is named, as epoch milliseconds."""
        wanted, now = request.query_params, clock.now()
        rule = CronSchedule(
            expression=read_cron(wanted.get("cronExpression")),
            timezone=read_zone(wanted.get("zoneId")),
            dst_gap=DstGap.SKIP,
            dst_overlap=DstOverlap.BOTH,
        )
        start = read_ms(wanted.get("scheduleStartTime"), "scheduleStartTime")
        end = read_ms(wanted.get("scheduleEndTime"), "scheduleEndTime")
        limit = queries.whole(wanted, "limit", default=PREVIEWED, maximum=MOST_PREVIEWED) or PREVIEWED
        begin = now if start is None or start <= now else start - TICK
        slots = _after(BoundedSchedule(rule, end=end), begin)
        return Response([ms(each) for each in islice(slots, limit)])


def _after(schedule: BoundedSchedule, instant: datetime) -> Iterator[datetime]:
    while (following := schedule.next_after(instant)) is not None:
        yield (instant := following)


class ExecutionSearch(ConductorView):
    def get(self, request: Request) -> Response:
        """Search the records of what the caller's schedules started."""
        wanted = request.query_params
        clauses = parse(wanted.get("query", ""), known=FIELDS)
        for clause in clauses:
            _check(clause.field, clause.operator, clause.values)
        page = schedule_records.search(
            request.user,
            clauses=[(clause.field, clause.operator, clause.values) for clause in clauses],
            text=wanted.get("freeText", "*"),
            order=sort(wanted.get("sort", ""), known=SORTS, usual="scheduled_for"),
            start=queries.whole(wanted, "start", default=0, maximum=10**9),
            size=queries.whole(wanted, "size", default=FOUND, maximum=MOST_FOUND),
            now=clock.now(),
        )
        return Response({"totalHits": page.total, "results": [write_record(each) for each in page.rows]})


FIELDS = {
    **{name: name for name in ("scheduleName", "state", "scheduledTime", "executionTime", "workflowName")},
    **{name: name for name in ("executionId", "workflowId")},
    "status": "state",
    "startTime": "executionTime",
}
STATES = ("POLLED", "EXECUTED", "FAILED")
SORTS = {
    "scheduledTime": "scheduled_for",
    "executionTime": "started_at",
    "scheduleName": "timer__name",
    "workflowName": "definition__body__name",
    "state": "state",
}


def _check(field: str, operator: str, values: tuple[str, ...]) -> None:
    """Raise Invalid for a clause whose field cannot be compared so."""
    if field in ("scheduledTime", "executionTime"):
        for value in values:
            if not (value.isascii() and value.isdigit() and len(value) <= 15):
                raise Invalid({"query": f"{field} is compared with milliseconds since 1970, not with {value[:50]!r}."})
        return
    if operator not in ("=", "IN"):
        raise Invalid({"query": f"{field} is compared with = or IN, not with {operator}."})
    unknown = [value for value in values if field == "state" and value.upper() not in (*STATES, "COMPLETED")]
    if unknown:
        raise Invalid({"query": f"There is no state {unknown[0][:50]!r}; known: {', '.join(STATES)}."})
