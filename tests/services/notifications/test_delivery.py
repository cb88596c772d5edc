"""Notices: stored for whom they concern, taken by one, handed over at least once, given up at last."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any
from uuid import uuid4

import pytest
from django.db import IntegrityError, transaction
from django_q.models import OrmQ

from tests.channels.smtp_server import NO, MailServer, mail_server
from tests.factories import make_webhook_timer
from tests.loopback import answers, free_port, scripted
from timers.errors import Conflict, ExternalError, Invalid
from timers.messaging import queue
from timers.models import Definition, Notice
from timers.models.leases import NOTICES
from timers.services import retention
from timers.services.notifications import delivery
from timers.services.notifications.delivery import MAX_ATTEMPTS, MAX_TESTS_PER_PERIOD, Message
from timers.services.timers import signing_secrets
from timers.targets import parse_networks

pytestmark = pytest.mark.django_db

AWAY = ExternalError("The server is away.", retryable=True, reason="connection_error")
NEVER = ExternalError("There is nobody.", retryable=False, reason="refused")
HOOK = "https://hooks.example.org/timers"


@pytest.fixture(autouse=True)
def _mail_is_on(settings: Any, owner: Any) -> None:
    settings.TIMERS_SMTP = MailServer("127.0.0.1", free_port()).setting()
    owner.email = "ana@example.org"
    owner.save()


@pytest.fixture
def server(settings: Any) -> Iterator[MailServer]:
    with mail_server() as running:
        settings.TIMERS_SMTP = running.setting()
        yield running


def news(**changes: Any) -> Message:
    given = {"subject": "Timer x failed", "text": "It failed.", "object_kind": "timer", "object_id": uuid4()}
    return Message(**{"type": "timer.failed", "data": {"attempt": 3}, **given, **changes})


def tell(owner: Any, now: datetime, *words: str, **more: Any) -> list[Notice]:
    return delivery.announce(news(), owner=owner, recipients=words or ["email"], now=now, **more)


def minutes(number: float) -> timedelta:
    return timedelta(minutes=number)


# Whom to tell


def test_each_one_named_gets_a_notice_and_a_message(owner: Any, now: datetime) -> None:
    tell(owner, now, "email", "email:ops@example.org", HOOK)

    found = Notice.objects.order_by("channel", "target").values_list("channel", "target", "status", "run_at")
    assert list(found) == [
        ("email", "", "pending", now),
        ("email", "ops@example.org", "pending", now),
        ("webhook", HOOK, "pending", now),
    ]
    assert {task.func() for task in OrmQ.objects.all()} == {queue.DELIVER_NOTICE}
    assert OrmQ.objects.count() == 3


def test_nobody_gets_the_same_twice(owner: Any, now: datetime) -> None:
    tell(owner, now, "email", "email:Ana@example.org", HOOK, HOOK)

    assert Notice.objects.count() == 2


def test_an_address_that_knows_already_is_left_out(owner: Any, now: datetime) -> None:
    tell(owner, now, "email", HOOK, excluded=[owner.email])

    assert Notice.objects.get().channel == "webhook"


def test_without_an_address_or_a_mail_server_nothing_is_kept(owner: Any, now: datetime, settings: Any) -> None:
    owner.email = ""
    tell(owner, now, "email")
    settings.TIMERS_SMTP = {}
    tell(owner, now, "email:ops@example.org")

    assert not Notice.objects.exists()
    assert not OrmQ.objects.exists()


def test_what_is_rolled_back_is_told_to_nobody(owner: Any, now: datetime) -> None:
    with pytest.raises(Conflict), transaction.atomic():
        tell(owner, now)
        raise Conflict("Something came between.")

    assert not Notice.objects.exists()
    assert not OrmQ.objects.exists()


def test_a_subject_is_one_short_line(owner: Any, now: datetime) -> None:
    delivery.announce(news(subject="a\r\nBcc: b " + "x" * 500), owner=owner, recipients=["email"], now=now)

    subject = Notice.objects.get().subject
    assert subject.startswith("a Bcc: b xxx")
    assert len(subject) == 200


def test_a_policy_is_stored_clean_and_each_recipient_once(owner: Any) -> None:
    timer = make_webhook_timer(owner, policies={"notify": ["email", " email: ops@example.org", HOOK, "email:"]})

    assert Definition.objects.get(timer=timer).policies["notify"] == ["email", "email:ops@example.org", HOOK]


@pytest.mark.parametrize("word", ["ops", "email:ops", "http://10.0.0.1/", "https://me:pw@example.org/", "fax:123"])
def test_a_policy_that_names_nobody_is_refused_by_its_name(owner: Any, word: str) -> None:
    with pytest.raises(Invalid) as caught:
        make_webhook_timer(owner, policies={"notify": ["email", word]})

    assert list(caught.value.fields) == ["policies.notify"]
    assert len(caught.value.fields["policies.notify"]) == 1


# Sending


def test_a_notice_is_taken_by_one_and_a_repeated_message_does_nothing(owner: Any, now: datetime) -> None:
    (notice,) = tell(owner, now)

    taken = delivery.take(notice.pk, now=now)

    assert taken is not None
    assert taken.attempts == 1
    assert delivery.take(str(notice.pk), now=now + minutes(1)) is None
    assert delivery.sent(taken, now=now)
    assert delivery.take(notice.pk, now=now + minutes(60)) is None
    notice.refresh_from_db()
    assert (notice.status, notice.sent_at, notice.lease_until) == ("sent", now, None)


def test_what_a_dead_worker_had_taken_is_repeated_and_sent_by_another(owner: Any, now: datetime) -> None:
    (notice,) = tell(owner, now)
    dead = delivery.take(notice.pk, now=now)
    OrmQ.objects.all().delete()

    assert delivery.repeat_due(now=now + NOTICES.lease - minutes(0.1)) == 0
    assert delivery.repeat_due(now=now + NOTICES.lease) == 1
    assert OrmQ.objects.count() == 1
    second = delivery.take(notice.pk, now=now + NOTICES.lease)

    assert dead is not None
    assert second is not None
    assert not delivery.sent(dead, now=now + NOTICES.lease)
    assert not delivery.failed(dead, NEVER, now=now + NOTICES.lease)
    assert delivery.sent(second, now=now + NOTICES.lease)


def test_a_message_that_got_lost_is_repeated_and_one_that_was_repeated_not_at_once(owner: Any, now: datetime) -> None:
    tell(owner, now)

    assert delivery.repeat_due(now=now + minutes(1)) == 1
    assert delivery.repeat_due(now=now + minutes(1)) == 0


def test_it_is_tried_five_times_over_about_an_hour(owner: Any, now: datetime) -> None:
    (notice,) = tell(owner, now)
    at, instants = now, []
    while (taken := delivery.take(notice.pk, now=at)) is not None:
        instants.append(at)
        delivery.failed(taken, AWAY, now=at)
        notice.refresh_from_db()
        at = notice.run_at or at

    assert len(instants) == MAX_ATTEMPTS == 5
    assert minutes(30) <= instants[-1] - now <= minutes(60)
    assert all(later - earlier >= minutes(2) for earlier, later in pairwise(instants))
    assert (notice.status, notice.error_message, notice.lease_until) == ("failed", AWAY.message, None)


def test_a_refusal_for_good_ends_it(owner: Any, now: datetime) -> None:
    (notice,) = tell(owner, now)
    taken = delivery.take(notice.pk, now=now)
    assert taken is not None

    delivery.failed(taken, ExternalError("No\x00body.", retryable=False), now=now)

    notice.refresh_from_db()
    assert (notice.status, notice.attempts, notice.error_message) == ("failed", 1, "Nobody.")


def test_the_log_names_one_that_was_given_up(owner: Any, now: datetime, caplog: Any) -> None:
    (notice,) = tell(owner, now)
    taken = delivery.take(notice.pk, now=now)
    assert taken is not None

    delivery.failed(taken, NEVER, now=now)

    (record,) = [record for record in caplog.records if getattr(record, "event", "") == "notification.failed"]
    assert (record.notification_id, record.channel, record.reason) == (str(notice.pk), "email", "refused")


def test_one_that_kills_whoever_sends_it_is_given_up(owner: Any, now: datetime) -> None:
    (notice,) = tell(owner, now)
    for number in range(MAX_ATTEMPTS):
        assert delivery.take(notice.pk, now=now + number * NOTICES.lease) is not None

    assert delivery.take(notice.pk, now=now + MAX_ATTEMPTS * NOTICES.lease) is None
    notice.refresh_from_db()
    assert notice.status == "failed"


def test_it_goes_to_the_address_that_the_owner_has_by_then(owner: Any, now: datetime, server: MailServer) -> None:
    (notice,) = tell(owner, now)
    owner.email = "new@example.org"
    owner.save()

    taken = delivery.take(notice.pk, now=now)
    assert taken is not None
    assert delivery.deliver(taken, now=now) is None

    assert server.recipients == [["new@example.org"]]


def test_a_defect_ends_it_and_is_not_raised(owner: Any, now: datetime, server: MailServer) -> None:
    owner.email = "a@b.org\nBcc: c@d.org"
    owner.save()
    (notice,) = tell(owner, now)
    taken = delivery.take(notice.pk, now=now)
    assert taken is not None

    error = delivery.deliver(taken, now=now)

    assert error is not None
    assert (error.reason, error.retryable) == ("defect", False)
    assert server.mails == []


def test_what_a_timer_tells_is_signed_with_its_key(owner: Any, now: datetime, settings: Any) -> None:
    settings.TIMERS_WEBHOOK_NETWORKS = parse_networks("127.0.0.0/8")
    timer = make_webhook_timer(owner, now=now)
    assert signing_secrets.keys(timer.pk, now=now)
    with scripted(answers(b"")) as hook:
        about = news(object_id=timer.pk)
        (notice,) = delivery.announce(about, owner=owner, recipients=[hook.url()], now=now)
        taken = delivery.take(notice.pk, now=now)
        assert taken is not None
        assert delivery.deliver(taken, now=now) is None

    assert hook.head()["webhook-signature"].startswith("v1,")
    assert hook.head()["webhook-id"] == str(notice.pk)


# Trying it, and forgetting


def test_a_test_is_sent_at_once_and_once(owner: Any, now: datetime, server: MailServer) -> None:
    delivery.send_test(owner, now=now)

    assert server.recipients == [["ana@example.org"]]
    assert Notice.objects.get().status == "sent"


def test_a_test_says_why_it_was_not_sent_and_is_not_repeated(owner: Any, now: datetime, server: MailServer) -> None:
    owner.email = NO
    owner.save()

    with pytest.raises(ExternalError, match=r"The test was not sent.*550"):
        delivery.send_test(owner, now=now)

    assert Notice.objects.get().status == "failed"
    assert delivery.repeat_due(now=now + minutes(90)) == 0


def test_tests_are_few(owner: Any, now: datetime, server: MailServer) -> None:
    for _ in range(MAX_TESTS_PER_PERIOD):
        delivery.send_test(owner, now=now)

    with pytest.raises(Conflict):
        delivery.send_test(owner, now=now + minutes(9))
    delivery.send_test(owner, now=now + minutes(11))
    assert len(server.mails) == MAX_TESTS_PER_PERIOD + 1


def test_old_notices_go_away_once_they_are_over(owner: Any, now: datetime) -> None:
    over, _ = tell(owner, now, "email", HOOK)
    taken = delivery.take(over.pk, now=now)
    assert taken is not None
    delivery.sent(taken, now=now)

    assert retention.prune(before=now + minutes(1), now=now).notices == 1
    assert Notice.objects.get().channel == "webhook"


def test_the_database_knows_no_other_state(owner: Any, now: datetime) -> None:
    (notice,) = tell(owner, now)

    with pytest.raises(IntegrityError), transaction.atomic():
        Notice.objects.filter(pk=notice.pk).update(status="lost")
