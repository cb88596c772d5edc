"""Pages of long lists: each goes on after the last row of the one before, so a deep page costs what the first does."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from django.db.models import Q

T = TypeVar("T")


@dataclass(frozen=True)
class Page(Generic[T]):
    """Some rows of a list, and the marker of the next page if there is one."""

    rows: list[T]
    next_marker: str | None = None

    def __len__(self) -> int:
        return len(self.rows)


def write_marker(*values: Any) -> str:
    """Return the place of a row in its order, as text for an address."""
    text = json.dumps(
        [str(value) if hasattr(value, "hex") and not isinstance(value, float) else value for value in values]
    )
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def read_marker(marker: str | None, length: int) -> list[Any] | None:
    """Return the values of a marker; None when there is none, or one that nobody gave out."""
    if not marker:
        return None
    try:
        values = json.loads(base64.urlsafe_b64decode(marker + "=" * (-len(marker) % 4)))
    except (ValueError, binascii.Error):
        return None
    plain = isinstance(values, list) and all(isinstance(value, str | int | float) for value in values)
    return values if plain and len(values) == length else None


def after(order: Sequence[str], values: Sequence[Any]) -> Q:
    """Return the condition of rows that come after those values in that order ("-name" for falling ones)."""
    names = [name.removeprefix("-") for name in order]
    condition = Q(pk__in=[])
    for index, name in enumerate(names):
        same = dict(zip(names[:index], values[:index], strict=True))
        verb = "lt" if order[index].startswith("-") else "gt"
        condition |= Q(**same, **{f"{name}__{verb}": values[index]})
    verb = "lte" if order[0].startswith("-") else "gte"
    return Q(**{f"{names[0]}__{verb}": values[0]}) & condition  # so that an index is entered at the place
