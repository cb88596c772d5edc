"""One execution: look at it, follow it, cancel it, run it again, take its log away."""

from __future__ import annotations

import uuid
from typing import Any

from django.contrib import messages
from django.http import HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.views.decorators.http import require_POST

from timers import clock
from timers.errors import TimersError
from timers.models import Attempt, Execution
from timers.queries.executions import detail as execution_detail
from timers.queries.executions import listing as queries
from timers.services.executions import commands as service
from timers.services.timers import commands as timer_service
from timers.web import page
from timers.web.page import HtmxHttpRequest

LEVELS = (("", "All"), ("warning", "Warnings"), ("error", "Errors"))


@page.page
def detail(request: HtmxHttpRequest, execution_id: uuid.UUID) -> HttpResponse:
    """Show one execution; to htmx what the clock changes, and the rest when it changed too."""
    now = clock.now()
    execution = _find(request, execution_id)
    shown = execution_detail.execution_overview(execution, now=now)
    part = page.wants_part(request)
    context = {
        "execution": execution,
        "timer": execution.timer,
        "shown": shown,
        "current": "activity",
        "refresh": _address_to_follow(request, shown.mark),
        "moved": not part or request.GET.get("seen") != shown.mark,
    }
    if part and request.htmx.target == "execution-workflow" and shown.workflow is not None:
        return page.render(request, "timers/_execution_workflow.html", context, now=now)
    if context["moved"]:
        attempt = _chosen(shown.attempts, request.GET.get("attempt", ""))
        context |= {
            "attempt": attempt,
            "levels": LEVELS,
            "level": request.GET.get("level", ""),
            "log": _log(attempt, request),
            "tags": [] if part else _tags(execution),
        }
    return page.render(request, "timers/_execution_live.html" if part else "timers/execution.html", context, now=now)


@page.page
def log(request: HtmxHttpRequest, execution_id: uuid.UUID) -> HttpResponse:
    """Answer with the log of an attempt as text."""
    execution = _find(request, execution_id)
    attempts = list(Attempt.objects.filter(execution_id=execution.pk).order_by("number"))
    found = _log(page.found(_chosen(attempts, request.GET.get("attempt", ""))), request)
    lines = [
        f"{line.at.isoformat() if line.at else '-'} {line.level} {line.text}\n" for line in page.found(found).lines
    ]
    answer = HttpResponse("".join(lines), content_type="text/plain; charset=utf-8")
    answer["Content-Disposition"] = f'attachment; filename="{execution.pk}.log"'
    return answer


@require_POST
@page.page
def cancel(request: HtmxHttpRequest, execution_id: uuid.UUID) -> HttpResponse:
    """Ask an unfinished execution to stop."""
    now = clock.now()
    execution = _find(request, execution_id)
    page.attempt(request, lambda: service.cancel(execution, by=request.user, now=now), "It is being cancelled.")
    return page.back(request, reverse("execution", args=[execution.pk]))


@require_POST
@page.page
def rerun(request: HtmxHttpRequest, execution_id: uuid.UUID) -> HttpResponse:
    """Run the same again, as a new execution, and show that one."""
    now = clock.now()
    execution = _find(request, execution_id)
    try:
        again = service.rerun(execution, by=request.user, now=now)
    except TimersError as error:
        messages.error(request, error.message)
        return page.back(request, reverse("execution", args=[execution.pk]))
    messages.success(request, "It runs again; this is the new run.")
    return HttpResponseRedirect(reverse("execution", args=[again.pk]))


# Steps


def _find(request: HtmxHttpRequest, execution_id: uuid.UUID) -> Execution:
    return page.found(queries.find_execution(request.user, execution_id))


def _chosen(attempts: list[Attempt], number: str) -> Attempt | None:
    """Return the attempt to look at closely: the one asked for, else the last."""
    return next((attempt for attempt in attempts if str(attempt.number) == number), attempts[-1] if attempts else None)


def _address_to_follow(request: HtmxHttpRequest, mark: str) -> str:
    """Return the address that a page asks again, with what it has seen."""
    query = request.GET.copy()
    query["seen"] = mark
    return f"{request.path}?{query.urlencode()}"


def _log(attempt: Attempt | None, request: HtmxHttpRequest) -> execution_detail.Log | None:
    least = execution_detail.RANKS.get(request.GET.get("level", "").upper(), 0)
    details: Any = attempt.details if attempt is not None else None
    return execution_detail.read_log(details, least=least, q=request.GET.get("q", "").strip()[:200])


def _tags(execution: Execution) -> list[tuple[str, str]]:
    tags = timer_service.tags_of(execution.timer)
    return [(key, tag) for key, value in tags.items() for tag in (value if isinstance(value, list) else [value])]
