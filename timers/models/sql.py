"""Many rows as one parameter of hand-written SQL, in both dialects.

Identifiers are 32 hex characters in both.
"""

from __future__ import annotations

import fcntl
import json
import os
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any
from uuid import UUID

from django.db import InterfaceError, OperationalError, connection, transaction


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
    if vendor == "postgresql":  # a third of the time that an array per column takes
        parts = ", ".join(f"(value->>{index})::{kind} as {name}" for index, (name, kind) in enumerate(columns))
        return f"(select {parts} from jsonb_array_elements(%s::jsonb)) as {alias}"
    parts = ", ".join(f"json_extract(value, '$[{index}]') as {name}" for index, (name, _) in enumerate(columns))
    return f"(select {parts} from json_each(%s)) as {alias}"


def rows(values: Sequence[Sequence[Any]]) -> list[Any]:
    """Return rows as the parameters of `table`."""
    return [json.dumps(values)]


def locked(how: str) -> str:
    """Return the locking clause where there are row locks; an SQLite transaction has the whole file."""
    return f" for {how}" if on_postgresql() else ""


def as_uuid(value: UUID | str) -> UUID:
    """Return what a column of identifiers holds, as raw SQL reads it, as UUID."""
    return value if isinstance(value, UUID) else UUID(hex=value)


def as_hex(value: UUID | str) -> str:
    """Return what a column of identifiers holds, as raw SQL reads it, as 32 hex characters."""
    return value.hex if isinstance(value, UUID) else value


@contextmanager
def turn() -> Iterator[None]:
    """A transaction of a process that writes all the time.

    Writers of one SQLite file find it locked and sleep for up to 100 ms before they look again. Those that take turns
    by a lock on its folder are woken at once. Within another transaction it is a part of that one.
    """
    descriptor = None if connection.in_atomic_block else _folder()
    if descriptor is None:
        with transaction.atomic():
            yield
        return
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    try:
        with transaction.atomic():
            yield
    finally:
        fcntl.flock(descriptor, fcntl.LOCK_UN)


@contextmanager
def alone(number: int) -> Iterator[None]:
    """Let processes that use the same number do something one after the other, over several transactions.

    An SQLite file belongs to one machine, which does such things once.
    """
    if not on_postgresql():
        yield
        return
    fetch("select pg_advisory_lock(%s)", [number])
    try:
        yield
    finally:
        fetch("select pg_advisory_unlock(%s)", [number])


_turns = threading.local()


class _Folder:
    """An open folder; closed when the thread that keeps it ends."""

    def __init__(self, path: Path) -> None:
        self.descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)

    def __del__(self) -> None:
        os.close(self.descriptor)


def _folder() -> int | None:
    """Return this thread's descriptor of the SQLite file's folder; None where there is no such file."""
    name = str(connection.settings_dict["NAME"])
    if on_postgresql() or ":memory:" in name or "mode=memory" in name:
        return None
    if getattr(_turns, "key", None) != (os.getpid(), name):  # a descriptor from before a fork is the parent's lock
        _turns.key = (os.getpid(), name)
        _turns.folder = _Folder(Path(name).parent)
    return int(_turns.folder.descriptor)


def fetch(sql: str, parameters: Sequence[Any] | Mapping[str, Any] = ()) -> list[tuple[Any, ...]]:
    """Carry out one statement and return the rows that it answers with."""
    with connection.cursor() as cursor:
        cursor.execute(sql, parameters)
        return cursor.fetchall()


def ask(sql: str, parameters: Sequence[Any] | Mapping[str, Any] = ()) -> list[tuple[Any, ...]]:
    """Return the rows that a lone question answers with, for what is asked many times a second.

    PostgreSQL plans it once for each connection. It spares the question whether the connection is still there: one
    that is not is replaced, and asked once more.
    """
    put = _fetch_prepared if on_postgresql() else fetch
    connection.health_check_done = True  # type: ignore[attr-defined]
    try:
        return put(sql, parameters)
    except (OperationalError, InterfaceError):
        if connection.in_atomic_block:
            raise
        connection.close()
        return put(sql, parameters)


def _fetch_prepared(sql: str, parameters: Sequence[Any] | Mapping[str, Any]) -> list[tuple[Any, ...]]:
    import psycopg  # noqa: PLC0415  an SQLite process does without its 40 ms

    connection.ensure_connection()
    with connection.wrap_database_errors:
        return psycopg.Cursor(connection.connection).execute(sql, parameters, prepare=True).fetchall()


def change(sql: str, parameters: Sequence[Any] | Mapping[str, Any] = ()) -> int:
    """Carry out one statement and return how many rows it changed."""
    with connection.cursor() as cursor:
        cursor.execute(sql, parameters)
        return cursor.rowcount
