"""The page of a dry run: what would happen, and the gate before it does."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest
from django.test import Client

from tests.web.transfers.factories import Places, make_dry_run, make_transfer
from timers.models import Transfer, TransferEvent

pytestmark = pytest.mark.django_db

OPTIONS = {"deadline": None}


def started(transfer: Transfer) -> Transfer | None:
    return Transfer.objects.exclude(pk=transfer.pk).first()


def start(browser: Client, transfer: Transfer, **sent: Any) -> Any:
    return browser.post(f"/transfers/{transfer.pk}/start/", sent)


def test_a_dry_run_shows_numbers_shares_and_why(
    owners_browser: Client, owner: Any, places: Places, now: datetime
) -> None:
    transfer = make_dry_run(owner, places, now)

    page = owners_browser.get(f"/transfers/{transfer.pk}/").content.decode()

    assert "Dry run: raw → archive" in page
    assert "compared by checksum" in page
    assert 'aria-label="Of 7 files 28 % are added, 14 % changed, 42 % deleted, 14 % stay the same"' in page
    assert page.index("/copy/locked") < page.index("/copy/old/run-0") < page.index("/copy/p/new-2")
    assert "errors and deletions first" in page
    for words in ("Not at the destination", "Content differs", "Content agrees", "Not at the source", "denied"):
        assert words in page
    assert 'Delete <span class="n">3</span>' in page


def test_the_table_can_be_narrowed_to_a_verdict(
    owners_browser: Client, owner: Any, places: Places, now: datetime
) -> None:
    transfer = make_dry_run(owner, places, now)

    page = owners_browser.get(f"/transfers/{transfer.pk}/?files=delete").content.decode()

    assert "/copy/old/run-2" in page
    assert "/copy/index.json" not in page


def test_what_deletes_nothing_is_plainly_started(
    owners_browser: Client, owner: Any, places: Places, now: datetime
) -> None:
    transfer = make_dry_run(owner, places, now, deletions=0, options=OPTIONS)

    page = owners_browser.get(f"/transfers/{transfer.pk}/").content.decode()
    start(owners_browser, transfer)

    assert ">Start transfer</button>" in page
    new = started(transfer)
    assert new is not None
    assert (new.options["dry_run"], new.options["delete_destination_extra"]) == (False, True)


def test_few_deletions_need_no_number(owners_browser: Client, owner: Any, places: Places, now: datetime) -> None:
    transfer = make_dry_run(owner, places, now, options=OPTIONS)

    page = owners_browser.get(f"/transfers/{transfer.pk}/").content.decode()
    start(owners_browser, transfer)

    assert ">Copy and delete 3</button>" in page
    assert 'name="count"' not in page
    new = started(transfer)
    assert new is not None
    assert (new.options["dry_run"], new.options["max_delete"]) == (False, None)


def test_deletions_above_the_limit_need_their_number(
    owners_browser: Client, owner: Any, places: Places, now: datetime
) -> None:
    transfer = make_dry_run(owner, places, now, deletions=1200, options=OPTIONS)

    page = owners_browser.get(f"/transfers/{transfer.pk}/").content.decode()
    for wrong in ("", "1201", "yes"):
        answer = start(owners_browser, transfer, count=wrong)
        assert answer.status_code == 400
        assert "To delete them, type 1200." in answer.content.decode()

    assert "99 % of what is there" in page
    assert '<span class="mono break">/copy/old</span> (1\u202f200)' in page
    assert started(transfer) is None
    assert start(owners_browser, transfer, count="1 200").status_code == 302
    new = started(transfer)
    assert new is not None
    assert (new.options["dry_run"], new.options["max_delete"]) == (False, 1200)


def test_the_limit_that_was_asked_for_counts(owners_browser: Client, owner: Any, places: Places, now: datetime) -> None:
    transfer = make_dry_run(owner, places, now, options={**OPTIONS, "max_delete": 2})

    assert start(owners_browser, transfer).status_code == 400


def test_copying_without_deleting_is_always_possible(
    owners_browser: Client, owner: Any, places: Places, now: datetime
) -> None:
    transfer = make_dry_run(owner, places, now, deletions=1200, options={**OPTIONS, "max_delete": 2})

    start(owners_browser, transfer, keep="1")

    new = started(transfer)
    assert new is not None
    assert (new.options["dry_run"], new.options["delete_destination_extra"]) == (False, False)


@pytest.mark.parametrize(
    ("code", "deletions"), [("delete_refused", 3), ("delete_skipped", 3), ("delete_skipped", 1200)]
)
def test_a_deletion_that_would_be_refused_is_not_offered(
    owners_browser: Client, owner: Any, places: Places, now: datetime, code: str, deletions: int
) -> None:
    transfer = make_dry_run(owner, places, now, deletions=deletions)
    text = "Nothing was deleted: part of the source could not be read."
    TransferEvent.objects.create(transfer=transfer, at=now, code=code, is_fault=True, text=text)

    gate = owners_browser.get(f"/transfers/{transfer.pk}/").content.decode().split('class="card gate"')[1]

    assert text in gate
    assert "Copy and delete" not in gate
    assert 'name="count"' not in gate
    assert ">Copy, delete nothing</button>" in gate


def test_deletions_that_are_too_many_are_refused_only_without_their_number(
    owners_browser: Client, owner: Any, places: Places, now: datetime
) -> None:
    transfer = make_dry_run(owner, places, now, deletions=1200)
    TransferEvent.objects.create(transfer=transfer, at=now, code="delete_refused", is_fault=True, text="Too many.")

    page = owners_browser.get(f"/transfers/{transfer.pk}/").content.decode()

    assert ">Copy and delete 1\u202f200</button>" in page


def test_only_a_dry_run_that_succeeded_can_be_started(
    owners_browser: Client, owner: Any, places: Places, now: datetime
) -> None:
    running = make_dry_run(owner, places, now, status="active", finished_at=None)
    real = make_transfer(owner, places, now, status="succeeded", finished_at=now)

    for transfer in (running, real):
        start(owners_browser, transfer, keep="1")

    page = owners_browser.get(f"/transfers/{running.pk}/").content.decode()
    assert Transfer.objects.count() == 2
    assert 'class="card gate"' not in page
    assert "Copy</li>" not in page
