"""Making and editing a timer: the form, its preview, its file browser, and trying out what it would do."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from datetime import datetime
from typing import Any

from django.contrib import messages
from django.http import HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.views.decorators.http import require_POST

from timers import clock
from timers.actions.base import Outcome
from timers.errors import Invalid, TimersError
from timers.lifecycle import TimerStatus
from timers.models import Timer
from timers.queries.timers import listing as queries
from timers.queries.workflows import listing as workflows
from timers.services.timers import commands as service
from timers.services.timers import test_deliveries
from timers.services.transfers import commands as transfers
from timers.web import page
from timers.web.page import HtmxHttpRequest
from timers.web.timers import preview as timer_preview
from timers.web.timers.action_forms.file_choice import SIDES
from timers.web.timers.action_forms.transfer import TransferForm
from timers.web.timers.action_forms.workflow import read_choice
from timers.web.timers.form import TimerForm
from timers.web.workflows import inputs as workflow_inputs


@page.page
def new(request: HtmxHttpRequest) -> HttpResponse:
    """Show the form of a new timer, perhaps filled in like another one, and make it."""
    now = clock.now()
    form = _form(request, like=_model(request))
    if not form.is_bound or not _is_to_be_saved(request, form):
        return _page(request, form, now=now, **_tried(request, form, now=now))
    timer = _save(
        form,
        lambda document: service.create(
            owner=request.user,
            action=form.cleaned_data["action"],
            paused="paused" in request.POST,
            like=form.like.definition if form.like is not None else None,
            by=request.user,
            now=now,
            **document,
        ),
    )
    if timer is None:
        return _page(request, form, now=now)
    messages.success(request, f"{timer.name} was created.")
    return HttpResponseRedirect(_address(timer))


@page.page
def edit(request: HtmxHttpRequest, timer_id: uuid.UUID) -> HttpResponse:
    """Show the form filled in with the timer, and save it."""
    now = clock.now()
    timer = _find(request, timer_id)
    if timer.status == TimerStatus.DELETED:
        messages.error(request, "A deleted timer cannot be changed.")
        return HttpResponseRedirect(_address(timer))
    form = _form(request, like=timer, editing=True)
    if not form.is_bound or not _is_to_be_saved(request, form):
        return _page(request, form, now=now, timer=timer, **_tried(request, form, now=now, timer=timer))
    saved = _save(
        form, lambda document: service.update(timer, changes=_changes(form, document), by=request.user, now=now)
    )
    if saved is None:
        return _page(request, form, now=now, timer=timer)
    messages.success(request, "Saved. The changes apply from now on.")
    return HttpResponseRedirect(_address(timer))


@require_POST
@page.page
def preview(request: HtmxHttpRequest) -> HttpResponse:
    """Return the preview for the fields as they are, and with it the parts of the form that have to keep in step."""
    now = clock.now()
    timer, form = _asking(request)
    context = {"form": form, "timer": timer, "swap": True, **timer_preview.context_for(form, now=now, timer=timer)}
    return page.render(request, "timers/_preview_live.html", context, now=now)


@require_POST
@page.page
def files(request: HtmxHttpRequest) -> HttpResponse:
    """Return one side of the file browser after it was opened or closed, or the paths after one was picked."""
    _, form = _asking(request)
    part = _transfer_part(form)
    chosen = request.htmx.trigger_name
    button = f"open:{chosen}" if chosen in SIDES else request.POST.get("files", "")
    part.press(button)
    verb, _, rest = button.partition(":")
    side = rest.partition(":")[0]
    if verb in ("open", "close") and side in SIDES:
        context = {"browser": part.browser(side), "query": _query(request)}
        return page.render(request, "timers/_file_browser.html", context, now=clock.now())
    return page.render(request, "timers/_path_rows.html", {"part": part, "query": _query(request)}, now=clock.now())


@page.page
def inputs(request: HtmxHttpRequest) -> HttpResponse:
    """Show a field for each input of the workflow that was chosen."""
    name, _ = read_choice(request.GET.get("workflow", ""))
    chosen = next((choice for choice in workflows.choices(request.user) if choice.name == name), None)
    fields = workflow_inputs.fields(chosen.inputs if chosen is not None else ())
    context = {"input_fields": fields, "input_rest": ""}
    return page.render(request, "timers/_workflow_inputs.html", context, now=clock.now())


@require_POST
@page.page
def test(request: HtmxHttpRequest) -> HttpResponse:
    """Send a test of the webhook in the fields and return what came of it."""
    now = clock.now()
    timer, form = _asking(request)
    return page.render(request, "timers/_webhook_test.html", _test(request, form, now=now, timer=timer), now=now)


@require_POST
@page.page
def dry_run(request: HtmxHttpRequest) -> HttpResponse:
    """Submit the transfer in the fields as a dry run, and show that one."""
    now = clock.now()
    timer, form = _asking(request)
    form.is_valid()
    try:
        body = {**form.body(), "dry_run": True}
        transfer = transfers.submit(owner=timer.owner if timer is not None else request.user, body=body, now=now)
    except Invalid as error:
        form.complain({f"body.{field}": texts for field, texts in error.fields.items()})
        return _page(request, form, now=now, timer=timer, lead="The dry run was not started.")
    return HttpResponseRedirect(reverse("transfer", args=[transfer.pk]))


# Steps


def _find(request: HtmxHttpRequest, timer_id: uuid.UUID) -> Timer:
    return page.found(queries.find_timer(request.user, timer_id))


def _address(timer: Timer) -> str:
    return reverse("timer", args=[timer.pk])


def _model(request: HtmxHttpRequest) -> Timer | None:
    """Return the timer that a new one should be like."""
    return _named(request, "from")


def _asking(request: HtmxHttpRequest) -> tuple[Timer | None, TimerForm]:
    """Return the timer whose form asks for a part, if it is edited, and the form as it is."""
    timer = _named(request, "timer")
    return timer, _form(request, like=timer or _model(request), editing=timer is not None)


def _named(request: HtmxHttpRequest, name: str) -> Timer | None:
    try:
        return queries.find_timer(request.user, uuid.UUID(request.GET.get(name, "")))
    except ValueError:
        return None


def _form(request: HtmxHttpRequest, *, like: Timer | None, editing: bool = False) -> TimerForm:
    data = request.POST if request.method == "POST" else None
    form = TimerForm(data, reader=request.user, zone=page.zone_of(request), like=like, editing=editing)
    if like is not None and not editing and data is None:
        form.initial["name"] = f"{like.name[:248]} (copy)"
    return form


def _query(request: HtmxHttpRequest) -> str:
    """Return what the parts of a page ask with: the timer that is edited or copied."""
    return f"?{request.GET.urlencode()}" if request.GET else ""


def _is_to_be_saved(request: HtmxHttpRequest, form: TimerForm) -> bool:
    """Return whether the form was sent to be saved; other buttons only change what it shows."""
    return not {"preview", "files", "test"} & request.POST.keys()


def _save(form: TimerForm, save: Callable[[dict[str, Any]], Timer]) -> Timer | None:
    """Carry out what the form asks for, or note at its fields why not."""
    form.is_valid()
    document = form.document()
    if document is None:
        return None
    try:
        return save(document)
    except Invalid as error:
        form.complain(error.fields)
    except TimersError as error:
        form.add_error(None, error.message)
    return None


def _changes(form: TimerForm, document: dict[str, Any]) -> dict[str, Any]:
    """Return what an edit asks for; a schedule that was left alone goes on where it is."""
    kept = {"schedule"} if form.keeps_schedule() else set()
    changes = {name: value for name, value in document.items() if name not in kept}
    return {**changes, "timer_type": form.cleaned_data["action"]}


def _tried(request: HtmxHttpRequest, form: TimerForm, *, now: datetime, timer: Timer | None = None) -> dict[str, Any]:
    """Carry out a button of the form that saves nothing; return what it adds to the page."""
    if "files" in request.POST:
        _transfer_part(form).press(request.POST["files"])
    return _test(request, form, now=now, timer=timer) if "test" in request.POST else {}


def _transfer_part(form: TimerForm) -> TransferForm:
    return next(part for part in form.parts if isinstance(part, TransferForm))


def _test(request: HtmxHttpRequest, form: TimerForm, *, now: datetime, timer: Timer | None) -> dict[str, Any]:
    """Send a test of the webhook; return its outcome, or the sentences why it was not sent."""
    form.is_valid()
    like = form.like.definition if form.like is not None else None
    try:
        outcome: Outcome = test_deliveries.send(
            form.body(),
            owner=timer.owner if timer is not None else request.user,
            by=request.user,
            now=now,
            like=like,
            timer_id=timer.pk if timer is not None else None,
        )
    except Invalid as error:
        problems = [f"{path.removeprefix('body.')}: {text}" for path, texts in error.fields.items() for text in texts]
        return {"test_problems": problems or ["Some fields cannot be read."]}
    except TimersError as error:
        return {"test_problems": [error.message]}
    return {"test": outcome}


def _page(
    request: HtmxHttpRequest, form: TimerForm, *, now: datetime, timer: Timer | None = None, lead: str = "", **more: Any
) -> HttpResponse:
    saving = form.is_bound and _is_to_be_saved(request, form)
    context = {
        "form": form,
        "timer": timer,
        "current": "timers",
        "query": f"?timer={timer.pk}" if timer else f"?from={form.like.pk}" if form.like is not None else "",
        "complaints": form.all_errors if saving else [],
        "lead": lead or ("The changes were not saved." if timer else "The timer was not created."),
        **timer_preview.context_for(form, now=now, timer=timer),
        **more,
    }
    return page.render(request, "timers/timer_form.html", context, now=now)
