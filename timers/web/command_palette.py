"""One field for pages, timers and deeds: the palette, and a page of its own where no scripts run."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django.http import HttpResponse
from django.urls import reverse

from timers import clock
from timers.models import Collection, Execution, Timer, Transfer, WorkflowDefinition, WorkflowRun
from timers.queries import search
from timers.web import page
from timers.web.page import HtmxHttpRequest

MAX_TIMERS, MAX_OTHERS = 8, 4


@dataclass(frozen=True)
class PaletteEntry:
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
    ("Workflows", "workflows", "workflow"),
    ("New workflow", "workflow-new", "plus"),
    ("Scheduling: pause all, health", "scheduling", "pause"),
    ("Tokens and client keys", "tokens", "key"),
    ("Account, time zone", "account", "clock"),
    ("API", "api-docs", "code"),
    ("Administration", "admin:index", "lock"),
)
FILTERS = (("Timers that fail", "failing"), ("Timers that are paused", "paused"), ("Timers that run", "running"))


@page.page
def find(request: HtmxHttpRequest) -> HttpResponse:
    """Show what the words may mean; to htmx the list alone."""
    words = request.GET.get("q", "").replace("\x00", "").strip()[:200]
    verb, _, name = words.partition(" ")
    verb, name = verb.casefold(), name.strip()
    found = [
        ("Actions", list(_deeds(request, verb, name))),
        *(_things(request.user, words) if words else ()),
        ("Pages", list(_pages(request, words))),
    ]
    context = {"q": words, "found": found, "nothing": not any(entries for _, entries in found)}
    template = "timers/_found.html" if request.htmx else "timers/find.html"
    return page.render(request, template, context, now=clock.now())


def _deeds(request: HtmxHttpRequest, verb: str, name: str) -> Iterator[PaletteEntry]:
    """Yield what can be done to the timers of that name, and how pages can look."""
    if name and (verb in DEEDS or verb in LINKS):
        label, address = (DEEDS | LINKS)[verb]
        for timer in search.timers(request.user, name, most=MAX_TIMERS):
            target = reverse(address, args=[timer.pk])
            if verb in DEEDS:
                back = (("next", reverse("timer", args=[timer.pk])),)
                yield PaletteEntry(f"{label}: {timer.name}", target, timer.action, is_deed=True, fields=back)
            else:
                yield PaletteEntry(f"{label}: {timer.name}", target, timer.action)
    for theme in ("light", "dark", "system"):
        words = f"{verb} {name}".strip()
        if len(words) > 1 and words in f"theme {theme}":
            chosen = ("theme", "" if theme == "system" else theme)
            yield PaletteEntry(f"Theme: {theme}", reverse("theme"), "half", is_deed=True, fields=(chosen,))
    if verb and not name and "demo".startswith(verb) and request.user.is_staff:
        yield PaletteEntry("Load the demo", reverse("demo-load"), "plus", is_deed=True)
    if len(verb) > 1 and f"{verb} {name}".strip() in "log out":
        yield PaletteEntry("Log out", reverse("logout"), "right", is_deed=True)


def _things(user: Any, words: str) -> list[tuple[str, list[PaletteEntry]]]:
    """Return what is called like that, sort by sort; of an id the one thing that has it."""
    try:
        thing = search.find_by_id(user, uuid.UUID(words))
    except ValueError:
        return [
            ("Timers", [_entry(thing) for thing in search.timers(user, words, most=MAX_TIMERS)]),
            ("Workflows", [_entry(thing) for thing in search.workflows(user, words, most=MAX_OTHERS)]),
            ("Collections", [_entry(thing) for thing in search.collections(user, words, most=MAX_OTHERS)]),
            ("Transfers", [_entry(thing) for thing in search.transfers(user, words, most=MAX_OTHERS)]),
        ]
    return [("With this id", [_entry(thing)])] if thing is not None else []


def _entry(thing: Any) -> PaletteEntry:
    """Return the line that leads to what was found."""
    match thing:
        case Timer():
            return PaletteEntry(thing.name, reverse("timer", args=[thing.pk]), thing.action, state=thing.status)
        case Execution():
            words = f"A run of {thing.timer.name}"
            return PaletteEntry(words, reverse("execution", args=[thing.pk]), "clock", state=thing.status)
        case Transfer():
            words = thing.label or "A transfer without a label"
            return PaletteEntry(words, reverse("transfer", args=[thing.pk]), "transfer", state=thing.status)
        case Collection():
            return PaletteEntry(thing.display_name, reverse("collection", args=[thing.pk]), "folder")
        case WorkflowRun():
            words = f"A run of {thing.name} v{thing.version}"
            return PaletteEntry(words, reverse("workflow-run", args=[thing.pk]), "workflow", state=thing.status)
        case WorkflowDefinition():
            return PaletteEntry(str(thing), reverse("workflow", args=[thing.pk]), "workflow")
    raise TypeError(f"No page shows a {type(thing).__name__}.")


def _pages(request: HtmxHttpRequest, words: str) -> Iterator[PaletteEntry]:
    sought = words.casefold()
    for label, name, icon in PAGES:
        if sought in label.casefold() and (name != "admin:index" or request.user.is_staff):
            yield PaletteEntry(label, reverse(name), icon)
    for label, status in FILTERS:
        if sought and sought in label.casefold():
            yield PaletteEntry(label, f"{reverse('timers')}?status={status}", "search")
