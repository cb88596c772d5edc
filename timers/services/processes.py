"""Signs of life of dispatchers and clusters, and how far this machine's clock is from the database's."""

from __future__ import annotations

import time
from datetime import datetime, timedelta
from typing import Any

from timers import clock
from timers.models import Process, sql

DISPATCHER = "dispatcher"
CLUSTER = "cluster"

LOOKS = 5
"""How often the database's clock is looked at to know how far ours is from it."""

GONE_AFTER = timedelta(minutes=5)


def beat(role: str, process: str, *, now: datetime, **details: Any) -> None:
    """Note that a process is alive."""
    changed = Process.objects.filter(role=role, name=process).update(seen_at=now, details=details)
    if not changed:
        Process.objects.update_or_create(
            role=role,
            name=process,
            defaults={"seen_at": now, "details": details},
            create_defaults={"seen_at": now, "details": details, "started_at": now},
        )


def seen_since(role: str, process: str, *, since: datetime) -> bool:
    """Return whether that process gave a sign of life after `since`."""
    return Process.objects.filter(role=role, name=process, seen_at__gt=since).exists()


def leave(role: str, process: str) -> None:
    """Note that a process has ended in good order."""
    Process.objects.filter(role=role, name=process).delete()


def prune(*, now: datetime) -> int:
    """Forget processes that have not been heard of for some minutes; return how many."""
    return Process.objects.filter(seen_at__lt=now - GONE_AFTER).delete()[0]


def clock_offset() -> timedelta:
    """Return what to add to this machine's time to have the database's; nothing for SQLite, which has no other.

    Of some looks the quickest one counts. A difference that its own duration explains is none: who starts things
    exactly on time must not be led astray by a busy moment.
    """
    if not sql.on_postgresql():
        return timedelta()
    duration, offset = min(_look_at_clock() for _ in range(LOOKS))
    return offset if abs(offset) > duration / 2 else timedelta()


def _look_at_clock() -> tuple[timedelta, timedelta]:
    """Return how long it took to ask the database for its time, and how far that was from ours halfway."""
    before, begun = clock.now(), time.monotonic()
    database_us = sql.fetch("select (extract(epoch from clock_timestamp()) * 1000000)::bigint")[0][0]
    duration = timedelta(seconds=time.monotonic() - begun)
    return duration, clock.from_us(database_us) - (before + duration / 2)
