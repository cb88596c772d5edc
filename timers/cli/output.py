"""Output of the commands: records and tables for people, JSON for programs."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

EMPTY_CELL = "-"


def print_json(document: Any) -> None:
    """Print a document as JSON."""
    print(json.dumps(document, indent=2, ensure_ascii=False))


def print_records(records: Sequence[Mapping[str, Any]]) -> None:
    """Print each record as lines of name and value, with an empty line between records."""
    for number, record in enumerate(records):
        if number:
            print()
        width = max(len(name) for name in record) + 1
        for name, value in record.items():
            print(f"{name + ':':<{width}} {clean(value)}".rstrip())


def print_table(rows: Sequence[Mapping[str, Any]], empty: str) -> None:
    """Print rows as a table with the column names above, or `empty` when there are none."""
    if not rows:
        print(empty)
        return
    names = list(rows[0])
    cells = [[clean(row[name]) for name in names] for row in rows]
    widths = [max(len(line[column]) for line in [names, *cells]) for column in range(len(names))]
    print(" | ".join(name.ljust(width) for name, width in zip(names, widths, strict=True)).rstrip())
    print("-+-".join("-" * width for width in widths))
    for line in cells:
        print(" | ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())


def clean(value: Any) -> str:
    """Return a value as one line of text, without the control characters that a terminal would obey."""
    if value is None or value == "":
        return EMPTY_CELL
    return "".join(character if character.isprintable() else "�" for character in str(value))


def local_time(text: str | None) -> str | None:
    """Return an instant in this machine's time zone, to the second."""
    return None if text is None else datetime.fromisoformat(text).astimezone().strftime("%Y-%m-%d %H:%M:%S %z")


def duration(seconds: float | None) -> str | None:
    """Return a duration for people."""
    return None if seconds is None else str(timedelta(seconds=seconds))


def print_error(text: str) -> None:
    """Print an error to stderr, so that it does not mix with the output."""
    print(text, file=sys.stderr)
