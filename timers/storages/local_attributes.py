"""Times and modes of this machine's files and folders, where the disk keeps them."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path

_SAFE_SECONDS = range(1 << 31)
"""Seconds since 1970 that every disk can hold; of others it is looked whether they were kept."""


def set_attributes(fd: int, *, modified_ns: int | None, mode: int | None, exact: bool = False) -> Sequence[str]:
    """Set modification time and mode of an open file or folder; return what the disk did not keep.

    Disks without modes, such as FAT, refuse them: that is told only where they are to be kept `exact`.
    """
    not_kept = []
    if modified_ns is not None and not _set_time(fd, modified_ns):
        not_kept.append("times")
    if mode is not None and not _set_mode(fd, mode) and exact:
        not_kept.append("mode")
    return not_kept


@cache
def umask() -> int:
    """Return the file mode creation mask of this process."""
    with suppress(OSError):
        for line in Path("/proc/self/status").read_text(encoding="ascii", errors="replace").splitlines():
            if line.startswith("Umask:"):
                return int(line.split()[1], 8)
    mask = os.umask(0o077)
    os.umask(mask)
    return mask


def _set_time(fd: int, modified_ns: int) -> bool:
    try:
        os.utime(fd, ns=(modified_ns, modified_ns))
    except (OSError, OverflowError):
        return False
    return modified_ns // 1_000_000_000 in _SAFE_SECONDS or os.fstat(fd).st_mtime_ns == modified_ns


def _set_mode(fd: int, mode: int) -> bool:
    try:
        os.fchmod(fd, mode)
    except OSError:
        return False
    return True
