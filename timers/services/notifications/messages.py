"""What is told of the ends of transfers and executions, to whom and in which words (docs/policies.md, Notices).

What was recorded stands, whatever goes wrong in telling of it.
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
from timers.services.notifications.delivery import News

log = logging.getLogger(__name__)

MAX_NAME_LENGTH = 80
MAX_ERROR_LENGTH = 2000

_SWITCHES = {TransferStatus.SUCCEEDED: "notify_on_succeeded", TransferStatus.FAILED: "notify_on_failed"}


@contextmanager
def _without_harm() -> Iterator[None]:
    try:
        with transaction.atomic():
            yield
    except Exception:
        log.exception("Nobody was told how something ended.")


# Transfers


@receiver(signals.transfer_ended)
def announce_transfer(transfer: Transfer, figures: Mapping[str, Any], now: datetime, **_: Any) -> None:
    """Tell the owner how a transfer ended, where its options ask for it; `figures` are its counts."""
    if not _tells(transfer) or not delivery.mail_is_on():
        return
    with _without_harm():
        if not _is_tried_again(transfer):
            news = _news_of_transfer(transfer, figures=figures)
            delivery.announce(news, owner=transfer.owner, words=[delivery.OWNER], now=now)


def _tells(transfer: Transfer) -> bool:
    switch = _SWITCHES.get(TransferStatus(transfer.status))
    if switch is None or transfer.options.get("dry_run"):
        return False
    gave_up = transfer.status == TransferStatus.FAILED and transfer.cancel_requested
    return not gave_up and bool(transfer.options.get(switch))


def _is_tried_again(transfer: Transfer) -> bool:
    if transfer.status != TransferStatus.FAILED or transfer.execution_id is None:
        return False
    return Execution.objects.filter(pk=transfer.execution_id, status=ExecutionStatus.RETRYING).exists()


def _news_of_transfer(transfer: Transfer, *, figures: Mapping[str, Any]) -> News:
    noun = "Deletion" if transfer.kind == "delete" else "Transfer"
    which = _short(transfer.label) or f"in {_short(transfer.source.display_name)}"
    ended = f"{noun} {which} {transfer.status}"
    counted = _counted(transfer)
    about = counted if transfer.status == TransferStatus.SUCCEEDED else _first_line(transfer.error_message)
    link = _link(f"/transfers/{transfer.pk}/")
    lines = [*_places(transfer), ("Done", counted), *_troubles(transfer)]
    return News(
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
    return [(word, f"{place.display_name}, {path or '/'}{rest}") for word, place, path in places]


def _troubles(transfer: Transfer) -> list[tuple[str, str]]:
    found = [
        ("Left as they were", f"{transfer.files_skipped:,}" if transfer.files_skipped else ""),
        ("Failed", f"{transfer.files_failed:,}" if transfer.files_failed else ""),
        ("Faults", f"{transfer.faults:,}" if transfer.faults else ""),
        ("What went wrong", (transfer.error_message or "")[:MAX_ERROR_LENGTH]),
    ]
    return [pair for pair in found if pair[1]]


# Executions


@receiver(signals.executions_ended)
def announce_executions(
    ended: Iterable[EndedExecution],
    failures: Mapping[UUID, int],
    paused: Mapping[UUID, str],
    now: datetime,
    **_: Any,
) -> None:
    """Tell whom the timers' policies name of first failures, of pauses, and of the success that follows failures.

    `failures` are those in a row of each timer before these ends, which come in their order; `paused` are the reasons
    by execution whose end paused its timer.
    """
    standing = dict(failures)
    for each in ended:
        before = standing[each.begun.timer_id]
        standing[each.begun.timer_id] = after = each.failures_after(before)
        reason = paused.get(each.begun.execution_id)
        if reason is not None or (before == 0) != (after == 0):
            with _without_harm():
                _tell(each, before=before, after=after, reason=reason, now=now)


def _tell(each: EndedExecution, *, before: int, after: int, reason: str | None, now: datetime) -> None:
    """Announce it to whom the policy names; not to the owner's address where the transfer has told it already."""
    what = each.begun.instructions
    owner: Any = get_user_model().objects.get(pk=what.owner_id)
    but_not = [owner.email] if reason is None and _transfer_tells(each.outcome.transfer_id) else []
    if reason is not None:
        news = _paused(each, after, reason)
    else:
        news = _failed(each, after) if after else _works_again(each, before)
    delivery.announce(news, owner=owner, words=what.notify, now=now, but_not=but_not)


def _transfer_tells(transfer_id: UUID | None) -> bool:
    transfer = Transfer.objects.filter(pk=transfer_id).first() if transfer_id is not None else None
    return transfer is not None and _tells(transfer)


def _failed(each: EndedExecution, failures: int) -> News:
    name, error = _short(each.begun.instructions.name), each.outcome.error_message
    first = f"The timer {name} failed after {formatting.count_of(each.begun.attempt, 'attempt')}."
    last = "Further failures in a row are not told; that it works again is."
    return _news(each, "failed", f"Timer {name} failed: {_first_line(error)}", first, last, failures=failures)


def _paused(each: EndedExecution, failures: int, reason: str) -> News:
    name = _short(each.begun.instructions.name)
    first = f"The timer {name} is paused. {reason}"
    cooldown = each.begun.instructions.breaker_cooldown_seconds
    if cooldown is None or each.outcome.pause_timer is not None:
        last = "It starts nothing more until somebody resumes it."
    else:
        rest = formatting.duration_words(cooldown)
        last = f"After {rest} one run is let through to try; its success lets the timer go on."
    return _news(each, "paused", f"Timer {name} is paused: {reason}", first, last, failures=failures, reason=reason)


def _works_again(each: EndedExecution, failures: int) -> News:
    name = _short(each.begun.instructions.name)
    first = f"The timer {name} works again, after {formatting.count_of(failures, 'failure')} in a row."
    return _news(each, "works_again", f"Timer {name} works again", first, "", failures=0, failures_before=failures)


def _news(each: EndedExecution, word: str, subject: str, first: str, last: str, **data: Any) -> News:
    begun, outcome = each.begun, each.outcome
    link = _link(f"/executions/{begun.execution_id}/")
    lines = [("Planned for", f"{begun.scheduled_for:%Y-%m-%d %H:%M:%S} UTC")]
    if outcome.error_message:
        lines.append(("What went wrong", outcome.error_message[:MAX_ERROR_LENGTH]))
    return News(
        type=f"timer.{word}",
        subject=subject,
        text=_text(first, lines, f"{link}\n\n{last}" if last else link),
        data={
            **data,
            "timer_id": str(begun.timer_id),
            "name": begun.instructions.name,
            "execution_id": str(begun.execution_id),
            "status": each.status,
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


# Words


def _text(first: str, lines: Iterable[tuple[str, str]], last: str) -> str:
    return "\n".join([first, "", *(f"{word}: {value}" for word, value in lines), "", last, ""])


def _link(path: str) -> str:
    return f"{settings.TIMERS_BASE_URL}{path}"


def _short(name: str) -> str:
    return name if len(name) <= MAX_NAME_LENGTH else f"{name[: MAX_NAME_LENGTH - 1]}…"


def _first_line(text: str | None) -> str:
    return (text or "").strip().partition("\n")[0] or "no reason was given"
