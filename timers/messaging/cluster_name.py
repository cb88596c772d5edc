"""The name of the cluster that this process belongs to."""

from __future__ import annotations

import os
from functools import lru_cache

import psutil

from timers.process_name import process_name


def name() -> str:
    """Return the name of this process's cluster: that of the parent of the sentinel that started it."""
    return _name(os.getpid())


@lru_cache(maxsize=2)
def _name(pid: int) -> str:
    return process_name(psutil.Process(os.getppid()).ppid())
