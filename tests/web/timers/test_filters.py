"""The list of timers: what it shows, finds and pages through, and what its buttons do."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.test import Client

from tests.factories import make_webhook_timer
from tests.web.conftest import ran
from tests.web.transfers.factories import make_transfer
from timers.lifecycle import ExecutionStatus
from timers.models import Collection, Execution, Process, Schedule, Timer
from timers.queries.timers import listing as queries
from timers.queries.timers import service_levels
from timers.queries.timers.filters import TimerFilters
from timers.services.timers import commands as service

pytestmark = pytest.mark.django_db
HTMX = {"HX-Request": "true"}


def names(response: Any) -> list[str]:
    page = response.content.decode()
    return re.findall(r'<a class="name clamp" href="/timers/[^"]+" title="[^"]*">([^<]*)</a>', page)


def test_an_empty_list_says_what_a_timer_is_and_offers_a_new_one(owners_browser: Client) -> None:
    page = owners_browser.get("/").content.decode()

    assert "A timer says what should happen and when" in page
    assert 'href="/timers/new/"' in page
    assert 'role="search"' not in page


def test_the_navigation_leads_to_the_four_places(owners_browser: Client) -> None:
    page = owners_browser.get("/").content.decode()

    assert re.search(r'<nav class="nav" id="nav" popover aria-label="Main">', page)
    assert re.findall(r'<a href="(/[a-z]*/?)"[^>]*>(Timers|Activity|Transfers|Collections)</a>', page) == [
        ("/", "Timers"),
        ("/activity/", "Activity"),
        ("/transfers/", "Transfers"),
        ("/collections/", "Collections"),
    ]


def test_a_row_shows_schedule_zone_next_run_and_last_runs(owners_browser: Client, owner: Any, now: datetime) -> None:
    document = {"type": "cron", "expression": "0 0 1 * * ?", "timezone": "Europe/Berlin"}
    timer = make_webhook_timer(owner, name="Nightly", schedule=document, tags={"team": "data"})
    for hours in range(3):
        ran(timer, now - timedelta(hours=hours), status="failed" if hours == 1 else "completed")

    page = owners_browser.get("/").content.decode()

    assert "Every day at 01:00" in page
    assert "Europe/Berlin" in page
    assert "in 12\u00a0h" in page
    assert "Tue 3 Mar 00:00 UTC" in page
    assert 'role="img" aria-label="Last 3: 2 completed, 1 failed"' in page
    assert "team:data" in page


def test_times_are_shown_in_the_zone_of_the_browser(owners_browser: Client, owner: Any) -> None:
    make_webhook_timer(owner)
    owners_browser.cookies["zone"] = "America%2FNew_York"

    page = owners_browser.get("/").content.decode()

    assert "Mon 2 Mar 07:00 EST" in page
    assert "Times in EST (America/New_York)" in page


def test_a_zone_that_does_not_exist_is_ignored(owners_browser: Client) -> None:
    owners_browser.cookies["zone"] = "../../etc/passwd"

    assert "Times in UTC" in owners_browser.get("/").content.decode()


def test_strangers_see_nothing_and_administrators_everything(
    strangers_browser: Client, admins_browser: Client, owner: Any
) -> None:
    make_webhook_timer(owner, name="Mine")

    assert names(strangers_browser.get("/")) == []
    assert names(admins_browser.get("/")) == ["Mine"]


def test_deleted_timers_are_gone(owners_browser: Client, owner: Any, now: datetime) -> None:
    service.delete(make_webhook_timer(owner), by=owner, now=now)

    assert names(owners_browser.get("/")) == []


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("q=nightly", ["Nightly copy"]),
        ("q=PROD", ["Nightly copy"]),
        ("q=prod+night", ["Nightly copy"]),
        ("q=prod+morning", []),
        ("tag=env:prod", ["Nightly copy"]),
        ("tag=env", ["Morning call", "Nightly copy"]),
        ("status=paused", ["Evening call"]),
        ("status=active&order=name", ["Morning call", "Nightly copy"]),
        ("action=webhook&order=name", ["Evening call", "Morning call", "Nightly copy"]),
        ("action=transfer", []),
        ("q=%25", []),
        ("status=nonsense&order=name&marker=broken", ["Evening call", "Morning call", "Nightly copy"]),
    ],
)
def test_filters_stand_in_the_address(
    owners_browser: Client, owner: Any, now: datetime, query: str, found: list[str]
) -> None:
    make_webhook_timer(owner, name="Nightly copy", tags={"env": "prod"})
    make_webhook_timer(owner, name="Morning call", tags={"env": "test"})
    service.pause(make_webhook_timer(owner, name="Evening call"), by=owner, now=now)

    assert sorted(names(owners_browser.get(f"/?{query}"))) == found


def test_a_timer_is_found_by_its_id(owners_browser: Client, owner: Any) -> None:
    timer = make_webhook_timer(owner)
    make_webhook_timer(owner, name="Another")

    assert names(owners_browser.get(f"/?q={timer.pk}")) == [timer.name]


def test_no_match_differs_from_no_timers(owners_browser: Client, owner: Any) -> None:
    make_webhook_timer(owner)

    page = owners_browser.get("/?q=nothing-like-it").content.decode()

    assert "No timer matches." in page
    assert "Show all timers" in page


def test_htmx_gets_only_the_part_that_changes(owners_browser: Client, owner: Any) -> None:
    make_webhook_timer(owner)

    part = owners_browser.get("/?q=hook", headers=HTMX).content.decode()

    assert "<html" not in part
    assert 'id="list"' in part
    assert 'id="figures" hx-swap-oob="true"' in part


def test_going_back_in_history_gets_the_whole_page(owners_browser: Client) -> None:
    page = owners_browser.get("/", headers={**HTMX, "HX-History-Restore-Request": "true"}).content.decode()

    assert "<html" in page


def test_failing_timers_come_first_then_the_next_to_run(owners_browser: Client, owner: Any) -> None:
    make_webhook_timer(
        owner, name="later", schedule={"type": "recurring", "interval_seconds": 60, "start": "2027-01-01T00:00"}
    )
    make_webhook_timer(owner, name="soon")
    failing = make_webhook_timer(owner, name="failing", paused=True)
    Schedule.objects.filter(timer=failing).update(consecutive_failures=2)

    assert names(owners_browser.get("/")) == ["failing", "soon", "later"]


@pytest.mark.parametrize("order", ["attention", "name", "newest"])
def test_pages_follow_each_other_without_gaps(
    owners_browser: Client, owner: Any, monkeypatch: pytest.MonkeyPatch, now: datetime, order: str
) -> None:
    monkeypatch.setattr(queries, "PAGE_SIZE", 2)
    for number in range(5):
        make_webhook_timer(owner, name=f"timer {number}", now=now + timedelta(minutes=number % 3))

    seen: list[str] = []
    address: str | None = f"/?order={order}"
    while address is not None:
        response = owners_browser.get(address)
        seen += names(response)
        more = re.search(r'href="/(\?[^"]*marker=[^"]*)">Next', response.content.decode())
        address = "/" + more[1].replace("&amp;", "&") if more else None

    assert sorted(seen) == [f"timer {number}" for number in range(5)]


def test_the_figures_count_what_matters(owners_browser: Client, owner: Any, now: datetime) -> None:
    running, failing = make_webhook_timer(owner), make_webhook_timer(owner, name="failing")
    ran(running, now, status=ExecutionStatus.RUNNING)
    Schedule.objects.filter(timer=failing).update(consecutive_failures=1, next_run_at=now - timedelta(minutes=1))

    figures = queries.timers_page(owner, now=now, filters=TimerFilters()).figures

    assert (figures.total, figures.active, figures.failing, figures.running, figures.late) == (2, 2, 1, 1, 1)
    assert 'class="badge is-run"' in owners_browser.get("/").content.decode()


def test_what_was_begun_ahead_does_not_count_as_running(owner: Any, now: datetime) -> None:
    timer = make_webhook_timer(owner, now=now)
    for planned in (now - timedelta(seconds=1), now + timedelta(seconds=1)):
        ran(timer, planned, status=ExecutionStatus.RUNNING)

    assert queries.timers_page(owner, now=now, filters=TimerFilters()).figures.running == 1


def test_the_figures_tell_how_the_last_day_went(
    owners_browser: Client, strangers_browser: Client, owner: Any, stranger: Any, now: datetime
) -> None:
    timer = make_webhook_timer(owner)
    ran(timer, now - timedelta(hours=25), status="failed")
    for number in range(25):
        ran(timer, now - timedelta(minutes=number), status="failed" if number == 3 else "completed")

    page = owners_browser.get("/").content.decode()

    assert "96\xa0% of 24\xa0h completed" in page
    assert "99&nbsp;% start within 9\xa0ms" in page
    make_webhook_timer(stranger)
    assert "no run ended in 24\xa0h" in strangers_browser.get("/").content.decode()


def test_the_figures_tell_of_the_newest_runs_alone_where_a_day_has_too_many(
    owner: Any, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service_levels, "MAX_ROWS", 3)
    timer = make_webhook_timer(owner)
    for number in range(5):
        ran(timer, now - timedelta(minutes=number), status="failed" if number > 2 else "completed")

    assert service_levels.service_level(owner, now=now).words == "100\xa0% of 2\xa0min completed"


def test_the_figures_tell_how_many_workers_are_free(
    owners_browser: Client, owner: Any, places: tuple[Collection, Collection], now: datetime
) -> None:
    for name, workers in (("here:1", {"workers": 3}), ("there:1", {"workers": 1})):
        Process.objects.create(role="cluster", name=name, started_at=now, seen_at=now, details=workers)
    gone = now - timedelta(minutes=1)
    Process.objects.create(role="cluster", name="gone:1", started_at=gone, seen_at=gone, details={"workers": 9})
    timer = make_webhook_timer(owner)
    for minutes in (1, 2):
        at = now - timedelta(minutes=minutes)
        ran(timer, at, status="running", lease_owner="here:7", lease_until=now)
    ran(timer, now, status="running")  # its work goes on elsewhere
    make_transfer(owner, places, now=now, lease_owner="there:2")

    assert "4 workers, 2 free" in owners_browser.get("/").content.decode()


def test_the_list_takes_the_same_few_queries_for_many_timers(
    owners_browser: Client, owner: Any, now: datetime, django_assert_num_queries: Callable[..., Any]
) -> None:
    for number in range(12):
        timer = make_webhook_timer(owner, name=f"timer {number}", tags={"n": str(number)})
        ran(timer, now - timedelta(hours=1))

    # session, user, preference, processes, oldest due; four parts of the order, tags, last runs and unfinished ones;
    # five of figures; tags to choose from; for the lanes running, failing and next timers, they, their runs, unfinished
    with django_assert_num_queries(25):
        assert len(names(owners_browser.get("/"))) == 12


def test_pause_resume_and_run_now_are_buttons_in_the_row(owners_browser: Client, owner: Any) -> None:
    timer = make_webhook_timer(owner)

    page = owners_browser.get("/").content.decode()
    assert f'aria-label="Pause: {timer.name}">Pause</button>' in page
    assert f'aria-label="Run now: {timer.name}">Run now</button>' in page

    response = owners_browser.post(f"/timers/{timer.pk}/pause/", {"next": "/?q=hook"})
    assert response["Location"] == "/?q=hook"
    page = owners_browser.get("/?q=hook").content.decode()
    assert "is paused." in page
    assert f'aria-label="Resume: {timer.name}">Resume</button>' in page

    owners_browser.post(f"/timers/{timer.pk}/resume/")
    owners_browser.post(f"/timers/{timer.pk}/run/")

    assert Timer.objects.get().status == "active"
    assert Execution.objects.filter(trigger="manual").count() == 1


def test_a_button_pressed_through_htmx_gets_the_changed_row_and_a_message(owners_browser: Client, owner: Any) -> None:
    timer = make_webhook_timer(owner)

    part = owners_browser.post(f"/timers/{timer.pk}/pause/", {"next": "/"}, headers=HTMX).content.decode()

    assert f'<tr id="timer-{timer.pk}" hx-swap-oob="true">' in part
    assert "Resume" in part
    assert 'id="messages" class="stack close" hx-swap-oob="true"' in part


@pytest.mark.parametrize("deed", ["pause", "resume", "run", "delete"])
def test_strangers_find_no_buttons_to_press(strangers_browser: Client, owner: Any, deed: str) -> None:
    timer = make_webhook_timer(owner)

    assert strangers_browser.post(f"/timers/{timer.pk}/{deed}/").status_code == 404
    assert Timer.objects.get().status == "active"


def test_a_button_needs_the_token_of_the_page(owner: Any) -> None:
    careful = Client(enforce_csrf_checks=True)
    careful.force_login(owner)

    response = careful.post(f"/timers/{make_webhook_timer(owner).pk}/pause/")

    assert response.status_code == 403
    assert "This form has expired" in response.content.decode()


def test_buttons_do_nothing_on_get(owners_browser: Client, owner: Any) -> None:
    assert owners_browser.get(f"/timers/{make_webhook_timer(owner).pk}/pause/").status_code == 405


def test_a_banner_says_that_scheduling_stands_still(owners_browser: Client, owner: Any) -> None:
    assert "no dispatcher is alive" in owners_browser.get("/").content.decode()


@pytest.mark.usefixtures("alive")
def test_no_banner_when_all_is_well(owners_browser: Client, owner: Any) -> None:
    page = owners_browser.get("/").content.decode()

    assert 'class="banner"' not in page
    assert "On time" in page
