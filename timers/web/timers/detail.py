"""The page of one timer: how it ran, when it runs next, what it is."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from django.http import HttpResponse

from timers import clock
from timers.models import Timer
from timers.queries.executions import listing as execution_queries
from timers.queries.timers import detail as timer_detail
from timers.queries.timers import listing as timer_queries
from timers.queries.timers import runs as timer_runs
from timers.queries.timers import versions
from timers.queries.transfers.plan import plan_of
from timers.services.timers import commands as service
from timers.services.timers import schedules
from timers.web import page
from timers.web.page import HtmxHttpRequest

RESULT_CHOICES = (("", "All"), ("failed", "Failed"), ("skipped", "Skipped"))
EXECUTIONS = 12
NEXT_RUNS = 10
VERSIONS = 4


@dataclass(frozen=True)
class Visit:
    """The reader, the timer, the instant and the zone of one page."""

    request: HtmxHttpRequest
    timer: Timer
    now: datetime
    zone: ZoneInfo


Part = Callable[[Visit], Mapping[str, Any]]


@page.page
def detail(request: HtmxHttpRequest, timer_id: uuid.UUID) -> HttpResponse:
    """Show one timer; to htmx only the part that asks for itself."""
    now = clock.now()
    timer = page.found(timer_queries.find_timer(request.user, timer_id))
    template, parts = _asked_for(request)
    visit = Visit(request, timer, now, ZoneInfo(page.zone_of(request)))
    context = {"timer": timer, "current": "timers", "refresh": request.get_full_path()}
    for part in parts:
        context.update(part(visit))
    return page.render(request, template, context, now=now)


def _asked_for(request: HtmxHttpRequest) -> tuple[str, tuple[Part, ...]]:
    """Return the template to show, and what it needs."""
    if not page.wants_part(request):
        return "timers/timer.html", PAGE
    return PARTS.get(request.htmx.target or "", ("timers/_timer_live.html", (_state, _executions, _next_runs)))


# What the parts show


def _state(visit: Visit) -> Mapping[str, Any]:
    return {
        "shown": timer_detail.timer_overview(visit.timer, now=visit.now),
        "document": _document(visit.timer),
        "acts_changed": visit.request.headers.get("X-Timer-Status", visit.timer.status) != visit.timer.status,
    }


def _executions(visit: Visit) -> Mapping[str, Any]:
    status = visit.request.GET.get("status", "")
    found = execution_queries.executions_of(
        visit.timer, now=visit.now, status=status, marker=visit.request.GET.get("marker"), limit=EXECUTIONS
    )
    return {
        "executions": found,
        "status": status,
        "results": RESULT_CHOICES,
    }


def _next_runs(visit: Visit) -> Mapping[str, Any]:
    zone = _rule_zone(visit.timer) or visit.zone
    instants = schedules.next_runs(visit.timer, limit=NEXT_RUNS, now=visit.now)
    return {
        "upcoming": timer_detail.upcoming(instants, zone=zone, now=visit.now),
        "timer_zone": zone,
        "reader_zone": visit.zone,
        "warnings": timer_detail.clock_warnings(visit.timer, now=visit.now, limit=NEXT_RUNS) if instants else [],
    }


def _durations(visit: Visit) -> Mapping[str, Any]:
    return {"durations": timer_runs.durations(visit.timer, now=visit.now)}


def _days(visit: Visit) -> Mapping[str, Any]:
    return {"days": timer_runs.days(visit.timer, zone=visit.zone, now=visit.now)}


def _plan(visit: Visit) -> Mapping[str, Any]:
    """Return from where to where a transfer copies, and how; empty for other timers."""
    definition = visit.timer.definition
    if definition is None or definition.action != "transfer":
        return {"plan": []}
    return {"plan": plan_of(definition.body)}


def _versions(visit: Visit) -> Mapping[str, Any]:
    return {"versions": versions.versions_of(visit.timer, limit=VERSIONS)}


def _events(visit: Visit) -> Mapping[str, Any]:
    before = visit.request.GET.get("events", "")
    known = before.isdecimal() and len(before) < 19
    return {
        "events": timer_detail.events_of(visit.timer, before=int(before) if known else None),
        "events_before": known,
    }


def _pause(visit: Visit) -> Mapping[str, Any]:
    return {"next_morning": _next_morning(visit.now, visit.zone)}


PAGE: tuple[Part, ...] = (
    _state,
    _executions,
    _next_runs,
    _durations,
    _days,
    _plan,
    _versions,
    _events,
    _pause,
)
"""Parts of the whole page."""

PARTS: Mapping[str, tuple[str, tuple[Part, ...]]] = {
    "durations": ("timers/_timer_durations.html", (_durations,)),
    "days": ("timers/_timer_days.html", (_days,)),
    "events": ("timers/_timer_events.html", (_events,)),
}
"""Parts that refresh themselves apart from the executions, by their ids."""


# Steps


def _next_morning(now: datetime, zone: ZoneInfo) -> datetime:
    """Return tomorrow at nine o'clock in that zone."""
    tomorrow = now.astimezone(zone) + timedelta(days=1)
    return tomorrow.replace(hour=9, minute=0, second=0, microsecond=0)


def _rule_zone(timer: Timer) -> ZoneInfo | None:
    """Return the zone whose clock the timer's rule reads; None for a rule that reads no clock."""
    name = (timer.definition.schedule if timer.definition else {}).get("timezone")
    try:
        return ZoneInfo(name) if name else None
    except (KeyError, ValueError):
        return None


def _document(timer: Timer) -> dict[str, Any]:
    """Return the definition as it can be sent to the API again; secrets stay masked."""
    definition = timer.definition
    if definition is None:
        return {}
    return {
        "timer_type": definition.action,
        "name": definition.name,
        "schedule": definition.schedule,
        "body": definition.body,
        "policies": definition.policies,
        "tags": service.tags_of(timer),
    }
