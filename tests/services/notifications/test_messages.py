"""What is told of the ends of executions and transfers: to whom, once, and in which words."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from tests.channels.smtp_server import MailServer
from tests.engine.steps import BROKEN, HOPELESS, OK, begin_due, claim_at, end, run_due, seconds
from tests.factories import make_collection, make_webhook_timer
from timers.actions.base import Outcome
from timers.lifecycle import TransferStatus
from timers.models import Execution, Notice, Timer, Transfer
from timers.services.attempt_values import AttemptResult
from timers.services.executions import complete, leases
from timers.services.timers import commands as timers
from timers.services.transfers import commands as transfers

pytestmark = pytest.mark.django_db

OPS = "email:ops@example.org"
HOUR = timedelta(hours=1)


@pytest.fixture(autouse=True)
def _mail_is_on(settings: Any, owner: Any) -> None:
    settings.TIMERS_SMTP = MailServer("127.0.0.1", 25).setting()
    settings.TIMERS_BASE_URL = "https://timers.example.org"
    owner.email = "ana@example.org"
    owner.save()


def make(owner: Any, now: datetime, *notify: str, **policies: Any) -> Timer:
    given = {"notify": list(notify or ["email"]), "max_attempts": 1, **policies}
    return make_webhook_timer(owner, now=now, name="Nightly", policies=given)


def told() -> list[str]:
    return list(Notice.objects.order_by("created_at", "type").values_list("type", flat=True))


# Executions


def test_the_first_failure_and_the_success_after_it_are_told(owner: Any, now: datetime) -> None:
    make(owner, now)
    for hour, outcome in enumerate([OK, HOPELESS, HOPELESS, OK, OK]):
        run_due(now + hour * HOUR, outcome)

    first, second = Notice.objects.order_by("created_at")
    assert (first.type, second.type) == ("timer.failed", "timer.works_again")
    assert (first.created_at, second.created_at) == (now + HOUR, now + 3 * HOUR)
    assert first.subject == "Timer Nightly failed: It cannot work."
    assert second.subject == "Timer Nightly works again"
    assert "after 2 failures in a row" in second.text
    assert (first.data["failure_reason"], first.data["failures"]) == ("http_400", 1)


def test_the_words_say_what_went_wrong_and_where_to_look(owner: Any, now: datetime, client: Client) -> None:
    timer = make(owner, now)
    run_due(now, HOPELESS)

    text = Notice.objects.get().text
    execution = Execution.objects.get(timer=timer)
    assert "The timer Nightly failed after 1 attempt." in text
    assert "Planned for: 2026-03-02 12:00:00 UTC" in text
    assert "What went wrong: It cannot work." in text
    client.force_login(owner)
    (path,) = re.findall(r"https://timers\.example\.org(/\S+)", text)
    assert str(execution.pk) in client.get(path).content.decode()


def test_an_attempt_that_is_tried_again_is_not_told(owner: Any, now: datetime) -> None:
    make(owner, now, max_attempts=2, backoff_seconds=1)
    claim_at(now)
    end(begin_due(now), BROKEN, now)
    assert told() == []

    later = now + seconds(10)
    leases.release_retries(now=later)
    end(begin_due(later), BROKEN, later)

    assert told() == ["timer.failed"]
    assert "after 2 attempts" in Notice.objects.get().text


def test_several_ends_in_one_batch_are_told_in_their_order(owner: Any, now: datetime) -> None:
    make(owner, now, overlap="allow")
    for hour in range(4):
        claim_at(now + hour * HOUR)
    begun = sorted(begin_due(now + 4 * HOUR), key=lambda each: each.scheduled_for)
    outcomes = [HOPELESS, HOPELESS, OK, HOPELESS]

    complete.finish(
        [AttemptResult(each, outcome, now, now) for each, outcome in zip(begun, outcomes, strict=True)],
        owner="w1",
        now=now + 4 * HOUR,
    )

    assert sorted(told()) == ["timer.failed", "timer.failed", "timer.works_again"]


def test_a_pause_is_told_instead_of_the_failure_that_led_to_it(owner: Any, now: datetime) -> None:
    make(owner, now, pause_after_failures=2)
    run_due(now, HOPELESS)
    run_due(now + HOUR, HOPELESS)

    assert told() == ["timer.failed", "timer.paused"]
    paused = Notice.objects.get(type="timer.paused")
    assert paused.subject == "Timer Nightly is paused: It failed 2 times in a row."
    assert "What went wrong: It cannot work." in paused.text


def test_a_target_that_is_gone_pauses_and_is_told(owner: Any, now: datetime) -> None:
    make(owner, now)
    run_due(now, Outcome.failed("Gone.", reason="http_status", pause_timer="The target says that it is gone (410)."))

    assert told() == ["timer.paused"]


def test_runs_by_hand_and_cancelled_ones_are_not_told(owner: Any, now: datetime) -> None:
    timer = make(owner, now)
    run_due(now, Outcome.cancelled())
    timers.run_now(timer, by=owner, now=now)
    end(begin_due(now), HOPELESS, now)

    assert told() == []


def test_a_success_as_usual_is_not_told_and_costs_nothing_without_the_policy(owner: Any, now: datetime) -> None:
    make_webhook_timer(owner, now=now, policies={"max_attempts": 1})
    make(owner, now)
    claim_at(now)
    silent, watched = sorted(begin_due(now), key=lambda each: len(each.instructions.notify))

    with CaptureQueriesContext(connection) as of_silent:
        end([silent], OK, now)
    with CaptureQueriesContext(connection) as of_watched:
        end([watched], OK, now)

    assert len(of_watched) == len(of_silent) + 1  # how it stood before
    assert told() == []


def test_what_goes_wrong_in_telling_does_no_harm(owner: Any, now: datetime, settings: Any) -> None:
    timer = make(owner, now)
    del settings.TIMERS_BASE_URL

    run_due(now, HOPELESS)

    assert Execution.objects.get(timer=timer).status == "failed"
    assert told() == []


# Transfers


@pytest.fixture
def submit(tmp_path: Path, settings: Any, owner: Any, now: datetime) -> Callable[..., Transfer]:
    settings.TIMERS_LOCAL_ROOTS = (tmp_path,)
    for name in ("raw", "archive"):
        (tmp_path / name).mkdir()
    source, destination = (make_collection(owner, tmp_path / name) for name in ("raw", "archive"))

    def _submit(*, execution: Execution | None = None, **body: Any) -> Transfer:
        document = {
            "source_endpoint": str(source.pk),
            "destination_endpoint": str(destination.pk),
            "DATA": [{"source_path": "/f", "destination_path": "/g"}, {"source_path": "/h", "destination_path": "/i"}],
            **body,
        }
        if body.get("DATA_TYPE") == "delete":
            document = {"DATA_TYPE": "delete", "endpoint": str(source.pk), "DATA": [{"path": "/f"}], **body}
        known = {} if execution is None else {"execution_id": execution.pk, "attempt": execution.attempt}
        return transfers.submit(owner=owner, body=document, now=now, **known)

    return _submit


def finish(transfer: Transfer, status: str, now: datetime, *, error: str | None = None, **more: Any) -> None:
    """Let a transfer be active and end so."""
    Transfer.objects.filter(pk=transfer.pk).update(status="active")
    transfer.status = "active"
    reason = "not_found" if error else None
    assert transfers.finish(transfer, status, now=now, message=error, reason=reason, **more)


def test_a_transfer_that_succeeded_says_what_it_did(
    submit: Callable[..., Transfer], owner: Any, now: datetime, client: Client
) -> None:
    transfer = submit(label="nightly")
    transfer.files_transferred, transfer.bytes_transferred, transfer.faults = 12, 3_400_000_000, 2
    transfer.save()

    finish(transfer, TransferStatus.SUCCEEDED, now)

    notice = Notice.objects.get()
    assert (notice.channel, notice.target, notice.owner) == ("email", "", owner)
    assert notice.subject == "Transfer nightly succeeded: 12 files, 3.4 GB"
    assert "From: raw, /f and 1 more\nTo: archive, /g and 1 more\n" in notice.text
    assert "Faults: 2" in notice.text
    assert notice.data["files_transferred"] == 12
    client.force_login(owner)
    (path,) = re.findall(r"https://timers\.example\.org(/\S+)", notice.text)
    assert "nightly" in client.get(path).content.decode()


def test_a_transfer_that_failed_says_why(submit: Callable[..., Transfer], now: datetime) -> None:
    finish(submit(), TransferStatus.FAILED, now, error="/f is not there.\nTruly.")

    notice = Notice.objects.get()
    assert notice.subject == "Transfer in raw failed: /f is not there."
    assert "What went wrong: /f is not there.\nTruly." in notice.text


def test_a_deletion_is_told_in_its_own_words(submit: Callable[..., Transfer], now: datetime) -> None:
    transfer = submit(DATA_TYPE="delete", label="old runs")
    transfer.files_transferred = 3
    transfer.save()

    finish(transfer, TransferStatus.SUCCEEDED, now)

    notice = Notice.objects.get()
    assert notice.subject == "Deletion old runs succeeded: 3 deleted"
    assert "In: raw, /f\n" in notice.text


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"notify_on_succeeded": False}, TransferStatus.SUCCEEDED),
        ({"notify_on_failed": False}, TransferStatus.FAILED),
        ({"dry_run": True}, TransferStatus.SUCCEEDED),
        ({"dry_run": True}, TransferStatus.FAILED),
        ({}, TransferStatus.CANCELLED),
    ],
)
def test_what_nobody_asked_for_is_not_told(
    submit: Callable[..., Transfer], now: datetime, body: dict[str, Any], status: str
) -> None:
    finish(submit(**body), status, now, error="It ended.")

    assert told() == []


def test_without_a_mail_server_the_end_of_a_transfer_is_told_to_nobody(
    submit: Callable[..., Transfer], now: datetime, settings: Any
) -> None:
    settings.TIMERS_SMTP = {}

    finish(submit(), TransferStatus.SUCCEEDED, now)

    assert told() == []


# Both


def waiting(owner: Any, now: datetime, **policies: Any) -> Execution:
    """Return an execution that waits for a transfer."""
    make(owner, now, "email", OPS, **policies)
    claim_at(now)
    end(begin_due(now), Outcome.waiting(), now)
    return Execution.objects.get()


def recipients(kind: str) -> list[str]:
    return sorted(Notice.objects.filter(type=kind).values_list("target", flat=True))


def test_the_failure_of_a_timers_transfer_is_told_to_each_address_once(
    submit: Callable[..., Transfer], owner: Any, now: datetime
) -> None:
    execution = waiting(owner, now)

    finish(submit(execution=execution), TransferStatus.FAILED, now, error="It broke.")

    assert recipients("transfer.failed") == [""]
    assert recipients("timer.failed") == ["ops@example.org"]


def test_where_the_transfer_is_silent_its_timer_tells_the_owner(
    submit: Callable[..., Transfer], owner: Any, now: datetime
) -> None:
    execution = waiting(owner, now)

    finish(submit(execution=execution, notify_on_failed=False), TransferStatus.FAILED, now, error="It broke.")

    assert recipients("transfer.failed") == []
    assert recipients("timer.failed") == ["", "ops@example.org"]


def test_a_pause_is_told_to_the_owner_even_so(submit: Callable[..., Transfer], owner: Any, now: datetime) -> None:
    execution = waiting(owner, now, pause_after_failures=1)

    finish(submit(execution=execution), TransferStatus.FAILED, now, error="It broke.")

    assert recipients("timer.paused") == ["", "ops@example.org"]
    assert recipients("timer.failed") == []


def test_a_transfer_whose_execution_is_tried_again_is_not_told(
    submit: Callable[..., Transfer], owner: Any, now: datetime
) -> None:
    execution = waiting(owner, now, max_attempts=2)

    finish(submit(execution=execution), TransferStatus.FAILED, now, error="It broke.", retryable=True)

    execution.refresh_from_db()
    assert execution.status == "retrying"
    assert told() == []
