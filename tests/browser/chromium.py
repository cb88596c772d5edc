"""The browser of this machine."""

from __future__ import annotations

import os
import shutil

import pytest

NAMES = ("chromium", "chromium-browser", "google-chrome")


def found() -> str | None:
    """Return where Chromium is, None when it is not installed."""
    return next(filter(None, map(shutil.which, NAMES)), None)


def executable() -> str:
    """Return where Chromium is; without one the test is skipped, or fails where CI asks for all tests."""
    path = found()
    if path is None and os.environ.get("CI"):
        pytest.fail("The browser tests need Chromium: apt-get install chromium")
    if path is None:
        pytest.skip("No Chromium on this machine; the browser tests need one: apt-get install chromium")
    return path
