"""The action `transfer`: submits, waits, and answers for a transfer that an earlier attempt began."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any, ClassVar
from uuid import UUID, uuid4

import pytest

from tests.contracts.action import ActionContract, context_for
from tests.factories import HOURLY, make_collection, make_webhook_timer
from timers.actions.base import OutcomeKind
from timers.actions.transfer import TransferAction
from timers.engine.transfers.slice_runner import run_slice
from timers.models import Transfer, TransferItem
from timers.services.collections import commands as collections

HERE = UUID("aaaaaaaa-0000-4000-8000-000000000001")
THERE = UUID("aaaaaaaa-0000-4000-8000-000000000002")
ENDS = {"source_endpoint": str(HERE), "destination_endpoint": str(THERE)}


def body(*items: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {**ENDS, "DATA": list(items) or [{"source_path": "/f", "destination_path": "/g"}], **more}


@pytest.mark.django_db
class TestTransferAction(ActionContract):
    action = TransferAction
    good: ClassVar[list[dict[str, Any]]] = [
        body(),
        body({"source_path": "/~/a", "destination_path": "/~/b", "recursive": True}, sync_level="mtime"),
        body(filter_rules=[{"method": "include", "name": "*"}], label="nightly", verify_checksum=False),
    ]
    bad: ClassVar[list[tuple[dict[str, Any], str]]] = [
        ({}, "source_endpoint"),
        (body(destination_endpoint=str(uuid4())), "destination_endpoint"),
        (body(sync_level=7), "sync_level"),
        (body({"source_path": "/../x", "destination_path": "/g"}), "DATA.0.source_path"),
        ({**ENDS, "DATA": []}, "DATA"),
    ]

    @pytest.fixture(autouse=True)
    def places(self, tmp_path: Path, settings: Any, db: Any, owner: Any) -> None:
        settings.TIMERS_LOCAL_ROOTS = (tmp_path,)
        for id, name in ((HERE, "here"), (THERE, "there")):
            (tmp_path / name).mkdir()
            make_collection(owner, tmp_path / name, id=id)
        (tmp_path / "here" / "f").write_text("hello")

    @pytest.fixture
    def owner(self, django_user_model: Any) -> Any:
        return django_user_model.objects.create_user("owner", pk=1)

    @pytest.fixture
    def runnable(self) -> dict[str, Any]:
        return body()

    def test_a_transfer_is_waited_for(self, clean: Any) -> None:
        context = context_for(clean(body()))

        outcome = TransferAction().run(context)

        transfer = Transfer.objects.get()
        assert outcome.ending is OutcomeKind.WAITING
        assert outcome.transfer_id == transfer.pk
        assert (transfer.execution_id, transfer.attempt) == (context.execution_id, 1)
        assert transfer.timer_id == context.timer_id
        assert transfer.deadline_at == context.deadline

    def test_dates_are_those_that_the_run_was_planned_for_on_the_clock_of_its_schedule(
        self, clean: Any, owner: Any, now: Any
    ) -> None:
        item = {"source_path": "/f", "destination_path": '/{{ planned_at|date:"%Y-%m-%d %H" }}'}
        planned = datetime(2026, 11, 30, 23, 30, tzinfo=UTC)
        cron = {"type": "cron", "expression": "30 0 * * *", "timezone": "Europe/Berlin"}
        timers = [
            make_webhook_timer(owner, action="transfer", body=clean(body(item)), schedule=schedule, now=now)
            for schedule in (cron, HOURLY)
        ]

        for timer in timers:
            TransferAction().run(context_for(body(item), timer_id=timer.pk, scheduled_for=planned))

        paths = TransferItem.objects.order_by("id").values_list("destination_path", flat=True)
        assert list(paths) == ["/2026-12-01 00", "/2026-11-30 23"]

    def test_a_later_attempt_answers_for_a_transfer_that_is_over(self, clean: Any) -> None:
        context = context_for(clean(body()))
        TransferAction().run(context)
        transfer = Transfer.objects.get()
        run_slice(str(transfer.pk), now=transfer.requested_at)

        outcome = TransferAction().run(context_for(clean(body()), execution_id=context.execution_id, attempt=2))

        assert outcome.ending is OutcomeKind.COMPLETED
        assert outcome.result is not None
        assert outcome.result["files_transferred"] == 1
        assert outcome.result["bytes_transferred"] == 5
        assert outcome.result["warnings"] == 0

    def test_cancelling_reaches_the_transfer(self, clean: Any) -> None:
        context = context_for(clean(body()))
        TransferAction().run(context)

        TransferAction().cancel(context)

        assert Transfer.objects.get().status == "cancelled"

    def test_a_collection_that_was_deleted_since_fails_the_attempt_for_good(
        self, clean: Any, owner: Any, now: Any
    ) -> None:
        cleaned = clean(body())
        collections.delete(collections.get_for(owner, HERE), by=owner, now=now)

        outcome = TransferAction().run(context_for(cleaned))

        assert (outcome.ending, outcome.failure_reason, outcome.retryable) == (OutcomeKind.FAILED, "invalid", False)
        assert "source_endpoint" in str(outcome.error_message)

    def test_the_summary_names_the_paths(self) -> None:
        more = {"source_path": "/two\nlines", "destination_path": "/h"}

        assert TransferAction.summary(body()) == "/f → /g"
        assert TransferAction.summary(body(more, more, more)) == "/two�lines → /h and 2 more"
        assert TransferAction.summary({}) == "Transfer"
