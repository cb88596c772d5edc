"""Rows of a transfer's files, written by the thousand: the statements that the model layer would make too slow."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple
from uuid import UUID

from django.db import connection

from timers.models import sql
from timers.models.statement import Statement


class NewFile(NamedTuple):
    """A row to be inserted; instants as stored (microseconds). With `members` it is a pack."""

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
    verdict: str | None = None
    there_size: int | None = None
    there_modified_us: int | None = None
    number: int = 1
    members: str | None = None
    verified: str | None = None
    checksum: str | None = None
    part: str | None = None
    bytes_done: int = 0
    faults: int = 0
    retry_us: int | None = None
    finished_us: int | None = None
    error_message: str | None = None
    failure_reason: str | None = None
    waits_for: str | None = None
    tolerated: bool = False
    mode: int | None = None


class DoneFile(NamedTuple):
    """Successful end of a file."""

    id: int
    size: int
    modified_us: int | None
    verified: str
    checksum: str | None


class ChangedBundle(NamedTuple):
    """Change of a bundle's row: all of it in a new state, or the members that are left."""

    id: int
    state: str
    step: str
    verdict: str | None
    verified: str | None
    number: int
    size: int
    members: str
    finished_us: int | None


_TABLE = "timers_transferfile"
_COLUMNS = (
    "transfer_id, item, parent, step, source_path, destination_path, size, modified_at, state, unlisted, level, "
    "verdict, there_size, there_modified_at, count, members, verified, checksum, part, bytes_done, faults, retry_at, "
    "finished_at, error_message, failure_reason, waits_for, tolerated, mode"
)


def insert(transfer_id: UUID, files: Sequence[NewFile]) -> None:
    """Insert rows in their order; they get rising ids."""
    if not files:
        return
    with connection.cursor() as cursor:
        if sql.on_postgresql():
            with cursor.copy(f"copy {_TABLE} ({_COLUMNS}) from stdin") as copy:
                for file in files:
                    copy.write_row((transfer_id, *file))
        else:
            key = transfer_id.hex
            cursor.executemany(_INSERT_ONE, [(key, *file) for file in files])


def mark_done(files: Sequence[DoneFile], *, finished_us: int) -> None:
    """Record files as copied: their final size, time, how that was checked, and digest."""
    if files:
        _MARK_DONE.change(finished_us=finished_us, rows=files)


def change_bundles(bundles: Sequence[ChangedBundle]) -> None:
    """Record the changes of bundles."""
    if bundles:
        with connection.cursor() as cursor:
            cursor.executemany(_CHANGE_BUNDLE, [(*bundle[1:], bundle.id) for bundle in bundles])


_INSERT_ONE = f"insert into {_TABLE} ({_COLUMNS}) values (%s, {', '.join(['%s'] * len(NewFile._fields))})"

_CHANGE_BUNDLE = f"""
    update {_TABLE}
    set state = %s, step = %s, verdict = %s, verified = %s, count = %s, size = %s, members = %s,
        finished_at = coalesce(%s, finished_at)
    where id = %s
"""

_MARK_DONE = Statement[Any](
    f"""
    update {_TABLE} as t
    set state = 'done', step = 'copy', size = v.size, bytes_done = v.size, modified_at = v.modified_at,
        verified = v.verified, checksum = v.checksum, part = null, retry_at = null, error_message = null,
        failure_reason = null, finished_at = %(finished_us)s
    from {{rows[id bigint, size bigint, modified_at bigint, verified text, checksum text]}}
    where t.id = v.id
    """,
)
