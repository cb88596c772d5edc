"""Pausing and resuming everything at once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rest_framework.request import Request
from rest_framework.response import Response

from timers import clock, validation
from timers.api import examples
from timers.api.base import ApiView, body, repeatable
from timers.api.schema import described
from timers.api.serializers.scheduling import PauseAllRequest, ResumeAllRequest, SchedulingAnswer
from timers.queries.timers import pause_all as read
from timers.services.timers import pause_all


class SchedulingDetail(ApiView):
    @described(
        "get_scheduling",
        "Tell whether everything is paused",
        tag="timers",
        answer=SchedulingAnswer,
        example=examples.SCHEDULING,
    )
    def get(self, request: Request) -> Response:
        return _answer(request)


class PauseAll(ApiView):
    @described(
        "pause_all",
        "Pause all timers of the caller, or everybody's",
        tag="timers",
        request=PauseAllRequest,
        sends={"reason": "The network is being rebuilt."},
        answer=SchedulingAnswer,
        example=examples.SCHEDULING,
        description="Occurrences are skipped until it ends; what runs goes on, and so do runs by hand. No timer's own "
        "status changes. Repeated, nothing changes.",
    )
    @repeatable
    def post(self, request: Request) -> Response:
        document = PauseAllRequest.read(body(request))
        reason, owner = (validation.text(document.get("reason"), "reason") or ""), _whose(request, document)
        pause_all.pause_all(owner=owner, by=request.user, reason=reason, now=clock.now())
        return _answer(request)


class ResumeAll(ApiView):
    @described(
        "resume_all",
        "Resume all timers of the caller, or everybody's",
        tag="timers",
        request=ResumeAllRequest,
        sends={"everybody": True},
        answer=SchedulingAnswer,
        example={"paused": False, "own": None, "everybody": None},
        description="What came due meanwhile is not made up. A timer that is paused by itself stays paused.",
    )
    @repeatable
    def post(self, request: Request) -> Response:
        document = ResumeAllRequest.read(body(request))
        pause_all.resume_all(owner=_whose(request, document), by=request.user, now=clock.now())
        return _answer(request)


def _whose(request: Request, document: Mapping[str, Any]) -> Any | None:
    return None if validation.flag(document.get("everybody"), "everybody") else request.user


def _answer(request: Request) -> Response:
    return Response(SchedulingAnswer(read.pauses(request.user)).data)
