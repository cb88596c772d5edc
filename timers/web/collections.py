"""Collections: the list, a new one on a local disk, and looking into one."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import datetime

from django.conf import settings
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse

from timers import clock
from timers.copying.plan import Kind
from timers.errors import Invalid, TimersError
from timers.models import Collection
from timers.queries import transfers as queries
from timers.services import collections as service
from timers.web import shell
from timers.web.forms import CollectionForm

MOST_ITEMS = 500


@dataclass(frozen=True)
class Crumb:
    """One folder on the way to the one that is open."""

    name: str
    path: str


@dataclass(frozen=True)
class Item:
    """One thing in a folder."""

    name: str
    folder: bool
    path: str
    size: int
    modified: datetime | None


@shell.page
def collections_list(request: HttpRequest) -> HttpResponse:
    """Show the collections that the reader may use."""
    context = {"listed": queries.collections(request.user), "current": "collections"}
    return shell.render(request, "timers/collections.html", context, now=clock.now())


@shell.page
def new(request: HttpRequest) -> HttpResponse:
    """Show the form of a new local collection, for administrators, and make it."""
    now = clock.now()
    if not request.user.is_staff:
        raise PermissionDenied("Only administrators can make local collections.")
    form = CollectionForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            made = service.create(owner=request.user, by=request.user, fields=form.document(), now=now)
        except Invalid as error:
            form.take(error.fields, form.PLACES)
        except TimersError as error:
            form.add_error(None, error.message)
        else:
            messages.success(request, f"{made.display_name} was created.")
            return HttpResponseRedirect(reverse("collection", args=[made.pk]))
    return shell.render(
        request,
        "timers/collection_form.html",
        {"form": form, "roots": settings.TIMERS_LOCAL_ROOTS, "current": "collections"},
        now=now,
    )


@shell.page
def browse(request: HttpRequest, collection_id: uuid.UUID) -> HttpResponse:
    """Show one collection and the contents of one of its folders."""
    collection = service.get_for(request.user, collection_id)
    path, items, more, problem = _contents(collection, request.GET.get("path"))
    context = {
        "collection": collection,
        "path": path,
        "crumbs": _crumbs(path),
        "items": items,
        "more": more,
        "problem": problem,
        "current": "collections",
    }
    return shell.render(request, "timers/collection.html", context, now=clock.now())


def _contents(collection: Collection, path: str | None) -> tuple[str, list[Item], bool, str]:
    """Return the folder that was meant, what is in it with folders first, whether there is more, or why not."""
    try:
        listing = service.list_directory(collection, path, limit=MOST_ITEMS)
    except TimersError as error:
        return path or collection.default_directory, [], False, error.message
    base = listing.path.rstrip("/")
    items = [
        Item(entry.name, entry.kind == Kind.DIR, f"{base}/{entry.name}", entry.size, entry.modified_at)
        for entry in listing.entries
    ]
    return listing.path, sorted(items, key=lambda item: (not item.folder, item.name.casefold())), listing.truncated, ""


def _crumbs(path: str) -> list[Crumb]:
    names = [name for name in path.split("/") if name]
    return [Crumb(name, "/" + "/".join(names[: i + 1]) + "/") for i, name in enumerate(names)]
