"""The only writer of notifications: stored in the transaction of their cause, sent by workers afterwards.

A notification is delivered at least once: a worker takes it with a lease, and if that worker dies another one takes it.
Its Message-ID or `webhook-id` is the same each time.
"""

from __future__ import annotations

import logging
import random
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.db.models import F

from timers.channels import base as channels
from timers.channels.base import CHANNELS, Delivery
from timers.errors import Conflict, ExternalError, Invalid
from timers.lifecycle import NoticeStatus
from timers.messaging import queue
from timers.models import Notice, sql
from timers.models.channels import NoticeQuerySet
from timers.models.leases import NOTICES
from timers.scheduling import backoff
from timers.services.timers import signing_secrets

log = logging.getLogger(__name__)

MAX_ATTEMPTS = 5
INITIAL_DELAY_SECONDS = 240.0
"""Maximum delay before the second attempt, doubled each time: the fifth comes half an hour to an hour later."""

MAX_SUBJECT_LENGTH = 200
MAX_ERROR_LENGTH = 1000

MAX_TESTS_PER_PERIOD = 5
TEST_PERIOD = timedelta(minutes=10)

OWNER = "email"
"""Recipient that stands for the owner's own address."""


@dataclass(frozen=True, kw_only=True)
class Message:
    """Content of a notification. `type` is a stable word; `object_kind` and `object_id` name the object it is about."""

    type: str
    subject: str
    text: str
    data: Mapping[str, Any]
    object_kind: str
    object_id: UUID | None


# Recipients


def mail_is_on() -> bool:
    """Return whether this installation sends e-mail."""
    return CHANNELS.get(OWNER).is_on()


def announce(
    message: Message, *, owner: Any, recipients: Iterable[str], now: datetime, excluded: Collection[str] = ()
) -> list[Notice]:
    """Store a notification for each recipient in the caller's transaction, and queue its delivery; return them.

    Channels that are off, an owner without an address, and the addresses in `excluded` are left out.
    """
    notices = [
        Notice(
            owner=owner,
            channel=kind,
            target=target,
            type=message.type,
            subject=" ".join(message.subject.split())[:MAX_SUBJECT_LENGTH],
            text=message.text,
            data=dict(message.data),
            object_kind=message.object_kind,
            object_id=message.object_id,
            created_at=now,
            run_at=now,
            lease_until=now + NOTICES.message_lease,
        )
        for kind, target in _recipients(recipients, owner=owner, excluded=excluded)
    ]
    Notice.objects.bulk_create(notices)
    queue.send([_message(notice.pk) for notice in notices])
    return notices


def _recipients(recipients: Iterable[str], *, owner: Any, excluded: Collection[str]) -> list[tuple[str, str]]:
    """Return (channel, target) of the recipients, each address once."""
    known = {address.casefold() for address in excluded}
    targets = []
    for recipient in recipients:
        try:
            kind, target = channels.split(recipient)
        except Invalid:  # stored by another version, or for a removed channel
            continue
        channel = CHANNELS.get(kind)
        address = channel.address(target, owner=owner) if channel.is_on() else ""
        if address and address.casefold() not in known:
            known.add(address.casefold())
            targets.append((kind, target))
    return targets


def _message(notice_id: UUID) -> str:
    return queue.package(queue.DELIVER_NOTICE, str(notice_id))


# Sending


def take(notice_id: UUID | str, *, now: datetime) -> Notice | None:
    """Return a due notification, leased to the caller; None when there is nothing to send."""
    due = Notice.objects.filter(pk=notice_id, status=NoticeStatus.PENDING, run_at__lte=now)
    with sql.turn():
        if not due.take(until=now + NOTICES.lease, attempts=F("attempts") + 1):
            return None
        notice = Notice.objects.select_related("owner").get(pk=notice_id)
        if notice.attempts <= MAX_ATTEMPTS:
            return notice
        lost = ExternalError("The worker that sent it last did not report back.", retryable=False, reason="lost")
        failed(notice, lost, now=now)
    return None


def deliver(notice: Notice, *, now: datetime) -> ExternalError | None:
    """Deliver a notification, outside any transaction; return the error, None on success."""
    try:
        channel = CHANNELS.get(notice.channel)
        address = channel.address(notice.target, owner=notice.owner)
        if not address:
            return ExternalError("The owner no longer has an address.", retryable=False, reason="no_address")
        channel().deliver(_delivery(notice, address, now=now))
    except ExternalError as error:
        return error
    except Exception:
        log.exception("Delivery of a notification raised an unexpected error.", extra={"notice": str(notice.pk)})
        return ExternalError("Something went wrong here; it was logged.", retryable=False, reason="defect")
    return None


def _delivery(notice: Notice, address: str, *, now: datetime) -> Delivery:
    keys: tuple[bytes, ...] = ()
    if notice.object_kind == "timer" and notice.object_id is not None:
        keys = signing_secrets.keys_of_late(notice.object_id, now=now)
    return Delivery(
        id=notice.pk,
        target=address,
        type=notice.type,
        subject=notice.subject,
        text=notice.text,
        data=notice.data,
        created_at=notice.created_at,
        sent_at=now,
        signing_secrets=keys,
    )


def sent(notice: Notice, *, now: datetime) -> bool:
    """Record that a notification was delivered; return False when another worker holds it."""
    return _ours(notice).release(status=NoticeStatus.SENT, sent_at=now, error_message=None) == 1


def failed(notice: Notice, error: ExternalError, *, now: datetime) -> bool:
    """Record a failed delivery and the time of the next attempt, if any; return False when another worker holds it."""
    message = error.message.replace("\x00", "")[:MAX_ERROR_LENGTH]
    if error.retryable and notice.attempts < MAX_ATTEMPTS:
        delay = backoff.delay(notice.attempts, base=INITIAL_DELAY_SECONDS, random=random.random())
        return _ours(notice).renew(until=now + timedelta(seconds=delay), error_message=message) == 1
    was_ours = _ours(notice).release(status=NoticeStatus.FAILED, error_message=message) == 1
    if was_ours:
        about = {
            "event": "notification.failed",
            "notification_id": str(notice.pk),
            "channel": notice.channel,
            "reason": error.reason,
        }
        log.warning("A notification was given up.", extra=about)
    return was_ours


def _ours(notice: Notice) -> NoticeQuerySet:
    """Return the notification, if it still waits for the attempt that was taken."""
    return Notice.objects.filter(pk=notice.pk, status=NoticeStatus.PENDING, attempts=notice.attempts)


def repeat_due(*, now: datetime) -> int:
    """Queue again the notifications that are due and not leased; return their number."""
    if not Notice.objects.filter(lease_until__lte=now).exists():
        return 0
    with sql.turn():
        due = Notice.objects.repeat_overdue(NOTICES, now=now)
        queue.send([_message(notice_id) for notice_id in due])
    return len(due)


# Tests


def send_test(owner: Any, *, now: datetime) -> None:
    """Send the owner a test notification at once, without retries. Raises Invalid, Conflict or ExternalError."""
    notice = _store_test(owner, now=now)
    error = deliver(notice, now=now)
    if error is None:
        sent(notice, now=now)
        return
    failed(notice, error, now=now)
    raise ExternalError(f"The test was not sent. {error.message}", retryable=False, reason=error.reason)


def _store_test(owner: Any, *, now: datetime) -> Notice:
    """Store the test as a notification that is already leased, for its last attempt."""
    if not owner.email:
        raise Invalid({"": "Give an e-mail address first."})
    with transaction.atomic():
        before = Notice.objects.filter(owner=owner, type="test", created_at__gt=now - TEST_PERIOD)
        if before.count() >= MAX_TESTS_PER_PERIOD:
            log.info(
                "A limit was reached.", extra={"event": "limit.reached", "limit": "test_mails", "user_id": owner.pk}
            )
            raise Conflict("Too many tests. Wait ten minutes and try again.")
        return Notice.objects.create(
            owner=owner,
            channel=OWNER,
            type="test",
            subject="Test notification from Timers",
            text=f"You requested this test on your account page.\n\n{settings.TIMERS_BASE_URL}/account/\n",
            object_kind="account",
            created_at=now,
            attempts=MAX_ATTEMPTS,
            run_at=now + NOTICES.lease,
            lease_until=now + NOTICES.lease,
        )
