"""Signs of life of dispatchers and clusters, and how far this machine's clock is from the database's."""

from __future__ import annotations

import os
import socket
import time
from datetime import datetime, timedelta
from typing import Any

from timers import clock
from timers.models import Process, rows

DISPATCHER = "dispatcher"
CLUSTER = "cluster"

GONE_AFTER = timedelta(minutes=5)


def name(pid: int | None = None) -> str:
    """Return what a process of this machine, by default this one, is called in signs of life and leases."""
    return f"{socket.gethostname()[:40]}:{pid or os.getpid()}"


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
    """Return what to add to this machine's time to have the database's; nothing for SQLite, which has no other."""
    if not rows.on_postgresql():
        return timedelta()
    begun = time.monotonic()
    before = clock.now()
    database_us = rows.fetch("select (extract(epoch from clock_timestamp()) * 1000000)::bigint")[0][0]
    halfway = before + timedelta(seconds=(time.monotonic() - begun) / 2)
    return clock.from_us(database_us) - halfway
