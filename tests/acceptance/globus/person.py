"""Somebody with a browser: logs in, agrees to what an app asks for, and reads the code from the page."""

from __future__ import annotations

import html
import re

import requests

FORM = re.compile(r'<form[^>]*method="post"[^>]*>(.*?)</form>', re.DOTALL)
HIDDEN = re.compile(r'<input type="hidden" name="([^"]*)" value="([^"]*)"')
CODE = re.compile(r'id="auth-code">([^<]+)<')


class Person:
    """One person and their browser, which stays logged in."""

    def __init__(self, username: str, password: str) -> None:
        self.username = username
        self.password = password
        self.browser = requests.Session()
        self.agreed = 0

    def agree(self, url: str) -> str:
        """Return where the browser is sent after the person logged in, if asked, and allowed what an app wants."""
        page = self.browser.get(url, timeout=20)
        if 'name="password"' in page.text:
            page = self._send(page, username=self.username, password=self.password)
        answer = self._send(page, follow=False, allow="yes")
        self.agreed += 1
        return answer.headers["Location"]

    def code(self, url: str) -> str:
        """Return the code that the page shows in the end."""
        shown = CODE.search(self.browser.get(self.agree(url), timeout=20).text)
        assert shown is not None
        return shown[1]

    def _send(self, page: requests.Response, *, follow: bool = True, **fields: str) -> requests.Response:
        form = FORM.search(page.text)
        assert form is not None, page.text[-1000:]
        hidden = {html.unescape(name): html.unescape(value) for name, value in HIDDEN.findall(form[1])}
        return self.browser.post(
            page.url, data={**hidden, **fields}, headers={"Referer": page.url}, allow_redirects=follow, timeout=20
        )
