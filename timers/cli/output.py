"""What commands print: records and tables for people, the answers as they are for programs."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

NONE = "-"


def as_json(document: Any) -> None:
    """Print a document for programs."""
    print(json.dumps(document, indent=2, ensure_ascii=False))


def records(found: Sequence[Mapping[str, Any]]) -> None:
    """Print the names and values of each, one under the other."""
    for number, record in enumerate(found):
        if number:
            print()
        width = max(len(name) for name in record) + 1
        for name, value in record.items():
            print(f"{name + ':':<{width}} {clean(value)}".rstrip())


def table(rows: Sequence[Mapping[str, Any]], empty: str) -> None:
    """Print rows under their names, or a sentence when there are none."""
    if not rows:
        print(empty)
        return
    names = list(rows[0])
    cells = [[clean(row[name]) for name in names] for row in rows]
    widths = [max(len(line[at]) for line in [names, *cells]) for at in range(len(names))]
    print(" | ".join(name.ljust(width) for name, width in zip(names, widths, strict=True)).rstrip())
    print("-+-".join("-" * width for width in widths))
    for line in cells:
        print(" | ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())


def clean(value: Any) -> str:
    """Return a value on one line, without anything that a terminal would obey."""
    if value is None or value == "":
        return NONE
    return "".join(sign if sign.isprintable() else "�" for sign in str(value))


def local(text: str | None) -> str | None:
    """Return an instant in this machine's zone, to the second."""
    return None if text is None else datetime.fromisoformat(text).astimezone().strftime("%Y-%m-%d %H:%M:%S %z")


def span(seconds: float | None) -> str | None:
    """Return a span for people."""
    return None if seconds is None else str(timedelta(seconds=seconds))


def complain(text: str) -> None:
    """Say what went wrong, where it does not mix with the output."""
    print(text, file=sys.stderr)
