"""Hand-written SQL in both dialects: transactions that take turns, and how statements reach the database."""

from __future__ import annotations

import fcntl
import os
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import UUID

from django.db import InterfaceError, OperationalError, connection, transaction


def on_postgresql() -> bool:
    return connection.vendor == "postgresql"


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

    Writers of one SQLite file find it locked and sleep for up to 100 ms before they try again. Those that take turns
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


class _OpenFolder:
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
        _turns.folder = _OpenFolder(Path(name).parent)
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
