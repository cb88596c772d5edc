"""Pages of long lists: a marker names the last row shown, so new rows shift nothing and every page costs the same."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Generic, TypeVar
from uuid import UUID

from django.db.models import F, Model, Q, QuerySet
from django.db.models.expressions import OrderBy

from timers import clock, storable
from timers.errors import Invalid

T = TypeVar("T")
Other = TypeVar("Other")
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
        condition = Q((f"{self.path}__{lookup}", value))
        return condition | Q((f"{self.path}__isnull", True)) if self.nullable else condition

    def of(self, row: Model) -> Value:
        """Return the column's value of a row."""
        value: Any = row
        for name in self.path.split("__"):
            value = getattr(value, name)
        return value


@dataclass(frozen=True)
class Order:
    """An order of rows in which no two are equal. Its name stands in its markers, so that no other list takes them."""

    name: str
    keys: tuple[SortKey, ...]

    def sort(self, rows: QuerySet[Row]) -> QuerySet[Row]:
        """Return the rows in this order."""
        return rows.order_by(*(key.order() for key in self.keys))

    def after(self, values: Sequence[Value]) -> Q:
        """Return the condition of what comes after the row that has these values."""
        return _after(self.keys, values)

    def marker(self, row: Model) -> str:
        """Return the marker of a row."""
        return self.marker_of([key.of(row) for key in self.keys])

    def marker_of(self, values: Sequence[Value]) -> str:
        """Return the marker of the row that has these values."""
        return write_marker(self.name, *values)

    def read(self, marker: str | None) -> list[Value] | None:
        """Return the values of a marker; None when there is none, or one that this list did not give out."""
        values = read_marker(marker, [str, *((key.type, None) if key.nullable else key.type for key in self.keys)])
        return values[1:] if values is not None and values[0] == self.name else None


def newest_first(column: str) -> Order:
    """Return the order by an instant, newest first."""
    keys = (SortKey(column, datetime, descending=True), SortKey("pk", UUID, descending=True))
    return Order(f"-{column}", keys)


HISTORY_ORDER = Order(
    "-scheduled_for", (SortKey("scheduled_for", datetime, descending=True), SortKey("serial", int, descending=True))
)
"""The order of one timer's executions: that of the index which keeps occurrences unique."""


@dataclass(frozen=True)
class Page(Generic[T]):
    """Some rows of a list, and the marker of the next page if there is one."""

    rows: list[T] = field(default_factory=list)
    next_marker: str | None = None

    def __len__(self) -> int:
        return len(self.rows)

    def map(self, write: Callable[[T], Other]) -> Page[Other]:
        """Return the page with something else in place of each row."""
        return Page([write(row) for row in self.rows], self.next_marker)


def page(rows: QuerySet[Row], *, order: Order, limit: int, marker: str | None, strict: bool = False) -> Page[Row]:
    """Return one page in one query (and one for each prefetch).

    A marker that this list did not give out leads to the first page; if `strict`, it raises Invalid naming marker.
    """
    values = order.read(marker)
    if values is not None:
        rows = rows.filter(order.after(values))
    elif marker is not None and strict:
        raise Invalid({"marker": "This is no marker of this list in this order."})
    return _cut(list(order.sort(rows)[: limit + 1]), order, limit)


def page_of_parts(parts: Sequence[tuple[QuerySet[Row], Order]], *, limit: int, marker: str | None) -> Page[Row]:
    """Return one page of lists that follow each other, each in an order with a name of its own."""
    places = [order.read(marker) for _, order in parts]
    first = next((number for number, values in enumerate(places) if values is not None), 0)
    listed: list[tuple[Row, Order]] = []
    for (rows, order), values in list(zip(parts, places, strict=True))[first:]:
        remaining = rows if values is None else rows.filter(order.after(values))
        listed += [(row, order) for row in order.sort(remaining)[: limit + 1 - len(listed)]]
        if len(listed) > limit:
            last, its_order = listed[limit - 1]
            return Page([row for row, _ in listed[:limit]], its_order.marker(last))
    return Page([row for row, _ in listed])


def _cut(rows: list[Row], order: Order, limit: int) -> Page[Row]:
    return Page(rows[:limit], order.marker(rows[limit - 1]) if len(rows) > limit else None)


def _after(keys: Sequence[SortKey], values: Sequence[Value]) -> Q:
    """Return the condition in the form that lets a database begin to read at the right place of an index."""
    key, value = keys[0], values[0]
    if len(keys) == 1:
        return key.beyond(value)
    return key.from_here(value) & (key.beyond(value) | _after(keys[1:], values[1:]))


# Markers


def write_marker(*values: Value) -> str:
    """Return the place of a row in its list, as text for an address."""
    text = json.dumps([_to_json(value) for value in values], separators=(",", ":"))
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def read_marker(marker: str | None, types: Sequence[Any]) -> list[Value] | None:
    """Return the values of a marker, of these types; None when there is none, or one that nobody gave out.

    A pair of a type and None stands for a value that can be null.
    """
    if not marker:
        return None
    try:
        text = base64.b64decode(marker + "=" * (-len(marker) % 4), altchars=b"-_", validate=True)
        return [_from_json(value, kind) for value, kind in zip(json.loads(text), types, strict=True)]
    except (binascii.Error, ValueError, TypeError, OverflowError, RecursionError):
        return None


def _to_json(value: Value) -> str | int | None:
    if isinstance(value, datetime):
        return clock.to_us(value)
    return value.hex if isinstance(value, UUID) else value


def _from_json(value: Any, kind: Any) -> Value:
    """Return the value of a marker; what no marker holds raises ValueError, TypeError or OverflowError."""
    if isinstance(kind, tuple):
        return None if value is None else _from_json(value, kind[0])
    if type(value) is not {datetime: int, UUID: str}.get(kind, kind):
        raise TypeError(value)
    if isinstance(value, int) and abs(value) > MAX_INTEGER:
        raise OverflowError(value)
    if isinstance(value, str) and not storable.is_storable(value):
        raise ValueError(value)
    return clock.from_us(value) if kind is datetime else kind(value)  # type: ignore[no-any-return]
