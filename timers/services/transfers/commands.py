"""Transfer tasks: submit, run again, cancel, look up, end. The writes of a slice are in `slices` and `progress`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any
from uuid import UUID

from django.db import IntegrityError, transaction

from timers import validation
from timers.actions.base import Outcome
from timers.errors import Conflict, Invalid, NotFound
from timers.lifecycle import UNFINISHED_TRANSFER, TransferStatus
from timers.messaging import queue
from timers.models import Timer, Transfer, TransferEvent, TransferFile, TransferItem
from timers.models.leases import TRANSFERS
from timers.scheduling.clock_changes import load_zone
from timers.services.executions import complete
from timers.services.signals import transfer_ended
from timers.services.transfers import documents as transfer_documents
from timers.services.transfers import pausing, reruns, submissions
from timers.services.transfers.documents import document
from timers.services.transfers.submissions import RunValues, Submission

__all__ = [
    "cancel",
    "cancel_for_execution",
    "cancel_for_step",
    "change",
    "check_body",
    "document",
    "find_submission",
    "finish",
    "get_for",
    "outcome_of",
    "rerun",
    "result_of",
    "submit",
]

MAX_DURATION = timedelta(days=1)
"""Longest duration of a transfer without a given deadline (docs/policies.md)."""


def check_body(body: Mapping[str, Any], *, owner: Any) -> dict[str, Any]:
    """Return the document of a timer's transfer, checked against what the owner may use; raises Invalid by field."""
    return submissions.read_for_timer(body, owner=owner).written


def submit(
    *,
    owner: Any,
    body: Mapping[str, Any],
    now: datetime,
    timer_id: UUID | None = None,
    execution_id: UUID | None = None,
    attempt: int | None = None,
    step_id: UUID | None = None,
    deadline: datetime | None = None,
    planned_at: datetime | None = None,
) -> Transfer:
    """Store a transfer, or a deletion, and wake its first slice, in one transaction; return it.

    `planned_at` is the instant that its texts show, on the clock of the timer's zone: now unless it is given.

    A `submission_id` that was used before returns its transfer. An execution, or the step of a workflow run, has one
    transfer at a time: a later attempt takes over a transfer that still runs or has succeeded, and starts another where
    it failed. The submission id in a timer's body is ignored, because it would make every run but the first a
    repetition. Raises Invalid naming the field.
    """
    values = RunValues(planned_at=(planned_at or now).astimezone(_zone_of(timer_id)))
    submission = submissions.read(body, owner=owner, values=values)
    try:
        with transaction.atomic():
            existing = _existing(owner, submission, execution_id, step_id)
            if existing is not None:
                return _adopt(existing, attempt)
            transfer = _store(submission, owner=owner, now=now, deadline=deadline)
            transfer.timer_id, transfer.execution_id, transfer.attempt = timer_id, execution_id, attempt
            transfer.step_id = step_id
            transfer.submission_id = None if execution_id or step_id else submission.submission_id
            transfer.save(force_insert=True)
            TransferItem.objects.bulk_create(_items(transfer, submission))
            queue.enqueue(queue.RUN_SLICE, str(transfer.pk))
            return transfer
    except IntegrityError:  # the same submission arrived twice at once, and the other one was stored
        existing = _existing(owner, submission, execution_id, step_id)
        if existing is None:
            raise
        return existing


def rerun(
    transfer: Transfer, *, by: Any, now: datetime, changes: Mapping[str, Any] | None = None, only_failed: bool = False
) -> Transfer:
    """Submit the same transfer again for the same owner, with the changes (documents.CHANGEABLE); return the new one.

    With `only_failed` it has just the files that failed. Raises Invalid when the transfer cannot work any more, or not
    with these changes, and Conflict when it has not failed in any file.
    """
    body = transfer_documents.rerun_body(transfer, now=now, changes=changes or {})
    text = f"Asked for by {by.get_username()}, as {transfer.pk} was."
    if only_failed:
        body = reruns.failed_only(transfer, body)
        text = f"Asked for by {by.get_username()}: what failed in {transfer.pk}."
    with transaction.atomic():
        rerun_transfer = submit(owner=transfer.owner, body=body, now=now)
        TransferEvent.objects.create(
            transfer=rerun_transfer, at=now, code="rerun", phase=rerun_transfer.phase, text=text
        )
    return rerun_transfer


def find_submission(owner: Any, submission_id: UUID) -> Transfer | None:
    """Return the transfer of this submission id, None for a new one."""
    return Transfer.objects.filter(owner=owner, submission_id=submission_id).first()


def get_for(user: Any, id: UUID | str) -> Transfer:
    """Return a transfer that the user may see; raises NotFound."""
    visible = Transfer.objects.visible_to(user).select_related("source", "destination")
    identifier = validation.uuid(id)
    transfer = None if identifier is None else visible.filter(pk=identifier).first()
    if transfer is None:
        raise NotFound(f"There is no transfer {id}.")
    return transfer


def change(transfer: Transfer, *, changes: Mapping[str, Any], now: datetime) -> Transfer:
    """Return the unfinished transfer with a new label or deadline; a null label is removed.

    Raises Invalid naming label or deadline, Conflict when the transfer has finished.
    """
    changed: dict[str, Any] = {}
    if "label" in changes:
        changed["label"] = submissions.read_label(changes["label"])
    if changes.get("deadline") is not None:
        changed["deadline_at"] = submissions.read_deadline(changes)
        if changed["deadline_at"] <= now:
            raise Invalid({"deadline": "This instant has passed."})
    unfinished = Transfer.objects.unfinished().filter(pk=transfer.pk)
    if not (unfinished.update(**changed) if changed else unfinished.exists()):
        raise Conflict("The transfer has finished.")
    transfer.refresh_from_db()
    return transfer


def cancel(transfer: Transfer, *, by: Any, now: datetime) -> Transfer:
    """Cancel a transfer: at once between two slices, else the running slice notices it within a second.

    Return the transfer.

    Raises Conflict when the transfer has finished.
    """
    with transaction.atomic():
        transfer = Transfer.objects.select_for_update().get(pk=transfer.pk)
        if transfer.status not in UNFINISHED_TRANSFER:
            raise Conflict(f"The transfer has finished: it {_PAST_TENSE[transfer.status]}.")
        transfer.cancel_requested = True
        transfer.save(update_fields=["cancel_requested"])
        if transfer.lease_owner is None or transfer.status == TransferStatus.PAUSED:
            _cancel_between_slices(transfer, by=by, now=now)
    return transfer


def _cancel_between_slices(transfer: Transfer, *, by: Any, now: datetime) -> None:
    if not _has_partial_files(transfer):
        finish(transfer, TransferStatus.CANCELLED, now=now, message=_cancel_message(by))
    elif transfer.status == TransferStatus.PAUSED:
        pausing.leave(transfer, now=now)
        transfer.refresh_from_db()
    else:
        Transfer.objects.filter(pk=transfer.pk).update(run_at=now, lease_until=now + TRANSFERS.message_lease)
        queue.enqueue(queue.RUN_SLICE, str(transfer.pk))


def _has_partial_files(transfer: Transfer) -> bool:
    """Return whether a slice has to remove partial files at the destination, also those of a worker that died."""
    partial = TransferFile.objects.filter(transfer=transfer, state="pending", part__isnull=False)
    return transfer.lease_owner is not None or partial.exists()


def cancel_for_execution(execution_id: UUID, *, now: datetime) -> None:
    """Cancel the unfinished transfer of an execution, if there is one."""
    _cancel_all(Transfer.objects.unfinished().filter(execution_id=execution_id), now=now)


def cancel_for_step(step_id: UUID, *, now: datetime) -> None:
    """Cancel the unfinished transfer of a step of a workflow run, if there is one."""
    _cancel_all(Transfer.objects.unfinished().filter(step_id=step_id), now=now)


def _cancel_all(transfers: Iterable[Transfer], *, now: datetime) -> None:
    for transfer in transfers:
        try:
            cancel(transfer, by=None, now=now)
        except Conflict:
            continue


def finish(
    transfer: Transfer,
    status: str,
    *,
    now: datetime,
    message: str | None = None,
    reason: str | None = None,
    retryable: bool = False,
) -> bool:
    """End a transfer, and the execution that waits for it; return False when it had ended already.

    Call it inside a transaction that has locked the transfer's row.
    """
    changes = {"error_message": message, "failure_reason": reason, "finished_at": now, "pause_requested": False}
    lease_fields = {"run_at": None, "lease_until": None, "lease_owner": None, "busy_until": None}
    if not Transfer.objects.move(transfer.pk, transfer.status, status, **changes, **lease_fields):
        return False
    for name, value in {"status": status, **changes, **lease_fields}.items():
        setattr(transfer, name, value)
    TransferEvent.objects.create(
        transfer=transfer, at=now, code=status, phase=transfer.phase, text=message or "Succeeded."
    )
    outcome = outcome_of(transfer, retryable=retryable)
    if transfer.execution_id is not None and transfer.attempt is not None:
        complete.finish_elsewhere(transfer.execution_id, attempt=transfer.attempt, outcome=outcome, now=now)
    transfer_ended.send(None, transfer=transfer, outcome=outcome, figures=result_of(transfer), now=now)
    return True


def outcome_of(transfer: Transfer, *, retryable: bool = False) -> Outcome:
    """Return the outcome of an execution for the present state of its transfer."""
    result, ids = result_of(transfer), {"transfer_id": transfer.pk}
    if transfer.status == TransferStatus.SUCCEEDED:
        return Outcome.completed(result, **ids)
    if transfer.status == TransferStatus.CANCELLED:
        return Outcome.cancelled(transfer.error_message or "Cancelled.")
    if transfer.status == TransferStatus.FAILED:
        message, reason = transfer.error_message or "The transfer failed.", transfer.failure_reason or "failed"
        return Outcome.failed(message, reason=reason, retryable=retryable, result=result, **ids)
    return Outcome.waiting(**ids)


def result_of(transfer: Transfer) -> dict[str, Any]:
    """Return the transfer's counters, as the result of its execution."""
    return {
        "transfer_id": str(transfer.pk),
        "files_transferred": transfer.files_transferred,
        "files_skipped": transfer.files_skipped,
        "files_failed": transfer.files_failed,
        "warnings": transfer.warnings,
        "directories": transfer.directories,
        "bytes_transferred": transfer.bytes_transferred,
        "faults": transfer.faults,
    }


def _zone_of(timer_id: UUID | None) -> tzinfo:
    """Return the zone of a timer's schedule; UTC for a schedule without one, and for a transfer without a timer."""
    if timer_id is None:
        return UTC
    name = Timer.objects.filter(pk=timer_id).values_list("definition__schedule__timezone", flat=True).first()
    return load_zone(name) if name else UTC


_PAST_TENSE: dict[str, str] = {
    TransferStatus.SUCCEEDED: "succeeded",
    TransferStatus.FAILED: "failed",
    TransferStatus.CANCELLED: "was cancelled",
}


def _existing(owner: Any, submission: Submission, execution_id: UUID | None, step_id: UUID | None) -> Transfer | None:
    if execution_id is None and step_id is None:
        return find_submission(owner, submission.submission_id) if submission.submission_id else None
    owner_filter = {"execution_id": execution_id} if step_id is None else {"step_id": step_id}
    newest = Transfer.objects.select_for_update().filter(**owner_filter).order_by("-attempt").first()
    return None if newest is None or newest.status == TransferStatus.FAILED else newest


def _adopt(transfer: Transfer, attempt: int | None) -> Transfer:
    if attempt is not None and transfer.attempt != attempt:
        transfer.attempt = attempt
        transfer.save(update_fields=["attempt"])
    return transfer


def _store(submission: Submission, *, owner: Any, now: datetime, deadline: datetime | None) -> Transfer:
    if submission.deadline is not None and submission.deadline <= now:
        raise Invalid({"deadline": "This instant has passed."})
    limits = [instant for instant in (submission.deadline, deadline) if instant is not None]
    return Transfer(
        owner=owner,
        kind=submission.kind,
        source=submission.source,
        destination=submission.destination,
        label=submission.label,
        options=submission.options,
        requested_at=now,
        run_at=now,
        lease_until=now + TRANSFERS.message_lease,
        deadline_at=min(limits, default=now + MAX_DURATION),
    )


def _items(transfer: Transfer, submission: Submission) -> list[TransferItem]:
    return [
        TransferItem(
            transfer=transfer,
            number=number,
            source_path=item.source_path,
            destination_path=f"{item.destination_path.rstrip('/')}/" if item.into else item.destination_path,
            recursive=item.recursive,
            is_link=item.is_link,
            external_checksum=item.external_checksum,
            checksum_algorithm=item.checksum_algorithm,
        )
        for number, item in enumerate(submission.items)
    ]


def _cancel_message(by: Any) -> str:
    return "Cancelled." if by is None else f"Cancelled by {by.get_username()}."
