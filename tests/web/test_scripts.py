"""A real browser uses the pages of timers: with and without scripts, by pointer and by keyboard."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from django.db import DEFAULT_DB_ALIAS, connections
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from tests.browser.chromium import executable
from tests.factories import make_webhook_timer
from timers import clock
from timers.models import Collection
from timers.services.timers import commands as service

PASSWORD = "correct horse battery"


@pytest.fixture(autouse=True)
def still_clock() -> None:
    """Here time goes on."""


@pytest.fixture
def chromium(database: str, transactional_db: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[Browser]:
    """A browser of this machine."""
    if database != "sqlite":
        pytest.skip("What a browser does depends on no database; it is tried on SQLite.")
    monkeypatch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "true")  # Playwright keeps an event loop in the thread of the tests
    with sync_playwright() as playwright:
        options = ["--no-sandbox", "--disable-gpu", "--disable-quic"]
        yield playwright.chromium.launch(executable_path=executable(), args=options)
        # inside the loop Django has a connection of its own, which must not outlive the database it points at
        connections[DEFAULT_DB_ALIAS].close()
        del connections[DEFAULT_DB_ALIAS]


class Problems(list[str]):
    """What the browser complained about."""

    def listen(self, page: Page) -> None:
        page.on(
            "console",
            lambda message: (
                self.append(f"{page.url}: {message.text} {message.location}") if message.type == "error" else None
            ),
        )
        page.on("pageerror", lambda error: self.append(f"{page.url}: {error}"))


def open_page(context: BrowserContext, problems: Problems) -> Page:
    page = context.new_page()
    page.set_default_timeout(8000)
    problems.listen(page)
    return page


def log_in(page: Page, address: str) -> None:
    page.goto(f"{address}/login/")
    page.get_by_label("Username").fill("owner")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Log in").click()
    expect(page.get_by_role("heading", name="Timers", exact=True)).to_be_visible()


def create_webhook(page: Page, name: str) -> None:
    page.get_by_role("link", name="New timer").first.click()
    page.get_by_role("radio", name="Webhook").check()
    page.get_by_label("Name", exact=True).fill(name)
    page.get_by_label("URL", exact=True).fill("https://hooks.example.org/timers")
    page.get_by_role("radio", name="Cron").check()
    page.get_by_label("Cron expression").fill("0 0 9 ? * MON")
    page.get_by_label("Time zone").select_option("Europe/Berlin")
    page.get_by_role("button", name="Create timer").click()
    expect(page.get_by_role("heading", name=name, exact=True)).to_be_visible()


def test_a_day_with_timers(
    chromium: Browser, live_server: Any, owner: Any, places: tuple[Collection, Collection]
) -> None:
    context = chromium.new_context(timezone_id="Europe/Berlin", viewport={"width": 1280, "height": 900})
    problems = Problems()
    page = open_page(context, problems)
    log_in(page, live_server.url)

    create_webhook(page, "Tell the hook")
    expect(page.get_by_text("Every Monday at 09:00").first).to_be_visible()

    page.get_by_role("link", name="Timers, home").click()
    page.get_by_role("link", name="New timer").first.click()
    page.get_by_label("Name", exact=True).fill("Nightly copy")
    page.get_by_label("From").select_option(label="raw")
    page.get_by_label("To", exact=True).select_option(label="archive")
    page.get_by_label("Source path").first.fill("/home/")
    page.get_by_label("Destination path").first.fill("/copy/")
    page.get_by_label("Interval").fill("2")
    expect(page.locator("#preview")).to_contain_text("Every 2 hours")
    page.get_by_role("button", name="Create timer").click()
    expect(page.get_by_role("heading", name="Nightly copy")).to_be_visible()

    page.get_by_role("link", name="Timers", exact=True).first.click()
    rows = page.locator("#list tbody tr")
    expect(rows).to_have_count(2)
    page.get_by_role("searchbox").press_sequentially("hook")
    expect(rows).to_have_count(1)
    assert "q=hook" in page.url

    page.get_by_role("button", name="Pause: Tell the hook").click()
    expect(page.get_by_role("button", name="Resume: Tell the hook")).to_be_visible()
    expect(page.get_by_role("status").first).to_contain_text("Tell the hook is paused.")
    page.get_by_role("button", name="Resume: Tell the hook").click()
    expect(page.get_by_role("button", name="Pause: Tell the hook")).to_be_visible()
    expect(page.get_by_role("status").first).to_contain_text("Tell the hook is active again.")
    page.get_by_role("button", name="Run now: Tell the hook").click()
    expect(page.get_by_role("status").first).to_contain_text("Tell the hook runs now.")

    page.get_by_role("link", name="Tell the hook").click()
    expect(page.locator("#executions tbody tr")).to_have_count(1)
    page.get_by_role("button", name="Pause").click()
    expect(page.get_by_role("button", name="Resume")).to_be_visible()
    page.get_by_role("button", name="Resume").click()
    page.get_by_role("button", name="Run now").click()
    page.get_by_role("link", name="Edit").click()
    page.get_by_label("Name", exact=True).fill("Told the hook")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("heading", name="Told the hook")).to_be_visible()

    page.get_by_role("button", name="Delete").click()
    expect(page.get_by_role("heading", name="Delete Told the hook?")).to_be_visible()
    page.get_by_role("button", name="Delete").click()
    expect(page.locator("#list tbody tr")).to_have_count(1)
    assert problems == []
    context.close()


def test_errors_are_announced_and_lead_to_their_fields(chromium: Browser, live_server: Any, owner: Any) -> None:
    context = chromium.new_context()
    problems = Problems()
    page = open_page(context, problems)
    log_in(page, live_server.url)
    page.goto(f"{live_server.url}/timers/new/")
    page.get_by_role("radio", name="Webhook").check()
    page.get_by_label("URL", exact=True).fill("http://10.0.0.5/")
    page.get_by_role("button", name="Create timer").click()

    alert = page.get_by_role("alert").filter(has_text="The timer was not created.")
    expect(alert).to_be_focused()
    alert.get_by_role("link", name=re.compile("URL")).click()
    expect(page.get_by_label("URL", exact=True)).to_be_focused()
    expect(page.get_by_label("URL", exact=True)).to_have_attribute("aria-invalid", "true")
    assert problems == []
    context.close()


def test_lists_refresh_themselves(chromium: Browser, live_server: Any, owner: Any) -> None:
    timer = make_webhook_timer(owner, now=clock.now())
    context = chromium.new_context(viewport={"width": 1280, "height": 900})
    problems = Problems()
    page = open_page(context, problems)
    log_in(page, live_server.url)
    expect(page.locator("#list .badge")).to_have_text("active")

    service.pause(timer, by=owner, now=clock.now(), reason="from elsewhere")

    expect(page.locator("#list .badge")).to_have_text("paused", timeout=9000)
    assert problems == []
    context.close()


def test_everything_works_without_scripts(chromium: Browser, live_server: Any, owner: Any) -> None:
    context = chromium.new_context(java_script_enabled=False, viewport={"width": 360, "height": 740})
    page = open_page(context, Problems())
    log_in(page, live_server.url)
    create_webhook(page, "Without scripts")

    page.get_by_role("button", name="Snooze").click()
    page.get_by_label("until tomorrow morning").check()
    page.get_by_label("Reason").fill("cabling")
    page.get_by_role("button", name="Pause it").click()
    expect(page.locator("#timer-why")).to_contain_text("Paused by owner")
    expect(page.locator("#timer-why")).to_contain_text("cabling")
    page.goto(live_server.url)
    page.get_by_role("searchbox").fill("nothing like it")
    page.get_by_role("button", name="Filter").click()
    expect(page.get_by_text("No timer matches.")).to_be_visible()
    page.get_by_role("link", name="Show all timers").click()
    page.get_by_role("button", name="Resume: Without scripts").click()
    page.get_by_role("button", name="Run now: Without scripts").click()
    expect(page.get_by_text("Without scripts runs now.")).to_be_visible()
    page.get_by_role("button", name="Menu").click()
    page.get_by_role("link", name="Activity").click()
    expect(page.get_by_role("heading", name="Activity")).to_be_visible()
    page.get_by_role("link", name=re.compile("Details: Without scripts")).click()
    page.get_by_role("button", name="Cancel").click()
    expect(page.locator("#execution")).to_contain_text("cancelled")
    context.close()


def test_the_list_is_used_by_keyboard_and_many_at_once(chromium: Browser, live_server: Any, owner: Any) -> None:
    now = clock.now()
    for name in ("alpha", "beta", "gamma"):
        make_webhook_timer(owner, now=now, name=name)
    context = chromium.new_context(viewport={"width": 1280, "height": 900})
    problems = Problems()
    page = open_page(context, problems)
    log_in(page, live_server.url)
    press = page.keyboard.press

    page.goto(f"{live_server.url}/?order=name")
    press("j")
    expect(page.get_by_role("link", name="alpha", exact=True).last).to_be_focused()
    press("x")
    press("j")
    press("x")
    expect(page.locator("#bulk")).to_be_visible()
    page.get_by_label("Tag", exact=True).last.fill("team:ops")
    press("j")  # a letter in a field is a letter
    expect(page.locator("#bulk [name=tag]")).to_have_value("team:opsj")
    page.get_by_role("button", name="Add tag").click()
    expect(page.locator("#bulk-result")).to_contain_text("Add tag: 2 done")
    expect(page.locator("#list")).to_contain_text("team:opsj")
    expect(page.locator("#bulk")).to_be_hidden()

    page.get_by_label("Select all on this page").check()
    page.locator("#bulk").get_by_role("button", name="Delete").click()
    page.get_by_label("Number of timers").fill("2")
    page.locator("#bulk-result").get_by_role("button", name="Delete 3 timers").click()
    expect(page.locator("#bulk-result").get_by_role("alert")).to_contain_text("Nothing was deleted.")

    page.goto(f"{live_server.url}/?order=name")
    press("j")
    press("p")
    expect(page.get_by_role("button", name="Resume: alpha")).to_be_visible()
    expect(page.locator("#list a.name").first).to_be_focused()

    press("?")
    expect(page.get_by_role("dialog", name="Keyboard")).to_be_visible()
    press("Escape")
    press("Control+k")
    page.get_by_role("textbox", name="Search").fill("run gam")
    expect(page.locator("#found")).to_contain_text("Run now: gamma")
    press("Enter")
    expect(page.get_by_role("heading", name="gamma", exact=True)).to_be_visible()
    expect(page.get_by_role("status").first).to_contain_text("gamma runs now.")

    press("g")
    press("k")
    expect(page.get_by_role("heading", name="Tokens and client keys")).to_be_visible()
    press("c")
    page.wait_for_url("**/timers/new/")
    page.goto(f"{live_server.url}/account/")
    page.get_by_label("Keyboard shortcuts").uncheck()
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_role("status").first).to_contain_text("Saved.")
    press("c")
    press("g")
    press("t")
    expect(page.get_by_role("heading", name="Account")).to_be_visible()

    assert problems == []
    context.close()
