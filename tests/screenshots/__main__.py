"""Takes the pictures of the README: `python -m tests.screenshots` starts a service with the demo and photographs it.

The pictures are written to docs/screenshots/. It takes about two minutes and needs Chromium.
"""

from __future__ import annotations

import argparse
import os
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
LONG, LOOK = "Images of the night", "Campaign, looked at first"
IMAGES, IMAGE_SIZE, PER_SECOND = 12, 2_000_000, 350_000
"""So many images of so many bytes at so many bytes a second: the copy is under way when it is photographed."""


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
    Picture("transfer", _follow("/transfers/", f"tr:has-text('{LONG}') a.name")),
    Picture("dry-run", _follow("/transfers/", f"tr:has-text('{LOOK}') a.name")),
    Picture("activity", _open("/activity/")),
    Picture("collection-dark", _open(f"/collections/{INSTRUMENT}/?path=/campaign/"), scheme="dark"),
    Picture("workflow-run", _follow("/workflows/", "a[href^='/workflow-runs/']")),
    Picture("timers-narrow", _open("/"), size=NARROW),
)


def _make_transfers(site: Installation) -> None:
    """Start a copy that takes long, and look at one that would add, change, delete and leave files alone."""
    instrument, archive = (site.folder / "data" / "collections" / f"demo-{name}" for name in ("instrument", "archive"))
    for number in range(IMAGES):
        _write(instrument / "images" / f"detector-{number:02}.h5", os.urandom(IMAGE_SIZE))
    for number in range(60):
        _write(instrument / "campaign" / f"run-{number:03}.csv", b"second,kelvin\n0,4.21\n" * (number + 1))
    for number in range(12, 60):
        lines = number + 1 if number > 20 else number
        _write(archive / "home" / "campaign" / f"run-{number:03}.csv", b"second,kelvin\n0,4.21\n" * lines)
    for number in range(9):
        _write(archive / "home" / "campaign" / f"draft-{number}.csv", b"kelvin\n" * 40)
    places = {"source_endpoint": INSTRUMENT, "destination_endpoint": ARCHIVE, "sync_level": "checksum"}
    for label, folder, more in (
        (LONG, "images", {"max_bytes_per_second": PER_SECOND}),
        (LOOK, "campaign", {"dry_run": True, "delete_destination_extra": True}),
    ):
        items = [{"source_path": f"/{folder}/", "destination_path": f"/home/{folder}/", "recursive": True}]
        site.call("POST", "/transfers", {**places, "label": label, "DATA": items, **more})


def _write(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


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
    with (
        tempfile.TemporaryDirectory(prefix="timers-") as folder,
        running_site(Path(folder)) as site,
        sync_playwright() as playwright,
    ):
        _make_transfers(site)
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
