"""Transfer tasks: submitted once, cancelled, ended together with the execution that waits."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.db import IntegrityError, transaction
from django_q.models import OrmQ

from tests.factories import make_webhook_timer
from timers.errors import Conflict, Invalid, NotFound
from timers.lifecycle import ExecutionStatus, TransferStatus
from timers.models import Collection, Execution, Transfer, TransferEvent, TransferItem
from timers.services.transfers import commands as transfers
from timers.services.transfers import slices
from timers.services.transfers.submissions import RunValues, read

pytestmark = pytest.mark.django_db


@pytest.fixture
def submit(places: tuple[Collection, Collection], owner: Any, now: datetime) -> Callable[..., Transfer]:
    def _submit(*, body: dict[str, Any] | None = None, **more: Any) -> Transfer:
        document = {
            "source_endpoint": str(places[0].pk),
            "destination_endpoint": str(places[1].pk),
            "DATA": [{"source_path": "/f", "destination_path": "/g"}],
            **(body or {}),
        }
        return transfers.submit(**{"owner": owner, "body": document, "now": now, **more})

    return _submit


@pytest.fixture
def execution(owner: Any, now: datetime) -> Execution:
    """One that runs its first attempt and waits."""
    timer = make_webhook_timer(owner, now=now)
    return Execution.objects.create(
        timer=timer,
        definition=timer.definition,
        scheduled_for=now,
        run_at=now,
        created_at=now,
        status=ExecutionStatus.RUNNING,
        started_at=now,
        attempt=1,
    )


def messages() -> int:
    return OrmQ.objects.count()


def test_a_submission_is_stored_with_its_items_and_one_message(submit: Any, now: datetime) -> None:
    transfer = submit(body={"label": "nightly", "sync_level": "size"})

    assert transfer.status == TransferStatus.PENDING
    assert (transfer.label, transfer.options["sync_level"]) == ("nightly", 1)
    assert transfer.deadline_at == now + timedelta(days=1)
    assert transfer.run_at == now
    assert transfer.lease_until > now
    item = TransferItem.objects.get()
    assert (item.transfer_id, item.source_path, item.destination_path) == (transfer.pk, "/f", "/g")
    assert messages() == 1


def test_a_submission_id_is_answered_with_its_first_transfer(submit: Any, owner: Any, stranger: Any) -> None:
    id = str(uuid4())
    first = submit(body={"submission_id": id})

    again = submit(body={"submission_id": id, "label": "another"})

    assert again.pk == first.pk
    assert Transfer.objects.count() == messages() == 1
    assert transfers.find_submission(owner, first.submission_id) == first
    assert transfers.find_submission(stranger, first.submission_id) is None


def test_the_database_refuses_a_second_transfer_for_a_submission(submit: Any) -> None:
    first = submit(body={"submission_id": str(uuid4())})
    first.pk = uuid4()

    with pytest.raises(IntegrityError, match=r"one_transfer_per_submission|submission_id"), transaction.atomic():
        first.save(force_insert=True)


def test_a_bad_submission_stores_nothing(submit: Any) -> None:
    with pytest.raises(Invalid):
        submit(body={"sync_level": 9})

    assert Transfer.objects.count() == messages() == 0


@pytest.mark.parametrize("deadline", ["2026-03-02T12:00:00+00:00", "2020-01-01"])
def test_a_deadline_that_has_passed_is_refused(submit: Any, deadline: str) -> None:
    with pytest.raises(Invalid) as caught:
        submit(body={"deadline": deadline})

    assert list(caught.value.fields) == ["deadline"]


def test_the_earlier_deadline_counts(submit: Any, now: datetime) -> None:
    by_document = submit(body={"deadline": "2026-03-02 13:00:00"}, deadline=now + timedelta(hours=3))
    by_attempt = submit(deadline=now + timedelta(hours=2))

    assert by_document.deadline_at == now + timedelta(hours=1)
    assert by_attempt.deadline_at == now + timedelta(hours=2)


# One transfer for an execution at a time


def test_a_repeated_attempt_goes_on_with_the_transfer_that_is_not_finished(submit: Any) -> None:
    execution_id = uuid4()
    first = submit(execution_id=execution_id, attempt=1)

    second = submit(execution_id=execution_id, attempt=2)

    assert second.pk == first.pk
    assert Transfer.objects.get().attempt == 2


def test_a_failed_transfer_is_followed_by_another_one(submit: Any, now: datetime) -> None:
    execution_id = uuid4()
    first = submit(execution_id=execution_id, attempt=1)
    transfers.finish(first, TransferStatus.FAILED, now=now, message="No.", reason="not_found")

    second = submit(execution_id=execution_id, attempt=2)

    assert second.pk != first.pk
    assert submit(execution_id=execution_id, attempt=2).pk == second.pk


def test_the_submission_id_of_a_timers_body_does_not_make_later_runs_repetitions(submit: Any) -> None:
    body = {"submission_id": str(uuid4())}

    first = submit(body=body, execution_id=uuid4(), attempt=1)
    second = submit(body=body, execution_id=uuid4(), attempt=1)

    assert first.pk != second.pk


def test_the_database_refuses_two_transfers_for_one_attempt(submit: Any) -> None:
    first = submit(execution_id=uuid4(), attempt=1)
    first.pk = uuid4()

    with pytest.raises(IntegrityError), transaction.atomic():
        first.save(force_insert=True)


# Looking up


def test_only_owners_and_administrators_find_a_transfer(submit: Any, owner: Any, stranger: Any, admin: Any) -> None:
    transfer = submit()

    assert transfers.get_for(owner, transfer.pk) == transfer
    assert transfers.get_for(admin, str(transfer.pk)) == transfer
    for id in (transfer.pk, uuid4(), "nonsense"):
        with pytest.raises(NotFound):
            transfers.get_for(stranger, id)


# Run again


EVERYTHING = {
    "label": "all",
    "DATA": [
        {"source_path": "/d/", "destination_path": "/e/", "recursive": True},
        {"source_path": "/f", "destination_path": "/g/"},
        {"source_path": "/x", "destination_path": "/", "external_checksum": "ab" * 32},
    ],
    "sync_level": 3,
    "dry_run": True,
    "delete_destination_extra": True,
    "max_delete": 7,
    "max_concurrency": 2,
    "filter_rules": [{"method": "exclude", "name": "*.tmp"}],
    "recursive_symlinks": "copy",
    "deadline": "2026-03-02T13:00:00+00:00",
}


def test_the_document_says_again_what_was_asked_for(submit: Any, owner: Any) -> None:
    transfer = submit(body=EVERYTHING)

    again = read(transfers.document(transfer), owner=owner, values=RunValues())

    first = read({**_ends(transfer), **EVERYTHING}, owner=owner, values=RunValues())
    assert (again.items, again.options, again.label) == (first.items, first.options, first.label)
    assert again.submission_id is None


def test_a_deletion_is_stored_and_said_again(places: tuple[Collection, Collection], owner: Any, now: datetime) -> None:
    document = {"DATA_TYPE": "delete", "endpoint": str(places[0].pk), "recursive": True, "DATA": [{"path": "/a/*"}]}

    transfer = transfers.submit(owner=owner, body=document, now=now)
    again = transfers.rerun(transfer, by=owner, now=now)

    assert (again.kind, again.source, again.destination) == ("delete", places[0], None)
    assert again.options == transfer.options
    assert [(item.source_path, item.destination_path) for item in again.items.all()] == [("/a/*", "/a/*")]
    with pytest.raises(Invalid, match="dry_run"):
        transfers.rerun(transfer, by=owner, now=now, changes={"dry_run": True})


def test_running_again_is_another_transfer_of_the_same_owner(
    submit: Any, owner: Any, admin: Any, now: datetime
) -> None:
    first = submit(body={**EVERYTHING, "submission_id": str(uuid4())})

    second = transfers.rerun(first, by=admin, now=now)

    assert second.pk != first.pk
    assert (second.owner, second.submission_id, second.status) == (owner, None, "pending")
    assert second.options == first.options
    assert second.deadline_at == first.deadline_at
    assert TransferEvent.objects.get(transfer=second).text == f"Asked for by admin, as {first.pk} was."


def test_a_deadline_that_has_passed_is_left_out(submit: Any, owner: Any, now: datetime) -> None:
    first, later = submit(body=EVERYTHING), now + timedelta(hours=2)

    second = transfers.rerun(first, by=owner, now=later)

    assert second.options["deadline"] is None
    assert second.deadline_at == later + timedelta(days=1)


@pytest.mark.parametrize(
    ("changes", "becomes"),
    [
        ({"dry_run": False, "max_delete": 1312}, {"dry_run": False, "max_delete": 1312}),
        ({"delete_destination_extra": False}, {"delete_destination_extra": False, "max_delete": None}),
        ({"dry_run": None}, {"dry_run": True}),
    ],
)
def test_some_things_can_be_asked_for_differently(
    submit: Any, owner: Any, now: datetime, changes: dict[str, Any], becomes: dict[str, Any]
) -> None:
    first = submit(body=EVERYTHING)

    assert transfers.rerun(first, by=owner, now=now, changes=changes).options == {**first.options, **becomes}


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"dry_run": "yes"}, "dry_run"),
        ({"max_delete": -1}, "max_delete"),
        ({"delete_destination_extra": False, "max_delete": 3}, "max_delete"),
        ({"label": "other"}, "label"),
    ],
)
def test_what_cannot_be_asked_for_is_refused(
    submit: Any, owner: Any, now: datetime, changes: dict[str, Any], field: str
) -> None:
    first = submit(body=EVERYTHING)

    with pytest.raises(Invalid) as caught:
        transfers.rerun(first, by=owner, now=now, changes=changes)

    assert list(caught.value.fields) == [field]
    assert Transfer.objects.count() == 1


def _ends(transfer: Transfer) -> dict[str, Any]:
    return {"source_endpoint": str(transfer.source_id), "destination_endpoint": str(transfer.destination_id)}


# Cancelling


def test_a_transfer_that_waits_is_cancelled_at_once(submit: Any, owner: Any, now: datetime) -> None:
    transfer = transfers.cancel(submit(), by=owner, now=now)

    transfer.refresh_from_db()
    assert transfer.status == TransferStatus.CANCELLED
    assert transfer.error_message == "Cancelled by owner."
    assert transfer.finished_at == now
    assert transfer.lease_until is None
    assert TransferEvent.objects.get().code == "cancelled"


def test_a_running_slice_is_asked_to_stop(submit: Any, owner: Any, now: datetime) -> None:
    transfer = submit()
    held = slices.take(transfer.pk, owner="worker", now=now)
    assert held is not None
    assert not slices.standing_request(held)

    transfers.cancel(transfer, by=owner, now=now)

    assert slices.standing_request(held)
    assert slices.renew(held, now=now)
    transfer.refresh_from_db()
    assert transfer.status == TransferStatus.ACTIVE


def test_a_finished_transfer_cannot_be_cancelled(submit: Any, owner: Any, now: datetime) -> None:
    transfer = submit()
    transfers.cancel(transfer, by=owner, now=now)

    with pytest.raises(Conflict, match="was cancelled"):
        transfers.cancel(transfer, by=owner, now=now)


def test_cancelling_an_execution_cancels_its_transfer(submit: Any, now: datetime) -> None:
    execution_id = uuid4()
    transfer = submit(execution_id=execution_id, attempt=1)

    transfers.cancel_for_execution(execution_id, now=now)
    transfers.cancel_for_execution(execution_id, now=now)

    transfer.refresh_from_db()
    assert transfer.status == TransferStatus.CANCELLED


# Ending the execution that waits


@pytest.mark.parametrize(
    ("status", "ends_as"),
    [
        (TransferStatus.SUCCEEDED, ExecutionStatus.COMPLETED),
        (TransferStatus.FAILED, ExecutionStatus.FAILED),
        (TransferStatus.CANCELLED, ExecutionStatus.CANCELLED),
    ],
)
def test_the_execution_ends_as_its_transfer_does(
    submit: Any, execution: Execution, now: datetime, status: str, ends_as: str
) -> None:
    transfer = submit(execution_id=execution.pk, attempt=1)
    held = slices.take(transfer.pk, owner="worker", now=now)
    assert held is not None

    slices.end(held, TransferStatus(status), now=now, message="Said so.", reason="not_found")

    execution.refresh_from_db()
    assert execution.status == ends_as
    if status == TransferStatus.SUCCEEDED:
        assert execution.result is not None
        assert execution.result["transfer_id"] == str(transfer.pk)
    if status == TransferStatus.FAILED:
        assert (execution.error_message, execution.failure_reason) == ("Said so.", "not_found")


def test_the_end_of_an_older_attempt_changes_nothing(submit: Any, execution: Execution, now: datetime) -> None:
    transfer = submit(execution_id=execution.pk, attempt=1)
    Execution.objects.filter(pk=execution.pk).update(attempt=2)

    transfers.finish(transfer, TransferStatus.CANCELLED, now=now)

    execution.refresh_from_db()
    assert execution.status == ExecutionStatus.RUNNING


def test_a_transfer_ends_once(submit: Any, now: datetime) -> None:
    transfer = submit()
    other_view = Transfer.objects.get(pk=transfer.pk)

    assert transfers.finish(transfer, TransferStatus.CANCELLED, now=now)
    assert not transfers.finish(other_view, TransferStatus.FAILED, now=now)
    assert TransferEvent.objects.count() == 1
