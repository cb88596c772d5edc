"""Views that submit transfers and deletions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import uuid4

from rest_framework.request import Request
from rest_framework.response import Response

from timers import clock, validation
from timers.globus import bodies
from timers.globus.base import token_of
from timers.globus.transfer.base import TransferServiceView, get_endpoint, result_document
from timers.http_api.errors import ProblemRaised
from timers.models import Transfer
from timers.services.people import consents
from timers.services.transfers import commands as transfers


class SubmissionId(TransferServiceView):
    """GET /submission_id"""

    def get(self, request: Request) -> Response:
        return Response({"DATA_TYPE": "submission_id", "value": str(uuid4())})


class SubmissionView(TransferServiceView):
    """POST /transfer and POST /delete"""

    kind: str = "transfer"
    endpoint_fields: tuple[str, ...] = ("source_endpoint", "destination_endpoint")
    no_items_code = "ClientError.BadRequest.NoTransferItems"

    def post(self, request: Request) -> Response:
        document = request.data
        if document.get("DATA_TYPE") not in (None, self.kind):
            raise ProblemRaised(400, "ClientError.BadRequest", f"DATA_TYPE: this takes a {self.kind}.")
        before = _earlier_submission(request, document)
        if before is not None:
            return Response(self._answer(request, before, "Duplicate"), status=202)
        endpoints = [
            get_endpoint(request, document[name]) for name in self.endpoint_fields if document.get(name) is not None
        ]
        if not document.get("DATA") and len(endpoints) == len(self.endpoint_fields):
            raise ProblemRaised(400, self.no_items_code, f"A {self.kind} needs at least one item in DATA.")
        consents.require_for_transfer(token_of(request), endpoints)
        body = self._body(document)
        transfer = transfers.submit(owner=request.user, body=body, now=clock.now())
        return Response(self._answer(request, transfer, "Accepted"), status=202)

    def _body(self, document: Mapping[str, Any]) -> dict[str, Any]:
        known = {name: value for name, value in document.items() if name != "skip_activation_check"}
        return {**bodies.read_transfer(known), "DATA_TYPE": "transfer"}

    def _answer(self, request: Request, transfer: Transfer, code: str) -> dict[str, Any]:
        words = {"Accepted": "has been accepted and a task has been created and queued for execution"}
        message = f"The {self.kind} {words.get(code, 'was submitted before; this is its task')}."
        link = {
            "DATA_TYPE": "link",
            "rel": "related",
            "resource": "task",
            "title": "related task",
            "href": f"/v0.10/task/{transfer.pk}?format=json",
        }
        ids = {"task_id": str(transfer.pk), "submission_id": str(transfer.submission_id), "task_link": link}
        return result_document(request, f"{self.kind}_result", code, message, **ids)


class Deletion(SubmissionView):
    """POST /delete"""

    kind = "delete"
    endpoint_fields = ("endpoint",)
    no_items_code = "ClientError.BadRequest.NoDeleteItems"

    def _body(self, document: Mapping[str, Any]) -> dict[str, Any]:
        dropped = ("skip_activation_check",)
        known = {name: value for name, value in document.items() if name not in dropped and value is not None}
        return {**known, "DATA_TYPE": "delete"}


def _earlier_submission(request: Request, document: Mapping[str, Any]) -> Transfer | None:
    """Return the transfer that this submission id created before, None if there is none."""
    key = validation.uuid(document["submission_id"]) if document.get("submission_id") is not None else None
    return transfers.find_submission(request.user, key) if key is not None else None
