"""Views of the whole scheduler: pause and resume all, previews, search of execution records, requeue."""

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

DONE_DOCUMENT = {"status": "done"}
DEFAULT_PREVIEWED, MAX_PREVIEWED = 5, 1_000
DEFAULT_RESULTS, MAX_RESULTS = 100, 1_000
MAX_SAMPLE_IDS = 10


class PauseAllSchedules(ConductorView):
    """Pauses all schedules of the caller. Each keeps its own state."""

    def get(self, request: Request) -> Response:
        reason = request.query_params.get("reason", "")
        pause_all.pause_all(owner=request.user, by=request.user, reason=reason, now=clock.now())
        return Response(DONE_DOCUMENT)

    put = post = get


class ResumeAllSchedules(ConductorView):
    """Resumes all schedules of the caller. Occurrences missed meanwhile are not made up for."""

    def get(self, request: Request) -> Response:
        pause_all.resume_all(owner=request.user, by=request.user, now=clock.now())
        return Response(DONE_DOCUMENT)

    put = post = get


class PauseAllOrScheduleDetail(schedules.ScheduleDetail):
    """Pauses all schedules by PUT and POST; GET and DELETE concern the schedule of this name."""

    def put(self, request: Request, name: str) -> Response:
        return PauseAllSchedules().get(request)

    post = put


class ResumeAllOrScheduleDetail(schedules.ScheduleDetail):
    """Resumes all schedules by PUT and POST; GET and DELETE concern the schedule of this name."""

    def put(self, request: Request, name: str) -> Response:
        return ResumeAllSchedules().get(request)

    post = put


class RequeueStuckExecutions(ConductorView):
    def get(self, request: Request) -> Response:
        """Requeue executions that were claimed and not started; return their number and some ids."""
        ids = commands.requeue_stuck(request.user, now=clock.now())
        return Response(
            {"recordIds.size": len(ids), "sampleIds": [str(execution_id) for execution_id in ids[:MAX_SAMPLE_IDS]]}
        )

    post = put = get


class NextSchedules(ConductorView):
    def get(self, request: Request) -> Response:
        """Return the next instants of a cron expression in milliseconds since 1970, in UTC unless a zone is named."""
        query, now = request.query_params, clock.now()
        rule = CronSchedule(
            expression=read_cron(query.get("cronExpression")),
            timezone=read_zone(query.get("zoneId")),
            dst_gap=DstGap.SKIP,
            dst_overlap=DstOverlap.BOTH,
        )
        start = read_ms(query.get("scheduleStartTime"), "scheduleStartTime")
        end = read_ms(query.get("scheduleEndTime"), "scheduleEndTime")
        limit = queries.whole(query, "limit", default=DEFAULT_PREVIEWED, maximum=MAX_PREVIEWED) or DEFAULT_PREVIEWED
        begin = now if start is None or start <= now else start - TICK
        slots = _occurrences_after(BoundedSchedule(rule, end=end), begin)
        return Response([ms(slot) for slot in islice(slots, limit)])


def _occurrences_after(schedule: BoundedSchedule, instant: datetime) -> Iterator[datetime]:
    while (following := schedule.next_after(instant)) is not None:
        yield (instant := following)


class ExecutionSearch(ConductorView):
    def get(self, request: Request) -> Response:
        """Search the execution records of the caller's schedules."""
        query = request.query_params
        clauses = parse(query.get("query", ""), known=FIELDS)
        for clause in clauses:
            _check(clause.field, clause.operator, clause.values)
        page = schedule_records.search(
            request.user,
            clauses=[(clause.field, clause.operator, clause.values) for clause in clauses],
            text=query.get("freeText", "*"),
            order=sort(query.get("sort", ""), known=SORTS, default="scheduled_for"),
            start=queries.whole(query, "start", default=0, maximum=10**9),
            size=queries.whole(query, "size", default=DEFAULT_RESULTS, maximum=MAX_RESULTS),
            now=clock.now(),
        )
        return Response({"totalHits": page.total, "results": [write_record(execution) for execution in page.rows]})


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
    """Raise Invalid for a clause whose field does not allow its operator or values."""
    if field in ("scheduledTime", "executionTime"):
        for value in values:
            if not (value.isascii() and value.isdigit() and len(value) <= 15):
                raise Invalid(
                    {"query": f"{field} must be compared with milliseconds since 1970, not with {value[:50]!r}."}
                )
        return
    if operator not in ("=", "IN"):
        raise Invalid({"query": f"{field} must be compared with = or IN, not with {operator}."})
    unknown = [value for value in values if value.upper() not in (*STATES, "COMPLETED")]
    if field == "state" and unknown:
        raise Invalid({"query": f"There is no state {unknown[0][:50]!r}; known: {', '.join(STATES)}."})
