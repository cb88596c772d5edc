"""The calendar of one person, for programs that know its secret address."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import reverse
from django.views.decorators.http import require_safe
from icalendar import Calendar, Event

from timers import clock, formatting
from timers.queries import page_context as read
from timers.queries.executions import upcoming
from timers.services.timers import calendar_feed

FRESH_FOR = timedelta(hours=1)
"""Refresh interval suggested to calendar programs."""


@require_safe
def calendar(request: HttpRequest, secret: str) -> HttpResponse:
    """Send the runs of the coming four weeks; a wrong secret is not found."""
    now = clock.now()
    owner = calendar_feed.owner_of(secret, now=now)
    if owner is None:
        raise Http404
    preference = read.preference(owner)
    zone = ZoneInfo((preference.timezone if preference else "") or "UTC")
    entries = upcoming.calendar_entries(owner, now=now, zone=zone)
    response = HttpResponse(_written(owner, entries, now), content_type="text/calendar; charset=utf-8")
    response["Content-Disposition"] = 'inline; filename="timers.ics"'
    response["Cache-Control"] = "private, max-age=60"
    return response


def _written(owner: Any, entries: list[upcoming.CalendarEntry], now: datetime) -> bytes:
    written = Calendar()
    written.add("prodid", "-//Timers//Runs to come//EN")
    written.add("version", "2.0")
    written.add("method", "PUBLISH")
    written.add("x-wr-calname", f"Timers of {owner.get_username()}")
    written.add("refresh-interval", FRESH_FOR, parameters={"value": "DURATION"})
    written.add("x-published-ttl", "PT1H")
    for entry in entries:
        written.add_component(_event(entry, now))
    return written.to_ical()


def _event(entry: upcoming.CalendarEntry, now: datetime) -> Event:
    """Return a run as an instant, or a day's many runs as a note on that day."""
    event = Event()
    event.add("uid", f"{entry.timer.pk}-{entry.on or clock.to_us(entry.at)}@timers")
    event.add("dtstamp", now)
    event.add("dtstart", entry.on or entry.at)
    event.add(
        "summary", entry.timer.name if entry.on is None else f"{entry.timer.name}: {formatting.number(entry.runs)} runs"
    )
    event.add("description", entry.schedule)
    event.add("url", settings.TIMERS_BASE_URL.rstrip("/") + reverse("timer", args=[entry.timer.pk]))
    event.add("transp", "TRANSPARENT")
    return event
