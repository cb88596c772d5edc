"""The frame of every page: the reader's zone and theme, the state of scheduling, and log-in."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache, wraps
from typing import Any
from urllib.parse import unquote
from zoneinfo import ZoneInfo, available_timezones

from django.contrib import messages
from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect, QueryDict
from django.shortcuts import render as django_render
from django.urls import reverse
from django.utils.cache import patch_vary_headers
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.text import Truncator
from django_htmx.http import HttpResponseClientRedirect
from django_htmx.middleware import HtmxDetails

from timers import formatting
from timers.errors import Forbidden, NotFound, TimersError
from timers.models import Preference, SchedulingPause
from timers.queries import page_context as read
from timers.queries.timers import pause_all as read_pauses

View = Callable[..., HttpResponse]


class HtmxHttpRequest(HttpRequest):
    """A request with the details that the middleware of django-htmx adds."""

    htmx: HtmxDetails


def wants_part(request: HtmxHttpRequest) -> bool:
    """Return whether htmx asks for a part of the page; what it restores from its history is a whole one."""
    return bool(request.htmx) and not request.htmx.history_restore_request


ZONE_COOKIE, THEME_COOKIE = "zone", "theme"
THEMES = ("light", "dark")
YEAR_IN_SECONDS = 365 * 24 * 3600
MAX_REASON_LENGTH = 200
"""So many characters of it stand on top of every page; the page about scheduling has all."""


@dataclass(frozen=True)
class HealthWords:
    """The state of scheduling as the top of the page says it."""

    word: str
    tone: str
    icon: str
    details: str
    standing_still: bool
    sentence: str


@dataclass(frozen=True)
class Banner:
    """A red line on top of every page, and where it is told more about it."""

    kind: str
    sentence: str
    address: str
    link: str


@dataclass(frozen=True)
class Shell:
    """Context of a page around its content."""

    health: HealthWords
    zone_words: str
    zone_is_chosen: bool
    keyboard: bool
    banners: tuple[Banner, ...]


@lru_cache(maxsize=1)
def zone_names() -> tuple[str, ...]:
    """Return the names of all zones that a reader can choose, UTC first."""
    places = sorted(
        name for name in available_timezones() if "/" in name and not name.startswith(("Etc/", "posix", "right"))
    )
    return ("UTC", *places)


def reader_zone(request: HttpRequest, chosen: str) -> str:
    """Return the zone to show times in: the one chosen, else the browser's, else UTC."""
    browser = unquote(request.COOKIES.get(ZONE_COOKIE, ""))
    return next((name for name in (chosen, browser) if name in zone_names()), "UTC")


def preference_of(request: HttpRequest) -> Preference | None:
    """Return how the reader wants to see the pages; asked of the database once per request."""
    if not hasattr(request, "_preference"):
        request._preference = read.preference(request.user)  # type: ignore[attr-defined]
    return request._preference  # type: ignore[attr-defined, no-any-return]


def zone_of(request: HttpRequest) -> str:
    """Return the name of the reader's zone."""
    known = preference_of(request)
    return reader_zone(request, known.timezone if known else "")


def given(request: HttpRequest) -> QueryDict:
    """Return what the address says, without fields that were left empty."""
    kept = QueryDict(mutable=True)
    for name, values in request.GET.lists():
        if any(values):
            kept.setlist(name, [value for value in values if value])
    return kept


def address(request: HttpRequest, name: str) -> str:
    """Return the address of a page with what the present one asks for."""
    query = given(request)
    return reverse(name) + (f"?{query.urlencode()}" if query else "")


def render(
    request: HttpRequest, template: str, context: Mapping[str, Any], *, now: datetime, status: int = 200
) -> HttpResponse:
    """Return a page, or one of its parts, with what surrounds every page."""
    response = django_render(request, template, {**around(request, now), **context}, status=status)
    patch_vary_headers(response, ["HX-Request"])
    response["Cache-Control"] = "private, no-store"
    return response


def around(request: HttpRequest, now: datetime) -> dict[str, Any]:
    """Return what templates know on every page, from four queries."""
    preference = preference_of(request)
    chosen = preference.timezone if preference else ""
    name = reader_zone(request, chosen)
    zone = ZoneInfo(name)
    health = _health_words(read.health(now))
    short = formatting.zone_name(now.astimezone(zone))
    return {
        "now": now,
        "zone": zone,
        "zone_key": name,
        "theme": (preference.theme if preference else "") or request.COOKIES.get(THEME_COOKIE, ""),
        "shell": Shell(
            health=health,
            zone_words=name if short == name else f"{short} ({name})",
            zone_is_chosen=bool(chosen),
            keyboard=preference.keyboard if preference else True,
            banners=tuple(_banners(health, read_pauses.pauses(request.user).any)),
        ),
    }


def _banners(health: HealthWords, pause: SchedulingPause | None) -> Iterator[Banner]:
    if health.standing_still:
        yield Banner("standing-still", health.sentence, f"{reverse('scheduling')}#standing-still", "What to do")
    if pause is not None:
        whose = "The timers of everybody" if pause.owner_id is None else "All your timers"
        reason = f": {Truncator(pause.reason).chars(MAX_REASON_LENGTH)}" if pause.reason else ""
        yield Banner("paused", f"{whose} are paused{reason}", reverse("scheduling"), "Look at the pause")


def _health_words(health: read.SchedulingHealth) -> HealthWords:
    if health.standing_still:
        what = "no dispatcher is alive" if not health.dispatcher_alive else "no worker is alive"
        since = (
            f" for {formatting.duration(health.silent_for)}"
            if not health.dispatcher_alive and health.silent_for
            else ""
        )
        return HealthWords(
            word="Stopped",
            tone="bad",
            icon="alert",
            details=f"Nothing is started: {what}.",
            standing_still=True,
            sentence=f"Scheduling has stood still{since} – {what}",
        )
    if health.late:
        word = f"Late {formatting.largest_unit(health.late_by)}"
        return HealthWords(word, "wait", "alert", "The oldest due timer has not been taken yet.", False, "")
    return HealthWords("On time", "ok", "check", "Dispatcher and workers are alive; nothing is late.", False, "")


def page(view: View) -> View:
    """Make a view one for people who logged in; what it may not know of is not found."""

    @wraps(view)
    def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if not request.user.is_authenticated:
            return _to_login(request)
        try:
            return view(request, *args, **kwargs)
        except NotFound as error:
            raise Http404(error.message) from error
        except Forbidden as error:
            raise PermissionDenied(error.message) from error

    return guarded


def _to_login(request: HttpRequest) -> HttpResponse:
    if getattr(request, "htmx", False):
        return HttpResponseClientRedirect(reverse("login"))
    return redirect_to_login(request.get_full_path() if request.method == "GET" else "/")


def found(thing: Any) -> Any:
    """Return the thing, or raise 404 when there is none that the reader may know of."""
    if thing is None:
        raise Http404
    return thing


def attempt(request: HttpRequest, deed: Callable[[], Any], done: str) -> bool:
    """Carry out what a button asks for and say how it went; return whether it was done."""
    try:
        deed()
    except (NotFound, Forbidden):
        raise
    except TimersError as error:
        messages.error(request, error.message)
        return False
    messages.success(request, done)
    return True


def back(request: HttpRequest, default: str) -> HttpResponseRedirect:
    """Return to the page that a form came from, if it is one of ours."""
    target = request.POST.get("next", "")
    ours = url_has_allowed_host_and_scheme(
        target, allowed_hosts={request.get_host()}, require_https=request.is_secure()
    )
    return HttpResponseRedirect(target if target and ours else default)
