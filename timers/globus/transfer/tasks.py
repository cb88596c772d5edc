"""Views of transfers as tasks: documents, lists, events and files; cancel and change."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.db.models import Q
from rest_framework.request import Request
from rest_framework.response import Response

from timers import clock, formatting, validation
from timers.errors import Conflict, Invalid
from timers.globus.base import number
from timers.globus.transfer import filters
from timers.globus.transfer.base import TransferServiceView, account_of, get_task, result_document
from timers.http_api.errors import ProblemRaised
from timers.lifecycle import UNFINISHED_TRANSFER, TransferStatus
from timers.models import Collection, Transfer, TransferEvent
from timers.queries.transfers import files as transfer_files
from timers.queries.transfers.files import WARNING, FileEntry, FileFilters
from timers.queries.transfers.listing import bytes_per_second
from timers.services.people import identities
from timers.services.transfers import commands as transfers

MAX_TASKS = 1_000
FILES_PAGE_SIZE = 1_000
CANCEL_WAIT_SECONDS = 3.0
"""Seconds for which a cancel waits until the running slice has stopped."""

_STATUSES = {
    TransferStatus.PENDING: "ACTIVE",
    TransferStatus.ACTIVE: "ACTIVE",
    TransferStatus.PAUSED: "ACTIVE",
    TransferStatus.SUCCEEDED: "SUCCEEDED",
    TransferStatus.FAILED: "FAILED",
    TransferStatus.CANCELLED: "FAILED",
}
_CODES = {
    "not_found": "FILE_NOT_FOUND",
    "permission_denied": "PERMISSION_DENIED",
    "path_outside": "PERMISSION_DENIED",
    "connection_error": "CONNECTION_FAILED",
    "checksum_mismatch": "CHECKSUM_MISMATCH",
    "no_space": "NO_SPACE",
    "quota": "QUOTA_EXCEEDED",
    "deadline": "TIMEOUT",
    "cancelled": "CANCELED",
}
"""Our failure reasons as the codes that clients know; all others are written in capitals."""

_PAUSE_MESSAGES = (
    "source_pause_message",
    "source_pause_message_share",
    "destination_pause_message",
    "destination_pause_message_share",
)
_SWITCHES = (
    "preserve_timestamp",
    "encrypt_data",
    "skip_source_errors",
    "fail_on_quota_errors",
    "delete_destination_extra",
)


class TransferTask(TransferServiceView):
    """GET and PUT /task/{id}"""

    def get(self, request: Request, task_id: str) -> Response:
        transfer = get_task(request, task_id)
        return Response(write_task(transfer, fault=_current_fault(transfer)))

    def put(self, request: Request, task_id: str) -> Response:
        transfer = get_task(request, task_id)
        validation.only_known(request.data, {"DATA_TYPE", "label", "deadline"})
        changes = {name: request.data[name] for name in ("label", "deadline") if name in request.data}
        transfers.change(transfer, changes=changes, now=clock.now())
        return Response(result_document(request, "result", "Updated", "The task has been updated successfully."))


class TaskCancel(TransferServiceView):
    """POST /task/{id}/cancel"""

    def post(self, request: Request, task_id: str) -> Response:
        transfer = get_task(request, task_id)
        try:
            cancelled = _wait_for_end(transfers.cancel(transfer, by=request.user, now=clock.now()))
        except Conflict:
            return Response(
                result_document(request, "result", "TaskComplete", "The task completed before it could be canceled.")
            )
        if cancelled.status in UNFINISHED_TRANSFER:
            message = "The cancellation was accepted; the task will stop in a moment."
            return Response(result_document(request, "result", "CancelAccepted", message), status=202)
        return Response(result_document(request, "result", "Canceled", "The task has been cancelled successfully."))


class TaskList(TransferServiceView):
    """GET /task_list"""

    def get(self, request: Request) -> Response:
        query = request.query_params
        rows = Transfer.objects.visible_to(request.user).filter(filters.tasks(query.get("filter", "")))
        rows = rows.select_related("owner", "source", "destination").order_by(
            *filters.task_order(query.get("orderby", ""))
        )
        return Response(_page(request, "task_list", rows, write_task))


class TaskPauseInfo(TransferServiceView):
    """GET /task/{id}/pause_info"""

    def get(self, request: Request, task_id: str) -> Response:
        """Return the pause rules of a task: none, since tasks are paused one by one here."""
        get_task(request, task_id)
        return Response({"DATA_TYPE": "pause_info_limited", "pause_rules": [], **dict.fromkeys(_PAUSE_MESSAGES)})


class TaskEvents(TransferServiceView):
    """GET /task/{id}/event_list"""

    def get(self, request: Request, task_id: str) -> Response:
        rows = TransferEvent.objects.filter(transfer=get_task(request, task_id)).order_by("-id")
        errors = Q(is_fault=True) | Q(code=TransferStatus.FAILED)
        for key, values in filters.clauses(request.query_params.get("filter", "")).items():
            if key == "is_error" and values in (["1"], ["0"]):
                rows = rows.filter(errors) if values == ["1"] else rows.exclude(errors)
            elif key == "code":
                rows = rows.filter(code__in=[value.lower().replace("canceled", "cancelled") for value in values])
            else:
                raise Invalid({"filter": "Filter events by is_error:1, is_error:0 or code:WORD."})
        return Response(_page(request, "event_list", rows, write_event))


class TaskSuccessfulTransfers(TransferServiceView):
    """GET /task/{id}/successful_transfers"""

    kind = "successful_transfers"
    file_filters = FileFilters(states=("done",), verdicts=("add", "change"))

    def get(self, request: Request, task_id: str) -> Response:
        transfer = get_task(request, task_id)
        marker = request.query_params.get("marker", "")
        place = transfer_files.read_place(marker) if marker not in ("", "0") else None
        if marker not in ("", "0") and place is None:
            raise ProblemRaised(400, "ClientError.BadRequest", "marker: this is not a marker of this list.")
        page = transfer_files.page(transfer.pk, filters=self.file_filters, limit=FILES_PAGE_SIZE, after=place)
        return Response(
            {
                "DATA_TYPE": self.kind,
                "DATA": [self.write(entry) for entry in page.rows if self.includes(entry)],
                "marker": marker or 0,
                "next_marker": page.next_marker,
            }
        )

    def includes(self, entry: FileEntry) -> bool:
        """Return whether an entry belongs into the list."""
        return entry.step in ("copy", "link")

    def write(self, entry: FileEntry) -> dict[str, Any]:
        """Return the document of one copied file."""
        algorithm, colon, digest = (entry.checksum or "").partition(":")
        if not colon:
            algorithm, digest = "SHA256" if entry.checksum else "", entry.checksum or ""
        return {
            "DATA_TYPE": "successful_transfer",
            "source_path": entry.source_path,
            "destination_path": entry.destination_path,
            "size": entry.size,
            "checksum": digest or None,
            "checksum_algorithm": algorithm.upper() if colon else algorithm or None,
            "dynamic_size": False,
        }


class TaskSkippedErrors(TaskSuccessfulTransfers):
    """GET /task/{id}/skipped_errors"""

    kind = "skipped_errors"
    file_filters = FileFilters(states=("failed", WARNING))

    def includes(self, entry: FileEntry) -> bool:
        return True

    def write(self, entry: FileEntry) -> dict[str, Any]:
        return {
            "DATA_TYPE": "skipped_error",
            "source_path": entry.source_path or None,
            "destination_path": entry.destination_path,
            "error_code": _code(entry.failure_reason),
            "error_details": entry.error_message,
            "error_time": None if entry.finished_at is None else formatting.iso(entry.finished_at),
            "is_directory": entry.step == "mkdir",
            "is_symlink": entry.step == "link",
            "is_delete_destination_extra": entry.step == "delete",
            "checksum_algorithm": None,
            "external_checksum": None,
        }


def _page(request: Request, kind: str, rows: Any, write: Any) -> dict[str, Any]:
    query = request.query_params
    limit = number(query, "limit", default=10, minimum=0, maximum=MAX_TASKS)
    offset = number(query, "offset", default=0, minimum=0, maximum=1_000_000_000)
    shown = [write(row) for row in rows[offset : offset + limit]]
    return {
        "DATA_TYPE": kind,
        "DATA": shown,
        "length": len(shown),
        "limit": limit,
        "offset": offset,
        "total": rows.count(),
    }


def _wait_for_end(transfer: Transfer) -> Transfer:
    """Return the transfer once it has ended, or unfinished after CANCEL_WAIT_SECONDS."""
    ends = time.monotonic() + CANCEL_WAIT_SECONDS
    while transfer.status in UNFINISHED_TRANSFER and time.monotonic() < ends:
        time.sleep(0.1)
        transfer.refresh_from_db(fields=["status"])
    return transfer


# Documents


def write_task(transfer: Transfer, *, fault: TransferEvent | None = None) -> dict[str, Any]:
    """Return the document of a transfer. `fault` is its current fault, if it is unfinished."""
    options: Mapping[str, Any] = transfer.options
    deletes, active = transfer.kind == "delete", transfer.status in UNFINISHED_TRANSFER
    account = account_of(transfer.owner)
    done = transfer.files_transferred + transfer.files_skipped
    return {
        "DATA_TYPE": "task",
        "task_id": str(transfer.pk),
        "type": "DELETE" if deletes else "TRANSFER",
        "status": _STATUSES[TransferStatus(transfer.status)],
        "label": transfer.label or None,
        "request_time": formatting.iso(transfer.requested_at),
        "completion_time": _instant(transfer.finished_at),
        "deadline": _instant(transfer.deadline_at),
        "owner_id": str(identities.id_of(transfer.owner)),
        "username": account,
        "command": "API 0.10",
        **_end("source", transfer.source, account),
        **_end("destination", transfer.destination, account),
        **_nice_status(transfer, fault, active=active),
        "is_paused": transfer.status == TransferStatus.PAUSED,
        "fatal_error": _fatal_error(transfer),
        "files": transfer.files,
        "directories": transfer.directories,
        "symlinks": transfer.symlinks,
        "files_transferred": transfer.files_transferred,
        "files_skipped": transfer.files_skipped,
        "bytes_transferred": transfer.bytes_transferred,
        "bytes_checksummed": transfer.bytes_checksummed,
        "effective_bytes_per_second": bytes_per_second(transfer, now=clock.now()),
        "faults": transfer.faults,
        **_subtasks(transfer, done),
        "sync_level": options.get("sync_level"),
        "verify_checksum": bool(options.get("verify_checksum")) and not deletes,
        **{name: bool(options.get(name)) for name in _SWITCHES},
        "filter_rules": options.get("filter_rules"),
        "recursive_symlinks": options.get("recursive_symlinks") or "ignore",
        "history_deleted": False,
        "canceled_by_admin": None,
        "canceled_by_admin_message": None,
    }


def _end(name: str, collection: Collection | None, account: str) -> dict[str, Any]:
    return {
        f"{name}_endpoint_id": str(collection.pk) if collection is not None else None,
        f"{name}_endpoint": f"{account}#{collection.pk}" if collection is not None else None,
        f"{name}_endpoint_display_name": collection.display_name if collection is not None else None,
    }


def _nice_status(transfer: Transfer, fault: TransferEvent | None, *, active: bool) -> dict[str, Any]:
    """Return the short status fields of an unfinished task; nulls once it has ended."""
    names = ("nice_status_details", "nice_status_expires_in", "nice_status_short_description")
    rest = dict.fromkeys(names)
    if not active:
        return {"is_ok": None, "nice_status": None, **rest}
    if transfer.status == TransferStatus.PAUSED:
        return {"is_ok": True, "nice_status": "PAUSED", **rest, "nice_status_short_description": "paused"}
    if fault is not None:
        word = _code(fault.code)
        rest |= {"nice_status_details": fault.text, "nice_status_short_description": word.replace("_", " ").lower()}
        return {"is_ok": False, "nice_status": word, **rest}
    word = "Queued" if transfer.status == TransferStatus.PENDING else "OK"
    return {"is_ok": True, "nice_status": word, **rest, "nice_status_short_description": word}


def _current_fault(transfer: Transfer) -> TransferEvent | None:
    """Return the last fault of an unfinished transfer, unless another event followed it."""
    if transfer.status not in UNFINISHED_TRANSFER or not transfer.faults:
        return None
    last = TransferEvent.objects.filter(transfer=transfer).order_by("-id").first()
    return last if last is not None and last.is_fault else None


def _fatal_error(transfer: Transfer) -> dict[str, str] | None:
    if transfer.status == TransferStatus.CANCELLED:
        return {"code": "CANCELED", "description": transfer.error_message or "Canceled."}
    if transfer.status != TransferStatus.FAILED:
        return None
    return {"code": _code(transfer.failure_reason), "description": transfer.error_message or "The task failed."}


def _subtasks(transfer: Transfer, done: int) -> dict[str, int]:
    """Return the counts of a task's subtasks, which are its files."""
    left = max(0, transfer.files - done - transfer.files_failed)
    skipped = transfer.files_failed + left if transfer.status == TransferStatus.SUCCEEDED else 0
    active, cancelled = transfer.status in UNFINISHED_TRANSFER, transfer.status == TransferStatus.CANCELLED
    return {
        "subtasks_total": transfer.files,
        "subtasks_succeeded": done,
        "subtasks_pending": left if active else 0,
        "subtasks_retrying": 0,
        "subtasks_failed": 0 if skipped else transfer.files_failed + (0 if active or cancelled else left),
        "subtasks_canceled": left if cancelled else 0,
        "subtasks_expired": 0,
        "subtasks_skipped_errors": skipped,
    }


def write_event(event: TransferEvent) -> dict[str, Any]:
    """Return the document of an event of a task."""
    failed = event.is_fault or event.code == TransferStatus.FAILED
    word = _code(event.code)
    details = {"phase": event.phase, "path": event.path, "message": event.text}
    return {
        "DATA_TYPE": "event",
        "time": formatting.iso(event.at),
        "code": word,
        "description": word.replace("_", " ").lower(),
        "details": json.dumps({name: value for name, value in details.items() if value}),
        "is_error": failed,
    }


def _code(reason: str | None) -> str:
    return _CODES.get(reason or "", (reason or "error").upper())


def _instant(value: datetime | None) -> str | None:
    return None if value is None else formatting.iso(value)
