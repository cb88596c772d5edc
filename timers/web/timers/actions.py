"""Views behind the buttons of one timer."""

from __future__ import annotations

import uuid
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from django.http import HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.views.decorators.http import require_POST

from timers import clock
from timers.errors import Invalid
from timers.models import Timer
from timers.queries.timers import listing as timer_queries
from timers.services.timers import commands as service
from timers.web import page
from timers.web.page import HtmxHttpRequest
from timers.web.timers.documents import read_instant

HOUR = timedelta(hours=1)
MAX_PAUSE = timedelta(days=3660)


@page.page
def delete(request: HtmxHttpRequest, timer_id: uuid.UUID) -> HttpResponse:
    """Ask before deleting, and delete."""
    now = clock.now()
    timer = _find(request, timer_id)
    if request.method != "POST":
        return page.render(request, "timers/delete.html", {"timer": timer, "current": "timers"}, now=now)
    done = page.attempt(
        request,
        lambda: service.delete(timer, by=request.user, now=now),
        f"{timer.name} was deleted. Its history stays.",
    )
    return HttpResponseRedirect(reverse("timers") if done else _address(timer))


@require_POST
@page.page
def pause(request: HtmxHttpRequest, timer_id: uuid.UUID) -> HttpResponse:
    """Pause a timer, for a reason and until an instant if so asked."""
    now = clock.now()
    timer = _find(request, timer_id)
    reason = request.POST.get("reason", "").strip()[:500]
    page.attempt(
        request,
        lambda: service.pause(timer, by=request.user, now=now, reason=reason, until=_pause_end(request, now=now)),
        f"{timer.name} is paused.",
    )
    return _after_button(request, timer, now=now)


@require_POST
@page.page
def resume(request: HtmxHttpRequest, timer_id: uuid.UUID) -> HttpResponse:
    """Let a paused timer run again, and make up for the last run missed if so asked."""
    now = clock.now()
    timer = _find(request, timer_id)
    run_missed = "run_missed" in request.POST
    page.attempt(
        request,
        lambda: service.resume(timer, by=request.user, now=now, run_missed=run_missed),
        f"{timer.name} is active again.",
    )
    return _after_button(request, timer, now=now)


@require_POST
@page.page
def run_now(request: HtmxHttpRequest, timer_id: uuid.UUID) -> HttpResponse:
    """Run a timer once, now, whatever its schedule says."""
    now = clock.now()
    timer = _find(request, timer_id)
    page.attempt(request, lambda: service.run_now(timer, by=request.user, now=now), f"{timer.name} runs now.")
    return _after_button(request, timer, now=now)


# Steps


def _find(request: HtmxHttpRequest, timer_id: uuid.UUID) -> Timer:
    return page.found(timer_queries.find_timer(request.user, timer_id))


def _address(timer: Timer) -> str:
    return reverse("timer", args=[timer.pk])


def _pause_end(request: HtmxHttpRequest, *, now: datetime) -> datetime | None:
    """Return until when a pause was asked for; None for one without an end. Raises Invalid for no instant."""
    choice = request.POST.get("until", "")
    if choice == "hour":
        return now + HOUR
    given = request.POST.get("until_at") if choice in ("", "at") else choice
    text = read_instant(given, ZoneInfo(page.zone_of(request)), "")
    if text is None:
        if choice:
            raise Invalid({"": "Give the date and the time until which it is paused."})
        return None
    end = datetime.fromisoformat(text)
    if end > now + MAX_PAUSE:
        raise Invalid({"": "A pause ends within ten years, or when somebody ends it."})
    return end


def _after_button(request: HtmxHttpRequest, timer: Timer, *, now: datetime) -> HttpResponse:
    """Go back to where the button was; to htmx send the row as it is now."""
    if not request.htmx:
        return page.back(request, _address(timer))
    row = timer_queries.timer_row(_find(request, timer.pk), now=now)
    context = {"row": row, "refresh": request.POST.get("next", "")}
    return page.render(request, "timers/_timer_row_changed.html", context, now=now)
