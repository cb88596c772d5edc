"""The page about scheduling as a whole: whether its parts are alive, and pausing everything at once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.views.decorators.http import require_POST

from timers import clock
from timers.queries import page_context as read
from timers.queries.timers import pause_all as read_pauses
from timers.services.timers import pause_all
from timers.web import page


@page.page
def scheduling(request: HttpRequest) -> HttpResponse:
    """Show the parts that do the work, and what is paused."""
    context = {
        "pauses": read_pauses.pauses(request.user),
        "processes": read.processes(),
        "current": "scheduling",
    }
    return page.render(request, "timers/scheduling.html", context, now=clock.now())


@require_POST
@page.page
def pause(request: HttpRequest) -> HttpResponse:
    """Pause all timers of the reader, or everybody's."""
    reason = request.POST.get("reason", "")
    return _change(
        request,
        lambda owner: pause_all.pause_all(owner=owner, by=request.user, reason=reason, now=clock.now()),
        ("Your timers are paused.", "The timers of everybody are paused."),
    )


@require_POST
@page.page
def resume(request: HttpRequest) -> HttpResponse:
    """End the pause of all timers of the reader, or of everybody's."""
    return _change(
        request,
        lambda owner: pause_all.resume_all(owner=owner, by=request.user, now=clock.now()),
        (
            "Your timers resume with their next runs.",
            "The timers of everybody resume with their next runs.",
        ),
    )


def _change(request: HttpRequest, deed: Callable[[Any], Any], done: tuple[str, str]) -> HttpResponse:
    everybody = request.POST.get("everybody") == "yes"
    page.attempt(request, lambda: deed(None if everybody else request.user), done[everybody])
    return HttpResponseRedirect(reverse("scheduling"))
