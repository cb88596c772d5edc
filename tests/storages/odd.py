"""A place in memory, as odd as real ones are: it folds names, refuses some, hides kinds, forgets times, fails."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from random import Random
from typing import Any

from timers.copying import paths
from timers.storages.base import (
    Abilities,
    Entry,
    FileProperties,
    Kind,
    PartialFile,
    Permissions,
    Reader,
    Storage,
    Writer,
    fault,
)
from timers.storages.memory import PLACES, MemoryStorage, Node


@dataclass
class Oddities:
    """Oddities of a place. The sets hold paths as the place spells them."""

    folds: bool = False
    refused_characters: str = ""
    hides_kinds_of: set[str] = field(default_factory=set)
    unreadable: set[str] = field(default_factory=set)
    odd_names: dict[str, list[str]] = field(default_factory=dict)
    """Names that no path can express, by the folder that lists them."""
    forgets_times: bool = False
    drops: float = 0.0
    """Share of the operations that fail as a broken connection does."""
    random: Random = field(default_factory=lambda: Random(0))


ODDITIES: dict[str, Oddities] = {}
"""The oddities of all places, by name."""


class OddStorage(MemoryStorage):
    """A memory place with the oddities of its name."""

    kind = "odd"
    abilities = Abilities(rename=True, times=True, resume=True, links=True)

    def __init__(self, parameters: Mapping[str, Any], secrets: Mapping[str, Any]) -> None:
        super().__init__(parameters, secrets)
        self._odd = ODDITIES.setdefault(self._name, Oddities())

    def list(self, path: str) -> Iterator[Entry]:
        self._may_drop(path)
        for entry in super().list(self._spelled(path)):
            hidden = paths.join(path, entry.name) in self._odd.hides_kinds_of
            yield entry._replace(kind=Kind.UNKNOWN) if hidden else entry
        for name in self._odd.odd_names.get(path, ()):
            yield Entry(name, Kind.FILE, 1)

    def stat(self, path: str) -> Entry:
        self._may_drop(path)
        entry = super().stat(self._spelled(path))
        return entry._replace(kind=Kind.UNKNOWN) if path in self._odd.hides_kinds_of else entry

    def open(self, path: str, *, offset: int = 0) -> Reader:
        self._may_drop(path)
        if path in self._odd.unreadable:
            raise fault("permission_denied", f"Permission denied: {path}.")
        return super().open(self._spelled(path), offset=offset)

    def write(
        self,
        path: str,
        *,
        partial: str,
        resume: PartialFile | None = None,
        properties: FileProperties | None = None,
    ) -> Writer:
        self._may_drop(path)
        self._check_name(path)
        writer = super().write(self._spelled(path), partial=partial, resume=resume)
        if self._odd.forgets_times:
            commit = writer.commit

            def forgetful(*, modified_ns: int | None = None, permissions: Permissions | None = None) -> None:
                commit()
                writer.not_kept = ("times",) if modified_ns is not None else ()

            writer.commit = forgetful  # type: ignore[method-assign]
        return writer

    def mkdir(self, path: str, *, permissions: Permissions | None = None) -> bool:
        self._may_drop(path)
        self._check_name(path)
        return super().mkdir(self._spelled(path))

    def delete(self, path: str) -> None:
        self._may_drop(path)
        super().delete(self._spelled(path))

    def rename(self, source: str, target: str) -> None:
        self._may_drop(source)
        super().rename(self._spelled(source), self._spelled(target))

    def read_link(self, path: str) -> str:
        return super().read_link(self._spelled(path))

    def make_link(self, path: str, text: str) -> None:
        super().make_link(self._spelled(path), text)

    def set_attributes(
        self, path: str, *, modified_ns: int | None = None, permissions: Permissions | None = None
    ) -> Sequence[str]:
        if modified_ns is not None and not self._odd.forgets_times:
            self._nodes[self._spelled(path)].modified_ns = modified_ns
            return ()
        return ("times",) if modified_ns is not None else ()

    def _spelled(self, path: str) -> str:
        return path.lower() if self._odd.folds else path

    def _check_name(self, path: str) -> None:
        if set(paths.name_of(path)) & set(self._odd.refused_characters):
            raise fault("bad_name", f"The destination does not accept the name: {path}.")

    def _may_drop(self, path: str) -> None:
        if self._odd.drops and self._odd.random.random() < self._odd.drops:
            raise fault("connection_error", f"{path}: the connection was lost.")


def put(place: str, files: Mapping[str, bytes | None], *, modified_ns: int = 1_600_000_000_000_000_000) -> None:
    """Make files in a place; None makes an empty folder. Folders above them are made."""
    storage = OddStorage({"name": place}, {})
    with steady(place):
        for path, content in files.items():
            storage.mkdir(path if content is None else paths.parent(path))
            if content is not None:
                storage._nodes[storage._spelled(path)] = Node(bytearray(content), modified_ns=modified_ns)


def held(place: str) -> dict[str, bytes | None]:
    """Return everything in a place: files with their content, folders as None."""
    nodes = PLACES[place]
    return {path: None if node.content is None else bytes(node.content) for path, node in nodes.items() if path != "/"}


@contextmanager
def steady(place: str) -> Iterator[None]:
    """Keep a place from failing meanwhile."""
    odd = ODDITIES.setdefault(place, Oddities())
    drops, odd.drops = odd.drops, 0.0
    try:
        yield
    finally:
        odd.drops = drops


def storage_of(place: str) -> Storage:
    """Return the place opened."""
    return OddStorage({"name": place}, {})
