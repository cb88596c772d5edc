"""One execution: look at it, cancel it, run it again."""

from __future__ import annotations

import uuid

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.views.decorators.http import require_POST

from timers import clock
from timers.errors import TimersError
from timers.lifecycle import UNFINISHED
from timers.models import Attempt, Execution
from timers.queries import executions as queries
from timers.services import executions as service
from timers.web import shell


@shell.page
def detail(request: HttpRequest, execution_id: uuid.UUID) -> HttpResponse:
    """Show one execution; to htmx only what changes."""
    now = clock.now()
    execution = _find(request, execution_id)
    shown = queries.execution_detail(execution, now=now)
    context = {
        "execution": execution,
        "timer": execution.timer,
        "shown": shown,
        "unfinished": execution.status in UNFINISHED,
        "attempt": _chosen(shown.attempts, request.GET.get("attempt", "")),
        "current": "activity",
        "refresh": request.get_full_path(),
    }
    part = request.htmx and not request.htmx.history_restore_request  # type: ignore[attr-defined]
    return shell.render(request, "timers/_execution_live.html" if part else "timers/execution.html", context, now=now)


@require_POST
@shell.page
def cancel(request: HttpRequest, execution_id: uuid.UUID) -> HttpResponse:
    """Ask an unfinished execution to stop."""
    now = clock.now()
    execution = _find(request, execution_id)
    shell.attempt(request, lambda: service.cancel(execution, by=request.user, now=now), "It is being cancelled.")
    return shell.back(request, reverse("execution", args=[execution.pk]))


@require_POST
@shell.page
def rerun(request: HttpRequest, execution_id: uuid.UUID) -> HttpResponse:
    """Run the same again, as a new execution, and show that one."""
    now = clock.now()
    execution = _find(request, execution_id)
    try:
        again = service.rerun(execution, by=request.user, now=now)
    except TimersError as error:
        messages.error(request, error.message)
        return shell.back(request, reverse("execution", args=[execution.pk]))
    messages.success(request, "It runs again; this is the new execution.")
    return HttpResponseRedirect(reverse("execution", args=[again.pk]))


def _find(request: HttpRequest, execution_id: uuid.UUID) -> Execution:
    return shell.found(queries.find_execution(request.user, execution_id))


def _chosen(attempts: list[Attempt], number: str) -> Attempt | None:
    """Return the attempt to look at closely: the one asked for, else the last."""
    return next((each for each in attempts if str(each.number) == number), attempts[-1] if attempts else None)
