"""Operations of a timer: pause, resume, run now, next instants; and previews of schedules."""

from __future__ import annotations

from rest_framework.request import Request
from rest_framework.response import Response

from timers import clock, formatting, validation
from timers.api import examples, query_parameters
from timers.api.base import ApiView, body, repeatable
from timers.api.schema import LIMIT, described
from timers.api.serializers.executions import ExecutionAnswer, ExecutionSerializer
from timers.api.serializers.schedules import NextAnswer, PreviewAnswer, PreviewRequest
from timers.api.serializers.timers import PauseRequest, ResumeRequest, TimerAnswer
from timers.api.views import timers as views
from timers.services.timers import commands as timers
from timers.services.timers import schedules

DEFAULT_INSTANTS = 10


class TimerPause(ApiView):
    @described(
        "pause_timer",
        "Pause a timer",
        tag="timers",
        request=PauseRequest,
        sends={"reason": "The disk is being replaced.", "until": "2026-12-15T14:30:00+00:00"},
        answer=TimerAnswer,
        example=examples.PAUSED_TIMER,
        description="Nothing is started any more until it is resumed, or `until` comes. Repeated, nothing changes.",
    )
    @repeatable
    def post(self, request: Request, timer_id: str) -> Response:
        timer = views.timer_of(request, timer_id)
        document = PauseRequest.read(body(request))
        reason, until = (
            (validation.text(document.get("reason"), "reason") or ""),
            validation.optional_instant(document.get("until"), "until"),
        )
        timers.pause(timer, by=request.user, now=clock.now(), reason=reason, until=until)
        return Response(views.answer(timer.pk))


class TimerResume(ApiView):
    @described(
        "resume_timer",
        "Resume a timer",
        tag="timers",
        request=ResumeRequest,
        sends={"run_missed": True},
        answer=TimerAnswer,
        example=examples.TIMER_ANSWER,
    )
    @repeatable
    def post(self, request: Request, timer_id: str) -> Response:
        timer = views.timer_of(request, timer_id)
        run_missed = validation.flag(ResumeRequest.read(body(request)).get("run_missed"), "run_missed")
        timers.resume(timer, by=request.user, now=clock.now(), run_missed=run_missed)
        return Response(views.answer(timer.pk))


class TimerRun(ApiView):
    @described(
        "run_timer",
        "Run a timer now",
        tag="timers",
        status=202,
        answer=ExecutionAnswer,
        example={"execution": examples.MANUAL_EXECUTION},
        description="Whatever the overlap policy says, also when the timer is paused or has ended.",
    )
    @repeatable
    def post(self, request: Request, timer_id: str) -> Response:
        timer = views.timer_of(request, timer_id)
        execution = timers.run_now(timer, by=request.user, now=clock.now())
        return Response({"execution": ExecutionSerializer(execution).data}, status=202)


class TimerNext(ApiView):
    @described(
        "get_next_runs",
        "List the next planned instants",
        tag="timers",
        answer=NextAnswer,
        example={"next": examples.NEXT},
        parameters=[LIMIT],
        description="None when the timer is paused, has ended or was deleted. 10 unless `limit` says otherwise.",
    )
    def get(self, request: Request, timer_id: str) -> Response:
        timer = views.timer_of(request, timer_id)
        limit = query_parameters.limit(request.query_params, usual=DEFAULT_INSTANTS)
        upcoming = schedules.next_runs(timer, limit=limit, now=clock.now())
        return Response({"next": [formatting.iso(instant) for instant in upcoming]})


class PreviewSchedule(ApiView):
    @described(
        "preview_schedule",
        "Preview a schedule",
        tag="schedules",
        request=PreviewRequest,
        sends={"schedule": examples.CRON, "limit": 3},
        answer=PreviewAnswer,
        example={"next": examples.NEXT, "description": "At 09:00, every day, UTC", "warnings": []},
        description="What a schedule would do. One that never fires has no next instants and a warning.",
    )
    @repeatable
    def post(self, request: Request) -> Response:
        document = PreviewRequest.read(body(request))
        preview = schedules.preview(
            validation.required_mapping(document, "schedule"),
            limit=_limit(document.get("limit")),
            after=validation.optional_instant(document.get("after"), "after"),
            now=clock.now(),
        )
        upcoming = [formatting.iso(instant) for instant in preview.next]
        return Response({"next": upcoming, "description": preview.description, "warnings": preview.warnings})


def _limit(value: object) -> int:
    return (
        DEFAULT_INSTANTS
        if value is None
        else validation.whole(value, "limit", minimum=1, maximum=query_parameters.MAX_ROWS)
    )
