"""Rows of single files: members that leave a bundle, rows with a fault, and the time of their next attempt."""

from __future__ import annotations

import random
from datetime import datetime, timedelta

from timers.clock import to_us
from timers.scheduling import backoff
from timers.services.transfers.progress import Fault, FileRow, NewFile

BACKOFF_BASE_SECONDS = 5.0


MAX_BACKOFF_SECONDS = 300.0


def standalone_row(row: FileRow) -> NewFile:
    """Return a row of its own for a former member of a bundle."""
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
    """Return a new row that records a fault."""
    return row._replace(error_message=fault.text, failure_reason=fault.code)


def next_retry_at(faults: int, *, now: datetime) -> datetime:
    """Return the instant of the next attempt after `faults` faults in a row."""
    seconds = backoff.delay(faults, base=BACKOFF_BASE_SECONDS, cap=MAX_BACKOFF_SECONDS, random=random.random())
    return now + timedelta(seconds=seconds)
