"""All executions, one of them, and its buttons."""

from __future__ import annotations

import html
import re
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.test import Client

from tests.factories import make_webhook_timer
from tests.web.conftest import ran
from timers.lifecycle import SkipReason
from timers.models import Attempt, Execution
from timers.queries.executions import listing as queries
from timers.templatetags.labels import SKIP_REASONS

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
    with django_assert_num_queries(13):
        assert rows(owners_browser.get("/activity/")) == 9
    # to the refresh neither what surrounds the list
    with django_assert_num_queries(8):
        assert rows(owners_browser.get("/activity/", headers={"HX-Request": "true"})) == 9


@pytest.mark.parametrize(
    ("result", "words"),
    [
        ({"status_code": 204}, "HTTP 204"),
        ({"files_transferred": 3, "files_skipped": 1}, "3 files copied, 1 unchanged"),
        ({"value": {"completed": 7, "failed": 2}}, "completed 7, failed 2"),
        ({"value": [1, 2]}, "[1, 2]"),
        ({"value": None}, ""),
        ({"workflow_id": "x", "status": "completed", "output": {"rows": 3, "seen": {"a": 1}}}, "rows 3, seen …"),
    ],
)
def test_results_are_told_in_words(owner: Any, now: datetime, result: Any, words: str) -> None:
    execution = ran(make_webhook_timer(owner), now, result=result)

    assert queries.result_text(execution) == words


def test_every_reason_to_leave_an_occurrence_out_has_a_sentence() -> None:
    assert SKIP_REASONS.keys() == set(SkipReason)


def test_a_page_tells_what_a_condition_said(owners_browser: Client, owner: Any, now: datetime) -> None:
    more = {"skip_reason": "skip_if", "error_message": "load is 0.9", "started_at": None}
    execution = ran(make_webhook_timer(owner), now, status="skipped", **more)

    page = owners_browser.get(f"/executions/{execution.pk}/").content.decode()

    assert f">{SKIP_REASONS['skip_if']}: load is 0.9.</b>" in page


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
    ran(execution.timer, now - timedelta(hours=1))

    # around it 5; itself, attempts, the ones before and after, tags; the last good one with its attempt
    with django_assert_num_queries(14):
        owners_browser.get(f"/executions/{execution.pk}/")


def test_a_follow_up_asks_for_less(
    owners_browser: Client, owner: Any, now: datetime, django_assert_num_queries: Callable[..., Any]
) -> None:
    execution = ran(make_webhook_timer(owner), now - timedelta(seconds=5), status="running")

    with django_assert_num_queries(10):
        owners_browser.get(f"/executions/{execution.pk}/", headers={"HX-Request": "true"})


def coded(owner: Any, now: datetime, **details: Any) -> Execution:
    """Return a failed execution of a code timer with one attempt."""
    execution = ran(make_webhook_timer(owner), now, status="failed", error_message="KeyError: 'total'")
    Attempt.objects.create(
        execution_id=execution.pk, number=1, started_at=now, finished_at=now, outcome="failed", details=details
    )
    return execution


LOG = [
    {"at": "2026-03-02T12:00:00.031+00:00", "level": "INFO", "text": "Started"},
    {"at": "2026-03-02T12:00:01.377+00:00", "level": "WARNING", "text": "Order 88 has no <currency>"},
    {"at": "2026-03-02T12:00:01.802+00:00", "level": "ERROR", "text": "KeyError: 'total'"},
]


def log_lines(response: Any) -> list[str]:
    found = re.findall(r"<b class=\"[^\"]*\">([a-z]+)</b><span>([^<]*)</span>", response.content.decode())
    return [f"{level} {text}" for level, text in found]


def test_the_log_of_a_code_timer_is_shown_searched_and_taken_away(
    owners_browser: Client, strangers_browser: Client, owner: Any, now: datetime
) -> None:
    execution = coded(owner, now, log=LOG, log_truncated=True)
    address = f"/executions/{execution.pk}/"

    page = owners_browser.get(address)
    assert log_lines(page) == [
        "info Started",
        "warning Order 88 has no &lt;currency&gt;",
        "error KeyError: &#x27;total&#x27;",
    ]
    assert "More was written than is kept." in page.content.decode()
    assert ">12:00:00.031</time>" in page.content.decode()
    assert 'Log <span class="dim">(UTC)</span>' in page.content.decode()
    assert len(log_lines(owners_browser.get(f"{address}?level=warning"))) == 2
    assert len(log_lines(owners_browser.get(f"{address}?level=error"))) == 1
    assert log_lines(owners_browser.get(f"{address}?q=order")) == ["warning Order 88 has no &lt;currency&gt;"]
    assert "No line matches." in owners_browser.get(f"{address}?q=nothing").content.decode()

    text = owners_browser.get(f"{address}log.txt?attempt=1")
    assert text["Content-Type"] == "text/plain; charset=utf-8"
    assert (
        text.content.decode().splitlines()[1] == "2026-03-02T12:00:01.377000+00:00 warning Order 88 has no <currency>"
    )
    assert strangers_browser.get(f"{address}log.txt").status_code == 404


@pytest.mark.parametrize(
    "log", [None, [], "text", ["text"], [{"at": 5}], [{"at": "never", "level": None, "text": None}]]
)
def test_a_log_of_any_shape_breaks_no_page(owners_browser: Client, owner: Any, now: datetime, log: Any) -> None:
    execution = coded(owner, now, log=log)

    assert owners_browser.get(f"/executions/{execution.pk}/").status_code == 200
    assert owners_browser.get(f"/executions/{execution.pk}/log.txt").status_code in (200, 404)


def test_a_traceback_shows_what_went_wrong(owners_browser: Client, owner: Any, now: datetime) -> None:
    trace = 'Traceback (most recent call last):\n  File "a.py", line 1, in f\n    <call>()\nKeyError: 1'
    page = owners_browser.get(f"/executions/{coded(owner, now, traceback=trace).pk}/").content.decode()

    assert '<span class="here">    &lt;call&gt;()</span>' in page
    assert '<span class="here">KeyError: 1</span>' in page
    assert '<span class="here">Traceback' not in page


def test_the_course_of_several_attempts_is_a_picture_with_a_name(
    owners_browser: Client, owner: Any, now: datetime
) -> None:
    execution = failed_execution(owner, now)

    page = owners_browser.get(f"/executions/{execution.pk}/").content.decode()

    assert 'role="img" aria-label="Course of the attempts: attempt 1 failed after 1\xa0s; attempt 2 failed' in page
    assert page.count('class="mark cross"') == 3  # two, and the legend


def test_what_waits_for_another_attempt_says_when_and_whether_it_is_the_last(
    owners_browser: Client, owner: Any, now: datetime
) -> None:
    timer = make_webhook_timer(owner, policies={"max_attempts": 2, "pause_after_failures": 5})
    execution = ran(
        timer,
        now - timedelta(seconds=5),
        status="retrying",
        lease_until=now + timedelta(seconds=45),
        error_message="Busy.",
    )
    began = now - timedelta(seconds=5)
    Attempt.objects.create(
        execution_id=execution.pk, number=1, started_at=began, finished_at=now, outcome="failed", error_message="Busy.",
        details={"answer": {"status_code": 503, "headers": {"retry-after": "45"}, "text": "", "elapsed_seconds": 0.3}},
    )  # fmt: skip

    page = owners_browser.get(f"/executions/{execution.pk}/").content.decode()

    assert "Attempt 2 of 2 starts in 45\xa0s, at " in re.sub("<[^>]*>", "", page)
    assert "If it fails too, this run has failed; the timer pauses after 5 in a row." in page
    assert "Retry-After: 45" in page
    assert "attempt 2 due Mon 2 Mar 12:00:45 UTC" in page
    assert 'class="mark plan"' in page
    assert ">503 Service Unavailable</span>" in page


def test_a_run_that_failed_is_held_against_the_last_good_one(owners_browser: Client, owner: Any, now: datetime) -> None:
    execution = failed_execution(owner, now)
    good = ran(execution.timer, now - timedelta(hours=2))
    ran(execution.timer, now - timedelta(hours=1), status="failed")
    Attempt.objects.create(
        execution_id=good.pk, number=1, started_at=now, finished_at=now, outcome="completed",
        details={
            "request": {"method": "POST", "url": "https://x.example/", "headers": {}, "body": "{}"},
            "answer": {"status_code": 204, "headers": {}, "text": "", "elapsed_seconds": 0.34},
        },
    )  # fmt: skip

    page = owners_browser.get(f"/executions/{execution.pk}/").content.decode()

    assert f'<a href="/executions/{good.pk}/">' in page[page.index("Last good run") :]
    assert "HTTP 204 No Content after 340\xa0ms" in page
    assert "the answer only; the request is the same" in page


def test_queued_and_spread_starts_are_steps_of_their_own(owners_browser: Client, owner: Any, now: datetime) -> None:
    execution = ran(
        make_webhook_timer(owner),
        now,
        run_at=now + timedelta(seconds=20),
        started_at=now + timedelta(seconds=50),
        finished_at=now + timedelta(seconds=51),
    )

    page = owners_browser.get(f"/executions/{execution.pk}/").content.decode()

    assert "spread by 20\xa0s" in page
    assert 'Queued <span class="dim">· for 30\xa0s</span>' in page


def test_a_run_that_was_asked_for_was_not_planned(owners_browser: Client, owner: Any, now: datetime) -> None:
    execution = ran(make_webhook_timer(owner), now, trigger="manual", serial=7)

    page = owners_browser.get(f"/executions/{execution.pk}/").content.decode()

    assert "Requested <span" in page
    assert "<span>Planned</span>" not in page


def test_following_swaps_the_rest_only_when_it_changed(owners_browser: Client, owner: Any, now: datetime) -> None:
    execution = ran(make_webhook_timer(owner), now - timedelta(seconds=5), status="running")
    page = owners_browser.get(f"/executions/{execution.pk}/").content.decode()
    follow = html.unescape(re.search(r'data-live="1" hx-get="([^"]+)"', page)[1])  # type: ignore[index]

    same = owners_browser.get(follow, headers={"HX-Request": "true"}).content.decode()
    Execution.objects.filter(pk=execution.pk).update(status="completed", finished_at=now)
    ended = owners_browser.get(follow, headers={"HX-Request": "true"}).content.decode()

    assert 'id="execution-course" hx-swap-oob="true"' in same
    assert "execution-body" not in same
    assert "data-live" in same
    assert 'id="execution-body" hx-swap-oob="true"' in ended
    assert "The run is completed." in ended
    assert 'aria-disabled="true">Ended</span>' in ended
    assert "data-live" not in ended


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
