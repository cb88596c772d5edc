"""Transfers: the list, one of them, and cancelling it."""

from __future__ import annotations

import uuid

from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.views.decorators.http import require_POST

from timers import clock
from timers.models import Transfer
from timers.queries import transfers as queries
from timers.services import transfers as service
from timers.web import shell

STATUS_CHOICES = (("", "All"), ("unfinished", "Running"), ("succeeded", "Succeeded"), ("failed", "Failed"))
FILE_CHOICES = (("", "All"), ("pending", "To do"), ("done", "Done"), ("skipped", "Unchanged"), ("faults", "Faults"))


@shell.page
def transfers_list(request: HttpRequest) -> HttpResponse:
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
    part = request.htmx and not request.htmx.history_restore_request  # type: ignore[attr-defined]
    return shell.render(request, "timers/_transfers_live.html" if part else "timers/transfers.html", context, now=now)


@shell.page
def detail(request: HttpRequest, transfer_id: uuid.UUID) -> HttpResponse:
    """Show one transfer; to htmx only what changes."""
    now = clock.now()
    transfer = _find(request, transfer_id)
    state = request.GET.get("files", "")
    context = {
        "transfer": transfer,
        "shown": queries.transfer_detail(transfer, now=now, state=state),
        "state": state,
        "states": FILE_CHOICES,
        "current": "transfers",
        "refresh": request.get_full_path(),
    }
    part = request.htmx and not request.htmx.history_restore_request  # type: ignore[attr-defined]
    return shell.render(request, "timers/_transfer_live.html" if part else "timers/transfer.html", context, now=now)


@require_POST
@shell.page
def cancel(request: HttpRequest, transfer_id: uuid.UUID) -> HttpResponse:
    """Ask an unfinished transfer to stop."""
    now = clock.now()
    transfer = _find(request, transfer_id)
    shell.attempt(
        request, lambda: service.cancel(transfer, by=request.user, now=now), "The transfer is being cancelled."
    )
    return shell.back(request, reverse("transfer", args=[transfer.pk]))


def _find(request: HttpRequest, transfer_id: uuid.UUID) -> Transfer:
    return shell.found(queries.find_transfer(request.user, transfer_id))
