"""One button for all the timers, or executions, that were chosen in a list."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from datetime import datetime
from functools import partial
from typing import Any

from django.http import HttpResponse
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.http import require_POST
from django_htmx.http import trigger_client_event

from timers import clock
from timers.errors import Invalid
from timers.models import Timer
from timers.queries.executions import listing as execution_queries
from timers.queries.timers import listing as queries
from timers.services import bulk as service
from timers.web import page
from timers.web.page import HtmxHttpRequest

Deed = Callable[..., list[service.BulkActionResult]]
DEEDS: Mapping[str, tuple[Deed, str]] = {
    "pause": (service.pause, "Pause"),
    "resume": (service.resume, "Resume"),
    "run": (service.run, "Run now"),
    "tag": (service.tag, "Add tag"),
    "untag": (service.untag, "Remove tag"),
    "delete": (service.delete, "Delete"),
}


@require_POST
@page.page
def bulk(request: HtmxHttpRequest) -> HttpResponse:
    """Do one thing to each chosen timer and say how each went; deleting asks for their number first."""
    now = clock.now()
    wanted = request.POST.get("do", "")
    chosen = queries.find_timers(request.user, _ids(request, "timer"))
    oops = _oops(request, wanted, chosen)
    if oops:
        return _answer(request, {"oops": oops, "chosen": chosen}, now=now, status=400)
    if wanted == "delete" and "count" not in request.POST:
        return _answer(request, {"chosen": chosen, "asks": True}, now=now)
    if wanted == "delete" and _number(request.POST["count"]) != len(chosen):
        words = f"Type {len(chosen)} to delete them."
        return _answer(request, {"chosen": chosen, "asks": True, "count_oops": words}, now=now, status=400)
    deed, label = DEEDS[wanted]
    if wanted in ("tag", "untag"):
        deed = partial(deed, text=request.POST.get("tag", "")[:511])
    try:
        results = deed(chosen, by=request.user, now=now)
    except Invalid as error:
        return _answer(request, {"oops": next(iter(error.fields.values()))[0], "chosen": chosen}, now=now, status=400)
    return _told(request, {"results": results, "label": label}, now=now)


@require_POST
@page.page
def rerun(request: HtmxHttpRequest) -> HttpResponse:
    """Run each chosen execution again and say how each went."""
    now = clock.now()
    around = {"noun": "run", "current": "activity"}
    chosen = execution_queries.find_executions(request.user, _ids(request, "execution"))
    if not chosen or len(request.POST.getlist("execution")) > service.MAX_OBJECTS:
        words = f"Too many at once; at most {service.MAX_OBJECTS} are possible." if chosen else "No run is selected."
        return _answer(request, around | {"oops": words}, now=now, status=400)
    results = service.rerun(chosen, by=request.user, now=now)
    return _told(request, around | {"results": results, "label": "Run again"}, now=now)


def _told(request: HtmxHttpRequest, context: Mapping[str, Any], *, now: datetime) -> HttpResponse:
    """Say what became of each, and let the list show it."""
    done = sum(result.done for result in context["results"])
    counted = {"done": done, "failed": len(context["results"]) - done, **context}
    return trigger_client_event(_answer(request, counted, now=now), "live", {"target": "#list"}, after="settle")


def _ids(request: HtmxHttpRequest, name: str) -> list[uuid.UUID]:
    found: dict[uuid.UUID, None] = {}
    for text in request.POST.getlist(name)[: service.MAX_OBJECTS]:
        try:
            found[uuid.UUID(text)] = None
        except ValueError:
            continue
    return list(found)


def _oops(request: HtmxHttpRequest, wanted: str, chosen: list[Timer]) -> str:
    if wanted not in DEEDS:
        return "Choose what to do with the timers."
    if not chosen:
        return "No timer is selected. Tick the boxes of the timers."
    if len(request.POST.getlist("timer")) > service.MAX_OBJECTS:
        return f"Too many at once; at most {service.MAX_OBJECTS} are possible."
    return ""


def _number(text: str) -> int:
    text = text.strip()
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 9 else -1


def _answer(request: HtmxHttpRequest, context: Mapping[str, Any], *, now: datetime, status: int = 200) -> HttpResponse:
    """Return a page; to htmx its part, which it takes only from an answer that is no error."""
    after = request.POST.get("next", "")
    ours = url_has_allowed_host_and_scheme(after, allowed_hosts={request.get_host()}, require_https=request.is_secure())
    home = reverse("activity" if context.get("noun") == "execution" else "timers")
    around = {"after": after if after and ours else home, "noun": "timer", "current": "timers", **context}
    if request.htmx:
        return page.render(request, "timers/_bulk.html", around, now=now)
    return page.render(request, "timers/bulk.html", around, now=now, status=status)
