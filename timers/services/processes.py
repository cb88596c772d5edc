"""Signs of life of dispatchers and clusters: the only writer of processes."""

from __future__ import annotations

import os
import socket
from datetime import datetime, timedelta
from typing import Any

from timers.models import Process

FORGET_AFTER = timedelta(hours=1)


def name_of(pid: int) -> str:
    """Return the name of a process of this machine."""
    return f"{socket.gethostname()}:{pid}"


def beat(role: str, *, pid: int | None = None, now: datetime, **details: Any) -> None:
    """Note that a process of that role is alive now."""
    Process.objects.update_or_create(
        role=role,
        name=name_of(pid or os.getpid()),
        defaults={"seen_at": now, "details": details},
        create_defaults={"seen_at": now, "started_at": now, "details": details},
    )


def seen_since(role: str, *, pid: int, since: datetime) -> bool:
    """Return whether that process of this machine gave a sign of life after `since`."""
    return Process.objects.filter(role=role, name=name_of(pid), seen_at__gt=since).exists()


def forget_old(*, now: datetime) -> None:
    """Drop the rows of processes that have long been silent."""
    Process.objects.filter(seen_at__lt=now - FORGET_AFTER).delete()
