"""One way to extend: a table from a kind's name to the class that carries it out."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module
from typing import Generic, TypeVar

from timers.errors import UnknownKind

T = TypeVar("T")


class Registry(Generic[T]):
    """Maps names to classes or dotted paths; a path is imported on first use."""

    def __init__(self, what: str) -> None:
        self.what = what
        self._entries: dict[str, type[T] | str] = {}

    def register(self, kind: str, entry: type[T] | str) -> None:
        """Add an entry; raises ValueError when the name is taken by another one."""
        if self._entries.get(kind, entry) != entry:
            raise ValueError(f"{self.what} {kind!r} is registered twice: {self._entries[kind]!r} and {entry!r}.")
        self._entries[kind] = entry

    def get(self, kind: str) -> type[T]:
        """Return the class for `kind`; raises UnknownKind naming the known ones."""
        entry = self._entries.get(kind) if isinstance(kind, str) else None
        if entry is None:
            raise UnknownKind(self.what, kind, self._entries)
        if isinstance(entry, str):
            module, _, name = entry.rpartition(".")
            entry = getattr(import_module(module), name)
            self._entries[kind] = entry
        return entry  # type: ignore[return-value]

    def items(self) -> Iterator[tuple[str, type[T]]]:
        """Yield every kind with its class, in the order of registration."""
        for kind in tuple(self._entries):
            yield kind, self.get(kind)

    def __contains__(self, kind: object) -> bool:
        return isinstance(kind, str) and kind in self._entries

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)
