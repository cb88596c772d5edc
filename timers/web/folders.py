"""A folder of a collection, opened to be shown: on the collection's page and where paths are picked."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from timers.copying import paths
from timers.copying.plan import Kind
from timers.errors import TimersError
from timers.models import Collection
from timers.services import collections as service

MOST_READ = 10_000
"""So many entries of a folder are read and put in order; what a store has beyond them is not shown."""


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
    """A page of a folder that was opened, with folders first; `problem` says why it cannot be shown."""

    path: str
    items: list[Item] = field(default_factory=list)
    total: int = 0
    """How many things are in it, of which at most MOST_READ were read."""
    truncated: bool = False
    """Whether there are more than that."""
    bytes: int = 0
    """Of all the files in it that were read."""
    page: int = 1
    pages: int = 1
    problem: str = ""

    @property
    def crumbs(self) -> list[Crumb]:
        names = paths.parts(self.path)
        return [Crumb(name, "/" + "/".join(names[: i + 1]) + "/") for i, name in enumerate(names)]

    @property
    def before(self) -> int:
        return self.page - 1

    @property
    def next(self) -> int:
        return self.page + 1

    @property
    def above(self) -> str:
        """The folder around this one; empty at the root."""
        return paths.parent(self.path.rstrip("/")) if self.path.strip("/") else ""


def open_folder(collection: Collection, path: str | None, *, limit: int, page: int = 1) -> Opened:
    """Return a page of `limit` entries of the folder that was meant, its default one without a path.

    Or why it cannot be shown. A page that it does not have is its nearest one.
    """
    try:
        listing = service.list_directory(collection, path, limit=MOST_READ)
    except TimersError as error:
        return Opened(path or collection.default_directory, problem=error.message.removeprefix("path: "))
    base = listing.path.rstrip("/")
    items = [
        Item(entry.name, entry.kind, f"{base}/{entry.name}", entry.size, entry.modified_at) for entry in listing.entries
    ]
    items.sort(key=lambda item: (not item.folder, item.name.casefold()))
    pages = max(1, -(-len(items) // limit))
    page = min(max(page, 1), pages)
    return Opened(
        listing.path,
        items[(page - 1) * limit : page * limit],
        total=len(items),
        truncated=listing.truncated,
        bytes=sum(item.size for item in items if item.file),
        page=page,
        pages=pages,
    )
