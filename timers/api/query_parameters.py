"""Reading query parameters; every function raises Invalid with the parameter's name, nothing else."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import datetime
from uuid import UUID

from django.db.models import QuerySet
from django.http import QueryDict

from timers import validation
from timers.errors import Invalid
from timers.queries.paging import Order, Page, Row
from timers.queries.paging import page as read_page

MAX_ROWS = 1_000
DEFAULT_ROWS = 50
MAX_TEXT_LENGTH = 255


def limit(query: QueryDict, *, usual: int = DEFAULT_ROWS, most: int = MAX_ROWS) -> int:
    """Return how many rows are wanted at most."""
    text = query.get("limit", "")
    return whole(text, "limit", most=most) if text else usual


def whole(text: str, name: str, *, most: int) -> int:
    """Return a whole number from 1 on."""
    number = int(text) if text.isascii() and text.isdigit() and len(text) <= 9 else 0
    if not 1 <= number <= most:
        raise Invalid({name: f"Give a whole number from 1 to {most:,}."})
    return number


def marker(query: QueryDict) -> str | None:
    """Return the marker of the page that is wanted, None for the first one."""
    return query.get("marker") or None


def page(query: QueryDict, rows: QuerySet[Row], order: Order) -> Page[Row]:
    """Return the page of a list that is asked for."""
    return read_page(rows, order=order, limit=limit(query), marker=marker(query), strict=True)


def order(query: QueryDict, orders: Iterable[Order]) -> Order:
    """Return the order that is wanted; the first one when none is named."""
    known = {order.name: order for order in orders}
    return known[one_of(query.get("order") or next(iter(known)), "order", known)]


def one_of(text: str, name: str, known: Collection[str]) -> str:
    """Return the text when it is known."""
    if text not in known:
        raise Invalid({name: f"{text[:MAX_TEXT_LENGTH]!r} is not known; choose from {', '.join(known)}."})
    return text


def words(query: QueryDict, name: str, known: Collection[str]) -> list[str]:
    """Return the words of a comma list, given once or repeatedly; an empty list when there is none."""
    parts = [part.strip() for text in query.getlist(name) for part in text.split(",")]
    return [one_of(part, name, known) for part in parts if part]


def tags(query: QueryDict) -> list[tuple[str, str | None]]:
    """Return the tags that a row must all have, as key and value; the value is None when any will do."""
    return [_tag(text) for text in query.getlist("tag")]


def _tag(text: str) -> tuple[str, str | None]:
    key, colon, value = text.partition(":")
    if not key or len(text) > 2 * MAX_TEXT_LENGTH + 1:
        raise Invalid({"tag": "Give key or key:value."})
    return key, value if colon else None


def text(query: QueryDict, name: str) -> str:
    """Return a short text; an empty one when there is none."""
    value = query.get(name, "").strip()
    if len(value) > MAX_TEXT_LENGTH:
        raise Invalid({name: f"At most {MAX_TEXT_LENGTH} characters."})
    return value


def flag(query: QueryDict, name: str) -> bool:
    """Return true or false; absent means false."""
    return one_of(query.get(name) or "false", name, ("true", "false")) == "true"


def instant(query: QueryDict, name: str) -> datetime | None:
    """Return an instant in UTC. A blank after the date stands for the plus sign that it was before it was decoded."""
    value = query.get(name, "").strip()
    return validation.instant_of_query(value, name) if value else None


def uuid(query: QueryDict, name: str) -> UUID | None:
    """Return an id."""
    value = query.get(name)
    identifier = validation.uuid(value) if value else None
    if value and identifier is None:
        raise Invalid({name: "This is no UUID."})
    return identifier
