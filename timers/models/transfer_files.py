"""Rows of a transfer's files, written by the thousand: the two statements that the model layer would make too slow."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple
from uuid import UUID

from django.db import connection

from timers.models import rows


class NewFile(NamedTuple):
    """A row to be inserted; instants as stored (microseconds)."""

    item: int
    parent: int | None
    step: str
    source_path: str
    destination_path: str
    size: int = 0
    modified_us: int | None = None
    state: str = "pending"
    unlisted: bool = False
    level: str | None = None
    error_message: str | None = None
    failure_reason: str | None = None


class DoneFile(NamedTuple):
    """How a file ended well."""

    id: int
    size: int
    modified_us: int | None
    level: str
    checksum: str | None


_TABLE = "timers_transferfile"
_COLUMNS = (
    "transfer_id, bytes_done, faults, item, parent, step, source_path, destination_path, size, modified_at, state, "
    "unlisted, level, error_message, failure_reason"
)


def insert(transfer_id: UUID, files: Sequence[NewFile]) -> None:
    """Insert rows in their order; they get rising ids."""
    if not files:
        return
    with connection.cursor() as cursor:
        if rows.on_postgresql():
            with cursor.copy(f"copy {_TABLE} ({_COLUMNS}) from stdin") as copy:
                for each in files:
                    copy.write_row((transfer_id, 0, 0, *each))
        else:
            key = transfer_id.hex
            cursor.executemany(_INSERT_ONE, [(key, *each) for each in files])


def mark_done(files: Sequence[DoneFile], *, finished_us: int) -> None:
    """Record files as copied: their final size, time, level and digest."""
    if files:
        rows.change(_mark_done(), [finished_us, *rows.rows(files)])


_INSERT_ONE = f"insert into {_TABLE} ({_COLUMNS}) values (%s, 0, 0, {', '.join(['%s'] * len(NewFile._fields))})"


def _mark_done() -> str:
    given = rows.table("v", id="bigint", size="bigint", modified_at="bigint", level="text", checksum="text")
    return f"""
        update {_TABLE} as t
        set state = 'done', step = 'copy', size = v.size, bytes_done = v.size, modified_at = v.modified_at,
            level = v.level, checksum = v.checksum, part = null, retry_at = null, error_message = null,
            failure_reason = null, finished_at = %s
        from {given}
        where t.id = v.id
    """
