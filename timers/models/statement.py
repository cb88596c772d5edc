"""Hand-written statements, each spelled once for both databases."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from typing import Any, Generic, NamedTuple, TypeVar
from uuid import UUID

from django.db import connection

from timers.models import sql

Row = TypeVar("Row", bound=tuple[Any, ...])


class RowId(NamedTuple):
    """A row that a statement has found or changed."""

    id: UUID | str


class TimerId(NamedTuple):
    """The timer of a row that a statement has found or changed."""

    timer_id: UUID | str


class Statement(Generic[Row]):
    """A statement in both dialects; `returns` is the NamedTuple of the rows that it answers with.

    Parameters have names: `%(now)s`. Braces hold what the two databases spell differently:

    - `{ids[e.id]}`: the column is one of the parameter `ids`, a list of identifiers (as hex, or as they were read);
    - `{narrow[e.id]}`: the same, but only where PostgreSQL would read a whole table without it;
    - `{rows[key uuid, number integer]}`: a table `v` of these columns that holds the parameter `rows`;
    - `{locked[update skip locked]}`: a locking clause (an SQLite transaction has the whole file);
    - `{greatest}`: the function that returns the greatest of its arguments.
    """

    def __init__(self, text: str, *, returns: type[Row] | None = None) -> None:
        self._texts = {vendor: text.format_map(spelling) for vendor, spelling in _SPELLINGS.items()}
        self._returns = returns

    def fetch(self, **parameters: Any) -> list[Row]:
        """Carry it out and return the rows that it answers with."""
        vendor = connection.vendor
        rows = sql.fetch(self._texts[vendor], _bound(parameters, vendor))
        assert self._returns is not None
        return [tuple.__new__(self._returns, row) for row in rows]  # a third of the time that the class itself takes

    def change(self, **parameters: Any) -> int:
        """Carry it out and return how many rows it changed."""
        vendor = connection.vendor
        return sql.change(self._texts[vendor], _bound(parameters, vendor))


def _bound(parameters: dict[str, Any], vendor: str) -> dict[str, Any]:
    """Return parameters as the database takes them: lists as JSON, but a list of identifiers in PostgreSQL."""
    if "rows" in parameters:
        parameters["rows"] = json.dumps(parameters["rows"])
    if "ids" in parameters and vendor == "sqlite":
        parameters["ids"] = json.dumps(parameters["ids"])
    return parameters


class _Phrase(dict[str, str]):
    """A phrase with a gap, by what fills the gap."""

    def __init__(self, spell: Callable[[str], str]) -> None:
        super().__init__()
        self._spell = spell

    def __missing__(self, filling: str) -> str:
        return self._spell(filling)


def _table(columns: str, *, value: str, source: str) -> str:
    """Return a table of rows in JSON; `value` spells one of its values, `source` where they come from."""
    pairs = [column.split() for column in columns.split(",")]
    parts = [f"{value.format(index=index, kind=kind)} as {name}" for index, (name, kind) in enumerate(pairs)]
    return f"(select {', '.join(parts)} from {source}) as v"


_AMONG = _Phrase("{} = any(%(ids)s::uuid[])".format)

_SPELLINGS: dict[str, dict[str, Any]] = {
    "postgresql": {
        "ids": _AMONG,
        "narrow": _AMONG,
        # one JSON document takes a third of the time that an array per column does
        "rows": _Phrase(
            partial(_table, value="(value->>{index})::{kind}", source="jsonb_array_elements(%(rows)s::jsonb)")
        ),
        "locked": _Phrase(" for {}".format),
        "greatest": "greatest",
    },
    "sqlite": {
        "ids": _Phrase("{} in (select value from json_each(%(ids)s))".format),
        "narrow": _Phrase("true".format),
        "rows": _Phrase(partial(_table, value="json_extract(value, '$[{index}]')", source="json_each(%(rows)s)")),
        "locked": _Phrase("".format),
        "greatest": "max",
    },
}
