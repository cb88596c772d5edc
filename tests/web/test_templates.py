"""How the templates are written."""

from __future__ import annotations

import re
from pathlib import Path

TEMPLATES = Path(__file__).resolve().parents[2] / "templates"
MAX_LINE_LENGTH = 120
_PATH_DATA = re.compile(r' d="[^"]*"')


def test_no_line_of_a_template_is_longer_than_120_characters_but_for_paths() -> None:
    long_lines = [
        f"{path.relative_to(TEMPLATES)}:{number}"
        for path in TEMPLATES.rglob("*.html")
        for number, line in enumerate(path.read_text().splitlines(), start=1)
        if len(_PATH_DATA.sub("", line)) > MAX_LINE_LENGTH
    ]

    assert not long_lines, f"Break these lines: {', '.join(long_lines)}"


def test_every_form_that_posts_carries_its_token() -> None:
    bare = [
        str(path.relative_to(TEMPLATES))
        for path in TEMPLATES.rglob("*.html")
        if len(re.findall(r'<form[^>]*method="post"', path.read_text()))
        > len(re.findall(r"{% csrf_token %}", path.read_text()))
    ]

    assert not bare
