"""Rows of single files: those that leave a bundle, those that met a fault, and when such are tried again."""

from __future__ import annotations

import random
from datetime import datetime, timedelta

from timers.clock import to_us
from timers.scheduling import backoff
from timers.services.transfers.progress import Fault, NewFile, Todo

BACKOFF_BASE_SECONDS = 5.0


MAX_BACKOFF_SECONDS = 300.0


def alone(row: Todo) -> NewFile:
    """Return a row of its own for what was the member of a pack."""
    return NewFile(
        item=row.item,
        parent=row.parent,
        step=row.step,
        source_path=row.source_path,
        destination_path=row.destination_path,
        size=row.size,
        modified_us=None if row.modified_at is None else to_us(row.modified_at),
        level=row.level,
        verdict=row.verdict,
    )


def with_fault(row: NewFile, fault: Fault) -> NewFile:
    """Return a new row that says what went wrong."""
    return row._replace(error_message=fault.text, failure_reason=fault.code)


def again_at(faults: int, *, now: datetime) -> datetime:
    """Return when something that failed so many times in a row is tried again."""
    seconds = backoff.delay(faults, base=BACKOFF_BASE_SECONDS, cap=MAX_BACKOFF_SECONDS, random=random.random())
    return now + timedelta(seconds=seconds)
