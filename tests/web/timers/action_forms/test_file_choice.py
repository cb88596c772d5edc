"""Picking what a transfer copies: the file browser in the timer's form, with htmx and without a script."""

from __future__ import annotations

import html
import re
from pathlib import Path
from typing import Any

import pytest
from django.test import Client

from tests.factories import make_webhook_timer
from tests.web.timers.test_form import values_of
from timers.models import Collection, Timer, Transfer

pytestmark = pytest.mark.django_db


@pytest.fixture
def sides(places: tuple[Collection, Collection], tmp_path: Path) -> dict[str, Any]:
    """What the form says when both collections are chosen and nothing is open; the source holds a few things."""
    (tmp_path / "raw" / "home" / "2026").mkdir()
    (tmp_path / "raw" / "notes.txt").write_text("hello")
    return {
        "source": str(places[0].pk),
        "destination": str(places[1].pk),
        "source_opened": str(places[0].pk),
        "destination_opened": str(places[1].pk),
        "source_folder": "",
        "destination_folder": "",
        "source_path": [""],
        "destination_path": [""],
    }


def press(browser: Client, fields: dict[str, Any], button: str, **headers: str) -> str:
    """Return the part of the page after a button of the file browser."""
    answer = browser.post("/timers/new/files/", {**fields, "files": button}, headers={"HX-Request": "true", **headers})
    assert answer.status_code == 200
    return html.unescape(answer.content.decode())


def pairs(part: str) -> list[tuple[str, str]]:
    sources = re.findall(r'name="source_path" value="([^"]*)"', part)
    return list(zip(sources, re.findall(r'name="destination_path" value="([^"]*)"', part), strict=True))


def test_a_folder_shows_folders_first_with_sizes_and_times(owners_browser: Client, sides: dict[str, Any]) -> None:
    part = press(owners_browser, sides, "open:source:/")

    assert "<html" not in part
    assert part.index("home/</span>") < part.index("notes.txt</span>")
    assert re.search(r"5\sB", part)
    assert re.search(r'<time datetime="[^"]+" title="[^"]+">[^<]* UTC</time>', part)
    assert 'value="open:source:/home/"' in part
    assert 'name="source_folder" value="/"' in part


def test_crumbs_lead_back(owners_browser: Client, sides: dict[str, Any]) -> None:
    part = press(owners_browser, sides, "open:source:/home/2026/")

    assert re.search('value="open:source:/"[^>]*>raw</button>', part)
    assert re.search('value="open:source:/home/"[^>]*>home</button>', part)
    assert '<span aria-current="page">2026</span>' in part
    assert "This folder is empty." in part


def test_what_is_added_goes_below_the_open_folder_of_the_destination(
    owners_browser: Client, sides: dict[str, Any]
) -> None:
    fields = {**sides, "source_folder": "/home/", "destination_folder": "/home/"}

    assert pairs(press(owners_browser, fields, "add:/home/2026/")) == [("/home/2026/", "/home/2026/")]
    more = {**fields, "source_path": ["/home/2026/"], "destination_path": ["/home/2026/"]}
    assert pairs(press(owners_browser, more, "add:/home/run-1.h5"))[1] == ("/home/run-1.h5", "/home/run-1.h5")
    assert "on the list already" in press(owners_browser, more, "add:/home/2026/")


def test_everything_can_be_sent_into_one_folder(owners_browser: Client, sides: dict[str, Any]) -> None:
    fields = {**sides, "source_path": ["/home/", "/notes.txt"], "destination_path": ["/a/", "/b.txt"]}

    assert pairs(press(owners_browser, fields, "use:/home/")) == [
        ("/home/", "/home/home/"),
        ("/notes.txt", "/home/notes.txt"),
    ]


def test_lines_can_be_added_and_taken_off(owners_browser: Client, sides: dict[str, Any]) -> None:
    fields = {**sides, "source_path": ["/home/", "/notes.txt"], "destination_path": ["/a/", "/b.txt"]}

    assert pairs(press(owners_browser, fields, "remove:1")) == [("/notes.txt", "/b.txt")]
    assert len(pairs(press(owners_browser, fields, "more"))) == 3


def test_another_collection_opens_its_own_folder(
    owners_browser: Client, sides: dict[str, Any], places: tuple[Collection, Collection]
) -> None:
    Collection.objects.filter(pk=places[1].pk).update(default_directory="/home/")
    fields = {**sides, "source_opened": "", "source_folder": "/nowhere/"}

    part = press(owners_browser, fields, "", **{"HX-Trigger-Name": "destination"})

    assert 'name="destination_folder" value="/home/"' in part
    assert "source_path" not in part  # what was typed meanwhile stays


@pytest.mark.parametrize(
    "button", ["open:source:/nowhere/", "open:source:/../..", "open:elsewhere:/", "remove:x", "?", "add:", "use:"]
)
def test_nonsense_is_answered_calmly(owners_browser: Client, sides: dict[str, Any], button: str) -> None:
    part = press(owners_browser, sides, button)

    assert 'id="source-browser"' in part or 'id="path-rows"' in part


def test_a_stranger_sees_nothing_of_a_collection(strangers_browser: Client, sides: dict[str, Any]) -> None:
    part = press(strangers_browser, sides, "open:source:/")

    assert "notes.txt" not in part
    assert "raw" not in part


def test_it_works_without_a_script(owners_browser: Client, sides: dict[str, Any]) -> None:
    fields = {**sides, "action": "transfer", "name": "", "when": "recurring", "interval": "1", "unit": "3600"}

    page = owners_browser.post("/timers/new/", {**fields, "files": "open:source:/"}).content.decode()
    values = values_of(page)
    assert "was not created" not in page
    assert values["source_folder"] == ["/"]
    page = owners_browser.post("/timers/new/", {**values, "files": "add:/home/"}).content.decode()
    made = owners_browser.post("/timers/new/", {**values_of(page), "name": "Picked"})

    assert made.status_code == 302
    definition = Timer.objects.get().definition
    assert definition is not None
    assert definition.body["DATA"] == [
        {"DATA_TYPE": "transfer_item", "source_path": "/home/", "destination_path": "/home/", "recursive": True}
    ]


def test_all_options_are_kept_and_an_edit_changes_only_what_was_changed(
    owners_browser: Client, owner: Any, places: tuple[Collection, Collection]
) -> None:
    body = {
        "source_endpoint": str(places[0].pk),
        "destination_endpoint": str(places[1].pk),
        "DATA": [{"source_path": "/home", "destination_path": "/copy", "recursive": True}],
        "sync_level": 2,
        "verify_checksum": False,
        "delete_destination_extra": True,
        "max_delete": 7,
        "label": "nightly",
        "filter_rules": [
            {"DATA_TYPE": "filter_rule", "method": "exclude", "name": "*.tmp"},
            {"DATA_TYPE": "filter_rule", "method": "include", "type": "dir", "name": "raw *"},
        ],
        "recursive_symlinks": "copy",
        "preserve_timestamp": True,
        "skip_destination_errors": True,
        "min_age_seconds": 600,
        "max_age_seconds": 172_800,
        "min_size": 1,
        "max_size": 2_000_000_000,
        "keep_replaced": {"path": '/old/{{ planned_at|date:"%Y" }}/', "folder": "/old"},
        "max_bytes_per_second": 2_500_000,
        "bandwidth": [
            {"between": ["08:00", "18:00"], "weekdays": "MON-FRI", "max_bytes_per_second": 1_500_000},
            {"between": ["22:00", "06:00"], "max_bytes_per_second": 10_000, "timezone": "Europe/Berlin"},
        ],
        "max_concurrency": 3,
        "store_base_path_info": True,
    }
    timer = make_webhook_timer(owner, action="transfer", body=body)
    page = owners_browser.get(f"/timers/{timer.pk}/edit/").content.decode()
    values = values_of(page)
    assert values["filter_rules"] == ["exclude *.tmp\ninclude dir raw *"]
    assert values["speed"] == ["2.5"]
    assert values["bandwidth"] == ["08:00-18:00 MON-FRI 1.5\n22:00-06:00 0.01 Europe/Berlin"]
    assert (values["min_age_seconds"], values["max_age_seconds"]) == (["10 min"], ["2 d"])
    assert (values["min_size"], values["max_size"]) == (["1e-06"], ["2000.0"])
    assert "max_delete" in page and '<details class="more-fields" open>' in page

    same = owners_browser.post(f"/timers/{timer.pk}/edit/", {**values, "max_concurrency": "", "label": "weekly"})

    assert same.status_code == 302
    definition = Timer.objects.get().definition
    assert definition is not None
    expected = {name: value for name, value in body.items() if name != "max_concurrency"}
    assert definition.body == {**expected, "label": "weekly"}


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"filter_rules": "maybe *.tmp"}, "filter_rules"),
        ({"filter_rules": "exclude"}, "filter_rules"),
        ({"bandwidth": "08:00-18:00 5 UTC twice"}, "bandwidth"),
        ({"bandwidth": "08:00-8 5"}, "bandwidth"),
        ({"metadata": "no colon"}, "metadata"),
        ({"metadata": "team: data"}, "metadata"),
        ({"storage_class": "cold storage"}, "storage_class"),
        ({"min_size": "5", "max_size": "1"}, "min_size"),
        ({"min_age_seconds": "soon"}, "min_age_seconds"),
        ({"kept_path": "/"}, "kept_path"),
        ({"kept_path": "/old/{{ planned }}/"}, "kept_path"),
        ({"delete_source": "on", "delete_destination_extra": "on"}, "delete_source"),
        ({"speed": "0.0001"}, "speed"),
        ({"max_concurrency": "1000"}, "max_concurrency"),
        ({"label": "x" * 200}, "label"),
    ],
)
def test_a_wrong_option_is_told_at_its_field(
    owners_browser: Client, sides: dict[str, Any], changes: dict[str, str], field: str
) -> None:
    fields = {**sides, "source_path": ["/home/"], "destination_path": ["/copy/"], "action": "transfer", "name": "n"}

    page = owners_browser.post("/timers/new/", {**fields, "when": "once", **changes}).content.decode()

    assert f'<li><a href="#{field}">' in page
    assert f'id="{field}_error"' in page
    assert '<details class="more-fields" open>' in page


def test_a_dry_run_can_be_seen_before_the_timer_is_made(owners_browser: Client, sides: dict[str, Any]) -> None:
    fields = {**sides, "source_path": ["/home/"], "destination_path": ["/copy/"], "action": "transfer", "when": "once"}

    answer = owners_browser.post("/timers/new/dry-run/", fields)

    transfer = Transfer.objects.get()
    assert answer["Location"] == f"/transfers/{transfer.pk}/"
    assert transfer.options["dry_run"] is True
    assert not Timer.objects.exists()
    wrong = owners_browser.post("/timers/new/dry-run/", {**fields, "source_path": [""], "destination_path": [""]})
    assert "The dry run was not started." in wrong.content.decode()
