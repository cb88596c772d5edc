"""One running service, one browser, and somebody who has logged in, for all tests of a file."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect, sync_playwright

from tests.acceptance.running import Installation
from tests.browser.chromium import executable
from tests.browser.site import PASSWORD, USERNAME, running_site


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    executable()
    with running_site(tmp_path_factory.mktemp("site")) as site:
        yield site


@pytest.fixture(scope="module")
def chromium(site: Installation) -> Iterator[Browser]:
    with sync_playwright() as playwright:
        yield playwright.chromium.launch(executable_path=executable(), args=["--no-sandbox", "--disable-gpu"])


@pytest.fixture(scope="module")
def logged_in(chromium: Browser, site: Installation, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The cookies of somebody who has logged in."""
    context = chromium.new_context(timezone_id="Europe/Berlin")
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
