"""Looking entries up by their paths, folder after folder: one listing or handle for each folder."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Self

from timers.copying import paths
from timers.errors import ExternalError
from timers.storages.base import Entry, Lookup, Storage


class FolderLookup:
    """Looks names up in one folder after the other; a context manager."""

    def __init__(self, storage: Storage) -> None:
        self._storage, self._folder = storage, ""
        self._find: Lookup = _nothing
        self._open = ExitStack()

    def entry(self, path: str) -> Entry | None:
        """Return the entry at a path; None when there is none."""
        return self.find(paths.parent(path), paths.name_of(path))

    def find(self, folder: str, name: str) -> Entry | None:
        """Return the entry of a folder under a name; None when there is none, or no such folder."""
        if folder != self._folder:
            self._open.close()
            self._folder, self._find = folder, self._open_lookup(folder)
        return self._find(name)

    def _open_lookup(self, folder: str) -> Lookup:
        try:
            return self._open.enter_context(self._storage.lookup(folder))
        except ExternalError as error:
            if error.reason not in {"not_found", "not_a_folder"}:
                raise
            return _nothing

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()


def _nothing(name: str) -> Entry | None:
    return None
