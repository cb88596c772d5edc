"""A browser on its way through the pages: what it complained about, what axe finds, and which buttons there are."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, BrowserContext, Page

from tests.acceptance.running import Installation

WIDE, NARROW, HEIGHT = 1280, 360, 900
AXE = Axe().axe_script
OPTIONS: dict[str, Any] = {"resultTypes": ["violations"], "preload": False}
LOOKS = ((WIDE, "light"), (NARROW, "dark"))
OTHER_LOOKS = ((WIDE, "dark"), (NARROW, "light"))
"""Together all widths and themes: a page is seen in the first with scripts, and in the others without."""
WIDTHS = (360, 430, 561, 640, 721, 861, 941, 1001, 1101, 1181, 1600)
"""Those just beyond which the layout changes, and some between."""
UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
BUTTONS = "button, input[type=submit]"
FIND_BUTTONS = """buttons => {
  const seen = new Set(), found = [];
  buttons.forEach((button, place) => {
    const form = button.form;
    const address = form ? button.getAttribute('formaction') || form.getAttribute('action') || '' : 'no form';
    const label = (button.getAttribute('aria-label') || button.textContent || button.value).trim();
    const sort = [address.replace(/[0-9a-f-]{36}/g, 'id'), button.name, button.value.split(':')[0], form ? '' : label];
    if (!label || seen.has(sort.join()) || button.disabled || !button.checkVisibility()) return;
    seen.add(sort.join());
    found.push({place, label, everywhere: !button.closest('main')});
  });
  return found;
}"""

OVERHANGS = """() => [...document.querySelectorAll('main .card *')].filter(each => {
  const cell = each.parentElement.closest('td, .card'), box = each.getBoundingClientRect();
  const edge = cell.getBoundingClientRect(), slack = cell.matches('td') ? 4 : 1;
  if (!box.width || each.closest('svg') || box.right <= edge.right + 1 && box.left >= edge.left - slack) return false;
  for (let above = each.parentElement; above !== cell.parentElement; above = above.parentElement)
    if (getComputedStyle(above).overflowX !== 'visible') return false;
  return true;
}).slice(0, 3).map(each => each.outerHTML.slice(0, 120))"""
"""What hangs out of its cell or its card and cannot be scrolled to."""


class Walk:
    """A browser with the cookies of somebody who logged in; it notes what no page should do."""

    def __init__(self, chromium: Browser, site: Installation, state: Path, *, scripts: bool = True) -> None:
        self.context: BrowserContext = chromium.new_context(
            storage_state=state,
            java_script_enabled=scripts,
            viewport={"width": WIDE, "height": HEIGHT},
            timezone_id="Europe/Berlin",
            reduced_motion="reduce",
            permissions=["clipboard-write"],
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

    def empty_scripts(self) -> None:
        """Let every script be empty: pages are as without scripts, and axe, which needs them, can still look."""
        self.context.route(re.compile(r"/static/.*\.js"), lambda route: route.fulfill(body=""))

    def go(self, path: str) -> Page:
        self.page.goto(self.site.base_url + path, wait_until="domcontentloaded")
        return self.page

    def look_at(self, path: str, looks: tuple[tuple[int, Any], ...] = ()) -> Page:
        """Open a page and note what is wrong with its heading and, look by look, what axe finds or does not fit."""
        page = self.go(path)
        if page.locator("h1").count() != 1:
            self._note(f"{path} has {page.locator('h1').count()} headings of the first rank")
        if looks:
            page.evaluate(AXE)
        for width, scheme in looks:
            page.set_viewport_size({"width": width, "height": HEIGHT})
            page.emulate_media(color_scheme=scheme)
            self.check(f"{path} {width} {scheme}")
            self._note_sideways(path, width)
        return page

    def fit(self, path: str) -> None:
        """Open a page and note at which widths something hangs out of its card, or the page scrolls sideways."""
        page = self.go(path)
        for width in WIDTHS:
            page.set_viewport_size({"width": width, "height": HEIGHT})
            if hanging := page.evaluate(OVERHANGS):
                self._note(f"{path} at {width} px: {hanging}")
            self._note_sideways(path, width)

    def _note_sideways(self, path: str, width: int) -> None:
        if self.page.evaluate("document.documentElement.scrollWidth") > width:
            self._note(f"{path} scrolls sideways at {width} px")

    def check(self, where: str) -> None:
        """Note what axe finds serious in the page as it is."""
        for found in self.page.evaluate("options => axe.run(document, options)", OPTIONS)["violations"]:
            if found["impact"] in ("serious", "critical"):
                self._note(f"{where}: {found['id']} {found['nodes'][0]['html'][:160]}")

    def links(self) -> list[str]:
        """Return the paths that this page's links, and buttons that only lead somewhere, have inside the site."""
        found = self.page.eval_on_selector_all(
            "a[href], form[method=get]:not(:has([name]))", "links => links.map(link => link.href || link.action)"
        )
        parts = [urlsplit(url) for url in found if url.startswith(self.site.base_url)]
        return [part.path + (f"?{part.query}" if part.query else "") for part in parts]

    def buttons(self) -> list[dict[str, Any]]:
        """Return the visible buttons, one of each sort: its place among all, its label, whether all pages have it."""
        found: list[dict[str, Any]] = self.page.eval_on_selector_all(BUTTONS, FIND_BUTTONS)
        return found

    def end(self) -> None:
        self.context.close()
        assert not self.wrong, "\n".join(self.wrong)


def kind(path: str) -> str:
    """Return what stands for all pages of one sort: two timers have the same, and so have two filters of a list."""
    parts = urlsplit(path)
    names = ",".join(sorted(pair.partition("=")[0] for pair in parts.query.split("&") if pair))
    return re.sub(r"/\d+/", "/n/", UUID.sub("id", parts.path)) + (f"?{names}" if names else "")
