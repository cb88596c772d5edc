"""Everything that ran or was left out, as a page and as files, under the load to come; and the calendar's address."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from datetime import date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from django.conf import settings
from django.contrib import messages
from django.http import HttpResponse, HttpResponseRedirect, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.urls import reverse
from django.utils.dateparse import parse_date, parse_datetime
from django.views.decorators.http import require_GET, require_POST
from django_htmx.http import replace_url

from timers import clock
from timers.actions.base import ACTIONS
from timers.lifecycle import ExecutionStatus, Trigger
from timers.queries.executions import export as execution_export
from timers.queries.executions import listing as queries
from timers.queries.executions import load_forecast, upcoming
from timers.services.timers import calendar_feed
from timers.web import page
from timers.web.page import HtmxHttpRequest

RESULT_CHOICES = (
    ("", "All"),
    (ExecutionStatus.RUNNING, "Running"),
    (ExecutionStatus.FAILED, "Failed"),
    (ExecutionStatus.SKIPPED, "Skipped"),
    (ExecutionStatus.COMPLETED, "Completed"),
)
RESULTS = (*ExecutionStatus, "unfinished")
ROWS_AT_ONCE = 1000
MAX_YEAR = 9999
TIME_HINT = "Write a day and a time, such as 2026-11-18 14:30."
_EXPORTS: dict[str, tuple[Callable[[Iterable[Any]], Iterator[str]], str]] = {
    "csv": (execution_export.as_csv, "text/csv; charset=utf-8"),
    "json": (execution_export.as_json, "application/json"),
}


@dataclass(frozen=True)
class ActivityQuery:
    """Filters of an address: those that could be read, and errors by name for the others."""

    filters: queries.ExecutionFilters
    oops: dict[str, str] = field(default_factory=dict)


@page.page
def activity(request: HtmxHttpRequest) -> HttpResponse:
    """Show all executions, newest first, skipped ones included; to htmx only what changes."""
    return _page(request)


@require_GET
@page.page
def export(request: HtmxHttpRequest, kind: str) -> HttpResponse:
    """Send what the filters leave as a file, row by row."""
    now = clock.now()
    asked = _asked(request, ZoneInfo(page.zone_of(request)))
    if asked.oops:
        return HttpResponse("\n".join(asked.oops.values()), status=400, content_type="text/plain; charset=utf-8")
    write, content_type = _EXPORTS[kind]
    found = queries.executions_to_export(request.user, asked.filters)[: execution_export.MAX_ROWS + 1]
    response = StreamingHttpResponse(write(found.iterator(chunk_size=ROWS_AT_ONCE)), content_type=content_type)
    response["Content-Disposition"] = f'attachment; filename="executions-{now:%Y%m%d-%H%M%S}Z.{kind}"'
    response["Cache-Control"] = "private, no-store"
    return _as_answer(response)


def _as_answer(response: HttpResponseBase) -> HttpResponse:
    """Return the same answer; to type checkers a stream is another kind of it."""
    return response  # type: ignore[return-value]


@require_POST
@page.page
def make_calendar(request: HtmxHttpRequest) -> HttpResponse:
    """Make or renew the address of the calendar and show it, this once: it is in no message and no log of ours."""
    secret = calendar_feed.make(request.user, now=clock.now())
    return _page(request, address=settings.TIMERS_BASE_URL.rstrip("/") + reverse("calendar", args=[secret]))


@require_POST
@page.page
def revoke_calendar(request: HtmxHttpRequest) -> HttpResponse:
    """Take the address of the calendar back."""
    calendar_feed.revoke(request.user, now=clock.now())
    messages.success(request, "The address of the calendar is revoked.")
    return HttpResponseRedirect(reverse("activity") + "#calendar")


def _page(request: HtmxHttpRequest, *, address: str = "") -> HttpResponse:
    now = clock.now()
    zone = ZoneInfo(page.zone_of(request))
    asked = _asked(request, zone)
    query = page.given(request)
    here = page.address(request, "activity")
    found = queries.executions_page(request.user, now=now, filters=asked.filters, marker=request.GET.get("marker"))
    context = {
        "listed": found.page,
        "found": found,
        "filters": asked.filters,
        "oops": asked.oops,
        "query": query,
        "refresh": here,
        "results": _results(asked.filters.status),
        "exports": [(kind, f"activity-{kind}") for kind in _EXPORTS],
        "filtered_anew": request.htmx.trigger == "filters",
        "current": "activity",
    }
    if page.wants_part(request):
        response = page.render(request, "timers/_activity_live.html", context, now=now)
        return replace_url(response, here) if context["filtered_anew"] else response
    context |= _around_the_list(request, now=now, zone=zone) | {"address": address}
    return page.render(request, "timers/activity.html", context, now=now)


def _around_the_list(request: HtmxHttpRequest, *, now: datetime, zone: ZoneInfo) -> dict[str, Any]:
    """Return what the page shows beside the executions."""
    at = _hour(request, now)
    return {
        "triggers": list(Trigger),
        "actions": list(ACTIONS),
        "tags": queries.tag_keys(request.user),
        "load": load_forecast.week_load(request.user, now=now, zone=zone),
        "hour": None if at is None else load_forecast.hour_load(request.user, at=at, now=now),
        "next_runs": upcoming.next_runs(request.user),
        "next_of_each": upcoming.MAX_SHOWN_PER_TIMER,
        "feed": upcoming.calendar_feed(request.user),
    }


def _results(chosen: str) -> list[tuple[str, str]]:
    """Return the results to choose from, with the one that an address asks for beside the usual ones."""
    usual = [(str(value), words) for value, words in RESULT_CHOICES]
    known = {value for value, _ in usual}
    return usual if chosen in known else [*usual, (chosen, chosen.capitalize())]


def _hour(request: HtmxHttpRequest, now: datetime) -> datetime | None:
    """Return the hour to look into: one of the coming week, None for anything else."""
    at = _read(parse_datetime, request.GET.get("hour", ""))
    if at is None or at.tzinfo is None:
        return None
    return at if now - timedelta(hours=1) < at < now + timedelta(days=load_forecast.DAYS + 1) else None


# Filters in the address


def _asked(request: HtmxHttpRequest, zone: ZoneInfo) -> ActivityQuery:
    get = request.GET
    oops: dict[str, str] = {}
    filters = queries.ExecutionFilters(
        q=get.get("q", "").replace("\x00", "").strip()[:200],
        status=_one_of("status", "result", request, RESULTS, oops),
        trigger=_one_of("trigger", "trigger", request, Trigger, oops),
        action=_one_of("action", "action", request, list(ACTIONS), oops),
        tag=get.get("tag", "").replace("\x00", "").strip()[:511],
        since=_instant("from", request, zone, oops),
        until=_instant("until", request, zone, oops, end=True),
    )
    if filters.since and filters.until and filters.since >= filters.until:
        oops["until"] = "Until lies before From; From alone counts."
        filters = replace(filters, until=None)
    return ActivityQuery(filters, oops)


def _one_of(name: str, words: str, request: HtmxHttpRequest, known: Iterable[str], oops: dict[str, str]) -> str:
    value = request.GET.get(name, "").strip()
    if not value or value in list(known):
        return value
    oops[name] = f"There is no {words} “{value[:40]}”; all are shown."
    return ""


def _instant(
    name: str, request: HtmxHttpRequest, zone: ZoneInfo, oops: dict[str, str], *, end: bool = False
) -> datetime | None:
    """Return an instant, on the reader's clock unless it says otherwise; a day alone is meant whole."""
    text = request.GET.get(name, "").strip()
    if not text:
        return None
    found = _midnight(text, end=end) or _read(parse_datetime, text)
    try:
        if found is not None and 1970 < found.year < MAX_YEAR:
            return found.replace(tzinfo=found.tzinfo or zone).astimezone(clock.EPOCH.tzinfo)
    except OverflowError:
        pass
    oops[name] = f"{name.capitalize()} “{text[:40]}” is no time. {TIME_HINT}"
    return None


def _midnight(text: str, *, end: bool) -> datetime | None:
    day: date | None = _read(parse_date, text)
    try:
        return None if day is None else datetime.combine(day + timedelta(days=1 if end else 0), time())
    except OverflowError:
        return None


def _read(reader: Callable[[str], Any], text: str) -> Any:
    """Return what Django reads in a text, None also for days that no calendar has."""
    try:
        return reader(text)
    except ValueError:
        return None
