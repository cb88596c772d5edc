"""Making and editing timers with the form, without a script."""

from __future__ import annotations

import html
import re
from datetime import UTC, datetime
from typing import Any

import pytest
from django.test import Client

from tests.factories import make_webhook_timer
from tests.web.conftest import fields_of_webhook
from timers.models import Collection, Timer
from timers.services.timers import commands as service

pytestmark = pytest.mark.django_db


def text_of(response: Any) -> str:
    return html.unescape(response.content.decode())


def errors_at(response: Any) -> list[str]:
    """Return the fields that the summary of errors links to."""
    summary = re.search(r'role="alert" tabindex="-1">.*?</ul>', response.content.decode(), re.S)
    return re.findall(r'<li>\s*<a href="#([^"]+)"', summary[0]) if summary else []


def values_of(page: str) -> dict[str, Any]:
    """Return what a browser would send for the form as it is shown."""
    form = page[page.index('id="timer-form"') : page.index("</form>", page.index('id="timer-form"'))]
    values: dict[str, Any] = {}
    for tag in re.findall(r"<input[^>]*>", form):
        name, value = re.search(r'name="([^"]+)"', tag), re.search(r'value="([^"]*)"', tag)
        kind = re.search(r'type="([^"]+)"', tag)
        if name and not ((kind and kind[1] in ("radio", "checkbox")) and "checked" not in tag):
            values.setdefault(name[1], []).append(
                html.unescape(value[1]) if value else "on" if "checkbox" in tag else ""
            )
    for name, inner in re.findall(r'<select name="([^"]+)".*?>(.*?)</select>', form, re.S):
        chosen = re.search(r'<option value="([^"]*)" selected', inner)
        first = re.search(r'<option value="([^"]*)"', inner)
        values[name] = [chosen[1] if chosen else first[1] if first else ""]
    for name, inner in re.findall(r'<textarea name="([^"]+)".*?>(.*?)</textarea>', form, re.S):
        values[name] = [html.unescape(inner).removeprefix("\n")]
    return values


def test_the_form_has_the_labels_of_the_contract(owners_browser: Client) -> None:
    page = owners_browser.get("/timers/new/").content.decode()

    for label in ("Name", "URL", "Cron expression", "Time zone"):
        assert re.search(rf'<label for="[a-z]+">{label}</label>', page), label
    for choice in ("Transfer", "Webhook", "Workflow", "Code", "Once", "Every", "Cron"):
        assert re.search(rf'<input type="radio"[^>]*>\s*{choice}</label>', page), choice
    assert '<button class="btn primary">Create timer</button>' in page
    assert re.search(r'<select name="timezone"', page)


def test_a_webhook_timer_is_made_and_shown(owners_browser: Client, owner: Any) -> None:
    response = owners_browser.post(
        "/timers/new/",
        fields_of_webhook(
            headers="Authorization: Bearer abcdef\nAccept: text/plain", tags="prod, team:data", max_attempts="5"
        ),
    )

    timer = Timer.objects.get()
    assert response["Location"] == f"/timers/{timer.pk}/"
    assert "was created" in owners_browser.get(response["Location"]).content.decode()
    definition = timer.definition
    assert definition is not None
    assert definition.schedule["interval_seconds"] == 7200
    assert definition.body["json"] == {"hello": "there"}
    assert definition.body["headers"] == {"Authorization": "***", "Accept": "text/plain"}
    assert definition.policies["max_attempts"] == 5
    assert service.tags_of(timer) == {"prod": "", "team": "data"}
    assert timer.owner == owner


def test_a_transfer_timer_is_made(owners_browser: Client, places: tuple[Collection, Collection]) -> None:
    response = owners_browser.post(
        "/timers/new/",
        {
            "action": "transfer",
            "name": "Nightly copy",
            "source": str(places[0].pk),
            "destination": str(places[1].pk),
            "source_path": ["/home/", "/home/run-1.h5", ""],
            "destination_path": ["/copy/", "/one.h5", ""],
            "sync_level": "3",
            "verify_checksum": "on",
            "when": "cron",
            "expression": "0 0 1 * * ?",
            "timezone": "Europe/Berlin",
            "ends": "iterations",
            "runs": "10",
        },
    )

    assert response.status_code == 302, errors_at(response)
    definition = Timer.objects.get().definition
    assert definition is not None
    assert [item["recursive"] for item in definition.body["DATA"]] == [True, False]
    assert definition.body["sync_level"] == 3
    assert definition.schedule["timezone"] == "Europe/Berlin"
    assert definition.schedule["end"]["n"] == 10


def test_local_times_are_read_in_the_chosen_zone(owners_browser: Client) -> None:
    owners_browser.post(
        "/timers/new/", fields_of_webhook(when="once", start="2026-07-01T14:30", timezone="Europe/Berlin")
    )

    assert Timer.objects.get().schedule.next_planned_at == datetime(2026, 7, 1, 12, 30, tzinfo=UTC)


def test_a_timer_can_be_created_paused(owners_browser: Client) -> None:
    owners_browser.post("/timers/new/", fields_of_webhook(paused="1"))

    assert Timer.objects.get().status == "paused"


@pytest.mark.parametrize(
    ("changes", "field", "sentence"),
    [
        ({"name": ""}, "name", "Give it a name."),
        ({"url": "http://10.0.0.5/hook"}, "url", "10.0.0.5"),
        ({"url": ""}, "url", "A URL is needed."),
        ({"content": "{broken"}, "content", "This is not JSON"),
        ({"headers": "no colon"}, "headers", "a name, a colon and a value"),
        ({"headers": "Host: elsewhere"}, "headers", "set by the sender"),
        ({"when": "cron", "expression": "0 0 9 31 2 ?"}, "expression", ""),
        ({"when": "cron", "expression": ""}, "expression", ""),
        ({"when": "once", "start": "yesterday"}, "start", "Give a date and a time"),
        ({"interval": ""}, "interval", "Say how long"),
        ({"interval": "0.001", "unit": "1"}, "interval", ""),
        ({"ends": "iterations"}, "runs", "Say after how many runs"),
        ({"ends": "time"}, "end_at", "Say when it ends."),
        ({"catch_up": "all", "overlap": "skip"}, "catch_up", "overlap"),
        ({"timezone": "Mars/Olympus"}, "timezone", ""),
        ({"action": "workflow"}, "action_0", ""),
        ({"when": ""}, "when_0", ""),
        ({"tags": "a\x00b"}, "tags", "Null characters"),
    ],
)
def test_errors_are_summed_up_and_stand_at_their_field(
    owners_browser: Client, changes: dict[str, str], field: str, sentence: str
) -> None:
    response = owners_browser.post("/timers/new/", fields_of_webhook(**changes))

    assert response.status_code == 200
    assert not Timer.objects.exists()
    assert field in errors_at(response)
    assert "The timer was not created." in text_of(response)
    assert sentence in text_of(response)
    assert f'id="{field.removesuffix("_0")}_error"' in response.content.decode()


def test_a_transfer_without_places_or_paths_says_so_at_each_field(owners_browser: Client) -> None:
    response = owners_browser.post("/timers/new/", fields_of_webhook(action="transfer"))

    assert set(errors_at(response)) == {"source", "destination", "paths_1"}


def test_what_was_typed_comes_back_with_the_errors(owners_browser: Client) -> None:
    page = text_of(owners_browser.post("/timers/new/", fields_of_webhook(name="", url="https://kept.example.org/")))

    assert 'value="https://kept.example.org/"' in page
    assert '{"hello": "there"}' in page


def test_the_preview_says_in_words_when_it_runs(owners_browser: Client) -> None:
    part = owners_browser.post(
        "/timers/new/preview/",
        fields_of_webhook(when="cron", expression="0 0 9 ? * MON", timezone="America/New_York"),
        headers={"HX-Request": "true"},
    ).content.decode()

    assert "<html" not in part
    assert "09:00" in part
    assert "Mon 9 Mar 09:00 EDT" in part
    assert "in 2\u00a0h" in part


def test_the_preview_names_what_is_wrong_with_the_schedule(owners_browser: Client) -> None:
    part = owners_browser.post(
        "/timers/new/preview/", fields_of_webhook(when="cron", expression="hello")
    ).content.decode()

    assert 'class="dim"' in part
    assert "<ol" not in part


def test_the_preview_stays_when_the_schedule_is_not_what_is_wrong(owners_browser: Client) -> None:
    page = owners_browser.post("/timers/new/", fields_of_webhook(name="", interval="0.001", unit="1"))
    good = owners_browser.post("/timers/new/", fields_of_webhook(name=""))

    assert "Say how long" not in text_of(page)
    assert "Every 2 hours" in text_of(good)


def test_the_preview_works_without_a_script_and_makes_nothing(owners_browser: Client) -> None:
    page = owners_browser.post("/timers/new/", fields_of_webhook(preview="1", name="")).content.decode()

    assert "Every 2 hours" in page
    assert "was not created" not in page
    assert not Timer.objects.exists()


def test_editing_shows_what_is_and_changes_only_what_was_changed(
    owners_browser: Client, owner: Any, now: datetime
) -> None:
    document = {"type": "recurring", "interval_seconds": 5400, "start": "2026-03-02T12:00:00.123456+00:00"}
    body = {
        "url": "https://hooks.example.org/",
        "headers": {"Authorization": "Bearer abcdef"},
        "expect": {"status": 204},
    }
    timer = make_webhook_timer(
        owner, schedule=document, body=body, tags={"a": ["1", "2"]}, policies={"max_attempts": 7}
    )
    before = timer.definition
    values = values_of(owners_browser.get(f"/timers/{timer.pk}/edit/").content.decode())

    response = owners_browser.post(f"/timers/{timer.pk}/edit/", {**values, "name": "Renamed"})

    assert response.status_code == 302, errors_at(response)
    timer = Timer.objects.select_related("definition").get()
    assert timer.definition is not None and before is not None
    assert timer.name == "Renamed"
    assert timer.definition.number == 2
    assert timer.definition.schedule == before.schedule
    assert timer.definition.body == before.body
    assert timer.definition.secrets == before.secrets
    assert timer.definition.policies == before.policies
    assert service.tags_of(timer) == {"a": ["1", "2"]}


def test_an_edit_can_change_the_schedule(owners_browser: Client, owner: Any) -> None:
    timer = make_webhook_timer(owner)
    values = values_of(owners_browser.get(f"/timers/{timer.pk}/edit/").content.decode())

    owners_browser.post(f"/timers/{timer.pk}/edit/", {**values, "interval": "3", "unit": "86400"})

    definition = Timer.objects.get().definition
    assert definition is not None
    assert definition.schedule["interval_seconds"] == 3 * 86400


def test_the_button_of_an_edit_is_save(owners_browser: Client, owner: Any) -> None:
    page = owners_browser.get(f"/timers/{make_webhook_timer(owner).pk}/edit/").content.decode()

    assert '<button class="btn primary">Save</button>' in page


def test_a_refused_edit_says_so_and_changes_nothing(owners_browser: Client, owner: Any) -> None:
    timer = make_webhook_timer(owner)
    values = values_of(owners_browser.get(f"/timers/{timer.pk}/edit/").content.decode())

    response = owners_browser.post(f"/timers/{timer.pk}/edit/", {**values, "url": "ftp://example.org"})

    assert "The changes were not saved." in text_of(response)
    assert errors_at(response) == ["url"]
    assert Timer.objects.get().definition_id == timer.definition_id


def test_a_duplicate_begins_as_a_copy(owners_browser: Client, owner: Any, strangers_browser: Client) -> None:
    timer = make_webhook_timer(owner, name="Tell the hook")

    page = text_of(owners_browser.get(f"/timers/new/?from={timer.pk}"))
    assert 'value="Tell the hook (copy)"' in page
    assert 'value="https://hooks.example.org/timers"' in page

    assert "hooks.example.org" not in text_of(strangers_browser.get(f"/timers/new/?from={timer.pk}"))


def test_strangers_cannot_edit(strangers_browser: Client, owner: Any) -> None:
    timer = make_webhook_timer(owner)

    assert strangers_browser.post(f"/timers/{timer.pk}/edit/", fields_of_webhook()).status_code == 404


def test_only_collections_of_ones_own_are_offered(
    strangers_browser: Client, owners_browser: Client, places: tuple[Collection, Collection]
) -> None:
    assert str(places[0].pk) in owners_browser.get("/timers/new/").content.decode()
    assert str(places[0].pk) not in strangers_browser.get("/timers/new/").content.decode()
