"""Notifications about ended transfers and executions: recipients and texts (docs/policies.md, Notices).

An error while notifying never undoes what was recorded.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from typing import Any
from uuid import UUID

from django.conf import settings
from django.contrib.auth import get_user_model
from django.db import transaction
from django.dispatch import receiver

from timers import formatting
from timers.lifecycle import ExecutionStatus, TransferStatus
from timers.models import Execution, Transfer, TransferItem
from timers.services import signals
from timers.services.attempt_values import EndedExecution
from timers.services.notifications import delivery
from timers.services.notifications.delivery import Message

log = logging.getLogger(__name__)

MAX_NAME_LENGTH = 80
MAX_ERROR_LENGTH = 2000

_SWITCHES = {TransferStatus.SUCCEEDED: "notify_on_succeeded", TransferStatus.FAILED: "notify_on_failed"}


@contextmanager
def _errors_logged() -> Iterator[None]:
    try:
        with transaction.atomic():
            yield
    except Exception:
        log.exception("A notification could not be stored.")


# Transfers


@receiver(signals.transfer_ended)
def announce_transfer(transfer: Transfer, figures: Mapping[str, Any], now: datetime, **_: Any) -> None:
    """Notify the owner of a transfer's end, if its options say so; `figures` are its counts."""
    if not _notifies(transfer) or not delivery.mail_is_on():
        return
    with _errors_logged():
        if not _is_tried_again(transfer):
            message = _transfer_message(transfer, figures=figures)
            delivery.announce(message, owner=transfer.owner, recipients=[delivery.OWNER], now=now)


def _notifies(transfer: Transfer) -> bool:
    switch = _SWITCHES.get(TransferStatus(transfer.status))
    if switch is None or transfer.options.get("dry_run"):
        return False
    gave_up = transfer.status == TransferStatus.FAILED and transfer.cancel_requested
    return not gave_up and bool(transfer.options.get(switch))


def _is_tried_again(transfer: Transfer) -> bool:
    if transfer.status != TransferStatus.FAILED or transfer.execution_id is None:
        return False
    return Execution.objects.filter(pk=transfer.execution_id, status=ExecutionStatus.RETRYING).exists()


def _transfer_message(transfer: Transfer, *, figures: Mapping[str, Any]) -> Message:
    noun = "Deletion" if transfer.kind == "delete" else "Transfer"
    name = _short(transfer.label) or f"in {_short(transfer.source.display_name)}"
    ended = f"{noun} {name} {transfer.status}"
    counted = _counted(transfer)
    about = counted if transfer.status == TransferStatus.SUCCEEDED else _first_line(transfer.error_message)
    link = _link(f"/transfers/{transfer.pk}/")
    lines = [*_places(transfer), ("Done", counted), *_problems(transfer)]
    return Message(
        type=f"transfer.{transfer.status}",
        subject=f"{ended}: {about}",
        text=_text(f"{ended}.", lines, link),
        data={
            **figures,
            "kind": transfer.kind,
            "label": transfer.label,
            "status": transfer.status,
            "error_message": transfer.error_message,
            "failure_reason": transfer.failure_reason,
            "timer_id": None if transfer.timer_id is None else str(transfer.timer_id),
            "execution_id": None if transfer.execution_id is None else str(transfer.execution_id),
            "url": link,
        },
        object_kind="transfer",
        object_id=transfer.pk,
    )


def _counted(transfer: Transfer) -> str:
    if transfer.kind == "delete":
        return f"{transfer.files_transferred:,} deleted"
    files = formatting.count_of(transfer.files_transferred, "file")
    return f"{files}, {formatting.plain_size(transfer.bytes_transferred)}"


def _places(transfer: Transfer) -> list[tuple[str, str]]:
    items = TransferItem.objects.filter(transfer=transfer).order_by("number")
    first, more = items.first(), items.count() - 1
    rest = f" and {more:,} more" if more > 0 else ""
    places = [("In" if transfer.kind == "delete" else "From", transfer.source, first and first.source_path)]
    if transfer.destination is not None and transfer.kind != "delete":
        places.append(("To", transfer.destination, first and first.destination_path))
    return [(label, f"{place.display_name}, {path or '/'}{rest}") for label, place, path in places]


def _problems(transfer: Transfer) -> list[tuple[str, str]]:
    lines = [
        ("Left as they were", f"{transfer.files_skipped:,}" if transfer.files_skipped else ""),
        ("Failed", f"{transfer.files_failed:,}" if transfer.files_failed else ""),
        ("Faults", f"{transfer.faults:,}" if transfer.faults else ""),
        ("What went wrong", (transfer.error_message or "")[:MAX_ERROR_LENGTH]),
    ]
    return [pair for pair in lines if pair[1]]


# Executions


@receiver(signals.executions_ended)
def announce_executions(
    ended: Iterable[EndedExecution],
    failures: Mapping[UUID, int],
    paused: Mapping[UUID, str],
    now: datetime,
    **_: Any,
) -> None:
    """Notify the recipients of the timers' policies of first failures, pauses, and successes after failures.

    `ended` is in the order of the ends. `failures` is each timer's number of failures in a row before them. `paused`
    holds the reasons of pauses, by the execution whose end paused its timer.
    """
    failures_by_timer = dict(failures)
    for execution in ended:
        before = failures_by_timer[execution.begun.timer_id]
        failures_by_timer[execution.begun.timer_id] = after = execution.failures_after(before)
        reason = paused.get(execution.begun.execution_id)
        if reason is not None or (before == 0) != (after == 0):
            with _errors_logged():
                _announce_execution(execution, before=before, after=after, reason=reason, now=now)


def _announce_execution(
    execution: EndedExecution, *, before: int, after: int, reason: str | None, now: datetime
) -> None:
    """Notify the recipients of the policy, except the owner if the transfer's own notification goes there."""
    definition = execution.begun.instructions
    owner: Any = get_user_model().objects.get(pk=definition.owner_id)
    excluded = [owner.email] if reason is None and _transfer_notifies(execution.outcome.transfer_id) else []
    if reason is not None:
        message = _paused(execution, after, reason)
    else:
        message = _failed(execution, after) if after else _works_again(execution, before)
    delivery.announce(message, owner=owner, recipients=definition.notify, now=now, excluded=excluded)


def _transfer_notifies(transfer_id: UUID | None) -> bool:
    transfer = Transfer.objects.filter(pk=transfer_id).first() if transfer_id is not None else None
    return transfer is not None and _notifies(transfer)


def _failed(execution: EndedExecution, failures: int) -> Message:
    name, error = _short(execution.begun.instructions.name), execution.outcome.error_message
    first = f"The timer {name} failed after {formatting.count_of(execution.begun.attempt, 'attempt')}."
    last = "You get no notification of further failures in a row, but one when the timer works again."
    return _execution_message(
        execution, "failed", f"Timer {name} failed: {_first_line(error)}", first, last, failures=failures
    )


def _paused(execution: EndedExecution, failures: int, reason: str) -> Message:
    name = _short(execution.begun.instructions.name)
    first = f"The timer {name} is paused. {reason}"
    cooldown = execution.begun.instructions.breaker_cooldown_seconds
    if cooldown is None or execution.outcome.pause_timer is not None:
        last = "It does not run until somebody resumes it."
    else:
        rest = formatting.duration_words(cooldown)
        last = f"After {rest} one run is tried. If it succeeds, the timer continues."
    return _execution_message(
        execution, "paused", f"Timer {name} is paused: {reason}", first, last, failures=failures, reason=reason
    )


def _works_again(execution: EndedExecution, failures: int) -> Message:
    name = _short(execution.begun.instructions.name)
    first = f"The timer {name} works again, after {formatting.count_of(failures, 'failure')} in a row."
    return _execution_message(
        execution, "works_again", f"Timer {name} works again", first, "", failures=0, failures_before=failures
    )


def _execution_message(
    execution: EndedExecution, kind: str, subject: str, first: str, last: str, **data: Any
) -> Message:
    begun, outcome = execution.begun, execution.outcome
    link = _link(f"/executions/{begun.execution_id}/")
    lines = [("Planned for", f"{begun.scheduled_for:%Y-%m-%d %H:%M:%S} UTC")]
    if outcome.error_message:
        lines.append(("What went wrong", outcome.error_message[:MAX_ERROR_LENGTH]))
    return Message(
        type=f"timer.{kind}",
        subject=subject,
        text=_text(first, lines, f"{link}\n\n{last}" if last else link),
        data={
            **data,
            "timer_id": str(begun.timer_id),
            "name": begun.instructions.name,
            "execution_id": str(begun.execution_id),
            "status": execution.status,
            "scheduled_for": begun.scheduled_for.isoformat(),
            "attempt": begun.attempt,
            "error_message": outcome.error_message and outcome.error_message[:MAX_ERROR_LENGTH],
            "failure_reason": outcome.failure_reason,
            "transfer_id": None if outcome.transfer_id is None else str(outcome.transfer_id),
            "url": link,
        },
        object_kind="timer",
        object_id=begun.timer_id,
    )


# Text


def _text(first: str, lines: Iterable[tuple[str, str]], last: str) -> str:
    return "\n".join([first, "", *(f"{label}: {value}" for label, value in lines), "", last, ""])


def _link(path: str) -> str:
    return f"{settings.TIMERS_BASE_URL}{path}"


def _short(name: str) -> str:
    return name if len(name) <= MAX_NAME_LENGTH else f"{name[: MAX_NAME_LENGTH - 1]}…"


def _first_line(text: str | None) -> str:
    return (text or "").strip().partition("\n")[0] or "no reason was given"
