"""A folder of a collection, opened to be shown: on the collection's page and where paths are picked."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from timers.copying import paths
from timers.copying.plan import Kind
from timers.errors import TimersError
from timers.models import Collection
from timers.services import collections as service


@dataclass(frozen=True)
class Crumb:
    """One folder on the way to the one that is open."""

    name: str
    path: str


@dataclass(frozen=True)
class Item:
    """One thing in a folder."""

    name: str
    kind: str
    path: str
    size: int
    modified: datetime | None

    @property
    def folder(self) -> bool:
        return self.kind == Kind.DIR

    @property
    def file(self) -> bool:
        return self.kind == Kind.FILE


@dataclass(frozen=True)
class Opened:
    """A folder that was opened, with folders first; `problem` says why it cannot be shown, `more` that it was cut."""

    path: str
    items: list[Item] = field(default_factory=list)
    more: bool = False
    problem: str = ""

    @property
    def crumbs(self) -> list[Crumb]:
        names = paths.parts(self.path)
        return [Crumb(name, "/" + "/".join(names[: i + 1]) + "/") for i, name in enumerate(names)]

    @property
    def above(self) -> str:
        """The folder around this one; empty at the root."""
        return paths.parent(self.path.rstrip("/")) if self.path.strip("/") else ""

    @property
    def bytes(self) -> int:
        return sum(item.size for item in self.items if item.file)


def open_folder(collection: Collection, path: str | None, *, limit: int) -> Opened:
    """Return the folder that was meant, its default one without a path, or why it cannot be shown."""
    try:
        listing = service.list_directory(collection, path, limit=limit)
    except TimersError as error:
        return Opened(path or collection.default_directory, problem=error.message.removeprefix("path: "))
    base = listing.path.rstrip("/")
    items = [
        Item(entry.name, entry.kind, f"{base}/{entry.name}", entry.size, entry.modified_at) for entry in listing.entries
    ]
    return Opened(
        listing.path, sorted(items, key=lambda item: (not item.folder, item.name.casefold())), listing.truncated
    )
