"""The versions of one timer's definition: what they changed, and taking one up again."""

from __future__ import annotations

import uuid

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.views.decorators.http import require_POST

from timers import clock
from timers.lifecycle import TimerStatus
from timers.models import Timer
from timers.queries.timers import listing as timer_queries
from timers.queries.timers import versions as timer_versions
from timers.services.timers import versions as service
from timers.web import page

MAX_NUMBER = 2**31 - 1


@page.page
def versions(request: HttpRequest, timer_id: uuid.UUID) -> HttpResponse:
    """Show the versions of a timer, and two of them side by side."""
    now = clock.now()
    timer = _find(request, timer_id)
    present = timer.definition.number if timer.definition else 1
    after = _number(request, "to") or present
    before = _number(request, "from") or max(1, after - 1)
    compared = timer_versions.compare(timer, before=before, after=after) if before != after else None
    context = {
        "timer": timer,
        "versions": timer_versions.versions_of(timer, below=_number(request, "below")),
        "compared": compared,
        "present": present,
        "restorable": _restorable(timer, before, after, present) if compared else None,
        "before": before,
        "after": after,
        "current": "timers",
    }
    return page.render(request, "timers/versions.html", context, now=now)


@require_POST
@page.page
def restore(request: HttpRequest, timer_id: uuid.UUID, number: int) -> HttpResponse:
    """Take up an earlier version again."""
    now = clock.now()
    timer = _find(request, timer_id)
    done = page.attempt(
        request,
        lambda: service.restore(timer, number=number, by=request.user, now=now),
        f"Version {number} counts again, from now on.",
    )
    return HttpResponseRedirect(reverse("timer" if done else "timer-versions", args=[timer.pk]))


def _restorable(timer: Timer, before: int, after: int, present: int) -> int | None:
    """Return the earlier one of two versions when the other is the present one, unless nothing can be changed."""
    if timer.status == TimerStatus.DELETED or present not in (before, after):
        return None
    return before if after == present else after


def _find(request: HttpRequest, timer_id: uuid.UUID) -> Timer:
    return page.found(timer_queries.find_timer(request.user, timer_id))


def _number(request: HttpRequest, name: str) -> int | None:
    text = request.GET.get(name, "")
    return int(text) if text.isdecimal() and text.isascii() and 0 < int(text[:11]) <= MAX_NUMBER else None
