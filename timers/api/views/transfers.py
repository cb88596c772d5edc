"""Transfers: submitted, listed, read, cancelled, run again; their files and history."""

from __future__ import annotations

from typing import Any

from django.http import StreamingHttpResponse
from drf_spectacular.types import OpenApiTypes
from rest_framework.request import Request
from rest_framework.response import Response

from timers import clock, validation
from timers.api import examples, filters, manifests, query_parameters
from timers.api.base import ApiView, body, find, repeatable
from timers.api.schema import FIELDS, LIMIT, MARKER, described, query
from timers.api.serializers.transfers import (
    EventPage,
    FilePage,
    FileSerializer,
    ManifestAnswer,
    RerunRequest,
    TransferEventSerializer,
    TransferPage,
    TransferRequest,
    TransferSerializer,
    TransferWithPlanSerializer,
)
from timers.models import Transfer
from timers.models.transfers import TransferQuerySet
from timers.queries.transfers import files as transfer_files
from timers.services.transfers import commands as transfers
from timers.services.transfers import pausing


def rows(request: Request) -> TransferQuerySet:
    """Return the transfers that the caller may know of."""
    return Transfer.objects.visible_to(request.user).select_related("owner")


def answer(request: Request, transfer_id: Any) -> Any:
    """Return the document of a transfer as it is now."""
    transfer = find(rows(request), str(transfer_id))
    return TransferWithPlanSerializer(transfer, context={"now": clock.now()}).data


class TransferList(ApiView):
    @described(
        "list_transfers",
        "List transfers",
        tag="transfers",
        answer=TransferPage,
        example=examples.TRANSFER_PAGE,
        parameters=[
            LIMIT,
            MARKER,
            FIELDS,
            query("status", "A comma list of pending, active, paused, succeeded, failed, cancelled."),
        ],
        description="Newest first.",
    )
    def get(self, request: Request) -> Response:
        params = request.query_params
        only = query_parameters.words(params, "fields", TransferSerializer.names()) or None
        page = query_parameters.page(params, filters.transfers(rows(request), params), filters.TRANSFER_ORDER)
        shown = TransferSerializer(page.rows, many=True, only=only, context={"now": clock.now()}).data
        return Response({"transfers": shown, "marker": page.next_marker})

    @described(
        "submit_transfer",
        "Submit a transfer or a deletion",
        tag="transfers",
        status=201,
        request=TransferRequest,
        sends=examples.NEW_TRANSFER,
        answer=TransferWithPlanSerializer,
        example=examples.TRANSFER_WITH_PLAN,
    )
    @repeatable
    def post(self, request: Request) -> Response:
        transfer = transfers.submit(owner=request.user, body=body(request), now=clock.now())
        return Response(answer(request, transfer.pk), status=201)


class TransferDetail(ApiView):
    @described(
        "get_transfer",
        "Read a transfer",
        tag="transfers",
        answer=TransferWithPlanSerializer,
        example=examples.TRANSFER_WITH_PLAN,
    )
    def get(self, request: Request, transfer_id: str) -> Response:
        return Response(answer(request, transfer_id))


class TransferFiles(ApiView):
    @described(
        "list_transfer_files",
        "List a transfer's files",
        tag="transfers",
        answer=FilePage,
        example=examples.FILE_PAGE,
        parameters=[
            LIMIT,
            MARKER,
            query(
                "status",
                "A comma list of pending, waiting (for another file), done, skipped, warning (left out, with its "
                "reason), failed.",
            ),
            query("verdict", "A comma list of add, change, same, delete, error."),
            query("q", "Part of a path, whatever the case."),
        ],
        description="What its items expanded to, in order, each with its state. A page of a search may hold fewer than "
        "`limit`, even none, while its marker says that there is more to look at.",
    )
    def get(self, request: Request, transfer_id: str) -> Response:
        transfer, params = find(rows(request), transfer_id), request.query_params
        page = transfer_files.page(
            transfer.pk,
            filters=filters.files(params),
            limit=query_parameters.limit(params),
            after=filters.place(params),
        )
        return Response({"files": FileSerializer(page.rows, many=True).data, "marker": page.next_marker})


class TransferManifest(ApiView):
    @described(
        "get_transfer_manifest",
        "Read a transfer's manifest",
        tag="transfers",
        answer=ManifestAnswer,
        example=examples.MANIFEST,
        parameters=[query("as", "json (default), csv or sha256.", enum=list(manifests.TYPES))],
        also=("text/csv", "text/plain"),
        description="All files that were copied or found the same; of a deletion, all that were deleted. `sha256` is "
        "what `sha256sum -c` reads in the collection's root; 409 when no digest is known.",
    )
    def get(self, request: Request, transfer_id: str) -> StreamingHttpResponse:
        transfer = find(rows(request), transfer_id)
        way = query_parameters.one_of(request.query_params.get("as") or "json", "as", manifests.TYPES)
        document = TransferSerializer(transfer, context={"now": clock.now()}).data
        response = StreamingHttpResponse(manifests.write(transfer, document, way), content_type=manifests.TYPES[way])
        response["Content-Disposition"] = f'attachment; filename="transfer-{transfer.pk}.{way}"'
        return response


class TransferEvents(ApiView):
    @described(
        "list_transfer_events",
        "List a transfer's events",
        tag="transfers",
        answer=EventPage,
        example=examples.EVENT_PAGE,
        parameters=[LIMIT, MARKER, query("faults", "true: faults only.", type=OpenApiTypes.BOOL)],
        description="Newest first: phases, faults and how it ended.",
    )
    def get(self, request: Request, transfer_id: str) -> Response:
        transfer = find(rows(request), transfer_id)
        events = transfer.events.all()
        if query_parameters.flag(request.query_params, "faults"):
            events = events.filter(is_fault=True)
        page = query_parameters.page(request.query_params, events, filters.EVENT_ORDER)
        return Response({"events": TransferEventSerializer(page.rows, many=True).data, "marker": page.next_marker})


class TransferCancel(ApiView):
    @described(
        "cancel_transfer",
        "Cancel a transfer",
        tag="transfers",
        status=202,
        answer=TransferWithPlanSerializer,
        example=examples.TRANSFER_WITH_PLAN,
        description="It stops between two files. A finished one: 409.",
    )
    @repeatable
    def post(self, request: Request, transfer_id: str) -> Response:
        transfer = find(rows(request), transfer_id)
        transfers.cancel(transfer, by=request.user, now=clock.now())
        return Response(answer(request, transfer.pk), status=202)


class TransferPause(ApiView):
    @described(
        "pause_transfer",
        "Pause a transfer",
        tag="transfers",
        answer=TransferWithPlanSerializer,
        example=examples.TRANSFER_WITH_PLAN,
        description="Between two slices at once, else within a second; what was copied of a file stays. A paused or "
        "finished one: 409.",
    )
    @repeatable
    def post(self, request: Request, transfer_id: str) -> Response:
        transfer = find(rows(request), transfer_id)
        pausing.pause(transfer, by=request.user, now=clock.now())
        return Response(answer(request, transfer.pk))


class TransferResume(ApiView):
    @described(
        "resume_transfer",
        "Resume a transfer",
        tag="transfers",
        answer=TransferWithPlanSerializer,
        example=examples.TRANSFER_WITH_PLAN,
        description="It goes on where it stopped; its deadline moves by the time of the pause. One that is not paused: "
        "409.",
    )
    @repeatable
    def post(self, request: Request, transfer_id: str) -> Response:
        transfer = find(rows(request), transfer_id)
        pausing.resume(transfer, by=request.user, now=clock.now())
        return Response(answer(request, transfer.pk))


class TransferRerun(ApiView):
    @described(
        "rerun_transfer",
        "Run a transfer again",
        tag="transfers",
        status=201,
        request=RerunRequest,
        sends={"only": "failed"},
        answer=TransferWithPlanSerializer,
        example=examples.TRANSFER_WITH_PLAN,
        description="A new one of what was asked for, with these changes; of a dry run, another dry run unless "
        "`dry_run` is false. A deadline that has passed is left out. With `only` `failed` its items are the files that "
        "failed, and the folders with all that is in them; nothing failed: 409, more than 10,000: 400.",
    )
    @repeatable
    def post(self, request: Request, transfer_id: str) -> Response:
        transfer = find(rows(request), transfer_id)
        changes = dict(RerunRequest.read(body(request)))
        only = changes.pop("only", None)
        only_failed = only is not None and validation.one_of(only, "only", ["failed"]) == "failed"
        new = transfers.rerun(transfer, by=request.user, now=clock.now(), changes=changes, only_failed=only_failed)
        return Response(answer(request, new.pk), status=201)
