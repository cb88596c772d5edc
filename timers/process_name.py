"""Names of processes, the same in signs of life, leases and logs."""

from __future__ import annotations

import os
import socket


def process_name(pid: int | None = None) -> str:
    """Return what a process of this machine, by default this one, is called in signs of life and leases."""
    return f"{socket.gethostname()[:40]}:{pid or os.getpid()}"
