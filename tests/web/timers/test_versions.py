"""The versions of one timer: the list, two of them side by side, and taking one up again."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.test import Client

from tests.factories import HOURLY, make_webhook_timer
from timers.models import Timer
from timers.services.timers import commands as service

pytestmark = pytest.mark.django_db


@pytest.fixture
def edited(owner: Any, now: datetime) -> Timer:
    """A timer with three versions: the second changed schedule and body, the third its secret."""
    body = {"url": "https://hooks.example.org/", "headers": {"Authorization": "Bearer one"}}
    timer = make_webhook_timer(owner, body=body)
    changes: dict[str, Any] = {
        "schedule": {**HOURLY, "interval_seconds": 7200},
        "body": {**body, "headers": {"Authorization": "***"}, "json": {"paths": [{"from": "/<a>"}]}},
        "policies": {"max_attempts": 5},
    }
    service.update(timer, changes=changes, by=owner, now=now + timedelta(hours=1))
    changes = {"body": {**changes["body"], "headers": {"Authorization": "Bearer two"}}}
    return service.update(timer, changes=changes, by=owner, now=now + timedelta(hours=2))


def rows(page: str) -> dict[str, tuple[str, ...]]:
    """Return what the table of differences says, field by field."""
    found = re.findall(r'<tr><td class="lead"><div class="mono break">(.*?)</div>(.*?)</tr>', page, re.DOTALL)
    return {field: tuple(re.findall(r"<(?:del|ins|span)[^>]*>(.*?)</", cells)) for field, cells in found}


def test_differences_are_shown_field_by_field(owners_browser: Client, edited: Timer) -> None:
    page = owners_browser.get(f"/timers/{edited.pk}/versions/?from=1&to=2").content.decode()

    assert rows(page) == {
        "schedule": ("Every hour", "Every 2 hours"),
        "schedule.interval_seconds": ("3600", "7200"),
        "schedule.start": ("2026-03-02T12:00:00+00:00", "2026-03-02T13:00:00+00:00"),
        "body.json.paths.1.from": ("absent", "/&lt;a&gt;"),
        "policies.max_attempts": ("3", "5"),
    }
    assert "Restore version" not in page, "neither is the present one"


def test_without_a_choice_the_last_change_is_shown_and_secrets_are_not(owners_browser: Client, edited: Timer) -> None:
    page = owners_browser.get(f"/timers/{edited.pk}/versions/").content.decode()

    assert rows(page) == {"body.headers.Authorization": ("*** (not shown)", "*** (another one, not shown)")}
    assert "Bearer" not in page
    assert "<b>Version 3</b>" in page
    assert "Mon 2 Mar 14:00 UTC</time>, owner" in page


def test_a_version_can_be_restored(owners_browser: Client, edited: Timer) -> None:
    page = owners_browser.get(f"/timers/{edited.pk}/versions/?from=1&to=3").content.decode()
    action = re.search(r'action="([^"]+/restore/)"', page)
    assert action is not None

    response = owners_browser.post(action[1])

    assert response["Location"] == f"/timers/{edited.pk}/"
    page = owners_browser.get(response["Location"]).content.decode()
    assert "Version 1 counts again, from now on." in page
    assert "<b>Version 4</b>" in page
    assert "<b>owner</b> restored version 1" in page


def test_what_cannot_be_restored_says_why(owners_browser: Client, edited: Timer) -> None:
    owners_browser.post(f"/timers/{edited.pk}/versions/3/restore/")

    page = owners_browser.get(f"/timers/{edited.pk}/versions/").content.decode()
    assert 'role="alert"' in page
    assert "Version 3 says the same as the present one." in page


def test_one_version_has_nothing_to_be_compared_with(owners_browser: Client, owner: Any) -> None:
    page = owners_browser.get(f"/timers/{make_webhook_timer(owner).pk}/versions/").content.decode()

    assert "There is one version so far." in page


@pytest.mark.parametrize("query", ["from=x&to=-1", "from=99999999999999999999&to=7", "from=2&to=2", "below=1"])
def test_numbers_that_name_no_version_do_no_harm(owners_browser: Client, edited: Timer, query: str) -> None:
    assert owners_browser.get(f"/timers/{edited.pk}/versions/?{query}").status_code == 200


def test_strangers_get_404(strangers_browser: Client, edited: Timer) -> None:
    assert strangers_browser.get(f"/timers/{edited.pk}/versions/").status_code == 404
    assert strangers_browser.post(f"/timers/{edited.pk}/versions/1/restore/").status_code == 404


def test_a_version_that_never_was_is_not_found(owners_browser: Client, edited: Timer) -> None:
    assert owners_browser.post(f"/timers/{edited.pk}/versions/9/restore/").status_code == 404


def test_many_versions_come_in_pages_from_a_fixed_number_of_queries(
    owners_browser: Client, edited: Timer, owner: Any, now: datetime, django_assert_num_queries: Callable[..., Any]
) -> None:
    for number in range(27):
        service.update(edited, changes={"name": f"Name {number}"}, by=owner, now=now)

    with django_assert_num_queries(9):
        first = owners_browser.get(f"/timers/{edited.pk}/versions/").content.decode()
    older = re.search(r'href="[^"?]*(\?below=\d+)">Older', first)
    assert older is not None
    second = owners_browser.get(f"/timers/{edited.pk}/versions/{older[1]}").content.decode()

    numbers = [int(each) for page in (first, second) for each in re.findall(r">Version (\d+)</(?:a|b)>", page)]
    assert numbers == list(range(30, 0, -1))
