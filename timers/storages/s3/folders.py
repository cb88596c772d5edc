"""Cache of recent facts about folders that are being filled.

One listing tells all writers of a folder whether the folder exists and which of its names are folders, so that not
every file needs its own request. Changes by others are not seen for a while, so only the absence of a name in a listing
is relied on; a folder that was listed is checked again.
"""

from __future__ import annotations

import os
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field

MAX_FOLDERS = 256
MAX_AGE_SECONDS = 300.0


@dataclass
class KnownFolders:
    """The folders inside a folder, as far as it was listed: up to the key `listed_until`, or (None) completely."""

    listed_until: str | None = None
    folders: set[str] = field(default_factory=set)
    pages: int = 0

    def covers(self, key: str) -> bool:
        """Return whether the listing would contain a folder whose marker is `key`."""
        return self.listed_until is None or key <= self.listed_until


class FolderCache:
    """Known folders, kept for MAX_AGE_SECONDS. Safe to use from many threads."""

    def __init__(self, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._known: OrderedDict[Hashable, tuple[float, KnownFolders]] = OrderedDict()
        self.forget_all()

    def get(self, folder: Hashable) -> KnownFolders | None:
        """Return the known facts about a folder, None when there are none or they are too old."""
        with self._lock:
            stored_at, known = self._known.get(folder, (0.0, None))
        return known if self._monotonic() - stored_at < MAX_AGE_SECONDS else None

    def put(self, folder: Hashable, known: KnownFolders) -> KnownFolders:
        """Store the facts about a folder, and return them."""
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
        """Forget everything.

        Also replaces the lock, which another thread may hold for ever in a process that was forked.
        """
        self._lock = threading.Lock()
        self._known.clear()


FOLDER_CACHE = FolderCache()

os.register_at_fork(after_in_child=FOLDER_CACHE.forget_all)
