"""A walk over every page and every button of a running service, in a real browser."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, expect

from tests.acceptance.running import Installation
from tests.browser.site import ARCHIVE, INSTRUMENT, LONG_NAME
from tests.browser.walking import AXE, BUTTONS, LOOKS, OTHER_LOOKS, Walk, kind

MAX_PAGES = 80
NO_PAGES = re.compile(r"^/(api/|static/|metrics|healthz|readyz|calendar/|logout/)|\.(csv|json|ics|txt)$|^/admin/.+")
CONTENT_OF_ITS_OWN = re.compile(r"[?,](hour|kind|path|from)\b")
"""What changes a page so much that axe looks at it too."""
STARTS = ("/", "/?q=nothing", "/transfers/?status=cancelled")
LEAVE = re.compile(
    r"log out|stop|end all sessions|pause all|pause everybody|delete|revoke|unregister|renew|change password",
    re.IGNORECASE,
)
"""Buttons that would end the walk, or take away what the rest of it needs; others press these, by name."""


@pytest.fixture(scope="module")
def pages(chromium: Browser, site: Installation, logged_in: Path) -> dict[str, str]:
    """One page of each sort that can be reached from the first one, by following links; axe looked at each.

    So it did at what the site made: executions and transfers of each kind, which all are of one sort.
    """
    walk = Walk(chromium, site, logged_in)
    waiting = [*STARTS, *_executions(site), *_transfers(site)]
    found = {kind(path): path for path in reversed(waiting)}
    while waiting:
        path = waiting.pop(0)
        walk.look_at(path, _looks(path, again=found[kind(path)] != path))
        for link in walk.links():
            if len(found) < MAX_PAGES and _leads_on(link) and kind(link) not in found:
                found[kind(link)] = link
                waiting.append(link)
    walk.end()
    return found


def _looks(path: str, *, again: bool) -> tuple[tuple[int, Any], ...]:
    """Return how axe looks at a page: in both ways, in one at what differs from another page of its sort, or not."""
    if path.startswith("/admin/"):
        return ()
    if again or CONTENT_OF_ITS_OWN.search(kind(path)) or path in STARTS[1:]:
        return LOOKS[1:]
    return () if "?" in path else LOOKS


def _leads_on(link: str) -> bool:
    """Return whether a link leads to a page of ours; of filters one at a time is enough."""
    return not NO_PAGES.search(urlsplit(link).path) and ("," not in kind(link) or "hour" in kind(link))


def _executions(site: Installation) -> list[str]:
    """Return the page of the newest execution of each timer."""
    timers = site.call("GET", "/timers?limit=50")["timers"]
    found = [site.call("GET", f"/timers/{timer['id']}/executions?limit=1")["executions"] for timer in timers]
    return [f"/executions/{executions[0]['id']}/" for executions in found if executions]


def _transfers(site: Installation) -> list[str]:
    return [f"/transfers/{each['id']}/" for each in site.call("GET", "/transfers?limit=20")["transfers"]]


def plain(pages: dict[str, str]) -> list[str]:
    """Return the pages without a query."""
    return [path for sort, path in pages.items() if "?" not in sort]


def test_every_sort_of_page_is_reached_and_accessible_in_both_themes_wide_and_narrow(pages: dict[str, str]) -> None:
    sorts = {urlsplit(each).path for each in pages}

    assert sorts >= {
        *("/", "/timers/new/", "/timers/id/", "/timers/id/edit/", "/timers/id/delete/", "/timers/id/versions/"),
        *("/activity/", "/executions/id/", "/transfers/", "/transfers/id/", "/collections/", "/collections/id/"),
        *("/collections/new/", "/workflows/", "/workflows/new/", "/workflow-runs/id/", "/tokens/", "/account/"),
        *("/find/", "/scheduling/", "/admin/"),
    }


def test_every_page_is_accessible_without_scripts(
    chromium: Browser, site: Installation, logged_in: Path, pages: dict[str, str]
) -> None:
    walk = Walk(chromium, site, logged_in)
    walk.empty_scripts()
    for number, path in enumerate(plain(pages)):
        if not path.startswith("/admin/"):
            walk.look_at(path, OTHER_LOOKS[number % 2 :][:1])
    walk.end()


def test_every_page_fits_at_every_width(
    chromium: Browser, site: Installation, logged_in: Path, pages: dict[str, str]
) -> None:
    walk = Walk(chromium, site, logged_in)
    for path in plain(pages):
        if not path.startswith("/admin/"):
            walk.fit(path)
    walk.end()


def test_the_longest_names_tags_and_paths_break_no_page_at_any_width(
    chromium: Browser, site: Installation, logged_in: Path
) -> None:
    walk = Walk(chromium, site, logged_in)
    for path in _pages_of_long_names(site):
        walk.fit(path)
    walk.end()


def _pages_of_long_names(site: Installation) -> Iterator[str]:
    """Yield every page that shows the longest name, tag or path."""
    yield from ("/", "/activity/", "/transfers/", "/collections/")
    for page in ("/", "/activity/", "/find/"):
        yield f"{page}?q={LONG_NAME[:60]}"
    for timer in site.call("GET", "/timers?limit=100")["timers"]:
        if timer["name"].startswith(LONG_NAME[:60]):
            yield f"/timers/new/?from={timer['id']}"
            yield from (f"/timers/{timer['id']}/{page}" for page in ("", "edit/", "delete/", "versions/"))
            executions = site.call("GET", f"/timers/{timer['id']}/executions?limit=1")["executions"]
            yield from (f"/executions/{execution['id']}/" for execution in executions)
    for collection in site.call("GET", "/collections")["collections"]:
        if collection["display_name"] == LONG_NAME:
            yield from (f"/collections/{collection['id']}/{page}" for page in ("", "edit/", "delete/"))
    yield from _transfers(site)


@pytest.mark.parametrize("scripts", [True, False], ids=["with scripts", "without scripts"])
def test_every_button_can_be_pressed(
    chromium: Browser, site: Installation, logged_in: Path, pages: dict[str, str], scripts: bool
) -> None:
    walk = Walk(chromium, site, logged_in, scripts=scripts)
    pressed: set[str] = set()
    for path in plain(pages):
        page = walk.go(path)
        moved = False
        for button in walk.buttons():
            sort = f"{'' if button['everywhere'] else kind(path)} {re.sub(r':.*', '', button['label'])}"
            if LEAVE.search(button["label"]) or LEAVE.search(path) or sort in pressed:
                continue
            pressed.add(sort)
            if moved:
                walk.go(path)
            target = page.locator(BUTTONS).nth(button["place"])
            if target.count() and target.is_visible():
                target.click()
                page.wait_for_load_state("domcontentloaded")
                moved = True
    walk.wrong = [wrong for wrong in walk.wrong if not re.search(r"(^| )(400|status of 400)", wrong)]
    walk.end()
    assert len(pressed) >= 30


def test_what_takes_something_away_asks_first(chromium: Browser, site: Installation, logged_in: Path) -> None:
    fields = {"timer_type": "code", "name": "Short-lived", "schedule": {"type": "once", "datetime": "2099-01-01T00:00"}}
    timer = site.call("POST", "/timers", {"timer": {**fields, "body": {"function": "reports.nightly"}}})["timer"]["id"]
    walk = Walk(chromium, site, logged_in)

    page = walk.go(f"/timers/{timer}/")
    page.get_by_role("button", name="Delete", exact=True).click()
    expect(page.get_by_role("heading", name="Delete Short-lived?")).to_be_visible()
    page.get_by_role("button", name="Delete", exact=True).click()
    assert site.call("GET", f"/timers/{timer}")["timer"]["status"] == "deleted"

    page = walk.go("/scheduling/")
    page.get_by_role("button", name="Pause all my timers").click()
    page.goto(site.base_url)
    banner = page.locator("[data-banner=paused]")
    expect(banner).to_be_visible()
    banner.get_by_role("link").click()
    page.get_by_role("button", name="Resume all my timers").click()
    page.goto(site.base_url)
    expect(banner).to_have_count(0)
    walk.end()


def test_paper_bears_what_the_screen_tells_without_its_controls(
    chromium: Browser, site: Installation, logged_in: Path, pages: dict[str, str]
) -> None:
    walk = Walk(chromium, site, logged_in)
    page = walk.go(pages["/timers/id/"])
    page.emulate_media(media="print")

    expect(page.locator("#executions tbody time").first).to_be_visible()
    expect(page.get_by_role("button", name="Run now")).to_be_hidden()
    expect(page.get_by_role("navigation", name="Main")).to_be_hidden()
    walk.end()


def test_a_timer_is_made_with_all_that_the_form_offers(chromium: Browser, site: Installation, logged_in: Path) -> None:
    walk = Walk(chromium, site, logged_in)
    page = walk.go("/timers/new/")
    for label in ("Name", "URL", "Cron expression", "Time zone"):
        assert page.get_by_label(label).count() == 1, label
    page.get_by_label("From", exact=True).select_option(INSTRUMENT)
    page.get_by_label("Source path").fill("/typed/")
    page.get_by_role("button", name="Add runs").click()
    expect(page.get_by_label("Source path 2")).to_have_value("/runs/")
    expect(page.get_by_label("Source path", exact=True)).to_have_value("/typed/")
    page.get_by_role("button", name="Remove: /typed/").click()
    expect(page.get_by_label("Source path", exact=True)).to_have_value("/runs/")
    page.get_by_label("To", exact=True).select_option(ARCHIVE)
    page.get_by_role("button", name="Use this folder").click()
    expect(page.get_by_label("Destination path", exact=True)).to_have_value("/home/runs/")

    page.get_by_role("radio", name="Cron").check()
    page.get_by_role("radio", name="Weekly").check()
    page.get_by_label("Friday").check()
    expect(page.get_by_label("Cron expression")).to_have_value("0 0 9 ? * MON,FRI")
    page.get_by_label("Cron expression").fill("0 45 7 LW * ?")
    expect(page.get_by_role("radio", name="Monthly")).to_be_checked()
    expect(page.locator("#preview")).to_contain_text("07:45")
    page.get_by_text("More options").click()
    page.get_by_text("When things go wrong").click()
    page.evaluate(AXE)
    walk.check("the form with all open")
    page.get_by_label("Name", exact=True).fill("Picked in the browser")
    page.get_by_role("button", name="Create timer").click()
    expect(page.get_by_role("heading", name="Picked in the browser")).to_be_visible()
    walk.end()


def test_what_an_execution_does_is_followed_to_its_end(chromium: Browser, site: Installation, logged_in: Path) -> None:
    schedule = {"type": "once", "datetime": "2099-01-01T00:00:00+00:00"}
    body = {"function": "reports.slow", "kwargs": {"seconds": 3}}
    fields = {"timer_type": "code", "name": "Slow report", "schedule": schedule, "body": body}
    timer = site.call("POST", "/timers", {"timer": fields})["timer"]["id"]
    execution = site.call("POST", f"/timers/{timer}/run")["execution"]["id"]
    walk = Walk(chromium, site, logged_in)

    page = walk.go(f"/executions/{execution}/")

    expect(page.get_by_role("button", name="Cancel")).to_be_visible()
    expect(page.locator("#execution-badge")).to_have_text("completed", timeout=15000)
    expect(page.locator("#execution-said")).to_have_text("The run is completed.")
    expect(page.locator("#execution-body")).to_contain_text('"waited": 3')
    expect(page.get_by_role("button", name="Cancel")).to_have_count(0)
    walk.end()
