"""What the page of one timer shows of its past and its future, and pausing it for a while."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from html import unescape
from typing import Any

import pytest
from django.test import Client

from tests.factories import make_webhook_timer
from tests.web.conftest import ran
from timers import clock
from timers.models import Collection, Execution, Timer
from timers.services.timers import commands as service

pytestmark = pytest.mark.django_db
NIGHTLY = {"type": "cron", "expression": "0 30 2 * * ?", "timezone": "America/New_York"}


@pytest.fixture
def timer(owner: Any) -> Timer:
    return make_webhook_timer(owner, by=owner)


def read(browser: Client, timer: Timer, query: str = "", *, part: str = "") -> str:
    """Return the page of a timer, or the part of that id as htmx asks for it."""
    headers = {"HX-Request": "true", "HX-Target": part} if part else {}
    return browser.get(f"/timers/{timer.pk}/{query}", headers=headers).content.decode()


def text(page: str) -> str:
    """Return what a page says, without its markup."""
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", "", page)).replace("\u00a0", " ")


# Durations and days


def test_durations_are_a_picture_with_a_name_and_a_table(owners_browser: Client, timer: Timer, now: datetime) -> None:
    for hours in range(1, 5):
        ran(timer, now - timedelta(hours=hours), status="failed" if hours == 2 else "completed")
    ran(timer, now, status="running", started_at=now - timedelta(seconds=4))

    page = read(owners_browser, timer)

    said = "Duration of the last 5 runs: median 2\u00a0s, 95 % within 2\u00a0s; 1 failed, 1 running"
    assert f'role="img" aria-label="{said}"' in page
    assert page.count('class="mark is-bad"') == 1
    assert page.count('class="mark open is-run"') == 1
    table = page[page.index("Duration of the last runs</caption>") :]
    assert table[: table.index("</table>")].count("/executions/") == 5


def test_the_days_are_a_picture_with_a_name_and_a_table(owners_browser: Client, timer: Timer, now: datetime) -> None:
    ran(timer, now)
    ran(timer, now - timedelta(days=3), status="failed")
    ran(timer, now - timedelta(days=10), status="skipped", skip_reason="paused", started_at=None, finished_at=None)

    page = read(owners_browser, timer)

    assert 'role="img" aria-label="Days of the last 26 weeks: 2 runs, failures on 1 day"' in page
    assert "<title>Fri 27 Feb 2026: 1 run, 1 failed</title>" in page
    assert "<title>Fri 20 Feb 2026: 1 skipped</title>" in page
    assert "23 Feb to 1 Mar 2026</th><td" in page
    assert ">Fri 1</td>" in page


def test_a_timer_that_never_ran_shows_no_empty_pictures(owners_browser: Client, timer: Timer) -> None:
    page = read(owners_browser, timer)

    assert "Duration of the" not in page
    assert "26 weeks" not in page
    assert "It has not run yet." in page


@pytest.mark.parametrize("part", ["durations", "days", "events"])
def test_each_live_part_is_sent_alone(owners_browser: Client, timer: Timer, now: datetime, part: str) -> None:
    ran(timer, now)

    page = read(owners_browser, timer, part=part)

    assert page.lstrip().startswith(f'<div id="{part}"')
    assert "<html" not in page
    assert 'id="executions"' not in page


def test_the_buttons_are_sent_when_the_state_has_changed(owners_browser: Client, timer: Timer, now: datetime) -> None:
    assert 'hx-headers=\'{"X-Timer-Status": "active"}\'' in read(owners_browser, timer)
    service.pause(timer, by=None, now=now)

    headers = {"HX-Request": "true", "HX-Target": "executions", "X-Timer-Status": "active"}
    changed = owners_browser.get(f"/timers/{timer.pk}/", headers=headers).content.decode()
    same = owners_browser.get(f"/timers/{timer.pk}/", headers={**headers, "X-Timer-Status": "paused"}).content.decode()

    assert ">Resume</button>" in changed
    assert ">Resume</button>" not in same


# Next runs


def test_next_runs_stand_in_both_zones(owners_browser: Client, owner: Any) -> None:
    owners_browser.cookies["zone"] = "Europe%2FBerlin"

    page = text(read(owners_browser, make_webhook_timer(owner, schedule=NIGHTLY)))

    assert "Tue 3 Mar 02:30 EST Tue 3 Mar 08:30 CETin 19 h 30 min" in page
    assert page.count("02:30 EST") + page.count("02:30 EDT") + page.count("03:00 EDT Sun 8 Mar 08:00 CET") == 10


def test_a_change_of_the_clock_is_marked_between_the_runs_and_explained(owners_browser: Client, owner: Any) -> None:
    page = text(read(owners_browser, make_webhook_timer(owner, schedule=NIGHTLY)))

    assert "Sat 7 Mar 02:30 EST" in page
    assert "Clocks go forward by 1 h: Sun 8 Mar 03:00 EDT" in page
    assert "02:30 does not exist; instead it fires at 03:00." in page


def test_a_rule_without_a_clock_stands_in_the_readers_zone_alone(owners_browser: Client, timer: Timer) -> None:
    owners_browser.cookies["zone"] = "America%2FNew_York"

    page = text(read(owners_browser, timer, part="executions"))

    assert "Mon 2 Mar 08:00 ESTin 1 h" in page
    assert "UTC" not in page.split("ESTin 1 h")[1]
    assert "Clocks go" not in page


# State, activity


def test_an_active_timer_says_since_when_and_by_whom(owners_browser: Client, timer: Timer) -> None:
    assert "Active since Mon 2 Mar 12:00 UTC, by owner." in text(read(owners_browser, timer))


def test_failures_in_a_row_are_told_with_what_follows(owners_browser: Client, owner: Any) -> None:
    timer = make_webhook_timer(owner, policies={"pause_after_failures": 5})
    timer.schedule.consecutive_failures = 3
    timer.schedule.save()

    assert "The last 3 runs failed. The timer pauses after 5 in a row." in text(read(owners_browser, timer))


def test_activity_is_told_in_sentences(owners_browser: Client, timer: Timer, owner: Any, now: datetime) -> None:
    changes = {"name": "Another", "policies": {"max_attempts": 2}, "body": {"url": "https://x.example.org/"}}
    service.update(timer, changes=changes, by=owner, now=now)
    service.run_now(timer, by=owner, now=now)
    service.pause(timer, by=owner, now=now, reason="<cabling>", until=now + timedelta(days=1))
    service.resume_snoozed(until=now + timedelta(days=1), now=now + timedelta(days=1))

    page = read(owners_browser, timer, part="events")

    lines = [text(line) for line in re.findall(r'<span class="break">(.*?)</span></li>', page)]
    assert lines == [
        "The service resumed it",
        "owner paused it until Tue 3 Mar 12:00 UTC: &lt;cabling&gt;",
        "owner ran it manually",
        "owner changed what it does, name and policies",
        "owner created it",
    ]
    assert re.search(r'<a class="link" href="/executions/[^"]+/">ran it manually</a>', page)


def test_older_activity_is_on_further_pages(owners_browser: Client, timer: Timer, owner: Any, now: datetime) -> None:
    for number in range(16):
        service.update(timer, changes={"name": f"Name {number}"}, by=owner, now=now)

    first = read(owners_browser, timer)
    older = re.search(r'href="[^"?]*(\?events=\d+)#activity">Older activity', first)
    assert older is not None
    second = read(owners_browser, timer, older[1])

    assert [page.count("</b> changed name") for page in (first, second)] == [15, 1]
    assert "created it" in second
    assert "Older activity" not in second
    assert owners_browser.get(f"/timers/{timer.pk}/?events={'9' * 30}").status_code == 200


def test_a_page_takes_the_same_few_queries_however_much_happened(
    owners_browser: Client, timer: Timer, owner: Any, now: datetime, django_assert_num_queries: Callable[..., Any]
) -> None:
    for number in range(6):
        ran(timer, now - timedelta(hours=number), status="failed" if number % 2 else "completed")
        service.update(timer, changes={"name": f"Name {number}"}, by=owner, now=now)

    with django_assert_num_queries(17):
        read(owners_browser, timer)
    with django_assert_num_queries(8):
        read(owners_browser, timer, part="durations")


def test_a_transfer_timer_shows_its_plan(
    owners_browser: Client, owner: Any, places: tuple[Collection, Collection], django_assert_num_queries: Any
) -> None:
    body = {
        "source_endpoint": str(places[0].pk),
        "destination_endpoint": str(places[1].pk),
        "DATA": [{"source_path": "/home/", "destination_path": '/{{ planned_at|date:"%Y" }}/', "recursive": True}],
        "sync_level": 2,
        "delete_destination_extra": True,
        "max_bytes_per_second": 2_500_000,
    }
    timer = make_webhook_timer(owner, action="transfer", body=body)
    read(owners_browser, timer)

    with django_assert_num_queries(18):  # one more than any other timer: the collections
        page = text(read(owners_browser, timer))

    plan = unescape(page[page.index("Plan") :])
    for words in (
        "Fromraw /home/",
        'Toarchive /{{ planned_at|date:"%Y" }}/',
        "Copieseverything",
        "Comparesby size and time: what is newer is copied; every copy is verified",
        "Deleteswhat the source does not hold, at most 1,000, or a quarter of what is there",
        "Movesnothing: the source stays as it is",
        "Keepsno old versions",
        "Limits2.5 MB/s",
    ):
        assert words in plan


# Pausing for a while


def paused_until(browser: Client, timer: Timer, **fields: str) -> datetime | None:
    browser.post(f"/timers/{timer.pk}/pause/", fields)
    timer.refresh_from_db()
    assert timer.status == "paused"
    return timer.paused_until


def test_the_form_names_its_instants_with_their_zone(owners_browser: Client, timer: Timer) -> None:
    owners_browser.cookies["zone"] = "Europe%2FBerlin"

    page = read(owners_browser, timer)

    assert "until tomorrow morning Tue 3 Mar 09:00 CET" in text(page)
    assert "on the clock of Europe/Berlin" in page
    assert 'popovertarget="snooze"' in page


def test_it_can_be_paused_for_an_hour(owners_browser: Client, timer: Timer, now: datetime) -> None:
    assert paused_until(owners_browser, timer, until="hour", reason="cabling") == now + timedelta(hours=1)

    said = text(read(owners_browser, timer))
    assert "Paused by owner Mon 2 Mar 12:00 UTC, now, until Mon 2 Mar 13:00 UTC (in 1 h). cabling" in said


def test_tomorrow_morning_is_that_of_the_reader(owners_browser: Client, timer: Timer) -> None:
    owners_browser.cookies["zone"] = "Asia%2FTokyo"
    offered = re.search(r'value="(\d{4}-[^"]+)"><span>until tomorrow morning', read(owners_browser, timer))
    assert offered is not None

    assert paused_until(owners_browser, timer, until=offered[1]) == datetime(2026, 3, 3, 0, 0, tzinfo=UTC)


@pytest.mark.parametrize("until", ["at", ""], ids=["chosen", "only filled in"])
def test_an_end_is_read_on_the_readers_clock(owners_browser: Client, timer: Timer, until: str) -> None:
    owners_browser.cookies["zone"] = "Europe%2FBerlin"

    end = paused_until(owners_browser, timer, until=until, until_at="2026-04-01T08:30")

    assert end == datetime(2026, 4, 1, 6, 30, tzinfo=UTC)


def test_the_plain_button_pauses_without_an_end(owners_browser: Client, timer: Timer) -> None:
    assert paused_until(owners_browser, timer) is None


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"until": "at"}, "Give the date and the time until which it is paused."),
        ({"until": "at", "until_at": "soon"}, "Give a date and a time"),
        ({"until": "at", "until_at": "2026-03-02T11:59"}, "This must lie in the future."),
        ({"until": "at", "until_at": "9999-12-31T23:59"}, "A pause ends within ten years"),
        ({"until": "nonsense"}, "Give a date and a time"),
    ],
)
def test_what_is_no_end_is_refused_in_a_sentence(
    owners_browser: Client, timer: Timer, fields: dict[str, str], sentence: str
) -> None:
    owners_browser.post(f"/timers/{timer.pk}/pause/", fields)

    page = read(owners_browser, timer)
    assert 'role="alert"' in page
    assert sentence in page
    timer.refresh_from_db()
    assert timer.status == "active"


def test_a_paused_timer_offers_no_second_pause(owners_browser: Client, timer: Timer, owner: Any) -> None:
    service.pause(timer, by=owner, now=clock.now())

    assert 'popovertarget="snooze">' not in read(owners_browser, timer)


def test_a_paused_timer_can_be_resumed_with_the_last_run_missed(
    owners_browser: Client, owner: Any, now: datetime
) -> None:
    timer = make_webhook_timer(owner, now=now - timedelta(hours=3), name="held")
    service.pause(timer, by=owner, now=now - timedelta(minutes=150))
    assert "Resume and run the last missed one" in owners_browser.get(f"/timers/{timer.pk}/").content.decode()

    owners_browser.post(f"/timers/{timer.pk}/resume/", {"run_missed": "1"})

    assert Execution.objects.filter(timer=timer, trigger="catch_up", status="pending").count() == 1
    assert "Resume and run" not in owners_browser.get(f"/timers/{timer.pk}/").content.decode()
