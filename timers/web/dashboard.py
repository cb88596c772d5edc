"""The list of timers."""

from __future__ import annotations

from collections.abc import Iterable

from django.http import HttpRequest, HttpResponse

from timers import clock
from timers.actions.base import ACTIONS
from timers.queries import timers as timer_queries
from timers.web import shell

STATUS_CHOICES = (("", "All"), ("active", "Active"), ("paused", "Paused"), ("failing", "Failing"), ("ended", "Ended"))


@shell.page
def timers_list(request: HttpRequest) -> HttpResponse:
    """Show the timers with the figures above them; to htmx only what changes."""
    now = clock.now()
    get = request.GET
    filters = timer_queries.Filters(
        q=get.get("q", "").strip()[:200],
        status=_one_of(get.get("status"), timer_queries.STATUSES),
        action=get.get("action", "").strip()[:40],
        tag=get.get("tag", "").strip()[:511],
        order=_one_of(get.get("order"), timer_queries.ORDERS) or "attention",
    )
    listed = timer_queries.timers_page(request.user, now=now, filters=filters, marker=get.get("marker"))
    context = {
        "listed": listed,
        "filters": filters,
        "figures": listed.figures,
        "statuses": STATUS_CHOICES,
        "actions": list(ACTIONS),
        "current": "timers",
        "refresh": request.get_full_path(),
    }
    return shell.render(request, _part(request, "timers/timers.html", "timers/_timers_live.html"), context, now=now)


def _part(request: HttpRequest, whole: str, part: str) -> str:
    asked = request.htmx  # type: ignore[attr-defined]  # put there by the middleware of django-htmx
    return part if asked and not asked.history_restore_request else whole


def _one_of(value: str | None, known: Iterable[str]) -> str:
    return value if value is not None and value in known else ""
