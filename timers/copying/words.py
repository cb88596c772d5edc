"""How amounts of bytes read."""

from __future__ import annotations


def size(count: int | float) -> str:
    """Return a number of bytes in a unit that suits it."""
    value = float(count)
    for unit in ("B", "kB", "MB", "GB", "TB"):
        if value < 1000 or unit == "TB":
            break
        value /= 1000
    text = f"{value:.0f}" if unit == "B" or value >= 100 else f"{value:.1f}"
    return f"{text} {unit}"
