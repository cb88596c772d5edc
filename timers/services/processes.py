"""Heartbeats of dispatchers and clusters, and the offset between this machine's clock and the database's."""

from __future__ import annotations

import time
from datetime import datetime, timedelta
from typing import Any

from timers import clock
from timers.models import Process, sql

DISPATCHER = "dispatcher"
CLUSTER = "cluster"

CLOCK_SAMPLES = 5
"""Number of times the database's clock is read to determine the offset."""

FORGOTTEN_AFTER = timedelta(minutes=5)


def record_heartbeat(role: str, process: str, *, now: datetime, **details: Any) -> None:
    """Record the heartbeat of a process."""
    changed = Process.objects.filter(role=role, name=process).update(seen_at=now, details=details)
    if not changed:
        Process.objects.update_or_create(
            role=role,
            name=process,
            defaults={"seen_at": now, "details": details},
            create_defaults={"seen_at": now, "details": details, "started_at": now},
        )


def seen_since(role: str, process: str, *, since: datetime) -> bool:
    """Return whether the process had a heartbeat after `since`."""
    return Process.objects.filter(role=role, name=process, seen_at__gt=since).exists()


def unregister(role: str, process: str) -> None:
    """Delete the row of a process that ends in good order."""
    Process.objects.filter(role=role, name=process).delete()


def prune(*, now: datetime) -> int:
    """Delete the rows of processes without a heartbeat for some minutes; return their number."""
    return Process.objects.filter(seen_at__lt=now - FORGOTTEN_AFTER).delete()[0]


def clock_offset() -> timedelta:
    """Return the offset to add to this machine's time to get the database's; zero for SQLite, which has no own clock.

    The quickest of CLOCK_SAMPLES reads counts. A difference smaller than half its duration counts as zero, so that a
    busy moment does not shift the start of executions.
    """
    if not sql.on_postgresql():
        return timedelta()
    duration, offset = min(_sample_clock() for _ in range(CLOCK_SAMPLES))
    return offset if abs(offset) > duration / 2 else timedelta()


def _sample_clock() -> tuple[timedelta, timedelta]:
    """Return the duration of a read of the database's clock, and its difference from our time halfway."""
    before, begun = clock.now(), time.monotonic()
    database_us = sql.fetch("select (extract(epoch from clock_timestamp()) * 1000000)::bigint")[0][0]
    duration = timedelta(seconds=time.monotonic() - begun)
    return duration, clock.from_us(database_us) - (before + duration / 2)
