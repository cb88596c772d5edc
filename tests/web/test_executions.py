"""All executions, one of them, and its buttons."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.test import Client

from tests.factories import make_webhook_timer
from tests.web.conftest import ran
from timers.models import Attempt, Execution
from timers.queries import executions as queries

pytestmark = pytest.mark.django_db


def rows(response: Any) -> int:
    return response.content.decode().count('aria-label="Details:')


def test_an_empty_page_says_what_will_be_listed(owners_browser: Client) -> None:
    assert "Nothing has run yet." in owners_browser.get("/activity/").content.decode()


@pytest.mark.parametrize(
    ("query", "count"),
    [
        ("", 3),
        ("status=failed", 1),
        ("trigger=manual", 1),
        ("action=webhook", 3),
        ("action=code", 0),
        ("q=hook", 3),
        ("q=no+route", 1),
        ("tag=env:prod", 3),
        ("tag=env:test", 0),
        ("status=unfinished", 1),
        ("marker=nonsense", 3),
    ],
)
def test_executions_are_filtered_by_the_address(
    owners_browser: Client, owner: Any, now: datetime, query: str, count: int
) -> None:
    timer = make_webhook_timer(owner, tags={"env": "prod"})
    ran(timer, now - timedelta(hours=1))
    ran(timer, now - timedelta(hours=2), status="failed", error_message="no route to host")
    ran(timer, now, status="running", trigger="manual", serial=5)

    assert rows(owners_browser.get(f"/activity/?{query}")) == count


def test_strangers_see_no_executions(
    strangers_browser: Client, admins_browser: Client, owner: Any, now: datetime
) -> None:
    execution = ran(make_webhook_timer(owner), now)

    assert rows(strangers_browser.get("/activity/")) == 0
    assert rows(admins_browser.get("/activity/")) == 1
    assert strangers_browser.get(f"/executions/{execution.pk}/").status_code == 404
    assert strangers_browser.post(f"/executions/{execution.pk}/rerun/").status_code == 404
    assert strangers_browser.post(f"/executions/{execution.pk}/cancel/").status_code == 404


def test_pages_follow_each_other(
    owners_browser: Client, owner: Any, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queries, "PAGE_SIZE", 2)
    timers = [make_webhook_timer(owner, name=f"timer {number}") for number in range(5)]
    for timer in timers:
        ran(
            timer,
            now,
        )  # all at the same instant: the id decides

    seen: set[str] = set()
    address: str | None = "/activity/"
    while address is not None:
        page = owners_browser.get(address).content.decode()
        seen |= set(re.findall(r'href="/executions/([^/]+)/"', page))
        more = re.search(r'href="(/activity/\?marker=[^"]*)">Older', page)
        address = more[1] if more else None

    assert len(seen) == 5


def test_the_list_takes_the_same_few_queries_for_many_rows(
    owners_browser: Client, owner: Any, now: datetime, django_assert_num_queries: Callable[..., Any]
) -> None:
    for number in range(9):
        ran(make_webhook_timer(owner, name=f"timer {number}"), now)

    # session, user, preference, processes, oldest due; own timers, rows; tags, load twice, next runs, calendar
    with django_assert_num_queries(12):
        assert rows(owners_browser.get("/activity/")) == 9
    # to the refresh neither what surrounds the list
    with django_assert_num_queries(7):
        assert rows(owners_browser.get("/activity/", headers={"HX-Request": "true"})) == 9


@pytest.mark.parametrize(
    ("result", "words"),
    [
        ({"status_code": 204}, "HTTP 204"),
        ({"files_transferred": 3, "files_skipped": 1}, "3 files copied, 1 unchanged"),
        ({"value": {"completed": 7, "failed": 2}}, "completed 7, failed 2"),
        ({"value": [1, 2]}, "[1, 2]"),
        ({"value": None}, ""),
    ],
)
def test_results_are_told_in_words(owner: Any, now: datetime, result: Any, words: str) -> None:
    execution = ran(make_webhook_timer(owner), now, result=result)

    assert queries.said(execution) == words


def failed_execution(owner: Any, now: datetime) -> Execution:
    execution = ran(
        make_webhook_timer(owner),
        now,
        status="failed",
        attempt=2,
        error_message="It answered 503.",
        failure_reason="http_status",
    )
    for number in (1, 2):
        Attempt.objects.create(
            execution_id=execution.pk,
            number=number,
            started_at=now + timedelta(seconds=number),
            finished_at=now + timedelta(seconds=number + 1),
            outcome="failed",
            error_message="It answered 503.",
            worker="host:1",
            details={
                "request": {
                    "method": "POST",
                    "url": "https://x.example/",
                    "headers": {"Authorization": "***"},
                    "body": "{}",
                },
                "answer": {
                    "status_code": 503,
                    "headers": {"retry-after": str(number)},
                    "text": "busy",
                    "elapsed_seconds": 0.3,
                },
            },
        )
    return execution


def test_one_execution_shows_its_attempts_with_request_and_answer(
    owners_browser: Client, owner: Any, now: datetime
) -> None:
    execution = failed_execution(owner, now)

    page = owners_browser.get(f"/executions/{execution.pk}/").content.decode()
    first = owners_browser.get(f"/executions/{execution.pk}/?attempt=1").content.decode()

    assert 'role="alert"' in page
    assert "It answered 503." in page
    assert "Mon 2 Mar 12:00:00.000 UTC" in page
    assert "*** masked" in page
    assert "busy" in page
    assert "<dt>retry-after</dt><dd>2</dd>" in page
    assert "<dt>retry-after</dt><dd>1</dd>" in first
    assert ">Run again</button>" in page
    assert ">Cancel</button>" not in page


def test_it_takes_few_queries(
    owners_browser: Client, owner: Any, now: datetime, django_assert_num_queries: Callable[..., Any]
) -> None:
    execution = failed_execution(owner, now)

    with django_assert_num_queries(9):
        owners_browser.get(f"/executions/{execution.pk}/")


def test_log_and_traceback_of_a_code_timer_are_shown(owners_browser: Client, owner: Any, now: datetime) -> None:
    execution = ran(make_webhook_timer(owner), now, status="failed", error_message="KeyError: 'total'")
    Attempt.objects.create(
        execution_id=execution.pk,
        number=1,
        started_at=now,
        finished_at=now,
        outcome="failed",
        details={"log": [{"at": "12:00:00", "level": "info", "message": "Started"}], "traceback": "Traceback: <here>"},
    )

    page = owners_browser.get(f"/executions/{execution.pk}/").content.decode()

    assert "12:00:00 info Started" in page
    assert "Traceback: &lt;here&gt;" in page


def test_run_again_makes_a_new_execution_and_shows_it(owners_browser: Client, owner: Any, now: datetime) -> None:
    execution = ran(make_webhook_timer(owner), now)

    response = owners_browser.post(f"/executions/{execution.pk}/rerun/")

    again = Execution.objects.get(trigger="rerun")
    assert response["Location"] == f"/executions/{again.pk}/"


def test_what_waits_can_be_cancelled(owners_browser: Client, owner: Any) -> None:
    timer = make_webhook_timer(owner)
    owners_browser.post(f"/timers/{timer.pk}/run/")
    execution = Execution.objects.get()

    assert ">Cancel</button>" in owners_browser.get(f"/executions/{execution.pk}/").content.decode()
    owners_browser.post(f"/executions/{execution.pk}/cancel/")

    assert Execution.objects.get().status == "cancelled"


def test_what_has_ended_cannot_be_cancelled_and_says_so(owners_browser: Client, owner: Any, now: datetime) -> None:
    execution = ran(make_webhook_timer(owner), now)

    response = owners_browser.post(f"/executions/{execution.pk}/cancel/", follow=True)

    assert 'role="alert"' in response.content.decode()


def test_a_running_one_refreshes_itself_and_a_finished_one_does_not(
    owners_browser: Client, owner: Any, now: datetime
) -> None:
    timer = make_webhook_timer(owner)
    running, done = ran(timer, now, status="running"), ran(timer, now - timedelta(hours=1))

    assert "data-live" in owners_browser.get(f"/executions/{running.pk}/").content.decode()
    assert "data-live" not in owners_browser.get(f"/executions/{done.pk}/").content.decode()
    assert (
        "<html" not in owners_browser.get(f"/executions/{running.pk}/", headers={"HX-Request": "true"}).content.decode()
    )
