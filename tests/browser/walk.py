"""A walk over every page and every button of a running service, in a real browser."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from tests.acceptance.running import Installation
from tests.browser.site import ARCHIVE, INSTRUMENT, PASSWORD, USERNAME, running_site

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
WIDE, NARROW, HEIGHT = 1280, 360, 900
QUICKLY: dict[str, Any] = {"resultTypes": ["violations"], "preload": False}
LOOKS: tuple[tuple[int, Any, dict[str, Any]], ...] = (
    (WIDE, "light", QUICKLY),
    (WIDE, "dark", {**QUICKLY, "runOnly": ["color-contrast"]}),  # a theme changes nothing but colours
    (NARROW, "dark", QUICKLY),
)
MOST_PAGES = 60
NO_PAGES = re.compile(r"^/(api/|static/|metrics|healthz|readyz|calendar/|logout/)|\.(csv|json|ics|txt)$|^/admin/.+")
UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """One service for all tests here."""
    if CHROMIUM is None:
        if os.environ.get("CI"):
            pytest.fail("The browser tests need Chromium: apt-get install chromium")
        pytest.skip("No Chromium on this machine; the browser tests need one: apt-get install chromium")
    with running_site(tmp_path_factory.mktemp("site")) as site:
        yield site


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        yield playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])


@pytest.fixture(scope="module")
def logged_in(chromium: Browser, site: Installation, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The cookies of somebody who has logged in."""
    context = chromium.new_context()
    page = context.new_page()
    page.goto(f"{site.base_url}/login/")
    page.get_by_label("Username").fill(USERNAME)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Log in").click()
    expect(page.get_by_role("heading", name="Timers", exact=True)).to_be_visible()
    kept = tmp_path_factory.mktemp("login") / "state.json"
    context.storage_state(path=kept)
    context.close()
    return kept


class Walk:
    """A browser on its way: what it complained about, and what it has seen."""

    def __init__(self, chromium: Browser, site: Installation, state: Path, *, scripts: bool = True) -> None:
        self.context: BrowserContext = chromium.new_context(
            storage_state=state,
            java_script_enabled=scripts,
            viewport={"width": WIDE, "height": HEIGHT},
            timezone_id="Europe/Berlin",
            reduced_motion="reduce",
        )
        self.site, self.wrong = site, list[str]()
        self.page: Page = self.context.new_page()
        self.page.set_default_timeout(8000)
        self.context.on("page", self._listen)
        self._listen(self.page)

    def _listen(self, page: Page) -> None:
        page.on("console", lambda said: self._note(f"{page.url}: {said.text}") if said.type == "error" else None)
        page.on("pageerror", lambda error: self._note(f"{page.url}: {error}"))
        page.on(
            "response", lambda answer: self._note(f"{answer.status} {answer.url}") if answer.status >= 400 else None
        )
        page.on("request", lambda asked: self._foreign(asked.url))

    def _note(self, what: str) -> None:
        self.wrong.append(what)

    def _foreign(self, url: str) -> None:
        if urlsplit(url).hostname not in ("127.0.0.1", None):
            self._note(f"foreign: {url}")

    def go(self, path: str) -> Page:
        self.page.goto(self.site.base_url + path)
        return self.page

    def look_at(self, path: str) -> Page:
        """Open a page, and see that it has one heading of the first rank."""
        page = self.go(path)
        if page.locator("h1").count() != 1:
            self._note(f"{path} has {page.locator('h1').count()} headings of the first rank")
        return page

    def links(self) -> list[str]:
        """Return the paths of this page's links inside the site, with their queries."""
        found = self.page.eval_on_selector_all("a[href]", "links => links.map(link => link.href)")
        parts = [urlsplit(url) for url in found if url.startswith(self.site.base_url)]
        return [part.path + (f"?{part.query}" if part.query else "") for part in parts]

    def end(self) -> None:
        self.context.close()
        assert self.wrong == []


def kind(path: str) -> str:
    """Return what stands for all pages of one sort: two timers have the same, and so have two filters of a list."""
    parts = urlsplit(path)
    names = ",".join(sorted(pair.partition("=")[0] for pair in parts.query.split("&") if pair))
    return re.sub(r"/\d+/", "/n/", UUID.sub("id", parts.path)) + (f"?{names}" if names else "")


@pytest.fixture(scope="module")
def pages(chromium: Browser, site: Installation, logged_in: Path) -> dict[str, str]:
    """One page of each sort that can be reached from the first one, by following links; each was opened once."""
    walk = Walk(chromium, site, logged_in)
    found: dict[str, str] = {"/": "/"}
    waiting = ["/"]
    while waiting:
        walk.look_at(waiting.pop(0))
        for path in walk.links():
            if len(found) < MOST_PAGES and not NO_PAGES.search(urlsplit(path).path) and kind(path) not in found:
                found[kind(path)] = path
                waiting.append(path)
    walk.end()
    return found


def test_the_walk_reaches_every_sort_of_page(pages: dict[str, str]) -> None:
    sorts = {urlsplit(each).path for each in pages}

    assert sorts >= {
        *("/", "/timers/new/", "/timers/id/", "/timers/id/edit/", "/activity/", "/executions/id/", "/transfers/"),
        *("/transfers/id/", "/collections/", "/collections/id/", "/collections/new/", "/tokens/", "/account/"),
    }


def test_every_page_is_accessible_in_both_themes_wide_and_narrow(
    chromium: Browser, site: Installation, logged_in: Path, pages: dict[str, str]
) -> None:
    walk = Walk(chromium, site, logged_in)
    script = Axe().axe_script
    own = [path for sort, path in pages.items() if "?" not in sort and not path.startswith("/admin/")]
    for path in [*own, "/?q=nothing", "/transfers/?status=cancelled"]:
        page = walk.go(path)
        page.evaluate(script)
        for width, scheme, options in LOOKS:
            page.set_viewport_size({"width": width, "height": HEIGHT})
            page.emulate_media(color_scheme=scheme)
            for found in page.evaluate("options => axe.run(document, options)", options)["violations"]:
                if found["impact"] in ("serious", "critical"):
                    walk.wrong.append(f"{path} {width} {scheme}: {found['id']} {found['nodes'][0]['html'][:160]}")
            if page.evaluate("document.documentElement.scrollWidth") > width:
                walk.wrong.append(f"{path} scrolls sideways at {width} px")
    walk.end()


LEAVE = re.compile(
    r"log out|stop|end all sessions|pause all|pause everything|delete|revoke|change password", re.IGNORECASE
)
"""Buttons that would end the walk, or take away what the rest of it needs; they are pressed last, by name."""


PLACES_OF_BUTTONS = "main form button:not([type=button]), main form input[type=submit]"


def buttons_of(page: Page) -> list[dict[str, Any]]:
    """Return the buttons that send a form, one for each address and value, with their place on the page."""
    found: list[dict[str, Any]] = page.eval_on_selector_all(
        PLACES_OF_BUTTONS,
        """buttons => {
          const seen = new Set(), found = [];
          buttons.forEach((button, place) => {
            const sort = (button.form.getAttribute('action') || '').replace(/[0-9a-f-]{36}/g, 'id') + button.name
              + (button.getAttribute('formaction') || '') + button.value.split(':')[0];
            const label = button.getAttribute('aria-label') || button.textContent.trim();
            if (label && !seen.has(sort) && !button.disabled && button.checkVisibility()) {
              seen.add(sort);
              found.push({place, label});
            }
          });
          return found;
        }""",
    )
    return found


@pytest.mark.parametrize("scripts", [True, False], ids=["with scripts", "without scripts"])
def test_every_button_can_be_pressed(
    chromium: Browser, site: Installation, logged_in: Path, pages: dict[str, str], scripts: bool
) -> None:
    walk = Walk(chromium, site, logged_in, scripts=scripts)
    pressed: set[str] = set()
    for path in [path for sort, path in pages.items() if "?" not in sort]:
        page = walk.look_at(path)
        moved = False
        for button in buttons_of(page):
            sort = f"{kind(path)} {re.sub(r':.*', '', button['label'])}"
            if LEAVE.search(button["label"]) or LEAVE.search(path) or sort in pressed:
                continue
            pressed.add(sort)
            if moved:
                walk.go(path)
            target = page.locator(PLACES_OF_BUTTONS).nth(button["place"])
            if target.count() and target.is_visible():
                target.click()
                page.wait_for_load_state()
                moved = True
    walk.wrong = [wrong for wrong in walk.wrong if not re.search(r"(^| )(400|status of 400)", wrong)]
    walk.end()
    assert len(pressed) >= 12


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
    page.get_by_role("button", name="Take off the list: /typed/").click()
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
    page.evaluate(Axe().axe_script)
    for found in page.evaluate("axe.run(document)")["violations"]:
        if found["impact"] in ("serious", "critical"):
            walk.wrong.append(f"{found['id']} {found['nodes'][0]['html'][:160]}")
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
    expect(page.locator("#execution-said")).to_have_text("The execution is completed.")
    expect(page.locator("#execution-body")).to_contain_text('"waited": 3')
    expect(page.get_by_role("button", name="Cancel")).to_have_count(0)
    walk.end()
