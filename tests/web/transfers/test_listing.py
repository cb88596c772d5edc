"""The list of transfers."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest
from django.test import Client

from tests.factories import make_webhook_timer
from tests.web.transfers.factories import Places, make_transfer
from timers.queries.transfers.listing import transfer_row

pytestmark = pytest.mark.django_db


def test_an_empty_list_says_what_a_transfer_is(owners_browser: Client) -> None:
    assert "A transfer copies what is new or changed" in owners_browser.get("/transfers/").content.decode()


def test_the_list_shows_progress_to_its_owner_alone(
    owners_browser: Client, strangers_browser: Client, owner: Any, places: Places, now: datetime
) -> None:
    transfer = make_transfer(owner, places, now)

    page = owners_browser.get("/transfers/").content.decode()

    assert "raw → archive" in page
    assert f'href="/transfers/{transfer.pk}/" title="Nightly">Nightly</a>' in page
    assert '<progress class="thin" max="100" value="62"' in page
    assert "10.3\u00a0kB/s" in page
    assert str(transfer.pk) not in strangers_browser.get("/transfers/").content.decode()


def test_what_a_timer_asked_for_goes_by_the_name_of_that_timer(
    owners_browser: Client, owner: Any, places: Places, now: datetime
) -> None:
    timer = make_webhook_timer(owner, now=now, name="Copy at night")
    transfer = make_transfer(owner, places, now, label="", timer_id=timer.pk)

    listed, page = (owners_browser.get(path).content.decode() for path in ("/transfers/", f"/transfers/{transfer.pk}/"))

    assert ">Copy at night</a>" in listed
    assert f'href="/timers/{timer.pk}/">Copy at night</a>' in page


def test_a_file_that_failed_counts_as_done_only_until_the_end(owner: Any, places: Places, now: datetime) -> None:
    nothing = {"files": 1, "files_transferred": 0, "files_failed": 1, "bytes_total": 0, "bytes_transferred": 0}

    going = make_transfer(owner, places, now, **nothing)
    failed = make_transfer(owner, places, now, status="failed", finished_at=now, **nothing)

    assert transfer_row(going, now=now).percent == 99
    assert transfer_row(failed, now=now).percent == 0


def test_the_list_says_what_kind_each_one_is_and_claims_no_progress_before_it_is_known(
    owners_browser: Client, owner: Any, places: Places, now: datetime
) -> None:
    make_transfer(owner, places, now, label="", kind="delete", destination=None, phase="scan")
    make_transfer(owner, places, now, options={"dry_run": True}, status="succeeded", finished_at=now)

    page = owners_browser.get("/transfers/").content.decode()

    assert ">delete in raw</a>" in page
    assert "<div>dry run</div>" in page
    assert '<progress class="thin" max="100" aria-label="delete in raw">' in page


@pytest.mark.parametrize("status", ["cancelled", "failed", "succeeded"])
def test_the_list_can_be_narrowed_to_a_state(
    owners_browser: Client, owner: Any, places: Places, now: datetime, status: str
) -> None:
    for each in ("cancelled", "failed", "succeeded", "active"):
        make_transfer(owner, places, now, status=each, label=f"The {each} one")

    page = owners_browser.get(f"/transfers/?status={status}").content.decode()

    assert f">The {status} one</a>" in page
    assert page.count('class="name clamp"') == 1


def test_the_list_takes_the_same_few_queries_for_many_rows(
    owners_browser: Client, owner: Any, places: Places, now: datetime, django_assert_num_queries: Callable[..., Any]
) -> None:
    for _ in range(7):
        make_transfer(owner, places, now)

    with django_assert_num_queries(7):
        owners_browser.get("/transfers/")
