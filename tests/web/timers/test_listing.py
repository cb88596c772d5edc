"""The first page beside its list: the lanes, what is done to many timers at once, the palette, the first start."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4
from zoneinfo import ZoneInfo

import pytest
from django.test import Client

from tests.factories import make_code_timer, make_webhook_timer
from tests.web.conftest import ran
from timers.lifecycle import ExecutionStatus
from timers.models import Collection, Execution, Schedule, Timer
from timers.queries.timers import timeline as timelines
from timers.services.timers import commands as service

pytestmark = pytest.mark.django_db
HTMX = {"HX-Request": "true"}
UTC_ZONE = ZoneInfo("UTC")


def lanes(user: Any, now: datetime, zoom: str = "24h") -> dict[str, timelines.TimelineRow]:
    return {lane.timer.name: lane for lane in timelines.timeline(user, zoom=zoom, zone=UTC_ZONE, now=now).lanes}


def marks(lane: timelines.TimelineRow, status: str) -> list[datetime]:
    return [mark.begin for mark in lane.marks if mark.status == status]


# Lanes


def test_a_lane_shows_what_ran_what_failed_what_runs_and_what_is_planned(owner: Any, now: datetime) -> None:
    timer = make_webhook_timer(owner, name="hourly")
    ran(timer, now - timedelta(hours=3))
    ran(timer, now - timedelta(hours=2), status="failed")
    ran(timer, now - timedelta(minutes=90), status="skipped", skip_reason="overlap", started_at=None)
    ran(timer, now - timedelta(hours=1), status="running")

    lane = lanes(owner, now)["hourly"]

    assert lane.counts == {"completed": 1, "failed": 1, "skipped": 1, "running": 1}
    assert marks(lane, "failed") == [now - timedelta(hours=2) + timedelta(milliseconds=9)]
    assert marks(lane, "planned")[:2] == [now, now + timedelta(hours=1)]
    assert lane.planned == 15  # until 03:00, when the stretch ends
    assert lane.running_since == now - timedelta(hours=1) + timedelta(milliseconds=9)


def test_a_run_that_began_before_the_stretch_and_reaches_into_it_is_shown(owner: Any, now: datetime) -> None:
    timer = make_webhook_timer(owner, name="long")
    ran(timer, now - timedelta(hours=20), finished_at=now - timedelta(hours=1))
    ran(timer, now - timedelta(hours=30))

    assert lanes(owner, now)["long"].counts == {"completed": 1}


def test_a_paused_timer_shows_its_pause_and_nothing_planned(owner: Any, now: datetime) -> None:
    service.pause(make_webhook_timer(owner, name="held"), by=owner, now=now, until=now + timedelta(hours=2))

    lane = lanes(owner, now)["held"]

    assert [(mark.begin, mark.end) for mark in lane.marks] == [(now, now + timedelta(hours=2))]
    assert lane.planned == 0


def test_many_planned_runs_are_one_stroke_with_their_number(owner: Any, now: datetime) -> None:
    make_webhook_timer(owner, name="often", schedule={"type": "recurring", "interval_seconds": 60})

    lane = lanes(owner, now)["often"]

    assert lane.planned == 15 * 60
    assert len(marks(lane, "planned")) == 1


def test_no_more_runs_are_planned_than_the_schedule_has_left(owner: Any, now: datetime) -> None:
    document = {"type": "recurring", "interval_seconds": 60, "end": {"condition": "iterations", "n": 100}}
    make_webhook_timer(owner, name="ending", schedule=document)

    lane = lanes(owner, now)["ending"]

    assert lane.planned == 100
    assert [mark.end for mark in lane.marks] == [now + timedelta(minutes=99)]


def test_a_lane_reads_a_bounded_number_of_executions_and_says_so(
    owner: Any, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(timelines, "MAX_ROWS_PER_TIMER", 3)
    timer = make_webhook_timer(owner, name="often")
    for minutes in range(1, 6):
        ran(timer, now - timedelta(minutes=minutes))

    lane = lanes(owner, now)["often"]

    assert lane.counts == {"completed": 3}
    assert lane.cut_before == now - timedelta(minutes=3)
    assert len(marks(lane, "unseen")) == 1


def test_what_runs_and_what_fails_is_among_the_lanes_however_many_timers_there_are(owner: Any, now: datetime) -> None:
    for number in range(timelines.MAX_TIMERS_SHOWN + 4):
        make_webhook_timer(owner, name=f"usual {number}")
    far = {"type": "recurring", "interval_seconds": 86_400, "start": "2027-01-01T00:00"}
    ran(make_webhook_timer(owner, name="running", schedule=far), now - timedelta(minutes=5), status="running")
    failing = make_webhook_timer(owner, name="failing", schedule=far)
    Schedule.objects.filter(timer=failing).update(consecutive_failures=1)

    shown = lanes(owner, now)

    assert len(shown) == timelines.MAX_TIMERS_SHOWN
    assert {"running", "failing"} <= set(shown)


def test_lanes_are_those_of_the_reader_and_none_is_deleted(
    owner: Any, stranger: Any, admin: Any, now: datetime
) -> None:
    make_webhook_timer(owner, name="mine")
    service.delete(make_webhook_timer(owner, name="gone"), by=owner, now=now)

    assert (set(lanes(owner, now)), set(lanes(admin, now)), set(lanes(stranger, now))) == ({"mine"}, {"mine"}, set())


@pytest.mark.parametrize(
    ("zoom", "begin", "ticks"), [("1h", "11:30", 8), ("6h", "09:00", 8), ("24h", "00:00", 10), ("7d", "00:00", 9)]
)
def test_the_stretch_begins_at_a_full_step_of_the_clock(
    owner: Any, now: datetime, zoom: str, begin: str, ticks: int
) -> None:
    shown = timelines.timeline(owner, zoom=zoom, zone=UTC_ZONE, now=now)

    assert f"{shown.begin:%H:%M}" == begin
    assert len(shown.ticks) == ticks
    assert shown.begin <= now - shown.zoom.half
    assert shown.until >= now + shown.zoom.half


def test_days_begin_at_midnight_when_the_clocks_change(owner: Any) -> None:
    berlin = ZoneInfo("Europe/Berlin")
    now = datetime(2026, 3, 28, 12, 0, tzinfo=UTC_ZONE)

    shown = timelines.timeline(owner, zoom="7d", zone=berlin, now=now)

    assert {f"{tick.astimezone(berlin):%H:%M}" for tick in shown.ticks} == {"00:00"}


def test_the_page_draws_the_lanes_with_a_table_beside_them(owners_browser: Client, owner: Any, now: datetime) -> None:
    timer = make_webhook_timer(owner, name="hourly")
    ran(timer, now - timedelta(hours=2), status="failed")
    ran(timer, now - timedelta(minutes=30), status="running")

    page = owners_browser.get("/?zoom=6h").content.decode()

    assert "Last and next 3 hours" in page
    assert re.search(r'<a href="/\?zoom=6h" aria-current="true">6\xa0h</a>|aria-current="true">6 h</a>', page)
    words = "1 failed, 1 running, running since 11:30 UTC, 4 planned, the next 12:00 UTC"
    assert f'role="img" aria-label="hourly: {words}"' in page
    assert page.count(words) == 2
    assert "now, 12:00 UTC" in page


def test_lanes_refresh_apart_from_the_list(owners_browser: Client, owner: Any) -> None:
    make_webhook_timer(owner)

    part = owners_browser.get("/", headers={**HTMX, "HX-Target": "timeline"}).content.decode()

    assert 'id="timeline"' in part
    assert 'id="list"' not in part


# Order


def test_the_list_can_be_ordered_by_next_run(owners_browser: Client, owner: Any) -> None:
    later = {"type": "recurring", "interval_seconds": 60, "start": "2026-04-01T00:00"}
    make_webhook_timer(owner, name="later", schedule=later)
    make_webhook_timer(owner, name="never", paused=True)
    make_webhook_timer(owner, name="soon")

    page = owners_browser.get("/?order=next").content.decode()

    assert re.findall(r'<a class="name clamp"[^>]*>([^<]*)</a>', page) == ["soon", "later", "never"]
    assert 'aria-sort="ascending"><a href="/?order=next" title="Order by next run">' in page


def test_a_search_while_typing_leaves_a_short_address(owners_browser: Client, owner: Any) -> None:
    make_webhook_timer(owner)

    response = owners_browser.get("/?q=hook&action=&tag=&order=", headers={**HTMX, "HX-Trigger": "filters"})

    assert response["HX-Replace-Url"] == "/?q=hook"


# Many at once


def send(browser: Client, do: str, *timers: Timer, **fields: str) -> Any:
    return browser.post("/timers/bulk/", {"do": do, "timer": [str(timer.pk) for timer in timers], **fields})


def told(response: Any) -> list[str]:
    """Return what the page says of each timer."""
    rows = re.findall(r'<tr><td class="lead".*?</tr>', response.content.decode(), re.S)
    return [re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", row)).strip() for row in rows]


def test_each_chosen_timer_gets_a_result_of_its_own(owners_browser: Client, owner: Any, now: datetime) -> None:
    over = {"type": "recurring", "interval_seconds": 60, "end": {"condition": "time", "datetime": "2020-01-01T00:00"}}
    chosen = [
        make_webhook_timer(owner, name="a active"),
        service.pause(make_webhook_timer(owner, name="b paused"), by=owner, now=now),
        make_webhook_timer(owner, name="c ended", schedule=over),
    ]

    response = send(owners_browser, "pause", *chosen, next="/?q=x")

    assert told(response) == [
        "a active done Paused.",
        "b paused done Was paused.",
        "c ended not done A timer that is ended cannot be paused.",
    ]
    assert "Pause: 2 done, 1 not" in response.content.decode()
    assert 'href="/?q=x">Back to the timers</a>' in response.content.decode()
    assert list(Timer.objects.order_by("name").values_list("status", flat=True)) == ["paused", "paused", "ended"]


def test_chosen_timers_are_resumed_and_run(owners_browser: Client, owner: Any) -> None:
    chosen = [make_webhook_timer(owner, name=name, paused=True) for name in "ab"]

    assert told(send(owners_browser, "resume", *chosen)) == ["a done Active again.", "b done Active again."]
    assert told(send(owners_browser, "run", *chosen)) == ["a done Runs now.", "b done Runs now."]
    assert Execution.objects.filter(trigger="manual").count() == 2


def test_chosen_timers_are_tagged_beside_their_tags_and_untagged(owners_browser: Client, owner: Any) -> None:
    one = make_webhook_timer(owner, name="a", tags={"team": "data", "prod": ""})
    two = make_webhook_timer(owner, name="b", tags={"team": "ops"})

    assert told(send(owners_browser, "tag", one, two, tag="team:ops")) == ["a done Tagged.", "b done Had this tag."]
    assert service.tags_of(one) == {"team": ["data", "ops"], "prod": ""}
    assert told(send(owners_browser, "untag", one, two, tag="prod")) == [
        "a done Removed the tag.",
        "b not done It has no such tag.",
    ]
    send(owners_browser, "untag", one, two, tag="team:ops")
    assert (service.tags_of(one), service.tags_of(two)) == ({"team": "data"}, {})


def test_deleting_many_asks_for_their_number(owners_browser: Client, owner: Any) -> None:
    chosen = [make_webhook_timer(owner, name=name) for name in "abc"]

    asking = send(owners_browser, "delete", *chosen).content.decode()
    assert "Delete 3 timers?" in asking
    wrong = send(owners_browser, "delete", *chosen, count="2")
    assert wrong.status_code == 400
    assert "Type 3 to delete them." in wrong.content.decode()
    assert Timer.objects.not_deleted().count() == 3

    assert told(send(owners_browser, "delete", *chosen, count=" 3 ")) == [
        f"{name} done Deleted. Its history stays." for name in "abc"
    ]
    assert not Timer.objects.not_deleted().exists()


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"do": "pause"}, "No timer is selected."),
        ({"do": "explode"}, "Choose what to do with the timers."),
        ({}, "Choose what to do with the timers."),
        ({"do": "pause", "timer": "nonsense"}, "No timer is selected."),
    ],
)
def test_a_bulk_form_that_says_nothing_useful_does_nothing(
    owners_browser: Client, fields: dict[str, str], sentence: str
) -> None:
    response = owners_browser.post("/timers/bulk/", fields)

    assert response.status_code == 400
    assert sentence in response.content.decode()


def test_a_tag_without_a_key_is_refused(owners_browser: Client, owner: Any) -> None:
    timer = make_webhook_timer(owner)

    response = send(owners_browser, "tag", timer, tag=" :x")

    assert response.status_code == 400
    assert "Write a tag" in response.content.decode()


def test_strangers_timers_are_left_alone(strangers_browser: Client, owner: Any) -> None:
    timer = make_webhook_timer(owner, name="not yours")

    response = send(strangers_browser, "delete", timer, count="1")

    assert response.status_code == 400
    assert "not yours" not in response.content.decode()
    assert Timer.objects.get().status == "active"


def test_htmx_gets_the_results_as_a_part_and_refreshes_the_list(owners_browser: Client, owner: Any) -> None:
    timer = make_webhook_timer(owner)

    response = owners_browser.post("/timers/bulk/", {"do": "run", "timer": str(timer.pk)}, headers=HTMX)

    assert "<html" not in response.content.decode()
    assert response["HX-Trigger-After-Settle"] == '{"live": {"target": "#list"}}'


def test_rows_bear_boxes_that_belong_to_the_form_below(owners_browser: Client, owner: Any) -> None:
    timer = make_webhook_timer(owner)

    page = owners_browser.get("/").content.decode()

    assert f'name="timer" value="{timer.pk}" form="bulk" aria-label="Select: {timer.name}"' in page
    assert '<form id="bulk"' in page
    deeds = re.findall(r'name="do" value="(\w+)"', page)
    assert deeds == ["pause", "resume", "run", "tag", "untag", "delete"]


# The palette


def found(browser: Client, words: str) -> list[str]:
    page = browser.get("/find/", {"q": words}, headers=HTMX).content.decode()
    return re.findall(r'<span class="break">([^<]*)</span>', page)


def test_the_palette_finds_timers_pages_and_deeds(owners_browser: Client, owner: Any) -> None:
    make_webhook_timer(owner, name="Nightly copy")
    make_code_timer(owner, name="Morning report")

    assert found(owners_browser, "nightly") == ["Nightly copy"]
    assert found(owners_browser, "tok") == ["Tokens and client keys"]
    assert found(owners_browser, "pause report") == ["Pause: Morning report"]
    assert found(owners_browser, "edit NIGHT") == ["Edit: Nightly copy"]
    assert found(owners_browser, "theme dark") == ["Theme: dark"]
    assert "New timer" in found(owners_browser, "")
    assert found(owners_browser, "no such thing") == []


def test_the_palette_knows_ids_and_keeps_secrets(
    owners_browser: Client, strangers_browser: Client, owner: Any, now: datetime
) -> None:
    timer = make_webhook_timer(owner, name="Nightly copy")
    execution = ran(timer, now)

    assert found(owners_browser, str(timer.pk)) == ["Nightly copy"]
    assert found(owners_browser, str(execution.pk)) == ["A run of Nightly copy"]
    assert found(strangers_browser, str(execution.pk)) == found(strangers_browser, "night") == []
    assert "Administration" not in found(strangers_browser, "")
    assert found(owners_browser, str(uuid4())) == []


def test_without_scripts_the_palette_is_a_page(owners_browser: Client, owner: Any) -> None:
    make_webhook_timer(owner, name="Nightly copy")

    page = owners_browser.get("/find/?q=run+night").content.decode()

    assert "<html" in page
    assert "Run now: Nightly copy" in page


# The first start, keys, query counts


def test_an_administrator_loads_the_demo_from_the_empty_page(
    admins_browser: Client, settings: Any, tmp_path: Any
) -> None:
    settings.TIMERS_LOCAL_ROOTS = (tmp_path,)
    for path in ("/", "/activity/", "/transfers/", "/collections/"):
        assert "Load the demo" in admins_browser.get(path).content.decode()

    admins_browser.post("/demo/load/")

    page = admins_browser.get("/").content.decode()
    assert "The demo is loaded: 3 timers." in page  # its webhook needs the echo that only `up --demo` opens
    assert Collection.objects.count() == 2
    admins_browser.post("/demo/load/")
    assert Timer.objects.count() == 3


def test_others_cannot_load_the_demo(owners_browser: Client) -> None:
    assert "Load the demo" not in owners_browser.get("/").content.decode()
    refused = owners_browser.post("/demo/load/")
    assert refused.status_code == 403
    assert "Only administrators can load the demo." in refused.content.decode()


def test_keys_can_be_switched_off_in_the_account(owners_browser: Client) -> None:
    assert 'data-keys="off"' not in owners_browser.get("/").content.decode()

    owners_browser.post("/account/", {"timezone": "", "theme": ""})
    assert 'data-keys="off"' in owners_browser.get("/").content.decode()

    owners_browser.post("/account/", {"timezone": "", "theme": "", "keyboard": "on"})
    assert 'data-keys="off"' not in owners_browser.get("/").content.decode()


def test_choosing_a_theme_in_the_menu_leaves_the_keys_alone(owners_browser: Client) -> None:
    owners_browser.post("/account/", {"timezone": "", "theme": ""})
    owners_browser.post("/account/theme/", {"theme": "dark"})

    assert 'data-keys="off"' in owners_browser.get("/").content.decode()


def test_parts_take_the_same_few_queries_for_many_timers(
    owners_browser: Client, owner: Any, now: datetime, django_assert_num_queries: Callable[..., Any]
) -> None:
    chosen = [make_webhook_timer(owner, name=f"timer {number}", tags={"n": str(number)}) for number in range(12)]
    for timer in chosen:
        ran(timer, now - timedelta(hours=1))
        ran(timer, now, status=ExecutionStatus.RUNNING)

    # session, user, preference; running, failing and next timers, the timers, their runs, what is unfinished;
    # processes, oldest due
    with django_assert_num_queries(12):
        owners_browser.get("/", headers={**HTMX, "HX-Target": "timeline"})
    # session, user, preference; timers, workflows, collections, transfers; processes, oldest due, pauses
    with django_assert_num_queries(10):
        owners_browser.get("/find/?q=timer", headers=HTMX)


def test_lanes_follow_what_is_looked_for(owners_browser: Client, owner: Any) -> None:
    make_webhook_timer(owner, name="alpha")
    make_webhook_timer(owner, name="beta")

    assert "beta" not in owners_browser.get("/?q=alpha").content.decode()
    typed = owners_browser.get("/?q=alpha", headers={**HTMX, "HX-Trigger": "filters", "HX-Target": "list"})
    assert 'id="timeline" hx-swap-oob="true"' in typed.content.decode()
    assert "beta" not in typed.content.decode()
    alone = owners_browser.get("/?q=alpha", headers={**HTMX, "HX-Target": "timeline"}).content.decode()
    assert ("alpha" in alone, "beta" in alone) == (True, False)
    assert '<section id="timeline" aria-label="Timeline" hidden>' in owners_browser.get("/?q=nothing").content.decode()


def test_the_figures_refresh_apart_while_somebody_uses_the_list(
    owners_browser: Client, owner: Any, django_assert_num_queries: Callable[..., Any]
) -> None:
    make_webhook_timer(owner)

    with django_assert_num_queries(11):  # session, user, five of figures; preference, processes, oldest due
        part = owners_browser.get("/", headers={**HTMX, "HX-Target": "figures"}).content.decode()

    assert 'id="figures" data-live="5" data-live-for="list"' in part
    assert 'id="health" hx-swap-oob="true"' in part
    assert 'id="list"' not in part
