"""What makes a timer run or rest: pause, resume, run now, its next instants; and what a schedule would do."""

from __future__ import annotations

from rest_framework.request import Request
from rest_framework.response import Response

from timers import clock
from timers.api import examples, query_parameters
from timers.api import serializers as shapes
from timers.api.base import BaseView, body, repeatable
from timers.api.documents import only, read_flag, read_object, read_optional_instant, read_text
from timers.api.schema import LIMIT, described
from timers.api.views import timers as views
from timers.scheduling.fields import read_whole, write_instant
from timers.services.timers import commands as timers
from timers.services.timers import schedules

DEFAULT_INSTANTS = 10


class TimerPause(BaseView):
    @described(
        "pause_timer",
        "Pause a timer",
        tag="timers",
        request=shapes.PauseRequest,
        sends={"reason": "The disk is being replaced.", "until": "2026-12-15T14:30:00+00:00"},
        answer=shapes.TimerAnswer,
        example=examples.PAUSED_TIMER,
        description="Nothing is started any more until it is resumed, or `until` comes. Repeated, nothing changes.",
    )
    @repeatable
    def post(self, request: Request, timer_id: str) -> Response:
        timer = views.found(request, timer_id)
        document = only(body(request), shapes.PauseRequest.names())
        reason, until = read_text(document, "reason"), read_optional_instant(document, "until")
        timers.pause(timer, by=request.user, now=clock.now(), reason=reason, until=until)
        return Response(views.answer(timer.pk))


class TimerResume(BaseView):
    @described(
        "resume_timer",
        "Resume a timer",
        tag="timers",
        request=shapes.ResumeRequest,
        sends={"run_missed": True},
        answer=shapes.TimerAnswer,
        example=examples.TIMER_ANSWER,
    )
    @repeatable
    def post(self, request: Request, timer_id: str) -> Response:
        timer = views.found(request, timer_id)
        run_missed = read_flag(only(body(request), shapes.ResumeRequest.names()), "run_missed")
        timers.resume(timer, by=request.user, now=clock.now(), run_missed=run_missed)
        return Response(views.answer(timer.pk))


class TimerRun(BaseView):
    @described(
        "run_timer",
        "Run a timer now",
        tag="timers",
        status=202,
        answer=shapes.ExecutionAnswer,
        example={"execution": examples.MANUAL_EXECUTION},
        description="Whatever the overlap policy says, also when the timer is paused or has ended.",
    )
    @repeatable
    def post(self, request: Request, timer_id: str) -> Response:
        timer = views.found(request, timer_id)
        execution = timers.run_now(timer, by=request.user, now=clock.now())
        return Response({"execution": shapes.ExecutionSerializer(execution).data}, status=202)


class TimerNext(BaseView):
    @described(
        "get_next_runs",
        "List the next planned instants",
        tag="timers",
        answer=shapes.NextAnswer,
        example={"next": examples.NEXT},
        parameters=[LIMIT],
        description="None when the timer is paused, has ended or was deleted. 10 unless `limit` says otherwise.",
    )
    def get(self, request: Request, timer_id: str) -> Response:
        timer = views.found(request, timer_id)
        limit = query_parameters.limit(request.query_params, usual=DEFAULT_INSTANTS)
        upcoming = schedules.next_runs(timer, limit=limit, now=clock.now())
        return Response({"next": [write_instant(instant) for instant in upcoming]})


class SchedulePreview(BaseView):
    @described(
        "preview_schedule",
        "Preview a schedule",
        tag="schedules",
        request=shapes.PreviewRequest,
        sends={"schedule": examples.CRON, "limit": 3},
        answer=shapes.PreviewAnswer,
        example={"next": examples.NEXT, "description": "At 09:00, every day, UTC", "warnings": []},
        description="What a schedule would do. One that never fires has no next instants and a warning.",
    )
    @repeatable
    def post(self, request: Request) -> Response:
        document = only(body(request), shapes.PreviewRequest.names())
        preview = schedules.preview(
            read_object(document, "schedule"),
            limit=_limit(document.get("limit")),
            after=read_optional_instant(document, "after"),
            now=clock.now(),
        )
        upcoming = [write_instant(instant) for instant in preview.next]
        return Response({"next": upcoming, "description": preview.description, "warnings": preview.warnings})


def _limit(value: object) -> int:
    return DEFAULT_INSTANTS if value is None else read_whole(value, "limit", least=1, most=query_parameters.MAX_ROWS)
