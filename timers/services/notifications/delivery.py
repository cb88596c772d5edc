"""Notices: stored inside the transaction that they report, sent by workers afterwards. The only writer of notices.

A notice is sent at least once: a worker that takes it holds it for a while, and another one takes over when it dies.
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
"""Seconds before the second attempt at most; doubled each time, the fifth comes half an hour to an hour later."""

MAX_SUBJECT_LENGTH = 200
MAX_ERROR_LENGTH = 1000

MAX_TESTS = 5
TESTS_COUNT_FOR = timedelta(minutes=10)

OWNER = "email"
"""The word for the owner's own address."""


@dataclass(frozen=True, kw_only=True)
class News:
    """Something to tell. `type` is a stable word for programs; `object_kind` and `object_id` say what it is about."""

    type: str
    subject: str
    text: str
    data: Mapping[str, Any]
    object_kind: str
    object_id: UUID | None


# Whom to tell


def mail_is_on() -> bool:
    """Return whether this installation sends mail."""
    return CHANNELS.get(OWNER).is_on()


def announce(
    news: News, *, owner: Any, words: Iterable[str], now: datetime, but_not: Collection[str] = ()
) -> list[Notice]:
    """Store a notice for everyone named by these words, and wake who sends them, in the caller's transaction.

    Nothing is stored for a channel that is off, an owner without an address, and the addresses `but_not`.
    """
    notices = [
        Notice(
            owner=owner,
            channel=kind,
            target=target,
            type=news.type,
            subject=" ".join(news.subject.split())[:MAX_SUBJECT_LENGTH],
            text=news.text,
            data=dict(news.data),
            object_kind=news.object_kind,
            object_id=news.object_id,
            created_at=now,
            run_at=now,
            lease_until=now + NOTICES.message_lease,
        )
        for kind, target in _recipients(words, owner=owner, but_not=but_not)
    ]
    Notice.objects.bulk_create(notices)
    queue.send([_message(notice.pk) for notice in notices])
    return notices


def _recipients(words: Iterable[str], *, owner: Any, but_not: Collection[str]) -> list[tuple[str, str]]:
    """Return (channel, target) of each address that is reached, each once."""
    known = {address.casefold() for address in but_not}
    recipients = []
    for word in words:
        try:
            kind, target = channels.split(word)
        except Invalid:  # stored by a version, or with a channel, that is gone
            continue
        channel = CHANNELS.get(kind)
        address = channel.address(target, owner=owner) if channel.is_on() else ""
        if address and address.casefold() not in known:
            known.add(address.casefold())
            recipients.append((kind, target))
    return recipients


def _message(notice_id: UUID) -> str:
    return queue.package(queue.DELIVER_NOTICE, str(notice_id))


# Sending


def take(notice_id: UUID | str, *, now: datetime) -> Notice | None:
    """Return a notice that is due, which the caller alone sends for a while; None when there is nothing to do."""
    due = Notice.objects.filter(pk=notice_id, status=NoticeStatus.PENDING, run_at__lte=now)
    with sql.turn():
        if not due.take(until=now + NOTICES.lease, attempts=F("attempts") + 1):
            return None
        notice = Notice.objects.select_related("owner").get(pk=notice_id)
        if notice.attempts <= MAX_ATTEMPTS:
            return notice
        lost = ExternalError("Whoever sent it last did not report any more.", retryable=False, reason="lost")
        failed(notice, lost, now=now)
    return None


def deliver(notice: Notice, *, now: datetime) -> ExternalError | None:
    """Send a notice, outside any transaction; return the error with which it was refused, None when it was sent."""
    try:
        channel = CHANNELS.get(notice.channel)
        address = channel.address(notice.target, owner=notice.owner)
        if not address:
            return ExternalError("The owner has no address any more.", retryable=False, reason="no_address")
        channel().deliver(_delivery(notice, address, now=now))
    except ExternalError as error:
        return error
    except Exception:
        log.exception("A notice met a defect.", extra={"notice": str(notice.pk)})
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
    """Record that a notice was sent; return False when it was not ours any more."""
    return _ours(notice).release(status=NoticeStatus.SENT, sent_at=now, error_message=None) == 1


def failed(notice: Notice, error: ExternalError, *, now: datetime) -> bool:
    """Record that a notice was refused, and when it is tried again, if it is; return False when it was not ours."""
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
        log.warning("A notice was given up.", extra=about)
    return was_ours


def _ours(notice: Notice) -> NoticeQuerySet:
    """Return the notice, if it still waits for the attempt that was taken."""
    return Notice.objects.filter(pk=notice.pk, status=NoticeStatus.PENDING, attempts=notice.attempts)


def repeat_due(*, now: datetime) -> int:
    """Send messages again for notices that are due and that nobody has taken; return how many."""
    if not Notice.objects.filter(lease_until__lte=now).exists():
        return 0
    with sql.turn():
        due = Notice.objects.repeat_overdue(NOTICES, now=now)
        queue.send([_message(notice_id) for notice_id in due])
    return len(due)


# Trying it


def send_test(owner: Any, *, now: datetime) -> None:
    """Send the owner a notice at once, once. Raises Invalid, Conflict or ExternalError when it did not arrive."""
    notice = _store_test(owner, now=now)
    error = deliver(notice, now=now)
    if error is None:
        sent(notice, now=now)
        return
    failed(notice, error, now=now)
    raise ExternalError(f"The test was not sent. {error.message}", retryable=False, reason=error.reason)


def _store_test(owner: Any, *, now: datetime) -> Notice:
    """Keep the test as a notice that is taken already, for the last time."""
    if not owner.email:
        raise Invalid({"": "Give an e-mail address first."})
    with transaction.atomic():
        before = Notice.objects.filter(owner=owner, type="test", created_at__gt=now - TESTS_COUNT_FOR)
        if before.count() >= MAX_TESTS:
            log.info(
                "A limit was reached.", extra={"event": "limit.reached", "limit": "test_mails", "user_id": owner.pk}
            )
            raise Conflict("Those were many tests. Wait ten minutes and try again.")
        return Notice.objects.create(
            owner=owner,
            channel=OWNER,
            type="test",
            subject="Notices from Timers arrive here",
            text=f"You asked for this test on your account's page.\n\n{settings.TIMERS_BASE_URL}/account/\n",
            object_kind="account",
            created_at=now,
            attempts=MAX_ATTEMPTS,
            run_at=now + NOTICES.lease,
            lease_until=now + NOTICES.lease,
        )
