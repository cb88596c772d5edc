"""Many rows as one parameter of hand-written SQL, in both dialects.

PostgreSQL takes one array per column, SQLite one JSON text. Identifiers are 32 hex characters in both.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any
from uuid import UUID

from django.db import connection


def on_postgresql() -> bool:
    return connection.vendor == "postgresql"


def among(column: str, kind: str = "uuid") -> str:
    """Return the condition that the column is one of the values of the parameter, which `listed` makes."""
    return f"{column} = any(%s::{kind}[])" if on_postgresql() else f"{column} in (select value from json_each(%s))"


def listed(values: Iterable[Any]) -> Any:
    """Return values (UUIDs as hex) as the one parameter of `among`."""
    return list(values) if on_postgresql() else json.dumps(list(values))


def table(alias: str, **columns: str) -> str:
    """Return a table of the given rows for a FROM clause; `columns` maps names to PostgreSQL types."""
    return _table(connection.vendor, alias, tuple(columns.items()))


@lru_cache(maxsize=64)
def _table(vendor: str, alias: str, columns: tuple[tuple[str, str], ...]) -> str:
    if vendor == "postgresql":
        arrays = ", ".join(f"%s::{kind}[]" for _, kind in columns)
        return f"unnest({arrays}) as {alias}({', '.join(name for name, _ in columns)})"
    parts = ", ".join(f"json_extract(value, '$[{index}]') as {name}" for index, (name, _) in enumerate(columns))
    return f"(select {parts} from json_each(%s)) as {alias}"


def rows(values: Sequence[Sequence[Any]]) -> list[Any]:
    """Return rows (not none at all) as the parameters of `table`."""
    return [list(column) for column in zip(*values, strict=True)] if on_postgresql() else [json.dumps(values)]


def locked(how: str) -> str:
    """Return the locking clause where there are row locks; an SQLite transaction has the whole file."""
    return f" for {how}" if on_postgresql() else ""


def as_uuid(value: UUID | str) -> UUID:
    """Return what a column of identifiers holds, as raw SQL reads it, as UUID."""
    return value if isinstance(value, UUID) else UUID(hex=value)


def as_hex(value: UUID | str) -> str:
    """Return what a column of identifiers holds, as raw SQL reads it, as 32 hex characters."""
    return value.hex if isinstance(value, UUID) else value


def fetch(sql: str, parameters: Sequence[Any] | Mapping[str, Any] = ()) -> list[tuple[Any, ...]]:
    """Carry out one statement and return the rows that it answers with."""
    with connection.cursor() as cursor:
        cursor.execute(sql, parameters)
        return cursor.fetchall()


def change(sql: str, parameters: Sequence[Any] | Mapping[str, Any] = ()) -> int:
    """Carry out one statement and return how many rows it changed."""
    with connection.cursor() as cursor:
        cursor.execute(sql, parameters)
        return cursor.rowcount
