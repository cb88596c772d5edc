"""The preview beside the form: runs on two clocks, clock changes, warnings, and what an edit changes."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.test import Client

from tests.factories import make_webhook_timer
from tests.web.conftest import fields_of_webhook, ran
from tests.web.timers.test_form import text_of, values_of
from timers.models import Preference, Schedule
from timers.services.timers import commands as service

pytestmark = pytest.mark.django_db


def preview(browser: Client, query: str = "", **fields: Any) -> str:
    data = fields_of_webhook(**fields)
    return text_of(browser.post(f"/timers/new/preview/{query}", data, headers={"HX-Request": "true"}))


def test_ten_runs_are_shown_on_the_timers_clock_and_on_the_readers(owners_browser: Client, owner: Any) -> None:
    Preference.objects.create(owner=owner, timezone="Asia/Tokyo")

    part = preview(owners_browser, when="cron", expression="0 0 9 ? * MON", timezone="America/New_York")

    assert part.count("EDT</time>") == 10  # nine runs and the change of the clock; one run is before it
    assert part.count("JST</time>") == 10
    assert "Mon 9 Mar 22:00 JST" in part
    assert "Clocks go forward by 1\u00a0h" in part


def test_the_last_run_is_told(owners_browser: Client) -> None:
    part = re.sub("<[^>]+>", "", preview(owners_browser, ends="iterations", runs="40"))

    assert "Ends after 40 runs: Thu 5 Mar 18:00 UTC." in part


@pytest.mark.parametrize(
    ("fields", "warning"),
    [
        ({"interval": "1", "unit": "1"}, "It fires more than once a minute."),
        ({"when": "cron", "expression": "0 30 2 * * ?", "timezone": "America/New_York"}, "does not exist"),
        ({"when": "cron", "expression": "0 0 9 31 2 ?"}, "It never fires"),
        ({"when": "once", "start": "2026-01-01T00:00"}, "it runs at once"),
        ({"when": "cron", "expression": "0 9 1 * MON"}, "must both match"),
    ],
)
def test_what_may_surprise_is_said(owners_browser: Client, fields: dict[str, str], warning: str) -> None:
    assert warning in preview(owners_browser, **fields)


def test_a_crowd_at_the_top_of_the_hour_is_said(owners_browser: Client, owner: Any, now: datetime) -> None:
    daily = {"when": "cron", "expression": "0 0 9 * * ?"}
    for number in range(20):
        assert "Many timers" not in preview(owners_browser, **daily)
        make_webhook_timer(owner, name=f"timer {number}")

    assert "Many timers start at the top of an hour." in preview(owners_browser, **daily)
    assert "Many timers" not in preview(owners_browser, when="cron", expression="0 7 9 * * ?")
    Schedule.objects.update(next_planned_at=now + timedelta(minutes=7))
    assert "Many timers" not in preview(owners_browser, **daily)


def test_the_policies_are_told_in_words_for_what_was_chosen(owners_browser: Client) -> None:
    assert "up to 3 times" in preview(owners_browser)
    assert "It is tried once, for 1 hour at most." in preview(owners_browser, action="code")
    words = preview(
        owners_browser, max_attempts="5", backoff_seconds="2 min", overlap="allow", pause_after_failures="4"
    )
    assert "Runs may overlap" in words
    assert "up to 5 times, 2 minutes apart" in words
    assert "paused after 4 failures in a row" in words


def test_an_edit_shows_old_runs_beside_new_ones_and_what_becomes_of_the_running_one(
    owners_browser: Client, owner: Any, now: datetime
) -> None:
    timer = make_webhook_timer(owner, schedule={"type": "cron", "expression": "0 0 9 * * ?"})
    page = owners_browser.get(f"/timers/{timer.pk}/edit/").content.decode()
    assert "The runs stay as they are." in page
    assert "has begun" not in page
    running = ran(timer, now, status="running")
    values = values_of(page)

    part = preview(owners_browser, f"?timer={timer.pk}", **{**values, "expression": "0 0 10 * * ?"})

    assert "From the moment it is saved:" in part
    assert "Tue 3 Mar 10:00 UTC" in part
    assert "Until now" in part
    assert "Tue 3 Mar 09:00 UTC" in part
    assert f'<a href="/executions/{running.pk}/">One run</a> has started. It continues' in part


def test_an_edit_of_a_paused_timer_says_that_it_stays_so(owners_browser: Client, owner: Any, now: datetime) -> None:
    timer = make_webhook_timer(owner)
    service.pause(timer, by=owner, now=now)

    assert "It is paused, and stays so" in owners_browser.get(f"/timers/{timer.pk}/edit/").content.decode()


def test_a_preview_asks_little_of_the_database(
    owners_browser: Client, owner: Any, django_assert_num_queries: Callable[..., Any]
) -> None:
    timer = make_webhook_timer(owner)
    # session, user, preference, processes, oldest due, pauses, workflows; who else starts then
    with django_assert_num_queries(8):
        preview(owners_browser)
    # and the timer, its tags, what is at work
    with django_assert_num_queries(11):
        preview(owners_browser, f"?timer={timer.pk}")


def test_the_page_takes_few_queries(owners_browser: Client, django_assert_num_queries: Callable[..., Any]) -> None:
    # as a preview, and the collections
    with django_assert_num_queries(9):
        owners_browser.get("/timers/new/")
