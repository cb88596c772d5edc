"""One timer: make, edit, and what its buttons do."""

from __future__ import annotations

import uuid
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.views.decorators.http import require_POST

from timers import clock
from timers.errors import Invalid, TimersError
from timers.lifecycle import TimerStatus
from timers.models import Timer
from timers.queries import timers as timer_queries
from timers.queries import transfers as transfer_queries
from timers.services import schedules
from timers.services import timers as service
from timers.web import shell
from timers.web.timer_documents import initial, read_instant
from timers.web.timer_form import PLACES, TimerForm

PREVIEWED = 5
HOUR = timedelta(hours=1)
LONGEST_PAUSE = timedelta(days=3660)


@shell.page
def new(request: HttpRequest) -> HttpResponse:
    """Show the form of a new timer, perhaps filled in like another one, and make it."""
    now = clock.now()
    zone = shell.reader_zone(request, _chosen_zone(request))
    if request.method != "POST":
        form = _form(request, None, zone, timer=_model(request))
        return _form_page(request, form, now=now, title="New timer")
    form = _form(request, request.POST, zone)
    if "preview" in request.POST:
        return _form_page(request, form, now=now, title="New timer")
    timer = _save(
        form,
        lambda document: service.create(
            owner=request.user,
            action=form.cleaned_data["action"],
            paused="paused" in request.POST,
            by=request.user,
            now=now,
            **document,
        ),
    )
    if timer is None:
        return _form_page(request, form, now=now, title="New timer")
    messages.success(request, f"{timer.name} was created.")
    return HttpResponseRedirect(_address(timer))


@shell.page
def edit(request: HttpRequest, timer_id: uuid.UUID) -> HttpResponse:
    """Show the form filled in with the timer, and save it."""
    now = clock.now()
    timer = _find(request, timer_id)
    if timer.status == TimerStatus.DELETED:
        messages.error(request, "A deleted timer cannot be changed.")
        return HttpResponseRedirect(_address(timer))
    zone = shell.reader_zone(request, _chosen_zone(request))
    if request.method != "POST":
        return _form_page(request, _form(request, None, zone, timer=timer), now=now, title="Edit", timer=timer)
    form = _form(request, request.POST, zone, timer=timer)
    if "preview" in request.POST:
        return _form_page(request, form, now=now, title="Edit", timer=timer)
    saved = _save(
        form, lambda document: service.update(timer, changes=_changes(form, document), by=request.user, now=now)
    )
    if saved is None:
        return _form_page(request, form, now=now, title="Edit", timer=timer)
    messages.success(request, "Saved. The changes count from now on.")
    return HttpResponseRedirect(_address(timer))


@require_POST
@shell.page
def preview(request: HttpRequest) -> HttpResponse:
    """Return the preview part for the fields as they are."""
    now = clock.now()
    form = _form(request, request.POST, shell.reader_zone(request, _chosen_zone(request)))
    return shell.render(request, "timers/_preview.html", _preview(form, now=now), now=now)


@shell.page
def delete(request: HttpRequest, timer_id: uuid.UUID) -> HttpResponse:
    """Ask before deleting, and delete."""
    now = clock.now()
    timer = _find(request, timer_id)
    if request.method != "POST":
        return shell.render(request, "timers/delete.html", {"timer": timer, "current": "timers"}, now=now)
    done = shell.attempt(
        request,
        lambda: service.delete(timer, by=request.user, now=now),
        f"{timer.name} was deleted. Its history stays.",
    )
    return HttpResponseRedirect(reverse("timers") if done else _address(timer))


@require_POST
@shell.page
def pause(request: HttpRequest, timer_id: uuid.UUID) -> HttpResponse:
    """Pause a timer, for a reason and until an instant if so asked."""
    now = clock.now()
    timer = _find(request, timer_id)
    reason = request.POST.get("reason", "").strip()[:500]
    shell.attempt(
        request,
        lambda: service.pause(timer, by=request.user, now=now, reason=reason, until=_pause_end(request, now=now)),
        f"{timer.name} is paused.",
    )
    return _after_button(request, timer, now=now)


@require_POST
@shell.page
def resume(request: HttpRequest, timer_id: uuid.UUID) -> HttpResponse:
    """Let a paused timer run again, and make up for the last run missed if so asked."""
    now = clock.now()
    timer = _find(request, timer_id)
    run_missed = "run_missed" in request.POST
    shell.attempt(
        request,
        lambda: service.resume(timer, by=request.user, now=now, run_missed=run_missed),
        f"{timer.name} is active again.",
    )
    return _after_button(request, timer, now=now)


@require_POST
@shell.page
def run_now(request: HttpRequest, timer_id: uuid.UUID) -> HttpResponse:
    """Run a timer once, now, whatever its schedule says."""
    now = clock.now()
    timer = _find(request, timer_id)
    shell.attempt(request, lambda: service.run_now(timer, by=request.user, now=now), f"{timer.name} runs now.")
    return _after_button(request, timer, now=now)


# Steps


def _find(request: HttpRequest, timer_id: uuid.UUID) -> Timer:
    return shell.found(timer_queries.find_timer(request.user, timer_id))


def _address(timer: Timer) -> str:
    return reverse("timer", args=[timer.pk])


def _pause_end(request: HttpRequest, *, now: datetime) -> datetime | None:
    """Return until when a pause was asked for; None for one without an end. Raises Invalid for no instant."""
    choice = request.POST.get("until", "")
    if choice == "hour":
        return now + HOUR
    given = request.POST.get("until_at") if choice in ("", "at") else choice
    text = read_instant(given, ZoneInfo(shell.reader_zone(request, _chosen_zone(request))), "")
    if text is None:
        if choice:
            raise Invalid({"": "Say until when it is paused, with a date and a time."})
        return None
    end = datetime.fromisoformat(text)
    if end > now + LONGEST_PAUSE:
        raise Invalid({"": "A pause ends within ten years, or when somebody ends it."})
    return end


def _after_button(request: HttpRequest, timer: Timer, *, now: datetime) -> HttpResponse:
    """Go back to where the button was; to htmx send the row as it is now."""
    if not request.htmx:  # type: ignore[attr-defined]
        return shell.back(request, _address(timer))
    row = timer_queries.timer_row(_find(request, timer.pk), now=now)
    context = {"row": row, "refresh": request.POST.get("next", "")}
    return shell.render(request, "timers/_timer_row_changed.html", context, now=now)


def _save(form: TimerForm, deed: Any) -> Timer | None:
    """Carry out what the form asks for, or note at its fields why not."""
    document = form.document() if form.is_valid() else None
    if document is None:
        return None
    try:
        return deed(document)
    except Invalid as error:
        form.take(error.fields, PLACES)
    except TimersError as error:
        form.add_error(None, error.message)
    return None


def _changes(form: TimerForm, document: dict[str, Any]) -> dict[str, Any]:
    """Return what an edit asks for; a schedule that was left alone goes on where it is."""
    kept = {"schedule"} if form.keeps_schedule() else set()
    changes = {name: value for name, value in document.items() if name not in kept}
    return {**changes, "timer_type": form.cleaned_data["action"]}


def _form(request: HttpRequest, data: Any, zone: str, timer: Timer | None = None) -> TimerForm:
    known = {}
    if timer is not None:
        known = {
            "initial": initial(timer, service.tags_of(timer), zone),
            "old_body": timer.definition.body if timer.definition else {},
            "editing": "from" not in request.GET,
        }
        if data is None and "from" in request.GET:
            known["initial"]["name"] = f"{timer.name} (copy)"
    return TimerForm(data, collections=transfer_queries.collections(request.user), zone=zone, **known)  # type: ignore[arg-type]


def _model(request: HttpRequest) -> Timer | None:
    """Return the timer that a new one should be like."""
    try:
        return timer_queries.find_timer(request.user, uuid.UUID(request.GET.get("from", "")))
    except ValueError:
        return None


def _form_page(
    request: HttpRequest, form: TimerForm, *, now: datetime, title: str, timer: Timer | None = None
) -> HttpResponse:
    context = {"form": form, "title": title, "timer": timer, "current": "timers", **_preview(form, now=now)}
    return shell.render(request, "timers/timer_form.html", context, now=now)


def _preview(form: TimerForm, *, now: datetime) -> dict[str, Any]:
    """Return what the schedule in the fields would do, or the sentence why that cannot be told."""
    form = form.read_again()
    try:
        document = form.schedule()
        seen = schedules.preview(document, limit=PREVIEWED, after=None, now=now)
    except (Invalid, KeyError) as error:
        sentence = next(iter(error.fields.values()))[0] if isinstance(error, Invalid) else "Choose when it runs."
        return {"preview": None, "problem": sentence}
    zone = ZoneInfo(form.cleaned_data.get("timezone") or "UTC")
    return {"preview": seen, "preview_zone": zone, "never": not seen.next}


def _chosen_zone(request: HttpRequest) -> str:
    from timers.queries.shell import preference

    known = preference(request.user)
    return known.timezone if known else ""
