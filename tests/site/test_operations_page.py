"""The page for operators lists what the log may say."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
EVENT = re.compile(r'"event": "([a-z_.]+)"')


def test_the_page_lists_every_event_of_the_log_and_no_other() -> None:
    sources = [path.read_text() for room in ("timers", "timersite") for path in (ROOT / room).rglob("*.py")]
    page = (ROOT / "docs" / "operations.md").read_text()
    table = page.partition("| event |")[2].partition("\n\n")[0]

    listed = set(re.findall(r"^\| `([a-z_.]+)` \|", table, re.MULTILINE))

    assert listed == {event for source in sources for event in EVENT.findall(source)} | {"printed", "log"}
