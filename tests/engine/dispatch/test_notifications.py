"""From the end of an execution to the mail, by the task that the queue calls and threads of its own."""

from __future__ import annotations

import time
from datetime import datetime
from typing import Any

import pytest
from django.db import connection
from django_q.models import OrmQ

from tests.channels.smtp_server import NO, mail_server
from tests.engine.steps import HOPELESS, run_due, seconds
from tests.factories import make_webhook_timer
from timers.clock import Clock
from timers.engine.dispatch.dispatcher import Dispatcher
from timers.engine.worker import tasks
from timers.messaging import queue
from timers.models import Notice
from timers.models.leases import NOTICES
from timers.services.notifications import delivery

PATIENCE = 8.0


@pytest.fixture
def fresh_threads() -> None:
    """Threads that did not work on another database before."""
    tasks._notice_threads.cache_clear()


def settled() -> dict[str, str]:
    """Return the states of all notices once none is pending."""
    end = time.monotonic() + PATIENCE
    while Notice.objects.filter(status="pending").exists():
        assert time.monotonic() < end, "A notice stayed pending."
        time.sleep(0.005)
    return dict(Notice.objects.values_list("target", "status"))


@pytest.mark.django_db(transaction=True)
def test_a_failure_becomes_mail_and_a_refusal_holds_nobody_back(
    owner: Any, now: datetime, settings: Any, fresh_threads: None
) -> None:
    with mail_server() as server:
        settings.TIMERS_SMTP = server.setting()
        words = [f"email:{NO}", "email:ops@example.org"]
        make_webhook_timer(owner, name="Nightly", now=now, policies={"notify": words, "max_attempts": 1})
        run_due(now, HOPELESS)

        for message in OrmQ.objects.all():
            if message.func() == queue.DELIVER_NOTICE:
                tasks.deliver_notice(*message.task["args"])
                tasks.deliver_notice(*message.task["args"])
        assert settled() == {NO: "failed", "ops@example.org": "sent"}

    assert server.recipients == [["ops@example.org"]]
    assert server.mails[0]["Subject"] == "Timer Nightly failed: It cannot work."


@pytest.mark.django_db
def test_a_tick_repeats_the_message_of_a_notice_whose_worker_died(owner: Any, now: datetime, settings: Any) -> None:
    settings.TIMERS_SMTP = {"host": "mail.example.org"}
    make_webhook_timer(owner, now=now, policies={"notify": ["email:ops@example.org"], "max_attempts": 1})
    run_due(now, HOPELESS)
    assert delivery.take(Notice.objects.get().pk, now=now) is not None
    OrmQ.objects.all().delete()

    Dispatcher(Clock()).tick(now + NOTICES.lease - seconds(1))
    assert queue.DELIVER_NOTICE not in {message.func() for message in OrmQ.objects.all()}
    Dispatcher(Clock()).tick(now + NOTICES.lease)

    assert queue.DELIVER_NOTICE in {message.func() for message in OrmQ.objects.all()}


@pytest.mark.django_db
def test_looking_for_late_notices_reads_the_index_of_those(owner: Any, now: datetime) -> None:
    if connection.vendor == "postgresql":  # it reads small tables whole
        with connection.cursor() as cursor:
            cursor.execute("set local enable_seqscan = off")

    assert "notice_waiting" in Notice.objects.filter(lease_until__lte=now).explain()


def test_what_the_queue_hands_over_never_raises(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(process: int) -> Any:
        raise KeyboardInterrupt

    monkeypatch.setattr(tasks, "_notice_threads", fail)

    tasks.deliver_notice("11111111-2222-4333-8444-555555555555")
