"""Transfers: submitted, listed, read, cancelled; their files and history."""

from __future__ import annotations

from typing import Any

from rest_framework.request import Request
from rest_framework.response import Response

from timers import clock
from timers.api import examples, filters, pages, parameters
from timers.api import serializers as shapes
from timers.api.base import Door, body, find, repeatable
from timers.api.pages import Order, Page
from timers.api.schema import FIELDS, LIMIT, MARKER, described, query
from timers.models import Transfer
from timers.models.transfers import TransferQuerySet
from timers.services import transfers


def rows(request: Request) -> TransferQuerySet:
    """Return the transfers that the caller may know of."""
    return Transfer.objects.visible_to(request.user).select_related("owner")


def answer(request: Request, transfer_id: Any) -> Any:
    """Return the document of a transfer as it is now."""
    return shapes.TransferSerializer(find(rows(request), str(transfer_id)), context={"now": clock.now()}).data


def _page(found: Any, request: Request, order: Order) -> Page[Any]:
    wanted = request.query_params
    return pages.page(found, order=order, limit=parameters.limit(wanted), marker=parameters.marker(wanted))


class Transfers(Door):
    @described(
        "list_transfers",
        "List transfers",
        tag="transfers",
        answer=shapes.TransferPage,
        example=examples.TRANSFER_PAGE,
        parameters=[
            LIMIT,
            MARKER,
            FIELDS,
            query("status", "A comma list of pending, active, succeeded, failed, cancelled."),
        ],
        description="Newest first.",
    )
    def get(self, request: Request) -> Response:
        wanted = request.query_params
        only = parameters.words(wanted, "fields", shapes.TransferSerializer.names()) or None
        page = _page(filters.transfers(rows(request), wanted), request, filters.TRANSFER_ORDER)
        shown = shapes.TransferSerializer(page.rows, many=True, only=only, context={"now": clock.now()}).data
        return Response({"transfers": shown, "marker": page.marker})

    @described(
        "submit_transfer",
        "Submit a transfer",
        tag="transfers",
        status=201,
        request=shapes.TransferRequest,
        sends=examples.NEW_TRANSFER,
        answer=shapes.TransferSerializer,
        example=examples.TRANSFER,
    )
    @repeatable
    def post(self, request: Request) -> Response:
        transfer = transfers.submit(owner=request.user, body=body(request), now=clock.now())
        return Response(answer(request, transfer.pk), status=201)


class TransferOne(Door):
    @described(
        "get_transfer",
        "Read a transfer",
        tag="transfers",
        answer=shapes.TransferSerializer,
        example=examples.TRANSFER,
    )
    def get(self, request: Request, transfer_id: str) -> Response:
        return Response(answer(request, transfer_id))


class TransferFiles(Door):
    @described(
        "list_transfer_files",
        "List a transfer's files",
        tag="transfers",
        answer=shapes.FilePage,
        example=examples.FILE_PAGE,
        parameters=[LIMIT, MARKER],
        description="What its items expanded to, in order, each with its state.",
    )
    def get(self, request: Request, transfer_id: str) -> Response:
        transfer = find(rows(request), transfer_id)
        page = _page(transfer.file_rows.all(), request, filters.FILE_ORDER)
        return Response({"files": shapes.FileSerializer(page.rows, many=True).data, "marker": page.marker})


class TransferEvents(Door):
    @described(
        "list_transfer_events",
        "List a transfer's events",
        tag="transfers",
        answer=shapes.EventPage,
        example=examples.EVENT_PAGE,
        parameters=[LIMIT, MARKER],
        description="Newest first: phases, faults and how it ended.",
    )
    def get(self, request: Request, transfer_id: str) -> Response:
        transfer = find(rows(request), transfer_id)
        page = _page(transfer.events.all(), request, filters.EVENT_ORDER)
        return Response({"events": shapes.TransferEventSerializer(page.rows, many=True).data, "marker": page.marker})


class TransferCancel(Door):
    @described(
        "cancel_transfer",
        "Cancel a transfer",
        tag="transfers",
        status=202,
        answer=shapes.TransferSerializer,
        example=examples.TRANSFER,
        description="It stops between two files. A finished one: 409.",
    )
    @repeatable
    def post(self, request: Request, transfer_id: str) -> Response:
        transfer = find(rows(request), transfer_id)
        transfers.cancel(transfer, by=request.user, now=clock.now())
        return Response(answer(request, transfer.pk), status=202)
