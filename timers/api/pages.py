"""Marker paging: a marker names the last row shown, so inserted rows shift nothing and every page costs the same."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Generic, TypeVar
from uuid import UUID

from django.db.models import F, Model, Q, QuerySet
from django.db.models.expressions import OrderBy

from timers import clock
from timers.errors import Invalid

Row = TypeVar("Row", bound=Model)
Value = datetime | UUID | str | int | None

MAX_INTEGER = 2**63 - 1


@dataclass(frozen=True)
class SortKey:
    """One column of an order. `path` is that of a lookup; only the first column may hold null, which comes last."""

    path: str
    type: type
    descending: bool = False
    nullable: bool = False

    def order(self) -> OrderBy:
        column = F(self.path)
        nulls_last = True if self.nullable else None
        return column.desc(nulls_last=nulls_last) if self.descending else column.asc(nulls_last=nulls_last)

    def beyond(self, value: Value) -> Q:
        """Return what lies strictly after the value in this order."""
        if value is None:
            return Q(pk__in=[])
        return self._compare("lt" if self.descending else "gt", value)

    def from_here(self, value: Value) -> Q:
        """Return what lies at or after the value in this order."""
        if value is None:
            return Q((f"{self.path}__isnull", True))
        return self._compare("lte" if self.descending else "gte", value)

    def _compare(self, lookup: str, value: Value) -> Q:
        found = Q((f"{self.path}__{lookup}", value))
        return found | Q((f"{self.path}__isnull", True)) if self.nullable else found

    def of(self, row: Model) -> Value:
        """Return the column's value of a row."""
        value: Any = row
        for name in self.path.split("__"):
            value = getattr(value, name)
        return value


@dataclass(frozen=True)
class Order:
    """An order of rows in which no two are equal. Its name is what callers say."""

    name: str
    keys: tuple[SortKey, ...]

    def after(self, values: Sequence[Value]) -> Q:
        """Return what comes after the row that has these values."""
        return _after(self.keys, values)


@dataclass(frozen=True)
class Page(Generic[Row]):
    """Some rows, and the marker of the page that follows, if there is one."""

    rows: list[Row] = field(default_factory=list)
    marker: str | None = None


def page(rows: QuerySet[Row], *, order: Order, limit: int, marker: str | None) -> Page[Row]:
    """Return one page in one query (and one for each prefetch). Raises Invalid naming marker."""
    if marker is not None:
        rows = rows.filter(order.after(_read(marker, order)))
    found = list(rows.order_by(*(key.order() for key in order.keys))[: limit + 1])
    return Page(found[:limit], _write(found[limit - 1], order) if len(found) > limit else None)


def _after(keys: Sequence[SortKey], values: Sequence[Value]) -> Q:
    """Return the condition in the form that lets a database begin to read at the right place of an index."""
    key, value = keys[0], values[0]
    if len(keys) == 1:
        return key.beyond(value)
    return key.from_here(value) & (key.beyond(value) | _after(keys[1:], values[1:]))


def _write(row: Model, order: Order) -> str:
    values = [_to_json(key.of(row)) for key in order.keys]
    text = json.dumps([order.name, *values], separators=(",", ":"))
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def _read(marker: str, order: Order) -> list[Value]:
    try:
        name, *values = json.loads(base64.b64decode(marker + "=" * (-len(marker) % 4), altchars=b"-_", validate=True))
        if name != order.name or len(values) != len(order.keys):
            raise ValueError(name)
        return [_from_json(value, key) for value, key in zip(values, order.keys, strict=True)]
    except (binascii.Error, ValueError, TypeError, OverflowError, RecursionError):
        raise Invalid({"marker": "This is no marker of this list in this order."}) from None


def _to_json(value: Value) -> str | int | None:
    if isinstance(value, datetime):
        return clock.to_us(value)
    return value.hex if isinstance(value, UUID) else value


def _from_json(value: Any, key: SortKey) -> Value:
    """Return the value of a column; what no marker holds raises ValueError, TypeError or OverflowError."""
    if value is None and key.nullable:
        return None
    written_as = {datetime: int, UUID: str}.get(key.type, key.type)
    if type(value) is not written_as:
        raise TypeError(value)
    if isinstance(value, int) and abs(value) > MAX_INTEGER:
        raise OverflowError(value)
    if isinstance(value, str) and ("\0" in value or _has_surrogate(value)):
        raise ValueError(value)
    if isinstance(value, int) and key.type is datetime:
        return clock.from_us(value)
    return key.type(value)


def _has_surrogate(text: str) -> bool:
    return any("\ud800" <= character <= "\udfff" for character in text)
