"""The page of one timer, and deleting it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.test import Client

from tests.factories import make_webhook_timer
from tests.web.conftest import ran
from timers.models import Timer
from timers.services.timers import commands as service

pytestmark = pytest.mark.django_db


def test_it_shows_executions_next_runs_definition_and_activity(
    owners_browser: Client, owner: Any, now: datetime
) -> None:
    timer = make_webhook_timer(owner, name="Tell the hook")
    ran(timer, now - timedelta(hours=1), result={"status_code": 204})
    ran(
        timer,
        now - timedelta(hours=2),
        status="skipped",
        skip_reason="overlap",
        started_at=None,
        occurrences=3,
        scheduled_until=now - timedelta(hours=1),
    )
    ran(timer, now - timedelta(hours=3), status="failed", error_message="hooks.example.org answered 503.", attempt=3)

    page = owners_browser.get(f"/timers/{timer.pk}/").content.decode()

    assert "HTTP 204" in page
    assert "The previous run was still running (overlap: skip): 3 occurrences until" in page
    assert "hooks.example.org answered 503." in page
    assert "9\u00a0ms" in page
    assert "3 of 3" in page
    assert "Mon 2 Mar 13:00 UTC" in page, "the next runs"
    assert "Every hour" in page
    assert "&quot;interval_seconds&quot;: 3600" in page, "the definition as JSON"
    assert "created it" in page


@pytest.mark.parametrize("word", ["Run now", "Pause", "Edit", "Duplicate", "Delete"])
def test_an_active_timer_offers(owners_browser: Client, owner: Any, word: str) -> None:
    page = owners_browser.get(f"/timers/{make_webhook_timer(owner).pk}/").content.decode()

    assert f">{word}</" in page


def test_a_paused_timer_says_who_when_and_why_and_offers_resume(
    owners_browser: Client, owner: Any, now: datetime
) -> None:
    timer = make_webhook_timer(owner)
    service.pause(timer, by=owner, now=now, reason="cabling")

    page = owners_browser.get(f"/timers/{timer.pk}/").content.decode()

    assert "<b>Paused by owner</b>" in page
    assert "cabling" in page
    assert ">Resume</button>" in page
    assert ">Pause</button>" not in page


def test_a_timer_paused_by_its_failures_reads_auto_paused(owners_browser: Client, owner: Any, now: datetime) -> None:
    timer = make_webhook_timer(owner)
    timer.schedule.consecutive_failures = 5
    timer.schedule.save()
    service.pause_by_service(timer.pk, reason="5 failures in a row", now=now)

    assert "auto-paused" in owners_browser.get(f"/timers/{timer.pk}/").content.decode()


def test_secret_headers_are_masked(owners_browser: Client, owner: Any) -> None:
    body = {"url": "https://hooks.example.org/", "headers": {"Authorization": "Bearer very-secret"}}
    timer = make_webhook_timer(owner, body=body)

    for path in (f"/timers/{timer.pk}/", f"/timers/{timer.pk}/edit/"):
        page = owners_browser.get(path).content.decode()
        assert "very-secret" not in page
        assert "***" in page


def test_names_are_never_markup(owners_browser: Client, owner: Any) -> None:
    timer = make_webhook_timer(owner, name="<script>alert(1)</script>", tags={"<b>": "&"})

    for path in ("/", f"/timers/{timer.pk}/", f"/timers/{timer.pk}/edit/", f"/timers/{timer.pk}/delete/"):
        page = owners_browser.get(path).content.decode()
        assert "<script>alert" not in page
        assert "<b>:" not in page


@pytest.mark.parametrize("page", ["", "edit/", "delete/"])
def test_strangers_get_404(strangers_browser: Client, owner: Any, page: str) -> None:
    assert strangers_browser.get(f"/timers/{make_webhook_timer(owner).pk}/{page}").status_code == 404


def test_delete_asks_first(owners_browser: Client, owner: Any) -> None:
    timer = make_webhook_timer(owner, name="Tell the hook")

    page = owners_browser.get(f"/timers/{timer.pk}/delete/").content.decode()

    assert "Delete Tell the hook?" in page
    assert Timer.objects.get().status == "active"

    assert owners_browser.post(f"/timers/{timer.pk}/delete/")["Location"] == "/"
    assert Timer.objects.get().status == "deleted"
    assert "Its history stays." in owners_browser.get("/").content.decode()


def test_a_deleted_timer_can_be_read_but_not_run(owners_browser: Client, owner: Any, now: datetime) -> None:
    timer = make_webhook_timer(owner)
    service.delete(timer, by=owner, now=now)

    page = owners_browser.get(f"/timers/{timer.pk}/").content.decode()
    assert "<b>Deleted</b>" in page
    assert "Run now" not in page.replace("run/", "")

    owners_browser.post(f"/timers/{timer.pk}/run/")
    assert 'role="alert"' in owners_browser.get(f"/timers/{timer.pk}/").content.decode()


def test_executions_can_be_filtered_and_paged(owners_browser: Client, owner: Any, now: datetime) -> None:
    timer = make_webhook_timer(owner)
    for hours in range(30):
        ran(timer, now - timedelta(hours=hours), status="failed" if hours == 29 else "completed")

    first = owners_browser.get(f"/timers/{timer.pk}/").content.decode()
    failed = owners_browser.get(f"/timers/{timer.pk}/?status=failed").content.decode()

    assert first.count('class="badge is-ok">') == 13, "12 executions and the state of the timer"
    assert ">Older</a>" in first
    assert failed.count('class="badge is-bad">') == 1


def test_a_page_takes_the_same_few_queries_for_many_executions(
    owners_browser: Client, owner: Any, now: datetime, django_assert_num_queries: Callable[..., Any]
) -> None:
    timer = make_webhook_timer(owner, tags={"a": "b"})
    for hours in range(12):
        ran(timer, now - timedelta(hours=hours))

    with django_assert_num_queries(17):
        owners_browser.get(f"/timers/{timer.pk}/")


def test_live_refresh_gets_the_parts_of_the_page(owners_browser: Client, owner: Any, now: datetime) -> None:
    timer = make_webhook_timer(owner)
    ran(timer, now, status="running")

    part = owners_browser.get(f"/timers/{timer.pk}/", headers={"HX-Request": "true"}).content.decode()

    assert "<html" not in part
    assert 'id="executions" class="list" data-live="2"' in part
    assert 'id="next-runs" hx-swap-oob="true"' in part
