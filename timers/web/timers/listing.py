"""The first page: figures, the day in lanes, and the list of timers."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from django.http import HttpResponse
from django_htmx.http import replace_url

from timers import clock
from timers.actions.base import ACTIONS
from timers.queries.timers import counts
from timers.queries.timers import listing as timer_queries
from timers.queries.timers import timeline as timelines
from timers.queries.timers.filters import STATUSES, TimerFilters
from timers.web import page
from timers.web.page import HtmxHttpRequest

STATUS_CHOICES = (("", "All"), ("active", "Active"), ("paused", "Paused"), ("failing", "Failing"), ("ended", "Ended"))


@page.page
def timers_list(request: HtmxHttpRequest) -> HttpResponse:
    """Show the timers with the figures and the lanes above them; to htmx only the part that asks."""
    now = clock.now()
    filters, marker, here = _filters(request), request.GET.get("marker"), page.address(request, "timers")
    context: dict[str, Any] = {"current": "timers", "refresh": here, "query": page.given(request), "filters": filters}
    part = (request.htmx.target or "list") if page.wants_part(request) else ""
    if part == "timeline" and not filters.any:
        return page.render(request, "timers/_timeline.html", context | _timeline(request, None, now=now), now=now)
    if part == "figures":
        context["figures"] = counts.timer_counts(request.user, now=now)
        return page.render(request, "timers/_figures_live.html", context, now=now)
    listed = timer_queries.timers_page(request.user, now=now, filters=filters, marker=marker)
    only = [row.timer.pk for row in listed.page.rows] if filters.any else None
    context |= {"listed": listed, "figures": listed.figures, "statuses": _statuses(filters.status)}
    if part == "timeline":
        return page.render(request, "timers/_timeline.html", context | _timeline(request, only, now=now), now=now)
    if part and request.htmx.trigger != "filters":
        return page.render(request, "timers/_timers_live.html", context, now=now)
    context |= _timeline(request, only, now=now)
    if part:
        return replace_url(page.render(request, "timers/_timers_found.html", context, now=now), here)
    return page.render(request, "timers/timers.html", context | {"actions": list(ACTIONS)}, now=now)


def _filters(request: HtmxHttpRequest) -> TimerFilters:
    get = request.GET
    return TimerFilters(
        q=get.get("q", "").replace("\x00", "").strip()[:200],
        status=_one_of(get.get("status"), STATUSES),
        action=get.get("action", "").replace("\x00", "").strip()[:40],
        tag=get.get("tag", "").replace("\x00", "").strip()[:511],
        order=_one_of(get.get("order"), timer_queries.ORDERS) or "attention",
    )


def _timeline(request: HtmxHttpRequest, only: list[UUID] | None, *, now: datetime) -> dict[str, Any]:
    """Return the lanes: of the timers that matter, or of the first that were found."""
    zoom = _one_of(request.GET.get("zoom"), timelines.ZOOMS) or timelines.DEFAULT_RANGE
    zone = ZoneInfo(page.zone_of(request))
    shown = timelines.timeline(request.user, zoom=zoom, zone=zone, now=now, only=only)
    return {"timeline": shown, "zooms": timelines.ZOOMS.values()}


def _statuses(chosen: str) -> list[tuple[str, str]]:
    """Return the states to choose from, with the one that a figure led to beside the usual ones."""
    known = {value for value, _ in STATUS_CHOICES}
    return [*STATUS_CHOICES, *([] if chosen in known else [(chosen, chosen.capitalize())])]


def _one_of(value: str | None, known: Iterable[str]) -> str:
    return value if value is not None and value in known else ""
