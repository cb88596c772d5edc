"""What this process has found out of late about folders that are being filled.

Nobody asks before each file whether its folder is there and whether a folder has its name: one listing answers that for
all, to all who fill that folder at a time. What others do meanwhile is not seen for a while, so only what a listing did
not show is believed; a folder that it did show is looked for again.
"""

from __future__ import annotations

import os
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field

MAX_FOLDERS = 256
SECONDS = 300.0


@dataclass
class KnownFolders:
    """The folders in a folder, as far as it was listed: up to a key, or (None) all of it."""

    upto: str | None = None
    folders: set[str] = field(default_factory=set)
    pages: int = 0

    def covers(self, key: str) -> bool:
        """Return whether a folder whose marker is `key` would have been seen."""
        return self.upto is None or key <= self.upto


class Folders:
    """What is known of folders, for a while. Safe to use from many threads."""

    def __init__(self, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._known: OrderedDict[Hashable, tuple[float, KnownFolders]] = OrderedDict()
        self.forget_all()

    def get(self, folder: Hashable) -> KnownFolders | None:
        """Return what is known of a folder, None when that is nothing or too old."""
        with self._lock:
            since, known = self._known.get(folder, (0.0, None))
        return known if self._monotonic() - since < SECONDS else None

    def put(self, folder: Hashable, known: KnownFolders) -> KnownFolders:
        """Keep what was just found out, and return it."""
        with self._lock:
            self._known[folder] = (self._monotonic(), known)
            self._known.move_to_end(folder)
            while len(self._known) > MAX_FOLDERS:
                self._known.popitem(last=False)
        return known

    def forget(self, folder: Hashable) -> None:
        """Forget a folder that was changed in another way than by filling it."""
        with self._lock:
            self._known.pop(folder, None)

    def forget_all(self) -> None:
        """Forget everything; in a process that was forked, where somebody may hold the lock for ever."""
        self._lock = threading.Lock()
        self._known.clear()


FOLDERS = Folders()

os.register_at_fork(after_in_child=FOLDERS.forget_all)
