"""Takes the pictures of the README: `python -m tests.screenshots` starts a service with the demo and photographs it.

The pictures are written to docs/screenshots/. It takes about a minute and needs Chromium.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from playwright.sync_api import Page, sync_playwright

from tests.acceptance.running import ROOT, Installation
from tests.browser import chromium
from tests.browser.site import ARCHIVE, INSTRUMENT, PASSWORD, USERNAME, running_site

FOLDER = ROOT / "docs" / "screenshots"
LARGEST = 200_000
WIDE, NARROW = (1280, 860), (360, 740)


@dataclass(frozen=True)
class Picture:
    """One picture: its file, the way to the page, and how it looks."""

    name: str
    reach: Callable[[Page, Installation], None]
    scheme: Any = "light"
    size: tuple[int, int] = WIDE


def _open(path: str) -> Callable[[Page, Installation], None]:
    return lambda page, site: _visit(page, site, path)


def _visit(page: Page, site: Installation, path: str) -> None:
    page.goto(site.base_url + path)


def _follow(path: str, link: str) -> Callable[[Page, Installation], None]:
    """Return the way over a list: to the first link to such a page."""

    def reach(page: Page, site: Installation) -> None:
        _visit(page, site, path)
        page.locator(f"main {link}").first.click()
        page.wait_for_load_state()

    return reach


def _new_timer(page: Page, site: Installation) -> None:
    """Fill in the form: a weekly copy, picked from the file browser."""
    _visit(page, site, "/timers/new/")
    page.get_by_label("Name", exact=True).fill("Weekly copy to the archive")
    page.get_by_label("Tags").fill("prod, backup")
    for label, collection, side in (("From", INSTRUMENT, "source"), ("To", ARCHIVE, "destination")):
        page.get_by_label(label, exact=True).select_option(collection)
        page.locator(f"#{side}-browser .browse").wait_for()
    page.get_by_role("button", name="Add runs").click()
    page.get_by_text("/runs/ will be copied").wait_for()
    page.get_by_role("radio", name="Cron").check()
    page.get_by_label("Cron expression").fill("0 0 9 ? * MON")
    page.get_by_label("Time zone").select_option("America/New_York")
    page.locator("#preview").get_by_text("Every Monday").wait_for()
    page.evaluate("document.activeElement.blur(); scrollTo(0, 0)")


PICTURES = (
    Picture("timers", _open("/")),
    Picture("timers-dark", _open("/"), scheme="dark"),
    Picture("timer", _follow("/?q=last+hour", "a.name")),
    Picture("new-timer", _new_timer),
    Picture("execution-dark", _follow("/activity/?q=Invoice", "a[href^='/executions/']"), scheme="dark"),
    Picture("dry-run", _follow("/transfers/", "tr:has-text('dry run') a.name")),
    Picture("activity", _open("/activity/")),
    Picture("timers-narrow", _open("/"), size=NARROW),
)


def main() -> int:
    """Take all pictures; return 1 when one of them is too large."""
    parser = argparse.ArgumentParser(prog="python -m tests.screenshots", description=__doc__)
    parser.add_argument("--seconds", type=float, default=40, help="how long the demo runs before it is photographed")
    options = parser.parse_args()
    browser_path = chromium.found()
    if browser_path is None:
        print("Chromium is needed: apt-get install chromium", file=sys.stderr)
        return 1
    FOLDER.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, running_site(Path(folder)) as site, sync_playwright() as playwright:
        time.sleep(options.seconds)
        browser = playwright.chromium.launch(executable_path=browser_path, args=["--no-sandbox", "--disable-gpu"])
        sizes = [_take(browser, site, picture) for picture in PICTURES]
    return 1 if max(sizes) > LARGEST else 0


def _take(browser: Any, site: Installation, picture: Picture) -> int:
    """Write one picture; return its size in bytes."""
    width, height = picture.size
    context = browser.new_context(
        viewport={"width": width, "height": height},
        color_scheme=picture.scheme,
        timezone_id="Europe/Berlin",
        reduced_motion="reduce",
    )
    page = context.new_page()
    _visit(page, site, "/login/")
    page.get_by_label("Username").fill(USERNAME)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Log in").click()
    page.wait_for_load_state()
    picture.reach(page, site)
    page.wait_for_timeout(400)
    path = FOLDER / f"{picture.name}.png"
    page.screenshot(path=path)
    context.close()
    print(f"{path.relative_to(ROOT)}: {path.stat().st_size // 1000} kB")
    return path.stat().st_size


if __name__ == "__main__":
    raise SystemExit(main())
