"""Collections: the list, making, changing and deleting one, testing it, and looking into it."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from datetime import datetime
from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.views.decorators.http import require_POST

from timers import clock
from timers.copying import paths
from timers.errors import Forbidden, Invalid, TimersError
from timers.models import Collection
from timers.queries.transfers import collections as queries
from timers.services.collections import checks
from timers.services.collections import commands as service
from timers.services.collections.checks import CheckStatus
from timers.storages.base import STORAGES
from timers.web import page
from timers.web.collections.folders import open_folder
from timers.web.collections.forms import CollectionForm, kinds_for

MAX_ITEMS = 500


@page.page
def collections_list(request: HttpRequest) -> HttpResponse:
    """Show the collections that the reader may use."""
    context = {"rows": queries.collection_rows(request.user), "current": "collections"}
    return page.render(request, "timers/collections.html", context, now=clock.now())


@page.page
def new(request: HttpRequest) -> HttpResponse:
    """Show the form of a new collection of the chosen kind, and make it."""
    now = clock.now()
    kinds = kinds_for(request.user)
    kind = request.GET.get("kind", kinds[0][0])
    if kind not in STORAGES:
        raise Http404
    if kind not in dict(kinds):
        raise PermissionDenied("Only administrators can offer collections of this kind.")
    form = CollectionForm(request.POST if request.method == "POST" else None, kind=kind, by=request.user)
    made = _save(form, lambda: service.create(owner=request.user, by=request.user, fields=form.document(), now=now))
    if made is not None:
        messages.success(request, f"{made.display_name} was created. Check tells what can be done there.")
        return HttpResponseRedirect(_address(made))
    return _form_page(request, form, now=now, kinds=kinds)


@page.page
def edit(request: HttpRequest, collection_id: uuid.UUID) -> HttpResponse:
    """Show the form of a collection, and change it."""
    now = clock.now()
    collection = service.get_for(request.user, collection_id)
    data = request.POST if request.method == "POST" else None
    form = CollectionForm(data, kind=collection.kind, collection=collection, by=request.user)
    name = collection.display_name
    saved = _save(form, lambda: service.update(collection, changes=form.changes(), by=request.user, now=now))
    if saved is not None:
        messages.success(request, f"{saved.display_name} was saved.")
        return HttpResponseRedirect(_address(saved))
    return _form_page(request, form, now=now, collection=collection, name=name)


@page.page
def delete(request: HttpRequest, collection_id: uuid.UUID) -> HttpResponse:
    """Ask before deleting, saying what uses the collection, and delete it."""
    now = clock.now()
    collection = service.get_for(request.user, collection_id)
    if request.method == "POST":
        service.delete(collection, by=request.user, now=now)
        messages.success(request, f"{collection.display_name} was deleted. Its files were not touched.")
        return HttpResponseRedirect(reverse("collections"))
    users = queries.users_of(collection, reader=request.user)
    context = {"collection": collection, "users": users, "current": "collections"}
    return page.render(request, "timers/collection_delete.html", context, now=now)


@require_POST
@page.page
def test(request: HttpRequest, collection_id: uuid.UUID) -> HttpResponse:
    """Test a collection and say what was found."""
    collection = service.get_for(request.user, collection_id)
    health = checks.test(collection, by=request.user, now=clock.now())
    say = messages.error if health.status == CheckStatus.UNREACHABLE else messages.success
    say(request, f"{collection.display_name} is {health.status}. {health.message}")
    return page.back(request, _address(collection))


@require_POST
@page.page
def make_folder(request: HttpRequest, collection_id: uuid.UUID) -> HttpResponse:
    """Make a folder in the one that is open."""
    collection = service.get_for(request.user, collection_id)
    path, name = request.POST.get("path", ""), request.POST.get("name", "").strip()
    try:
        if not paths.is_name(name):
            raise Invalid({"": "Give the folder a name, without a slash."})
        made = service.make_directory(collection, f"{path.rstrip('/')}/{name}")
        messages.success(request, f"{made} was created.")
    except TimersError as error:
        messages.error(request, error.message.removeprefix("path: "))
    return page.back(request, _address(collection))


@page.page
def browse(request: HttpRequest, collection_id: uuid.UUID) -> HttpResponse:
    """Show one collection and the contents of one of its folders."""
    collection = service.get_for(request.user, collection_id)
    context = {
        "collection": collection,
        "opened": open_folder(
            collection, request.GET.get("path"), limit=MAX_ITEMS, page=_whole(request.GET.get("page", ""))
        ),
        "tested": queries.LastTest.read(collection.health),
        "users": queries.users_of(collection, reader=request.user),
        "current": "collections",
    }
    return page.render(request, "timers/collection.html", context, now=clock.now())


# Steps


def _whole(text: str) -> int:
    """Return the number of a page; 1 for what is none."""
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else 1


def _address(collection: Collection) -> str:
    return reverse("collection", args=[collection.pk])


def _save(form: CollectionForm, save: Callable[[], Collection]) -> Collection | None:
    """Carry out what the form asks for, or note at its fields why not."""
    if not form.is_bound or not form.is_valid():
        return None
    try:
        return save()
    except Invalid as error:
        form.take(error.fields, form.places)
    except Forbidden:
        raise
    except TimersError as error:
        form.add_error(None, error.message)
    return None


def _form_page(request: HttpRequest, form: CollectionForm, *, now: datetime, **more: Any) -> HttpResponse:
    context = {"form": form, "current": "collections", **more}
    return page.render(request, "timers/collection_form.html", context, now=now)
