"""One field for pages, timers and deeds: the palette, and a page of its own where no scripts run."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from dataclasses import dataclass

from django.http import HttpRequest, HttpResponse
from django.urls import reverse

from timers import clock
from timers.models import Timer
from timers.queries import executions as execution_queries
from timers.queries import timers as queries
from timers.queries.timer_search import named
from timers.web import shell

MOST_TIMERS = 8


@dataclass(frozen=True)
class Entry:
    """A line to choose: a link, or with `is_deed` a button that sends its fields."""

    words: str
    address: str
    icon: str
    is_deed: bool = False
    fields: tuple[tuple[str, str], ...] = ()
    state: str = ""


DEEDS = {"run": ("Run now", "timer-run"), "pause": ("Pause", "timer-pause"), "resume": ("Resume", "timer-resume")}
LINKS = {"edit": ("Edit", "timer-edit"), "delete": ("Delete", "timer-delete")}
PAGES = (
    ("Timers", "timers", "logo"),
    ("New timer", "timer-new", "plus"),
    ("Activity: all that ran", "activity", "clock"),
    ("Transfers", "transfers", "transfer"),
    ("Collections", "collections", "folder"),
    ("New collection", "collection-new", "plus"),
    ("Tokens and client keys", "tokens", "key"),
    ("Account, time zone", "account", "clock"),
    ("API", "api-docs", "code"),
    ("Administration", "admin:index", "lock"),
)
FILTERS = (("Timers that fail", "failing"), ("Timers that are paused", "paused"), ("Timers that run", "running"))


@shell.page
def find(request: HttpRequest) -> HttpResponse:
    """Show what the words may mean; to htmx the list alone."""
    words = request.GET.get("q", "").replace("\x00", "").strip()[:200]
    verb, _, name = words.partition(" ")
    verb, name = verb.casefold(), name.strip()
    found = [
        ("Do", list(_deeds(request, verb, name))),
        ("Timers", list(_timers(request, words)) if words else []),
        ("Pages", list(_pages(request, words))),
    ]
    context = {"q": words, "found": found, "nothing": not any(entries for _, entries in found)}
    template = "timers/_found.html" if request.htmx else "timers/find.html"  # type: ignore[attr-defined]
    return shell.render(request, template, context, now=clock.now())


def _deeds(request: HttpRequest, verb: str, name: str) -> Iterator[Entry]:
    """Yield what can be done to the timers of that name, and how pages can look."""
    if name and (verb in DEEDS or verb in LINKS):
        label, address = (DEEDS | LINKS)[verb]
        for timer in named(request.user, name, most=MOST_TIMERS):
            target = reverse(address, args=[timer.pk])
            if verb in DEEDS:
                back = (("next", reverse("timer", args=[timer.pk])),)
                yield Entry(f"{label}: {timer.name}", target, timer.action, is_deed=True, fields=back)
            else:
                yield Entry(f"{label}: {timer.name}", target, timer.action)
    for theme in ("light", "dark", "system"):
        words = f"{verb} {name}".strip()
        if len(words) > 1 and words in f"theme {theme}":
            chosen = ("theme", "" if theme == "system" else theme)
            yield Entry(f"Theme: {theme}", reverse("theme"), "half", is_deed=True, fields=(chosen,))
    if verb and not name and "demo".startswith(verb) and request.user.is_staff:
        yield Entry("Load the demo", reverse("demo-load"), "plus", is_deed=True)
    if len(verb) > 1 and f"{verb} {name}".strip() in "log out":
        yield Entry("Log out", reverse("logout"), "right", is_deed=True)


def _timers(request: HttpRequest, words: str) -> Iterator[Entry]:
    try:
        number = uuid.UUID(words)
    except ValueError:
        yield from map(_entry, named(request.user, words, most=MOST_TIMERS))
        return
    if (timer := queries.find_timer(request.user, number)) is not None:
        yield _entry(timer)
    if (execution := execution_queries.find_execution(request.user, number)) is not None:
        words = f"An execution of {execution.timer.name}"
        yield Entry(words, reverse("execution", args=[number]), "clock", state=execution.status)


def _entry(timer: Timer) -> Entry:
    return Entry(timer.name, reverse("timer", args=[timer.pk]), timer.action, state=timer.status)


def _pages(request: HttpRequest, words: str) -> Iterator[Entry]:
    sought = words.casefold()
    for label, name, icon in PAGES:
        if sought in label.casefold() and (name != "admin:index" or request.user.is_staff):
            yield Entry(label, reverse(name), icon)
    for label, status in FILTERS:
        if sought and sought in label.casefold():
            yield Entry(label, f"{reverse('timers')}?status={status}", "search")
