"""The activity page around its list: filters in the address, the load to come, exports, and the calendar's address."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.test import Client
from icalendar import Calendar

from tests.factories import make_webhook_timer
from tests.web.conftest import ran
from timers.models import CalendarFeed, Execution, Preference
from timers.queries.executions import export as execution_export
from timers.queries.executions import hourly_load
from timers.queries.executions import listing as queries
from timers.services.timers import commands as service

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def nothing_remembered_of_rules() -> Iterator[None]:
    hourly_load._CACHE.clear()
    yield


def text_of(response: Any) -> str:
    return response.content.decode()


def rows(response: Any) -> int:
    return text_of(response).count('aria-label="Details:')


def sent(response: Any) -> str:
    assert response.status_code == 200
    return b"".join(response.streaming_content).decode()


@pytest.mark.parametrize(
    ("query", "count"),
    [
        ("from=2026-03-02T12:00", 3),  # 11:00 UTC
        ("from=2026-03-02T13:00", 2),
        ("from=2026-03-02T12:00Z", 2),
        ("until=2026-03-02T13:00", 1),
        ("from=2026-03-02T12:30&until=2026-03-02T13:30", 1),
        ("from=2026-03-02", 3),
        ("until=2026-03-01", 0),
        ("until=2026-03-02", 3),
        ("from=&until=", 3),
    ],
)
def test_times_are_read_on_the_readers_clock(
    owners_browser: Client, owner: Any, now: datetime, query: str, count: int
) -> None:
    Preference.objects.create(owner=owner, timezone="Europe/Berlin")
    timer = make_webhook_timer(owner)
    for hour in (-1, 0, 1):
        ran(timer, now + timedelta(hours=hour))

    response = owners_browser.get(f"/activity/?{query}")

    assert rows(response) == count
    assert "Not all of the filters" not in text_of(response)


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("from=yesterday", "From “yesterday” is no time."),
        ("until=2026-13-45", "Until “2026-13-45” is no time."),
        ("until=2026-02-31T10:00", "Until “2026-02-31T10:00” is no time."),
        ("from=0001-01-01T00:00", "is no time."),
        ("until=9999-12-31", "is no time."),
        ("from=2026-03-03&until=2026-03-01", "Until lies before From"),
        ("status=odd", "There is no result “odd”; all are shown."),
        ("trigger=odd", "There is no trigger “odd”; all are shown."),
        ("action=odd", "There is no action “odd”; all are shown."),
    ],
)
def test_what_cannot_be_used_is_said_and_left_out(
    owners_browser: Client, owner: Any, now: datetime, query: str, said: str
) -> None:
    ran(make_webhook_timer(owner), datetime(2026, 3, 4, tzinfo=now.tzinfo))

    response = owners_browser.get(f"/activity/?{query}")
    export = owners_browser.get(f"/activity/export.csv?{query}")

    assert response.status_code == 200
    assert said in text_of(response)
    assert 'role="alert"' in text_of(response)
    assert rows(response) == 1
    assert (export.status_code, said in text_of(export)) == (400, True)


@pytest.mark.parametrize(
    "query", ["q=%00", "tag=%00", "hour=nonsense", "hour=2026-02-31T10:00Z", "hour=1999-01-01T00:00Z"]
)
def test_odd_addresses_are_answered(owners_browser: Client, owner: Any, now: datetime, query: str) -> None:
    ran(make_webhook_timer(owner), now)

    assert rows(owners_browser.get(f"/activity/?{query}")) == 1


def test_a_text_is_sought_in_names_and_else_in_errors(owners_browser: Client, owner: Any, now: datetime) -> None:
    ran(make_webhook_timer(owner, name="Night shift"), now)
    ran(make_webhook_timer(owner, name="Other"), now, status="failed", error_message="Night has fallen")

    named, said = (text_of(owners_browser.get(f"/activity/?q={words}")) for words in ("night", "fallen"))

    assert "of timers named “night”" in named
    assert "Night has fallen" not in named
    assert "Night has fallen" in said
    assert "runs whose error contains it" in said


def test_what_is_rare_is_looked_for_step_by_step(
    owners_browser: Client, admins_browser: Client, owner: Any, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queries, "MAX_SCANNED", 3)
    timer = make_webhook_timer(owner)
    for number in range(8):
        status = "failed" if number == 7 else "completed"
        ran(
            timer,
            now - timedelta(hours=number),
            status=status,
            error_message="no route" if status == "failed" else None,
        )

    address, seen, steps = "/activity/?status=failed", 0, 0
    while address:
        page = text_of(admins_browser.get(address))
        seen, steps = seen + page.count('aria-label="Details:'), steps + 1
        more = re.search(r'href="(/activity/\?[^"]*)">Search further back', page)
        address = more[1].replace("&amp;", "&") if more else ""

    assert (seen, steps) == (1, 3)
    assert "No run since <time" in text_of(admins_browser.get("/activity/?q=no+route"))
    assert rows(owners_browser.get("/activity/?status=failed")) == 1  # few timers are found at once


def test_what_is_filtered_while_typing_changes_the_links_around_the_list_and_a_refresh_does_not(
    owners_browser: Client, owner: Any, now: datetime
) -> None:
    ran(make_webhook_timer(owner), now)

    typed, refreshed = (
        text_of(owners_browser.get("/activity/?q=hook", headers={"HX-Request": "true", "HX-Trigger": trigger}))
        for trigger in ("filters", "list")
    )

    for link in ('href="/activity/export.csv?q=hook"', 'href="/activity/?q=hook&amp;status=failed"'):
        assert link in typed
        assert link not in refreshed
    assert "<html" not in typed and "Load to come" not in typed


def test_the_load_to_come_is_a_named_picture_and_a_table_of_links(
    owners_browser: Client, owner: Any, now: datetime
) -> None:
    Preference.objects.create(owner=owner, timezone="Europe/Berlin")
    make_webhook_timer(owner, name="At nine", schedule={"type": "cron", "expression": "0 10 8 3 * ?"})

    page = text_of(owners_browser.get("/activity/"))
    link = re.search(r'href="(/activity/\?hour=[^"#]*)#hour" aria-label="Tue 3 09:00 CET, 1 run">1</a>', page)

    words = "1 run planned in the next seven days; most in the hour from Tue 3 Mar 09:00 CET: 1"
    assert f'role="img" aria-label="{words}"' in page
    assert link is not None
    shown = text_of(owners_browser.get(link[1]))
    assert "Tue 3 Mar 09:00 to 10:00 CET" in shown
    assert "1 run of 1 timer" in shown


def test_the_next_runs_stand_under_their_days(owners_browser: Client, owner: Any, now: datetime) -> None:
    make_webhook_timer(owner, name="Tomorrow", schedule={"type": "cron", "expression": "0 10 8 * * ?"})

    page = text_of(owners_browser.get("/activity/"))

    assert "<h3>Tuesday 3 March 2026</h3>" in page
    assert "08:10 UTC</time>" in page
    assert "in 20\u00a0h 10\u00a0min" in page


def test_an_export_has_the_same_filters_and_the_names_of_the_api(
    owners_browser: Client, strangers_browser: Client, owner: Any, now: datetime
) -> None:
    timer = make_webhook_timer(owner, name="=cmd|' /C calc'!A0")
    ran(timer, now, result={"status_code": 204})
    ran(timer, now - timedelta(hours=1), status="failed", error_message="@SUM(1+1)", result=None)

    response = owners_browser.get("/activity/export.csv?status=failed")
    table = list(csv.DictReader(io.StringIO(sent(response))))
    whole = json.loads(sent(owners_browser.get("/activity/export.json")))
    foreign = json.loads(sent(strangers_browser.get("/activity/export.json")))

    assert response["Content-Disposition"] == 'attachment; filename="executions-20260302-120000Z.csv"'
    assert [row["status"] for row in table] == ["failed"]
    assert (table[0]["timer_name"], table[0]["error_message"]) == ("'=cmd|' /C calc'!A0", "'@SUM(1+1)")
    assert [row["result"] for row in whole["executions"]] == [{"status_code": 204}, None]
    assert whole["executions"][0]["scheduled_for"] == "2026-03-02T12:00:00+00:00"
    assert whole["executions"][0]["duration_seconds"] == 1.991
    assert (whole["truncated"], foreign["executions"]) == (False, [])


def test_an_export_names_what_the_api_names(owners_browser: Client, owner: Any, now: datetime) -> None:
    execution = ran(make_webhook_timer(owner), now)

    document = owners_browser.get(f"/api/v1/executions/{execution.pk}").json()
    exported = json.loads(sent(owners_browser.get("/activity/export.json")))["executions"][0]

    assert exported.pop("timer_name") == "Tell the hook"
    assert exported == document
    assert tuple(execution_export.document(execution)) == execution_export.COLUMNS


def test_an_export_says_when_there_is_more(
    owners_browser: Client, owner: Any, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(execution_export, "MAX_ROWS", 2)
    timer = make_webhook_timer(owner)
    for number in range(3):
        ran(timer, now - timedelta(hours=number))

    lines = sent(owners_browser.get("/activity/export.csv")).splitlines()
    whole = json.loads(sent(owners_browser.get("/activity/export.json")))

    assert len(lines) == 4
    assert lines[-1].strip('"').startswith("There are more")
    assert (len(whole["executions"]), whole["truncated"]) == (2, True)


# The calendar


def make_address(browser: Client) -> str:
    made = re.search(r'id="made">[^<]*(/calendar/[^<]+\.ics)</code>', text_of(browser.post("/activity/calendar/")))
    assert made is not None
    return made[1]


def test_a_calendar_is_read_without_login_under_a_secret_address(
    owners_browser: Client, client: Client, owner: Any, now: datetime
) -> None:
    timer = make_webhook_timer(owner, name="Daily; copy, all", schedule={"type": "cron", "expression": "0 30 9 * * ?"})

    address = make_address(owners_browser)
    response = client.get(address)

    events = Calendar.from_ical(response.content).walk("VEVENT")
    assert response["Content-Type"] == "text/calendar; charset=utf-8"
    assert len(events) == 28
    assert events[0].decoded("dtstart") == datetime(2026, 3, 3, 9, 30, tzinfo=now.tzinfo)
    assert str(events[0]["summary"]) == "Daily; copy, all"
    assert str(events[0]["url"]).endswith(f"/timers/{timer.pk}/")
    assert len({str(event["uid"]) for event in events}) == 28
    assert address not in text_of(owners_browser.get("/activity/"))  # shown once
    assert CalendarFeed.objects.get().last_read_at == now


def test_what_runs_often_is_a_note_on_each_day(owners_browser: Client, client: Client, owner: Any) -> None:
    make_webhook_timer(owner, name="Often", schedule={"type": "recurring", "interval_seconds": 60})

    events = Calendar.from_ical(client.get(make_address(owners_browser)).content).walk("VEVENT")

    assert str(events[1]["summary"]) == "Often: 1\u202f440 runs"
    assert str(events[1].decoded("dtstart")) == "2026-03-03"
    assert len({str(event["uid"]) for event in events}) == len(events) == 29


def test_a_renewed_or_revoked_address_opens_nothing(owners_browser: Client, client: Client) -> None:
    first = make_address(owners_browser)
    second = make_address(owners_browser)
    assert (client.get(first).status_code, client.get(second).status_code) == (404, 200)

    owners_browser.post("/activity/calendar/revoke/")

    assert client.get(second).status_code == 404
    assert not CalendarFeed.objects.exists()
    assert "Create address" in text_of(owners_browser.get("/activity/"))


def test_nobody_reads_the_calendar_of_somebody_who_left(owners_browser: Client, client: Client, owner: Any) -> None:
    address = make_address(owners_browser)
    owner.is_active = False
    owner.save()

    assert client.get(address).status_code == 404
    assert client.get("/calendar/wrong.ics").status_code == 404


def test_addresses_are_made_by_buttons_of_people_who_logged_in(owners_browser: Client, client: Client) -> None:
    assert owners_browser.get("/activity/calendar/").status_code == 405
    assert client.post("/activity/calendar/").status_code == 302
    assert client.get("/activity/export.csv").status_code == 302
    assert not CalendarFeed.objects.exists()


def test_chosen_executions_run_again_with_a_result_each(
    owners_browser: Client, strangers_browser: Client, owner: Any, now: datetime
) -> None:
    kept, gone = make_webhook_timer(owner, name="kept"), make_webhook_timer(owner, name="gone")
    chosen = [ran(kept, now, status="failed"), ran(gone, now - timedelta(hours=1), status="failed")]
    service.delete(gone, by=owner, now=now)
    fields = {"execution": [str(each.pk) for each in chosen], "next": "/activity/?status=failed"}
    assert 'name="execution" value="' in text_of(owners_browser.get("/activity/"))

    assert strangers_browser.post("/executions/rerun/", fields).status_code == 400
    response = owners_browser.post("/executions/rerun/", fields)

    page = text_of(response)
    again = Execution.objects.get(trigger="rerun")
    assert "Run again: 1 done, 1 not" in page
    assert f'href="/executions/{again.pk}/" title="kept">kept</a>' in page
    assert 'href="/activity/?status=failed">Back to the activity</a>' in page
    assert owners_browser.post("/executions/rerun/").status_code == 400


def test_what_began_late_is_marked(owners_browser: Client, owner: Any, now: datetime) -> None:
    timer = make_webhook_timer(owner)
    ran(timer, now)
    ran(timer, now - timedelta(hours=1), started_at=now - timedelta(minutes=50), finished_at=now)

    assert text_of(owners_browser.get("/activity/")).count('class="late"') == 1
    assert text_of(owners_browser.get(f"/timers/{timer.pk}/")).count("+10\xa0min late") == 1
