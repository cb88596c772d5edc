"""The page of one transfer: how far it is, its speed, its files, and what its buttons do."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.test import Client

from tests.web.transfers.factories import Places, add_file, add_pack, furnish, make_transfer
from timers.clock import to_us
from timers.models import Transfer, TransferEvent

pytestmark = pytest.mark.django_db


def page_of(browser: Client, transfer: Transfer, query: str = "") -> str:
    return browser.get(f"/transfers/{transfer.pk}/{query}").content.decode()


def test_what_goes_on_shows_phases_the_files_at_work_and_what_is_left(
    owners_browser: Client, owner: Any, places: Places, now: datetime
) -> None:
    options = {"verify_checksum": True, "delete_destination_extra": False}
    current = [{"path": "/copy/big.h5", "bytes_done": 44, "size": 100}]
    transfer = make_transfer(owner, places, now, options=options, current=current)

    page = page_of(owners_browser, transfer)

    assert '<progress max="100" value="62" aria-label="Transfer">' in page
    assert page.count('<li aria-current="step">') == 1
    assert "Verify</li>" in page
    assert "Delete</li>" not in page
    assert "620\u00a0kB of 1.0\u00a0MB" in page
    assert "10.3\u00a0kB/s" in page
    assert "about 37\u00a0s left" in page
    assert '<progress class="thin" max="100" value="44" aria-label="/copy/big.h5">' in page
    assert ">Cancel</button>" in page
    assert ">Run again</button>" not in page
    assert 'data-live="2"' in page


def test_the_course_of_the_speed_is_a_picture_with_a_name_and_a_table(
    owners_browser: Client, owner: Any, places: Places, now: datetime
) -> None:
    samples = [(to_us(now + timedelta(seconds=10 * n)), 1_000_000 * n * n, n) for n in range(4)]
    transfer = make_transfer(owner, places, now, samples=samples)

    page = page_of(owners_browser, transfer)

    name = "Throughput since 12:00 UTC: 300\u00a0kB/s in the mean, 500\u00a0kB/s at most"
    assert f'role="img" aria-label="{name}"' in page
    assert 'points="33.33,110.0 66.67,66.0 100.00,22.0"' in page
    assert "<caption" in page.split("As a table")[1]
    assert page.split("As a table")[1].count('data-label="Per second"') == 3


def test_files_are_shown_by_what_became_of_them(
    owners_browser: Client, owner: Any, places: Places, now: datetime
) -> None:
    transfer = make_transfer(owner, places, now, status="failed", finished_at=now)
    add_pack(transfer, "one", "two", state="done", verified="checksum")
    add_file(transfer, "kept", state="skipped", verdict="same", level="size")
    add_file(transfer, "bad", state="failed", error_message="No space is left.")

    shown = {name: page_of(owners_browser, transfer, f"?files={name}") for name in ("all", "done", "skipped", "faults")}

    assert [name for name in shown if "/copy/p/one" in shown[name]] == ["all", "done"]
    assert [name for name in shown if "/copy/kept" in shown[name]] == ["all", "skipped"]
    assert [name for name in shown if "No space is left." in shown[name]] == ["all", "faults"]
    assert "copied, checksum agrees" in shown["done"]
    assert 'Done <span class="n">2</span>' in shown["all"]
    assert 'Unchanged <span class="n">1</span>' in shown["all"]


def test_many_files_come_in_pages(owners_browser: Client, owner: Any, places: Places, now: datetime) -> None:
    transfer = make_transfer(owner, places, now, status="succeeded", finished_at=now)
    add_pack(transfer, *(f"n{number:03}" for number in range(60)), state="done")

    first = owners_browser.get(f"/transfers/{transfer.pk}/?files=done")
    marker = first.context["shown"].files.next_marker
    second = page_of(owners_browser, transfer, f"?files=done&after={marker}")

    assert "/copy/p/n049" in first.content.decode()
    assert "/copy/p/n050" not in first.content.decode()
    assert "/copy/p/n050" in second
    assert ">First</a>" in second
    assert ">Next</a>" not in second


def test_events_can_be_narrowed_to_faults(owners_browser: Client, owner: Any, places: Places, now: datetime) -> None:
    transfer = make_transfer(owner, places, now)
    TransferEvent.objects.create(transfer=transfer, at=now, code="started", text="It began.")
    TransferEvent.objects.create(transfer=transfer, at=now, code="x", is_fault=True, text="Reset.", path="/home/b")

    page, faults = (page_of(owners_browser, transfer, query) for query in ("", "?events=faults"))

    assert "It began." in page
    assert "Reset." in page
    assert "It began." not in faults
    assert "Reset." in faults


def test_a_transfer_that_waits_for_a_store_says_what_it_met_and_when_it_tries_again(
    owners_browser: Client, owner: Any, places: Places, now: datetime
) -> None:
    waiting = make_transfer(owner, places, now, failures=2, run_at=now + timedelta(seconds=30))
    healed = make_transfer(owner, places, now, run_at=now)
    for transfer in (waiting, healed):
        TransferEvent.objects.create(transfer=transfer, at=now, code="x", is_fault=True, text="No route to it.")

    waits, goes_on = page_of(owners_browser, waiting), page_of(owners_browser, healed)

    assert '<strong class="break">No route to it.</strong>' in waits
    assert "2 attempts in a row met this" in waits
    assert "attempts in a row" not in goes_on
    assert "1 fault, tries again" in owners_browser.get("/transfers/").content.decode()


def test_files_that_were_passed_over_are_told_of(
    owners_browser: Client, owner: Any, places: Places, now: datetime
) -> None:
    transfer = make_transfer(owner, places, now, status="succeeded", finished_at=now, files_failed=1)

    assert "1 file could not be copied and was passed over." in page_of(owners_browser, transfer)
    assert "1 failed" in owners_browser.get("/transfers/").content.decode()


def test_a_failed_transfer_says_why_in_an_alert(
    owners_browser: Client, owner: Any, places: Places, now: datetime
) -> None:
    transfer = make_transfer(
        owner, places, now, status="failed", error_message="/home/x does not exist.", finished_at=now
    )

    page = page_of(owners_browser, transfer)

    assert 'role="alert"' in page
    assert "/home/x does not exist." in page
    assert ">Cancel</button>" not in page
    assert ">Run again</button>" in page
    assert f"/api/v1/transfers/{transfer.pk}/manifest?as=sha256" in page
    assert "data-live" not in page


def test_what_a_failed_transfer_left_is_called_not_done(
    owners_browser: Client, owner: Any, places: Places, now: datetime
) -> None:
    counted = {"files": 1, "files_transferred": 0, "files_failed": 1, "bytes_total": 0}
    transfer = make_transfer(owner, places, now, status="failed", finished_at=now, **counted)
    add_file(transfer, "left")

    page = page_of(owners_browser, transfer, "?files=pending")

    assert 'Not done <span class="n">1</span>' in page
    assert "to be copied" not in page
    assert '<progress max="100" value="0"' in page


def test_a_deletion_has_no_destination_and_no_dry_run(
    owners_browser: Client, owner: Any, places: Places, now: datetime
) -> None:
    transfer = make_transfer(
        owner, places, now, kind="delete", destination=None, phase="delete", bytes_total=0, files=4, files_transferred=3
    )
    add_pack(transfer, "a", "b", "c", step="delete", verdict="delete", state="done")
    add_file(transfer, "p", step="delete", verdict="delete")

    page = page_of(owners_browser, transfer)

    assert "Delete in raw" in page
    assert "3 of 4 deleted" in page
    assert '<progress max="100" value="75" aria-label="Delete">' in page
    assert "Compare</li>" not in page
    assert ">Dry run</button>" not in page


def test_a_transfer_can_be_cancelled(owners_browser: Client, owner: Any, places: Places, now: datetime) -> None:
    transfer = make_transfer(owner, places, now, status="pending", started_at=None)

    owners_browser.post(f"/transfers/{transfer.pk}/cancel/")

    transfer.refresh_from_db()
    assert transfer.status == "cancelled"


@pytest.mark.parametrize(("sent", "dry_run"), [({}, False), ({"dry_run": "1"}, True)])
def test_a_transfer_can_be_run_again_also_dry(
    owners_browser: Client, owner: Any, places: Places, now: datetime, sent: dict[str, str], dry_run: bool
) -> None:
    options = {"deadline": None, "sync_level": 2}
    transfer = make_transfer(owner, places, now, status="failed", finished_at=now, options=options)

    answer = owners_browser.post(f"/transfers/{transfer.pk}/rerun/", sent)

    new = Transfer.objects.exclude(pk=transfer.pk).get()
    assert answer.headers["Location"] == f"/transfers/{new.pk}/"
    assert (new.options["dry_run"], new.options["sync_level"]) == (dry_run, 2)


def test_what_cannot_be_run_again_says_why(owners_browser: Client, owner: Any, places: Places, now: datetime) -> None:
    transfer = make_transfer(owner, places, now, status="failed", finished_at=now, options={"deadline": None})
    places[0].deleted_at = now
    places[0].save()

    answer = owners_browser.post(f"/transfers/{transfer.pk}/rerun/", follow=True)

    assert "There is no collection" in answer.content.decode()
    assert Transfer.objects.count() == 1


@pytest.mark.parametrize("end", ["", "cancel/", "rerun/", "start/"])
def test_a_stranger_does_not_learn_that_it_exists(
    strangers_browser: Client, owner: Any, places: Places, now: datetime, end: str
) -> None:
    path = f"/transfers/{make_transfer(owner, places, now).pk}/{end}"

    answer = strangers_browser.post(path) if end else strangers_browser.get(path)

    assert answer.status_code == 404


def test_every_kind_of_page_takes_few_queries_and_its_live_part_is_a_part(
    owners_browser: Client, owner: Any, places: Places, now: datetime, django_assert_max_num_queries: Any
) -> None:
    for path in furnish(owner, places, now).values():
        with django_assert_max_num_queries(15):
            owners_browser.get(path)
        part = owners_browser.get(path, headers={"HX-Request": "true"}).content.decode()
        assert "<html" not in part
        assert 'id="transfer-acts" hx-swap-oob="true"' in part


# Pausing, warnings, retries


def test_a_transfer_is_paused_and_resumed_by_its_buttons(
    owners_browser: Client, owner: Any, places: Places, now: datetime
) -> None:
    transfer = make_transfer(owner, places, now)
    assert ">Pause</button>" in page_of(owners_browser, transfer)

    owners_browser.post(f"/transfers/{transfer.pk}/pause/")

    page = page_of(owners_browser, transfer)
    assert ">Resume</button>" in page
    assert ">Pause</button>" not in page
    assert "Paused since" in page
    assert ">Cancel</button>" in page
    assert "Nightly" in owners_browser.get("/transfers/", {"status": "paused"}).content.decode()
    owners_browser.post(f"/transfers/{transfer.pk}/resume/")
    transfer.refresh_from_db()
    assert transfer.status == "active"


def test_a_slice_that_still_runs_is_said_to_be_pausing(
    owners_browser: Client, owner: Any, places: Places, now: datetime
) -> None:
    transfer = make_transfer(owner, places, now, lease_owner="one", slice=1)

    owners_browser.post(f"/transfers/{transfer.pk}/pause/")

    page = page_of(owners_browser, transfer)
    assert ">pausing<" in page
    assert ">Resume</button>" in page


def test_warnings_are_counted_and_what_was_left_out_is_named(
    owners_browser: Client, owner: Any, places: Places, now: datetime
) -> None:
    transfer = make_transfer(owner, places, now, status="succeeded", finished_at=now, warnings=2)
    words = {"failure_reason": "bad_name", "error_message": "The destination does not take this name."}
    add_file(transfer, "a:b", state="skipped", verdict=None, **words)
    add_file(transfer, "same", state="skipped", verdict="same", level="size")

    page = page_of(owners_browser, transfer, "?files=warning")

    assert "2 warnings" in page
    assert "Warnings" in page
    assert "The destination does not take this name." in page
    assert "/copy/same" not in page
    assert "2 warnings" in owners_browser.get("/transfers/").content.decode()


def test_failed_files_are_retried_by_themselves(
    owners_browser: Client, owner: Any, places: Places, now: datetime
) -> None:
    transfer = make_transfer(owner, places, now, status="failed", finished_at=now)
    assert ">Retry failed files</button>" not in page_of(owners_browser, transfer)
    add_file(transfer, "bad", state="failed")
    assert ">Retry failed files</button>" in page_of(owners_browser, transfer)

    answer = owners_browser.post(f"/transfers/{transfer.pk}/rerun/", {"only": "failed"})

    new = Transfer.objects.exclude(pk=transfer.pk).get()
    assert answer["Location"] == f"/transfers/{new.pk}/"
    assert [item.source_path for item in new.items.all()] == ["/home/bad"]


def test_the_options_stand_in_words(owners_browser: Client, owner: Any, places: Places, now: datetime) -> None:
    limit = {"between": ["08:00", "18:00"], "max_bytes_per_second": 1_000_000, "timezone": "UTC"}
    options = {
        "sync_level": 3,
        "delete_source": True,
        "keep_replaced": {"path": "/old/2026", "folder": "/old"},
        "min_age_seconds": 600,
        "max_size": 2_000_000,
        "bandwidth": [limit],
        "skip_source_errors": True,
    }

    page = page_of(owners_browser, make_transfer(owner, places, now, options=options))

    for words in (
        "everything; only files changed at least 10 minutes ago; only files of at most 2.0 MB",
        "by content, whatever its time; every copy is verified",
        "nothing at the destination",
        "what was verified at the destination is deleted at the source",
        "what is replaced or deleted, in /old/2026",
        "1.0 MB/s between 08:00 and 18:00 (UTC)",
        "what cannot be read is left out with a warning",
    ):
        assert words in page
