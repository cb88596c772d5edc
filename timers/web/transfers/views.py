"""Transfers: the list, one of them or a dry run, cancelling, running again, starting what a dry run showed."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Any

from django.contrib import messages
from django.http import HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.views.decorators.http import require_POST

from timers import clock
from timers.errors import TimersError
from timers.lifecycle import TransferStatus
from timers.models import Transfer
from timers.queries.transfers import detail as transfer_detail
from timers.queries.transfers import files as transfer_files
from timers.queries.transfers import listing as queries
from timers.services.transfers import commands as service
from timers.services.transfers import pausing
from timers.web import page
from timers.web.page import HtmxHttpRequest

STATUS_CHOICES = (
    ("", "All"),
    ("unfinished", "Running"),
    ("paused", "Paused"),
    ("succeeded", "Succeeded"),
    ("failed", "Failed"),
    ("cancelled", "Cancelled"),
)
MANIFESTS = ("json", "csv", "sha256")


@page.page
def transfers_list(request: HtmxHttpRequest) -> HttpResponse:
    """Show the transfers, newest first."""
    now = clock.now()
    status = request.GET.get("status", "")
    listed = queries.transfers_page(request.user, now=now, status=status, marker=request.GET.get("marker"))
    context = {
        "listed": listed,
        "status": status,
        "statuses": STATUS_CHOICES,
        "current": "transfers",
        "refresh": request.get_full_path(),
    }
    part = page.wants_part(request)
    return page.render(request, "timers/_transfers_live.html" if part else "timers/transfers.html", context, now=now)


@page.page
def detail(request: HtmxHttpRequest, transfer_id: uuid.UUID) -> HttpResponse:
    """Show one transfer; to htmx only what changes."""
    return _show(request, _find(request, transfer_id))


def _show(request: HtmxHttpRequest, transfer: Transfer, *, oops: str = "", status: int = 200) -> HttpResponse:
    now = clock.now()
    faults = request.GET.get("events") == "faults"
    shown = transfer_detail.transfer_overview(
        transfer, now=now, files=request.GET.get("files", ""), after=request.GET.get("after", ""), faults=faults
    )
    context = {
        "transfer": transfer,
        "shown": shown,
        "heading": _heading(shown.row),
        "gate": transfer_detail.deletion_review(transfer, shown.summary) if _may_start(transfer) else None,
        "oops": oops,
        "faults": faults,
        "ways": MANIFESTS,
        "current": "transfers",
        "refresh": request.get_full_path(),
    }
    part = page.wants_part(request)
    template = "timers/_transfer_live.html" if part else "timers/transfer.html"
    return page.render(request, template, context, now=now, status=status)


def _heading(row: queries.TransferRow) -> str:
    way = row.way[:1].upper() + row.way[1:] if row.deletes else row.way
    return f"Dry run: {way}" if row.dry_run else way


@require_POST
@page.page
def cancel(request: HtmxHttpRequest, transfer_id: uuid.UUID) -> HttpResponse:
    """Ask an unfinished transfer to stop."""
    now = clock.now()
    transfer = _find(request, transfer_id)
    page.attempt(
        request, lambda: service.cancel(transfer, by=request.user, now=now), "The transfer is being cancelled."
    )
    return page.back(request, reverse("transfer", args=[transfer.pk]))


@require_POST
@page.page
def pause(request: HtmxHttpRequest, transfer_id: uuid.UUID) -> HttpResponse:
    """Pause an unfinished transfer; what was copied of a file stays."""
    transfer = _find(request, transfer_id)
    page.attempt(
        request, lambda: pausing.pause(transfer, by=request.user, now=clock.now()), "The transfer is being paused."
    )
    return page.back(request, reverse("transfer", args=[transfer.pk]))


@require_POST
@page.page
def resume(request: HtmxHttpRequest, transfer_id: uuid.UUID) -> HttpResponse:
    """Let a paused transfer go on."""
    transfer = _find(request, transfer_id)
    page.attempt(request, lambda: pausing.resume(transfer, by=request.user, now=clock.now()), "The transfer goes on.")
    return page.back(request, reverse("transfer", args=[transfer.pk]))


@require_POST
@page.page
def rerun(request: HtmxHttpRequest, transfer_id: uuid.UUID) -> HttpResponse:
    """Submit the same again, or as a dry run, or just what failed in it, and show that one."""
    transfer = _find(request, transfer_id)
    changes = {"dry_run": True} if request.POST.get("dry_run") else {}
    return _again(request, transfer, changes, only_failed=request.POST.get("only") == "failed")


@require_POST
@page.page
def start(request: HtmxHttpRequest, transfer_id: uuid.UUID) -> HttpResponse:
    """Start what a dry run showed; more deletions than usual only when their number was typed."""
    transfer = _find(request, transfer_id)
    if not _may_start(transfer):
        messages.error(request, "Only a successful dry run can be started.")
        return HttpResponseRedirect(reverse("transfer", args=[transfer.pk]))
    found = transfer_detail.deletion_review(transfer, transfer_files.file_totals(transfer.pk))
    if request.POST.get("keep"):
        return _again(request, transfer, {"dry_run": False, "delete_destination_extra": False})
    if not found.deletions or found.allowed or found.refused:
        return _again(request, transfer, {"dry_run": False})
    if _typed(request) != str(found.deletions):
        return _show(request, transfer, oops=f"To delete them, type {found.deletions}.", status=400)
    return _again(request, transfer, {"dry_run": False, "max_delete": found.deletions})


def _may_start(transfer: Transfer) -> bool:
    return bool(transfer.options.get("dry_run")) and transfer.status == TransferStatus.SUCCEEDED


def _typed(request: HtmxHttpRequest) -> str:
    return "".join(character for character in request.POST.get("count", "") if not character.isspace())


def _again(
    request: HtmxHttpRequest, transfer: Transfer, changes: Mapping[str, Any], *, only_failed: bool = False
) -> HttpResponse:
    try:
        new = service.rerun(transfer, by=request.user, now=clock.now(), changes=changes, only_failed=only_failed)
    except TimersError as error:
        messages.error(request, error.message)
        return page.back(request, reverse("transfer", args=[transfer.pk]))
    return HttpResponseRedirect(reverse("transfer", args=[new.pk]))


def _find(request: HtmxHttpRequest, transfer_id: uuid.UUID) -> Transfer:
    return page.found(queries.find_transfer(request.user, transfer_id))
